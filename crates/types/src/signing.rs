//! Signed URLs and viewer tokens: what is signed, and by what.
//!
//! Both are HMAC-SHA-256 (RFC 2104) by a signing key of the namespace, in base64url without padding.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::{fmt, sync::Arc};

use crate::{NamespaceName, Rng};

/// Bytes of a signing key's secret.
pub const SECRET_BYTES: usize = 32;
/// What a viewer token begins with.
const TOKEN_PREFIX: &str = "hwv1.";

/// Names a signing key in URLs and tokens: 8 base-62 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SigningKeyId(pub Arc<str>);

impl fmt::Display for SigningKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A signing key. Its `Debug` shows the id only.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// Its name.
    pub id: SigningKeyId,
    secret: [u8; SECRET_BYTES],
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, secret redacted)", self.id)
    }
}

/// What a viewer token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The namespace's name.
    pub ns: String,
    /// Keys that begin with this; it ends at a `/`, or is empty for all of the namespace.
    pub prefix: String,
    /// Until when, in seconds since 1970.
    pub exp: u64,
    /// What is allowed: `GET`, `HEAD`, `PUT`, `POST`, `DELETE`, `LIST`.
    pub verbs: Vec<String>,
    /// Which key signs.
    pub kid: String,
}

impl SigningKey {
    /// Makes a new key.
    pub fn generate(rng: &dyn Rng) -> Self {
        let mut secret = [0; SECRET_BYTES];
        rng.fill_secret(&mut secret);
        Self { id: SigningKeyId(crate::api_key::base62(rng, 8).into()), secret }
    }

    /// A key from its stored secret; `None` if that is not the base64url of [`SECRET_BYTES`] bytes.
    pub fn from_secret(id: SigningKeyId, secret: &str) -> Option<Self> {
        let secret = URL_SAFE_NO_PAD.decode(secret).ok()?.try_into().ok()?;
        Some(Self { id, secret })
    }

    /// The secret, base64url without padding.
    pub fn reveal(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.secret)
    }

    fn mac(&self, message: &[u8]) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.secret);
        let mut mac = mac.unwrap_or_else(|_| unreachable!("HMAC takes keys of every length"));
        mac.update(message);
        mac
    }

    /// `hw_sig` of a signed URL: over `hw1\n<namespace>\n<prefix>\n<exp>`.
    pub fn sign_url(&self, namespace: &NamespaceName, prefix: &str, exp: u64) -> String {
        let message = format!("hw1\n{namespace}\n{prefix}\n{exp}");
        URL_SAFE_NO_PAD.encode(self.mac(message.as_bytes()).finalize().into_bytes())
    }

    /// Whether `signature` is that of [`Self::sign_url`], in constant time.
    pub fn verifies_url(&self, namespace: &NamespaceName, prefix: &str, exp: u64, signature: &str) -> bool {
        let message = format!("hw1\n{namespace}\n{prefix}\n{exp}");
        self.verifies(message.as_bytes(), signature)
    }

    /// A viewer token: `hwv1.<base64url claims>.<base64url HMAC of the part before>`.
    pub fn token(&self, claims: &Claims) -> String {
        let claims = serde_json::to_vec(claims).unwrap_or_else(|_| unreachable!("claims are plain JSON"));
        let signed = format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(claims));
        let mac = URL_SAFE_NO_PAD.encode(self.mac(signed.as_bytes()).finalize().into_bytes());
        format!("{signed}.{mac}")
    }

    fn verifies(&self, message: &[u8], signature: &str) -> bool {
        URL_SAFE_NO_PAD.decode(signature).is_ok_and(|given| self.mac(message).verify_slice(&given).is_ok())
    }
}

/// A viewer token whose signature is not checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnverifiedToken<'a> {
    /// What it says.
    pub claims: Claims,
    signed: &'a str,
    signature: &'a str,
}

impl<'a> UnverifiedToken<'a> {
    /// Reads a token; `None` if it is none.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let claims = URL_SAFE_NO_PAD.decode(signed.strip_prefix(TOKEN_PREFIX)?).ok()?;
        Some(Self { claims: serde_json::from_slice(&claims).ok()?, signed, signature })
    }

    /// Whether `key` signed it, in constant time.
    pub fn signed_by(&self, key: &SigningKey) -> bool {
        *self.claims.kid == *key.id.0 && key.verifies(self.signed.as_bytes(), self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SeededRng;

    #[test]
    fn urls_and_tokens_are_verified_and_every_change_is_noticed() {
        let (key, other) =
            (SigningKey::generate(&SeededRng::new(1)), SigningKey::generate(&SeededRng::new(2)));
        let again = SigningKey::from_secret(key.id.clone(), &key.reveal()).unwrap();
        let (live, vod) = (NamespaceName::parse("live").unwrap(), NamespaceName::parse("vod").unwrap());
        let signature = key.sign_url(&live, "a/", 100);
        assert!(again.verifies_url(&live, "a/", 100, &signature));
        for wrong in [
            other.verifies_url(&live, "a/", 100, &signature),
            key.verifies_url(&vod, "a/", 100, &signature),
            key.verifies_url(&live, "b/", 100, &signature),
            key.verifies_url(&live, "a/", 101, &signature),
            key.verifies_url(&live, "a/", 100, &signature[1..]),
            key.verifies_url(&live, "a/", 100, ""),
        ] {
            assert!(!wrong);
        }
        let claims = Claims {
            ns: "live".into(),
            prefix: "a/".into(),
            exp: 100,
            verbs: vec!["GET".into()],
            kid: key.id.to_string(),
        };
        let token = key.token(&claims);
        let read = UnverifiedToken::parse(&token).unwrap();
        assert_eq!(read.claims, claims);
        assert!(read.signed_by(&again) && !read.signed_by(&other));
        let forged = token.replacen("hwv1.e", "hwv1.f", 1);
        assert!(UnverifiedToken::parse(&forged).is_none_or(|read| !read.signed_by(&key)));
        for none in ["", "hwv1.", "hwv1.x.y", "hw_a_b", &token[1..]] {
            assert_eq!(UnverifiedToken::parse(none), None, "{none}");
        }
        assert!(!format!("{key:?}").contains(&key.reveal()));
    }
}
