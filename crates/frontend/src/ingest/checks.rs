//! Digests that an encoder sends with a body: Content-MD5 (RFC 1864) and Content-Digest (RFC 9530, sha-256).

use base64::{Engine, engine::general_purpose::STANDARD};
use headwater_types::ErrorCode;
use http::{HeaderMap, header::HeaderName};
use md5::{Digest as _, Md5};
use sha2::Sha256;

use crate::problem::Problem;

const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// What is computed over a body because its request promised the result.
#[derive(Default)]
pub(crate) struct BodyChecks {
    md5: Option<(Md5, [u8; 16])>,
    sha256: Option<(Sha256, [u8; 32])>,
}

impl BodyChecks {
    /// The checks that the headers ask for. Algorithms that we do not know are ignored, as RFC 9530 section 2 allows.
    pub fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut checks = Self::default();
        if let Some(value) = headers.get(CONTENT_MD5) {
            checks.md5 = Some((Md5::new(), decode(value.as_bytes(), "Content-MD5")?));
        }
        for value in headers.get_all(CONTENT_DIGEST) {
            let text = value.to_str().map_err(|_| malformed("Content-Digest"))?;
            for member in text.split(',') {
                let (algorithm, value) = member.split_once('=').ok_or_else(|| malformed("Content-Digest"))?;
                if algorithm.trim() == "sha-256" {
                    let bytes = value.trim().strip_prefix(':').and_then(|v| v.strip_suffix(':'));
                    let bytes = bytes.ok_or_else(|| malformed("Content-Digest"))?;
                    checks.sha256 = Some((Sha256::new(), decode(bytes.as_bytes(), "Content-Digest")?));
                }
            }
        }
        Ok(checks)
    }

    /// Adds bytes of the body.
    pub fn update(&mut self, bytes: &[u8]) {
        if let Some((md5, _)) = &mut self.md5 {
            md5.update(bytes);
        }
        if let Some((sha256, _)) = &mut self.sha256 {
            sha256.update(bytes);
        }
    }

    /// Whether the body was what was promised.
    pub fn finish(self) -> Result<(), Problem> {
        let md5 = self.md5.is_none_or(|(md5, want)| md5.finalize()[..] == want);
        let sha256 = self.sha256.is_none_or(|(sha256, want)| sha256.finalize()[..] == want);
        if md5 && sha256 {
            Ok(())
        } else {
            let which = if md5 { "Content-Digest" } else { "Content-MD5" };
            Err(Problem::new(
                ErrorCode::DigestMismatch,
                format!("the body does not match {which}; nothing was stored"),
            ))
        }
    }
}

fn decode<const N: usize>(text: &[u8], header: &'static str) -> Result<[u8; N], Problem> {
    STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| malformed(header))
}

fn malformed(header: &'static str) -> Problem {
    Problem::new(ErrorCode::MalformedDigest, format!("{header} is not a base64 digest of the right length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The outcome over the body "hello".
    fn outcome(name: HeaderName, value: &str) -> Result<(), &'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        let checked = BodyChecks::of(&headers).and_then(|mut checks| {
            checks.update(b"hel");
            checks.update(b"lo");
            checks.finish()
        });
        checked.map_err(|problem| problem.code.code())
    }

    #[test]
    fn right_wrong_and_malformed() {
        let sha256 = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
        for (name, value, want) in [
            (CONTENT_MD5, "XUFAKrxLKna5cZ2REBfFkg==".to_owned(), Ok(())),
            (CONTENT_MD5, "XUFAKrxLKna5cZ2REBfFkw==".to_owned(), Err("digest_mismatch")),
            (CONTENT_MD5, "5d41402abc4b2a76b9719d911017c592".to_owned(), Err("malformed_digest")),
            (CONTENT_DIGEST, format!("sha-256=:{sha256}:"), Ok(())),
            (CONTENT_DIGEST, format!("sha-512=:AA==:, sha-256=:{sha256}:"), Ok(())),
            (CONTENT_DIGEST, "sha-512=:AA==:".to_owned(), Ok(())),
            (CONTENT_DIGEST, format!("sha-256=:A{}:", &sha256[1..]), Err("digest_mismatch")),
            (CONTENT_DIGEST, format!("sha-256={sha256}"), Err("malformed_digest")),
            (CONTENT_DIGEST, "sha-256".to_owned(), Err("malformed_digest")),
        ] {
            assert_eq!(outcome(name.clone(), &value), want, "{name}: {value}");
        }
    }
}
