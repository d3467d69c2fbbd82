//! What a presented credential is worth.

use headwater_meta::{DigestHashes, KeyRecord, MetaCache};
use headwater_types::{
    ApiKey, KeyId, NamespaceId, NamespaceName, UnixMillis,
    signing::{SigningKey, SigningKeyId, UnverifiedToken},
};
use http::{header, request};
use ipnet::IpNet;
use std::sync::Arc;

use super::{DigestAnswer, Presented, SignedUrl, nonce};
use crate::{
    authorize::{Right, Signed},
    client_address,
    net::ConnInfo,
    policy::Policy,
};

/// Longest viewer token, in bytes: its claims are read before its signature can be checked.
const TOKEN_BYTES_MAX: usize = 4096;
/// Longest name of a key or signing key that is looked up, in bytes.
const ID_BYTES_MAX: usize = 64;

/// What is known when a request's credentials are checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Checker<'a> {
    pub cache: &'a MetaCache,
    pub connection: &'a ConnInfo,
    /// Of the namespace that is addressed; `None` where there is none of that name.
    pub policy: Option<&'a Policy>,
    pub parts: &'a request::Parts,
    /// By the wall clock.
    pub now: UnixMillis,
    pub trusted_proxies: &'a [IpNet],
}

/// What came out.
#[derive(Debug)]
pub(crate) enum Checked {
    /// It gives a right, whether or not it is the one that is needed.
    Valid(Right),
    /// A right Digest answer to a nonce that has ended.
    Stale,
    /// Unknown, forged, expired, revoked or malformed.
    Invalid,
}

impl Checked {
    fn of(right: Option<Right>) -> Self {
        right.map_or(Self::Invalid, Self::Valid)
    }
}

impl Checker<'_> {
    /// Checks one credential.
    pub fn check(&self, presented: Presented<'_>) -> Checked {
        match presented {
            Presented::Secret(text) => Checked::of(self.secret(&text)),
            Presented::SignedUrl(url) => Checked::of(self.signed_url(url).map(Right::Signed)),
            Presented::Digest(answer) => self.digest(&answer),
        }
    }

    /// The right of the key in a raw or Bearer header, if the connection presented that very key before.
    pub fn recalled(&self) -> Option<Right> {
        let header = self.parts.headers.get(header::AUTHORIZATION)?;
        let text = std::str::from_utf8(header.as_bytes()).ok()?;
        let key = text.strip_prefix("Bearer ").unwrap_or(text);
        let record = self.connection.verified.recall(key, self.cache.version(), self.now)?;
        Some(self.key(record))
    }

    /// The right of an API key or a viewer token. A key that the connection presented before is not verified again.
    fn secret(&self, text: &str) -> Option<Right> {
        // Before anything is looked up: what is remembered must not be newer than what it was verified by.
        let version = self.cache.version();
        if let Some(record) = self.connection.verified.recall(text, version, self.now) {
            return Some(self.key(record));
        }
        let Ok(key) = ApiKey::parse(text) else { return self.token(text).map(Right::Signed) };
        let record = self.cache.verify(&key, self.now)?;
        self.connection.verified.remember(text, version, record.clone());
        Some(self.key(record))
    }

    /// The right of a valid key. Where the client is matters only to keys that say where they may be used from.
    fn key(&self, record: Arc<KeyRecord>) -> Right {
        let nets = &record.cidrs;
        let from_here = nets.is_empty()
            || client_address::of(self.connection.peer, &self.parts.headers, self.trusted_proxies)
                .is_some_and(|address| client_address::is_within(address, nets));
        Right::Key { record, from_here }
    }

    /// A viewer token is valid if a live signing key of the namespace that it names has signed it.
    fn token(&self, text: &str) -> Option<Signed> {
        if text.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let token = UnverifiedToken::parse(text)?;
        let (key, namespace, name) = self.signing_key(&token.claims.kid)?;
        let valid =
            token.claims.ns == name.as_str() && self.is_before(token.claims.exp) && token.signed_by(&key);
        let (prefix, verbs) = (token.claims.prefix, token.claims.verbs);
        valid.then_some(Signed { kid: key.id, namespace, prefix, verbs })
    }

    /// A signed URL is valid if a live signing key has signed it for its namespace: at another one it is a valid
    /// credential that does not grant, as any other.
    fn signed_url(&self, url: SignedUrl<'_>) -> Option<Signed> {
        let (key, namespace, name) = self.signing_key(&url.kid)?;
        let valid = self.is_before(url.exp) && key.verifies_url(&name, &url.prefix, url.exp, &url.signature);
        let verbs = ["GET", "HEAD"].map(str::to_owned).into();
        valid.then(|| Signed { kid: key.id, namespace, prefix: url.prefix.into_owned(), verbs })
    }

    /// A live signing key, and the namespace that it signs for.
    fn signing_key(&self, kid: &str) -> Option<(SigningKey, NamespaceId, NamespaceName)> {
        if kid.len() > ID_BYTES_MAX {
            return None;
        }
        let record = self.cache.signing_key(&SigningKeyId(kid.into()))?;
        let namespace = self.cache.namespace_by_id(record.namespace)?;
        let key = SigningKey::from_secret(record.id.clone(), &record.secret)?;
        Some((key, namespace.id, namespace.name.clone()))
    }

    /// Whether a time in seconds has not come yet.
    fn is_before(&self, exp: u64) -> bool {
        self.now.0 < exp.saturating_mul(1000)
    }

    /// A Digest answer is looked at only in a namespace that offers it. Its key's hashes hold for one namespace, so a
    /// key of another is not valid here at all.
    fn digest(&self, answer: &DigestAnswer<'_>) -> Checked {
        match self.digest_key(answer) {
            None => Checked::Invalid,
            Some((record, namespace)) if nonce::is_fresh(self.cache, namespace, self.now, &answer.nonce) => {
                Checked::Valid(self.key(record))
            }
            Some(_) => Checked::Stale,
        }
    }

    /// The key whose owner gave this answer to this request, whatever its nonce.
    fn digest_key(&self, answer: &DigestAnswer<'_>) -> Option<(Arc<KeyRecord>, NamespaceId)> {
        let policy = self.policy.filter(|policy| policy.settings().digest)?;
        let target = self.parts.uri.path_and_query()?.as_str();
        if answer.realm != *policy.label || answer.uri != target || answer.username.len() > ID_BYTES_MAX {
            return None;
        }
        let record = self.cache.key(&KeyId((&*answer.username).into()), self.now)?;
        let right = |hashes: &DigestHashes| answer.is_right(hashes, self.parts.method.as_str());
        let valid = record.namespace == Some(policy.id()) && record.digest.as_ref().is_some_and(right);
        valid.then(|| (record, policy.id()))
    }
}
