//! The credentials that a request presents, in all the forms that encoders, CDNs and players use.

use base64::{Engine, alphabet, engine};
use headwater_types::ApiKey;
use http::{HeaderMap, HeaderValue, header};
use std::borrow::Cow;

use crate::query::Query;

/// Most credentials of one request that are looked at.
const CANDIDATES_MAX: usize = 8;

/// Basic credentials come with and without padding.
const BASE64: engine::GeneralPurpose = engine::GeneralPurpose::new(
    &alphabet::STANDARD,
    engine::GeneralPurposeConfig::new()
        .with_decode_padding_mode(engine::DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// All API keys that a request presents, each as the bearer of a right of its own: a CDN that adds its header to a URL
/// that carries a token must not make the token worthless.
pub(crate) fn presented<'a>(headers: &'a HeaderMap, query: Query<'a>) -> impl Iterator<Item = ApiKey> + 'a {
    let from_headers =
        headers.get_all(header::AUTHORIZATION).iter().filter_map(|value| from_header(value.to_str().ok()?));
    let from_query = query.all("token").map(from_token);
    let candidates = from_headers.chain(from_query).take(CANDIDATES_MAX);
    candidates.filter_map(|text| ApiKey::parse(&text).ok())
}

/// The API key in one Authorization header, if it carries one.
pub(crate) fn in_header(value: &HeaderValue) -> Option<ApiKey> {
    ApiKey::parse(&from_header(value.to_str().ok()?)?).ok()
}

/// The key in an Authorization header: raw, Bearer, or the password of Basic.
fn from_header(value: &str) -> Option<Cow<'_, str>> {
    let value = value.trim();
    let Some((scheme, rest)) = value.split_once(' ') else {
        return Some(Cow::Borrowed(value));
    };
    let rest = rest.trim_start();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Cow::Borrowed(rest));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded = String::from_utf8(BASE64.decode(rest).ok()?).ok()?;
        let (_user, password) = decoded.split_once(':')?;
        return Some(Cow::Owned(password.to_owned()));
    }
    None
}

fn from_token(raw: &str) -> Cow<'_, str> {
    percent_encoding::percent_decode_str(raw).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_types::SeededRng;

    fn keys(authorization: &[&str], query: &str) -> Vec<ApiKey> {
        let mut headers = HeaderMap::new();
        for value in authorization {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        let uri: http::Uri = format!("/cache/ns/a?{query}").parse().unwrap();
        presented(&headers, Query::of(&uri)).collect()
    }

    #[test]
    fn every_form_is_understood() {
        let key = ApiKey::generate(&SeededRng::new(1));
        let text = key.reveal();
        let basic = |user: &str| BASE64.encode(format!("{user}:{text}"));
        let escaped = text.replacen('_', "%5F", 1);
        for (authorization, query) in [
            (vec![text.clone()], String::new()),
            (vec![format!("Bearer {text}")], String::new()),
            (vec![format!("bearer  {text} ")], String::new()),
            (vec![format!("Basic {}", basic("momento"))], String::new()),
            (vec![format!("BASIC {}", basic("").trim_end_matches('='))], String::new()),
            (vec![], format!("x=1&token={text}")),
            (vec![], format!("token={escaped}")),
            (vec!["Bearer nonsense".into(), "Digest username=\"u\"".into(), text.clone()], String::new()),
        ] {
            let authorization: Vec<&str> = authorization.iter().map(String::as_str).collect();
            assert_eq!(keys(&authorization, &query), std::slice::from_ref(&key), "{authorization:?} {query}");
        }
        for none in ["", "Basic !", "Basic", "Digest x", &text[1..]] {
            assert!(keys(&[none], "").is_empty(), "{none:?}");
        }
    }

    #[test]
    fn the_number_of_candidates_is_bounded() {
        let text = ApiKey::generate(&SeededRng::new(2)).reveal();
        let token = |count: usize| vec![format!("token={text}"); count].join("&");
        assert_eq!(keys(&[], &token(CANDIDATES_MAX)).len(), CANDIDATES_MAX);
        assert_eq!(keys(&[], &token(CANDIDATES_MAX + 1)).len(), CANDIDATES_MAX);
    }
}
