//! A namespace that offers Digest, another one, keys of both, and the requests that can be made with them.

use super::{
    super::{Action, Grant, Refusal, authorize},
    table::{Change, Credential, Form, NOW},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use headwater_meta::{
    DigestHashes, KeyRecord, MetaCache, NamespaceRecord, NamespaceSettings, Permission, SigningKeyRecord,
    State, WatchEvent, secret,
};
use headwater_types::{
    ApiKey, NamespaceId, NamespaceName, SeededRng, UnixMillis,
    signing::{Claims, SigningKey},
};
use http::{HeaderValue, Request, header, request};
use md5::Md5;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, sync::Arc};

use crate::{
    credentials::{
        Presented, challenge,
        check::{Checked, Checker},
    },
    net::{ConnInfo, ConnectionId, Protocol},
    policy::{Policies, Policy},
    query::Query,
};

const LIVE: NamespaceId = NamespaceId(7);
const OTHER: NamespaceId = NamespaceId(8);

pub struct World {
    cache: Arc<MetaCache>,
    /// One for all requests: what it remembers of one must not let the next one in.
    connection: ConnInfo,
    live: Arc<Policy>,
    keys: BTreeMap<&'static str, ApiKey>,
    pub signing: SigningKey,
    other_signing: SigningKey,
}

impl World {
    pub fn new() -> Self {
        let rng = SeededRng::new(5);
        let mut state = State { version: 1, ..State::default() };
        for (id, name, digest) in [(LIVE, "live", true), (OTHER, "other", false)] {
            let settings = NamespaceSettings { digest, ..NamespaceSettings::default() };
            let name = NamespaceName::parse(name).unwrap();
            state.names.insert(name.clone(), id);
            let record = NamespaceRecord {
                id,
                name,
                created_at: NOW,
                updated_at: NOW,
                version: 1,
                settings,
                blocked: Vec::new(),
            };
            state.namespaces.insert(id, Arc::new(record));
        }
        let (mut keys, all) = (BTreeMap::new(), Permission::ReadWrite);
        for (name, namespace, permission, prefix, cidr, expires) in [
            ("key", Some(LIVE), all, None, None, None),
            ("read-only", Some(LIVE), Permission::ReadOnly, None, None, Some(NOW.0 + 1)),
            ("write-only", Some(LIVE), Permission::WriteOnly, None, None, None),
            ("prefix", Some(LIVE), all, Some("live/"), None, None),
            ("from here", Some(LIVE), all, None, Some("192.0.2.0/24"), None),
            ("from elsewhere", Some(LIVE), all, None, Some("198.51.100.0/24"), None),
            ("other", Some(OTHER), all, None, None, None),
            ("other prefix", Some(LIVE), all, Some("vod/"), None, None),
            ("admin", None, Permission::Admin, None, None, None),
            ("expired", Some(LIVE), all, None, None, Some(NOW.0)),
            ("revoked", None, all, None, None, None),
            ("digest", Some(LIVE), all, None, None, None),
            ("read-only digest", Some(LIVE), Permission::ReadOnly, None, None, None),
            ("digest from elsewhere", Some(LIVE), all, None, Some("198.51.100.0/24"), None),
            ("expired digest", Some(LIVE), all, None, None, Some(NOW.0)),
        ] {
            let key = ApiKey::generate(&rng);
            let a1 = format!("{}:live:{}", key.id, key.reveal());
            let hashes = DigestHashes { md5: hex(&Md5::digest(&a1)), sha256: hex(&Sha256::digest(&a1)) };
            let record = KeyRecord {
                id: key.id.clone(),
                secret_sha256: secret::hash(&key),
                namespace,
                permission,
                prefix: prefix.map(str::to_owned),
                created_at: UnixMillis(0),
                expires_at: expires.map(UnixMillis),
                cidrs: cidr.map(|cidr: &str| cidr.parse().unwrap()).into_iter().collect(),
                digest: name.contains("digest").then_some(hashes),
                rate_limits: Default::default(),
                version: 1,
            };
            if name != "revoked" {
                state.keys.insert(key.id.clone(), Arc::new(record));
            }
            keys.insert(name, key);
        }
        let (signing, other_signing) = (SigningKey::generate(&rng), SigningKey::generate(&rng));
        for (key, namespace) in [(&signing, LIVE), (&other_signing, OTHER)] {
            let (id, secret) = (key.id.clone(), key.reveal());
            let record = SigningKeyRecord { id, namespace, secret, created_at: NOW, version: 1 };
            state.signing_keys.insert(key.id.clone(), Arc::new(record));
        }
        let cache = MetaCache::new();
        cache.apply(WatchEvent::Snapshot(Box::new(state)));
        let live = Policies::new().of(cache.namespace("live").unwrap());
        let peer = "192.0.2.1:4711".parse().unwrap();
        let connection = ConnInfo::new(ConnectionId(1), peer, Protocol::Http1);
        Self { cache, connection, live, keys, signing, other_signing }
    }

    pub fn key(&self, name: &str) -> &ApiKey {
        &self.keys[name]
    }

    pub fn record(&self, name: &str) -> Arc<KeyRecord> {
        self.cache.verify(self.key(name), UnixMillis(0)).unwrap()
    }

    fn signer(&self, name: &str) -> &SigningKey {
        if name == "live" { &self.signing } else { &self.other_signing }
    }

    /// What is decided of a request with these credentials, for `live/a.ts` or what is below `live/`.
    pub fn ask(&self, namespace: &str, chosen: &[&Credential], verb: &str) -> Result<Grant, Refusal> {
        let parts = self.request(namespace, chosen, verb);
        let name = "live/a.ts";
        let action = match verb {
            "GET" => Action::Get(name),
            "HEAD" => Action::Head(name),
            "PUT" => Action::Put(name),
            "POST" => Action::Post(name),
            "DELETE" => Action::Delete(name),
            _ => Action::List("live/"),
        };
        let checker = Checker {
            cache: &self.cache,
            connection: &self.connection,
            policy: (namespace == "live").then_some(&*self.live),
            parts: &parts,
            now: NOW,
            trusted_proxies: &[],
        };
        authorize(checker, Query::of(&parts.uri), action)
    }

    /// Whether what may be a key or a token is a valid one.
    pub fn is_valid(&self, secret: &str) -> bool {
        let (parts, ()) = Request::get("/").body(()).unwrap().into_parts();
        let policy = Some(&*self.live);
        let checker = Checker {
            cache: &self.cache,
            connection: &self.connection,
            policy,
            parts: &parts,
            now: NOW,
            trusted_proxies: &[],
        };
        matches!(checker.check(Presented::Secret(secret.into())), Checked::Valid(_))
    }

    fn request(&self, namespace: &str, chosen: &[&Credential], verb: &str) -> request::Parts {
        let (method, path) = match verb {
            "LIST" => ("GET", "?list&prefix=live/"),
            method => (method, "/live/a.ts?x=1"),
        };
        let query: String = chosen.iter().filter_map(|credential| self.in_query(&credential.form)).collect();
        let target = format!("/cache/{namespace}{path}{query}");
        let request = Request::builder().method(method).uri(&target);
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        for credential in chosen {
            if let Some(value) = self.in_header(&credential.form, method, &target) {
                parts.headers.append(header::AUTHORIZATION, value);
            }
        }
        parts
    }

    fn in_query(&self, form: &Form) -> Option<String> {
        match form {
            Form::KeyToken(key) => Some(format!("&token={}", self.key(key).reveal())),
            Form::Token { bearer: false, .. } => Some(format!("&token={}", self.token(form))),
            Form::Url { signer, ns, prefix, exp, tamper } => {
                let key = self.signer(signer);
                let mut signature = key.sign_url(&NamespaceName::parse(ns).unwrap(), prefix, *exp);
                if *tamper {
                    signature = key.sign_url(&NamespaceName::parse(ns).unwrap(), prefix, exp + 1);
                }
                Some(format!("&hw_exp={exp}&hw_prefix={prefix}&hw_kid={}&hw_sig={signature}", key.id))
            }
            _ => None,
        }
    }

    fn token(&self, form: &Form) -> String {
        let Form::Token { signer, ns, prefix, exp, verbs, .. } = form else { unreachable!("only tokens") };
        let key = self.signer(signer);
        let verbs = verbs.iter().map(ToString::to_string).collect();
        let (ns, prefix) = ((*ns).to_owned(), (*prefix).to_owned());
        key.token(&Claims { ns, prefix, exp: *exp, verbs, kid: key.id.to_string() })
    }

    fn in_header(&self, form: &Form, method: &str, target: &str) -> Option<HeaderValue> {
        let text = match form {
            Form::Header(form, key) => form.replace("{}", &self.key(key).reveal()),
            Form::Basic(key) => {
                format!("Basic {}", STANDARD.encode(format!("momento:{}", self.key(key).reveal())))
            }
            Form::Token { bearer: true, .. } => format!("Bearer {}", self.token(form)),
            Form::Digest { key, sha256, realm, issued, change } => {
                let challenges = challenge::digest(&self.cache, Some(&self.live), UnixMillis(*issued), false);
                let challenge = challenges[usize::from(!sha256)].to_str().unwrap();
                let nonce = challenge.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
                let answer = Answer { key: self.key(key), sha256: *sha256, realm, change: *change };
                answer.header(method, target, nonce)
            }
            _ => return None,
        };
        Some(HeaderValue::from_str(&text).unwrap())
    }
}

/// What a client computes, told a second time.
struct Answer<'a> {
    key: &'a ApiKey,
    sha256: bool,
    realm: &'a str,
    change: Change,
}

impl Answer<'_> {
    fn hash(&self, text: String) -> String {
        if self.sha256 { hex(&Sha256::digest(text)) } else { hex(&Md5::digest(text)) }
    }

    fn header(&self, method: &str, target: &str, nonce: &str) -> String {
        let uri = if self.change == Change::Uri { "/cache/live/b.ts" } else { target };
        let method = if self.change == Change::Method { "OPTIONS" } else { method };
        let password = if self.change == Change::Password { String::new() } else { self.key.reveal() };
        let nonce = if self.change == Change::Nonce { "0" } else { nonce };
        let (user, realm) = (&self.key.id, self.realm);
        let (a1, a2) =
            (self.hash(format!("{user}:{realm}:{password}")), self.hash(format!("{method}:{uri}")));
        let response = self.hash(format!("{a1}:{nonce}:00000001:c0ffee:auth:{a2}"));
        let algorithm = if self.sha256 { "SHA-256" } else { "MD5" };
        format!(
            "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\", algorithm={algorithm}, qop=auth, nc=00000001, cnonce=\"c0ffee\""
        )
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
