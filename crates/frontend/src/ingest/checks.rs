//! Digests that an encoder sends with a body: Content-MD5 (RFC 1864) and Content-Digest (RFC 9530, sha-256).

use base64::{Engine, engine::general_purpose::STANDARD};
use headwater_types::ErrorCode;
use http::{HeaderMap, HeaderValue, header::HeaderName};
use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::digest_field;
use crate::problem::Problem;

const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");
/// The name of the algorithm (RFC 9530 section 5).
const SHA_256: &str = "sha-256";
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// What is computed over a body because its request promised the result.
#[derive(Default)]
pub(crate) struct BodyChecks {
    md5: Option<(Md5, [u8; 16])>,
    sha256: Option<(Sha256, [u8; 32])>,
}

impl BodyChecks {
    /// The checks that the headers ask for. Algorithms other than sha-256 are ignored, as RFC 9530 section 2 allows, but a
    /// field that is malformed is refused, whatever its algorithms: its sender wants something checked.
    pub fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut checks = Self::default();
        let mut lines = headers.get_all(CONTENT_MD5).iter();
        if let Some(value) = lines.next() {
            if lines.next().is_some() {
                return Err(malformed("Content-MD5 is there twice, and is no list"));
            }
            let digest = STANDARD.decode(value.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
            let digest = digest.ok_or_else(|| malformed("Content-MD5 is not the base64 of 16 bytes"))?;
            checks.md5 = Some((Md5::new(), digest));
        }
        // Several lines of it are one list (RFC 9651 section 4.2).
        let lines: Result<Vec<&str>, _> =
            headers.get_all(CONTENT_DIGEST).iter().map(HeaderValue::to_str).collect();
        let field = lines.ok().and_then(|lines| digest_field::digest(&joined(&lines), SHA_256));
        let sha256 = field.ok_or_else(|| {
            malformed("Content-Digest is not a list like sha-256=:BASE64:, sha-512=:BASE64: (RFC 9530)")
        })?;
        if let Some(bytes) = sha256 {
            let digest = bytes.try_into().ok();
            let digest =
                digest.ok_or_else(|| malformed("the sha-256 of Content-Digest is not of 32 bytes"))?;
            checks.sha256 = Some((Sha256::new(), digest));
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

/// The lines of a field as one; an empty one adds nothing.
fn joined(lines: &[&str]) -> String {
    let lines: Vec<&str> = lines.iter().copied().filter(|line| !line.trim().is_empty()).collect();
    lines.join(", ")
}

fn malformed(detail: &'static str) -> Problem {
    Problem::new(ErrorCode::MalformedDigest, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The outcome over the body "hello".
    fn outcome(lines: &[(HeaderName, String)]) -> Result<(), &'static str> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, value.parse().unwrap());
        }
        let checked = BodyChecks::of(&headers).and_then(|mut checks| {
            checks.update(b"hel");
            checks.update(b"lo");
            checks.finish()
        });
        checked.map_err(|problem| problem.code.code())
    }

    const MD5: &str = "XUFAKrxLKna5cZ2REBfFkg==";
    const SHA256: &str = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";

    #[test]
    fn right_wrong_and_malformed() {
        let short = &SHA256[..40];
        for (name, value, want) in [
            (CONTENT_MD5, MD5.to_owned(), Ok(())),
            (CONTENT_MD5, "XUFAKrxLKna5cZ2REBfFkw==".to_owned(), Err("digest_mismatch")),
            (CONTENT_MD5, "5d41402abc4b2a76b9719d911017c592".to_owned(), Err("malformed_digest")),
            (CONTENT_MD5, String::new(), Err("malformed_digest")),
            (CONTENT_MD5, format!("{MD5}, {MD5}"), Err("malformed_digest")),
            (CONTENT_DIGEST, format!("sha-256=:{SHA256}:"), Ok(())),
            (CONTENT_DIGEST, format!("sha-512=:AA==:, sha-256=:{SHA256}:"), Ok(())),
            (CONTENT_DIGEST, "sha-512=:AA==:".to_owned(), Ok(())),
            (CONTENT_DIGEST, "unknown=:AA==:".to_owned(), Ok(())),
            (CONTENT_DIGEST, String::new(), Ok(())),
            (CONTENT_DIGEST, format!("sha-256=:A{}:", &SHA256[1..]), Err("digest_mismatch")),
            (CONTENT_DIGEST, format!("sha-256={SHA256}"), Err("malformed_digest")),
            (CONTENT_DIGEST, format!("SHA-256=:{SHA256}:"), Err("malformed_digest")),
            (CONTENT_DIGEST, format!("sha-256=:{short}:"), Err("malformed_digest")),
            (CONTENT_DIGEST, format!("sha-256=:{SHA256}:, x"), Err("malformed_digest")),
            (CONTENT_DIGEST, "sha-256".to_owned(), Err("malformed_digest")),
            (CONTENT_DIGEST, "sha-512=nonsense".to_owned(), Err("malformed_digest")),
            (CONTENT_DIGEST, "nonsense".to_owned(), Err("malformed_digest")),
        ] {
            assert_eq!(outcome(&[(name.clone(), value.clone())]), want, "{name}: {value}");
        }
    }

    #[test]
    fn several_lines_are_one_list_or_refused() {
        let digest = |text: &str| (CONTENT_DIGEST, text.to_owned());
        let (right, wrong) = (format!("sha-256=:{SHA256}:"), format!("sha-256=:A{}:", &SHA256[1..]));
        assert_eq!(outcome(&[digest("sha-512=:AA==:"), digest(&right)]), Ok(()));
        assert_eq!(outcome(&[digest(""), digest(&right)]), Ok(()));
        assert_eq!(outcome(&[digest(&wrong), digest(&right)]), Ok(()), "the last one counts");
        assert_eq!(outcome(&[digest(&right), digest(&wrong)]), Err("digest_mismatch"));
        assert_eq!(outcome(&[digest(&right), digest("x")]), Err("malformed_digest"));
        let md5 = || (CONTENT_MD5, MD5.to_owned());
        assert_eq!(outcome(&[md5(), md5()]), Err("malformed_digest"));
        assert_eq!(outcome(&[md5(), digest(&right)]), Ok(()));
        assert_eq!(outcome(&[md5(), digest(&wrong)]), Err("digest_mismatch"));
    }
}
