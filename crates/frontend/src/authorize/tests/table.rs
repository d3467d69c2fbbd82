//! Every credential that is tried, and what the rule says of each.

use headwater_types::UnixMillis;

pub const VERBS: [&str; 6] = ["GET", "HEAD", "PUT", "POST", "DELETE", "LIST"];
const READS: &[&str] = &["GET", "HEAD", "LIST"];
const WRITES: &[&str] = &["PUT", "POST", "DELETE"];
pub const NOW: UnixMillis = UnixMillis(1_764_000_000_000);
const LATER: u64 = NOW.0 / 1000 + 1;
const PASSED: u64 = NOW.0 / 1000;

/// A credential, and what the rule says of it.
pub struct Credential {
    pub name: &'static str,
    pub form: Form,
    pub valid: bool,
    pub stale: bool,
    /// Of the name that is asked for.
    pub grants: &'static [&'static str],
}

/// How it is presented. Keys are named as [`super::world::World::new`] names them.
pub enum Form {
    /// An Authorization header, `{}` being the key.
    Header(&'static str, &'static str),
    Basic(&'static str),
    Digest {
        key: &'static str,
        sha256: bool,
        realm: &'static str,
        issued: u64,
        change: Change,
    },
    /// `?token=`, or as Bearer.
    Token {
        bearer: bool,
        signer: &'static str,
        ns: &'static str,
        prefix: &'static str,
        exp: u64,
        verbs: &'static [&'static str],
    },
    /// The key in `?token=`.
    KeyToken(&'static str),
    Url {
        signer: &'static str,
        ns: &'static str,
        prefix: &'static str,
        exp: u64,
        tamper: bool,
    },
}

#[derive(Clone, Copy, PartialEq)]
pub enum Change {
    None,
    Password,
    Method,
    Uri,
    Nonce,
}

const fn valid(name: &'static str, form: Form, grants: &'static [&'static str]) -> Credential {
    Credential { name, form, valid: true, stale: false, grants }
}

const fn invalid(name: &'static str, form: Form) -> Credential {
    Credential { name, form, valid: false, stale: false, grants: &[] }
}

const fn digest_by(key: &'static str) -> Form {
    Form::Digest { key, sha256: true, realm: "live", issued: NOW.0, change: Change::None }
}

const fn digest(sha256: bool, issued: u64, change: Change) -> Form {
    Form::Digest { key: "digest", sha256, realm: "live", issued, change }
}

const fn token(signer: &'static str, prefix: &'static str, exp: u64, verbs: &'static [&'static str]) -> Form {
    Form::Token { bearer: false, signer, ns: "live", prefix, exp, verbs }
}

const fn url(signer: &'static str, prefix: &'static str, exp: u64) -> Form {
    Form::Url { signer, ns: "live", prefix, exp, tamper: false }
}

pub static CREDENTIALS: [Credential; 34] = [
    valid("key", Form::Header("{}", "key"), &VERBS),
    valid("read-only key", Form::Header("Bearer {}", "read-only"), READS),
    valid("write-only key", Form::Header("Bearer {}", "write-only"), WRITES),
    valid("key with the prefix", Form::Header("{}", "prefix"), &VERBS),
    valid("key from here", Form::Header("{}", "from here"), &VERBS),
    valid("key in the query", Form::KeyToken("key"), &VERBS),
    valid("Basic", Form::Basic("read-only"), READS),
    valid("key from elsewhere", Form::Header("{}", "from elsewhere"), &[]),
    valid("key of another namespace", Form::Header("Bearer {}", "other"), &[]),
    valid("key with another prefix", Form::Header("{}", "other prefix"), &[]),
    valid("admin key", Form::Header("Bearer {}", "admin"), &[]),
    invalid("expired key", Form::Header("Bearer {}", "expired")),
    invalid("revoked key", Form::Header("Bearer {}", "revoked")),
    invalid("malformed", Form::Header("Bearer hw_{}", "key")),
    invalid("malformed Basic", Form::Header("Basic {}", "key")),
    valid("digest right", digest(true, NOW.0, Change::None), &VERBS),
    valid("digest right with MD5", digest(false, NOW.0 - 299_000, Change::None), &VERBS),
    Credential { stale: true, ..invalid("digest stale", digest(true, NOW.0 - 301_000, Change::None)) },
    Credential { stale: true, ..invalid("digest of no nonce of ours", digest(true, NOW.0, Change::Nonce)) },
    invalid("digest wrong", digest(true, NOW.0, Change::Password)),
    invalid("digest of another method", digest(true, NOW.0, Change::Method)),
    invalid("digest of another target", digest(true, NOW.0, Change::Uri)),
    invalid(
        "digest of a key without",
        Form::Digest { key: "key", sha256: true, realm: "live", issued: NOW.0, change: Change::None },
    ),
    invalid(
        "digest of another realm",
        Form::Digest { key: "digest", sha256: true, realm: "other", issued: NOW.0, change: Change::None },
    ),
    valid("token", token("live", "live/", LATER, &["GET", "HEAD"]), &["GET", "HEAD"]),
    valid(
        "bearer token for all",
        Form::Token {
            bearer: true,
            signer: "live",
            ns: "live",
            prefix: "",
            exp: LATER,
            verbs: &["LIST", "PUT"],
        },
        &["LIST", "PUT"],
    ),
    valid("token of another prefix", token("live", "vod/", LATER, &VERBS), &[]),
    valid("digest of a read-only key", digest_by("read-only digest"), READS),
    valid("digest of a key from elsewhere", digest_by("digest from elsewhere"), &[]),
    invalid("digest of an expired key", digest_by("expired digest")),
    invalid("digest of a revoked key", digest_by("revoked")),
    valid(
        "token of another namespace",
        Form::Token { bearer: false, signer: "other", ns: "other", prefix: "", exp: LATER, verbs: &VERBS },
        &[],
    ),
    invalid("expired token", token("live", "live/", PASSED, &VERBS)),
    invalid("token by another's key", token("other", "live/", LATER, &VERBS)),
];

pub static URLS: [Credential; 7] = [
    valid("signed URL", url("live", "live/", LATER), &["GET", "HEAD"]),
    valid("signed URL for all", url("live", "", LATER), &["GET", "HEAD"]),
    valid("signed URL of another prefix", url("live", "liv", LATER), &[]),
    valid(
        "signed URL of another namespace",
        Form::Url { signer: "other", ns: "other", prefix: "", exp: LATER, tamper: false },
        &[],
    ),
    invalid("expired signed URL", url("live", "live/", PASSED)),
    invalid("signed URL by another's key", url("other", "live/", LATER)),
    invalid(
        "signed URL with another signature",
        Form::Url { signer: "live", ns: "live", prefix: "live/", exp: LATER, tamper: true },
    ),
];
