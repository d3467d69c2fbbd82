//! Signed URLs and viewer tokens, made here from a namespace's signing key: no request is needed.
//!
//! ```
//! use headwater_client::{SigningKey, SigningKeyId, sign};
//!
//! // The `id` and the `secret` that making a signing key answered.
//! let secret = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
//! let key = SigningKey::from_secret(SigningKeyId("k1".into()), secret).expect("32 bytes");
//! let until_s = 1_900_000_000;
//! let url = sign::signed_url("https://cdn.example", "live", "news/main.m3u8", "news/", until_s, &key)?;
//! assert!(url.as_str().starts_with("https://cdn.example/cache/live/news/main.m3u8?hw_exp=1900000000&hw_prefix=news"));
//! let token = sign::viewer_token("live", "news/", until_s, &["GET", "HEAD"], &key)?;
//! assert!(token.starts_with("hwv1."));
//! # Ok::<(), headwater_client::Error>(())
//! ```

use headwater_types::{NamespaceName, prefix, signing::Claims};
use reqwest::Url;

use crate::{
    SigningKey,
    client::{base, object_url},
    error::Error,
};

/// What a viewer token can allow.
pub const VERBS: [&str; 6] = ["GET", "HEAD", "PUT", "POST", "DELETE", "LIST"];

/// The URL of an object that can be read, by GET and HEAD, until `until_s` (seconds since 1970) without another
/// credential, together with everything below `prefix`. The prefix is empty for the whole namespace; its closing `/` may be
/// left out. `key` lies below it.
pub fn signed_url(
    origin: &str,
    namespace: &str,
    key: &str,
    prefix: &str,
    until_s: u64,
    signing: &SigningKey,
) -> Result<Url, Error> {
    let mut url = object_url(&base(origin, namespace)?, key)?;
    let prefix = &canonical_prefix(prefix)?;
    if !key.starts_with(prefix) {
        return Err(Error::Url(format!("{key:?} does not lie below the prefix {prefix:?}")));
    }
    let signature = signing.sign_url(&parse(namespace)?, prefix, until_s);
    // The prefix is encoded by hand: a `+` for a space would be a plus to the origin.
    let prefix = percent_encoding::utf8_percent_encode(prefix, percent_encoding::NON_ALPHANUMERIC);
    let query = format!("hw_exp={until_s}&hw_prefix={prefix}&hw_kid={}&hw_sig={signature}", signing.id);
    url.set_query(Some(&query));
    Ok(url)
}

/// A viewer token: allows `verbs` below `prefix` until `until_s` (seconds since 1970). The prefix is empty for the whole
/// namespace; its closing `/` may be left out. The token is presented as `?token=` or as
/// a bearer token.
pub fn viewer_token(
    namespace: &str,
    prefix: &str,
    until_s: u64,
    verbs: &[&str],
    signing: &SigningKey,
) -> Result<String, Error> {
    let prefix = canonical_prefix(prefix)?;
    if verbs.is_empty() {
        return Err(Error::Url("a token without verbs allows nothing".into()));
    }
    if let Some(unknown) = verbs.iter().find(|verb| !VERBS.contains(verb)) {
        return Err(Error::Url(format!("{unknown:?} is no verb: {} are", VERBS.join(", "))));
    }
    Ok(signing.token(&Claims {
        ns: parse(namespace)?.to_string(),
        prefix,
        exp: until_s,
        verbs: verbs.iter().map(ToString::to_string).collect(),
        kid: signing.id.to_string(),
    }))
}

fn parse(namespace: &str) -> Result<NamespaceName, Error> {
    NamespaceName::parse(namespace).map_err(|e| Error::Url(e.to_string()))
}

/// The prefix as it is signed: empty for the whole namespace, else with its closing `/`.
pub fn canonical_prefix(prefix: &str) -> Result<String, Error> {
    if prefix.is_empty() {
        return Ok(String::new());
    }
    prefix::canonical(prefix)
        .map_err(|why| Error::Url(format!("the prefix {prefix:?} is not allowed: it {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_types::{SeededRng, signing::UnverifiedToken};

    #[test]
    fn what_is_made_verifies_and_what_is_wrong_is_refused() {
        let key = SigningKey::generate(&SeededRng::new(7));
        let url = signed_url("http://o:1/", "live", "a b/x.ts", "a b/", 100, &key).unwrap();
        let pairs: std::collections::BTreeMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!((pairs["hw_prefix"].as_str(), pairs["hw_exp"].as_str()), ("a b/", "100"));
        assert!(url.query().unwrap().contains("hw_prefix=a%20b%2F"), "{url}");
        assert!(key.verifies_url(&parse("live").unwrap(), "a b/", 100, &pairs["hw_sig"]));
        let token = viewer_token("live", "", 100, &["GET", "LIST"], &key).unwrap();
        let token = UnverifiedToken::parse(&token).unwrap();
        assert!(token.signed_by(&key) && token.claims.verbs == ["GET", "LIST"]);

        let sign = |object, prefix| signed_url("http://o", "live", object, prefix, 1, &key);
        assert!(sign("a/x", "b/").unwrap_err().to_string().contains("does not lie below"));
        // The closing slash may be left out, and is signed.
        assert_eq!(sign("a/x", "a").unwrap(), sign("a/x", "a/").unwrap());
        assert!(sign("ab/x", "a").unwrap_err().to_string().contains("does not lie below"));
        let token = |prefix| viewer_token("live", prefix, 1, &["GET"], &key).unwrap();
        assert_eq!(token("a/b"), token("a/b/"));
        for prefix in ["/", "/a/", "a//"] {
            assert!(sign("a/x", prefix).unwrap_err().to_string().contains("is not allowed"), "{prefix}");
            assert!(viewer_token("live", prefix, 1, &["GET"], &key).is_err());
        }
        assert!(viewer_token("live", "", 1, &[], &key).is_err());
        assert!(viewer_token("live", "", 1, &["get"], &key).unwrap_err().to_string().contains("GET, HEAD"));
        assert!(viewer_token("Live", "", 1, &["GET"], &key).is_err());
    }
}
