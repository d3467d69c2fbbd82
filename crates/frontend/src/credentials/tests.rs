//! Tests of what is read as a credential.

use super::*;
use headwater_types::{ApiKey, SeededRng};
use proptest::prelude::*;

/// The secrets that are presented, and how many other credentials.
fn secrets(authorization: &[&str], query: &str) -> (Vec<String>, usize) {
    let mut headers = HeaderMap::new();
    for value in authorization {
        headers.append(header::AUTHORIZATION, http::HeaderValue::from_str(value).unwrap());
    }
    let uri: http::Uri = format!("/cache/ns/a?{query}").parse().unwrap();
    let (mut secrets, mut others) = (Vec::new(), 0);
    for credential in presented(&headers, Query::of(&uri)) {
        match credential {
            Presented::Secret(text) => secrets.push(text.into_owned()),
            Presented::Digest(_) | Presented::SignedUrl(_) => others += 1,
        }
    }
    (secrets, others)
}

#[test]
fn every_form_is_understood() {
    let text = ApiKey::generate(&SeededRng::new(1)).reveal();
    let basic = |user: &str| BASE64.encode(format!("{user}:{text}"));
    let escaped = text.replacen('_', "%5F", 1);
    for (authorization, query) in [
        (text.clone(), String::new()),
        (format!("Bearer {text}"), String::new()),
        (format!("bearer  {text} "), String::new()),
        (format!("Basic {}", basic("momento")), String::new()),
        (format!("BASIC {}", basic("").trim_end_matches('=')), String::new()),
        ("Basic !".into(), format!("x=1&token={text}")),
        ("Digest username=\"u\"".into(), format!("token={escaped}")),
        ("Negotiate x".into(), format!("token={text}&hw_exp=1&hw_kid=k&hw_sig=s")),
    ] {
        let found = secrets(&[&authorization], &query);
        assert_eq!(found, (vec![text.clone()], 0), "{authorization:?} {query}");
    }
    let digest = r#"Digest username="u", realm="r", nonce="n", uri="/", response="x", qop=auth, nc=00000001, cnonce="c""#;
    let found = secrets(&[digest, "raw"], "hw_exp=1&hw_prefix=a%2F&hw_kid=k&hw_sig=s&token=t");
    assert_eq!(found, (vec!["raw".into(), "t".into()], 2));
    for none in ["Basic !", "Basic bm9jb2xvbg==", "Digest x", "Digest "] {
        assert_eq!(secrets(&[none], "").1, 0, "{none:?}");
    }
}

#[test]
fn the_number_of_candidates_is_bounded() {
    let token = |count: usize| vec!["token=x"; count].join("&");
    assert_eq!(secrets(&[], &token(CANDIDATES_MAX)).0.len(), CANDIDATES_MAX);
    assert_eq!(secrets(&[], &token(CANDIDATES_MAX + 1)).0.len(), CANDIDATES_MAX);
    assert_eq!(
        secrets(&["Digest x"; CANDIDATES_MAX + 1], "token=x").0.len(),
        1,
        "what is none does not count"
    );
}

proptest! {
    #[test]
    fn whatever_is_sent_is_read_within_bounds(
        schemes in prop::collection::vec("(Basic|Bearer|Digest|digest|) {0,2}", 0..12),
        rest in r#"[ -~]{0,200}"#,
        query in "[a-z_=&%0-9]{0,200}",
    ) {
        let values: Vec<String> = schemes.iter().map(|scheme| format!("{scheme}{rest}")).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let (secrets, others) = secrets(&values, &query);
        prop_assert!(secrets.len() + others <= CANDIDATES_MAX);
    }
}
