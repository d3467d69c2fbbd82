use super::*;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use proptest::prelude::*;

#[test]
fn tricks_are_refused_with_their_reason() {
    let past = "a".repeat(KEY_BYTES_MAX + 1);
    let table: &[(&str, KeyError)] = &[
        ("", KeyError::Empty),
        (&past, KeyError::TooLong),
        ("/a", KeyError::EmptySegment),
        ("a/", KeyError::EmptySegment),
        ("a//b", KeyError::EmptySegment),
        ("./a", KeyError::DotSegment),
        ("a/../b", KeyError::DotSegment),
        ("a/..", KeyError::DotSegment),
        ("a/%2e%2e/b", KeyError::DotSegment),
        ("a/%2E", KeyError::DotSegment),
        ("a%00b", KeyError::Control),
        ("a%0d%0ab", KeyError::Control),
        ("a%7f", KeyError::Control),
        ("a%C2%85", KeyError::Control),
        ("a\\b", KeyError::Backslash),
        ("a%5cb", KeyError::EncodedSlash),
        ("a%2Fb", KeyError::EncodedSlash),
        ("a%2fb", KeyError::EncodedSlash),
        ("a%252Fb", KeyError::DoubleEncoded),
        ("a%2541", KeyError::DoubleEncoded),
        ("a%", KeyError::BadEscape),
        ("a%4", KeyError::BadEscape),
        ("a%zz", KeyError::BadEscape),
        ("%ff", KeyError::NotUtf8),
        ("%c3%28", KeyError::NotUtf8),
    ];
    for (raw, error) in table {
        assert_eq!(ObjectKey::from_raw_path(raw), Err(*error), "{raw:?}");
    }
}

#[test]
fn what_is_allowed_comes_out_as_one_string() {
    let at = "a".repeat(KEY_BYTES_MAX);
    for (raw, key) in [
        ("a/b/seg_00001.ts", "a/b/seg_00001.ts"),
        ("%61", "a"),
        ("sp%20ace", "sp ace"),
        ("100%25.ts", "100%.ts"),
        ("%C3%A9t%C3%A9.m3u8", "été.m3u8"),
        ("...", "..."),
        ("a+b", "a+b"),
        (&at, &at),
    ] {
        assert_eq!(ObjectKey::from_raw_path(raw).unwrap().as_str(), key);
    }
    assert_eq!(ObjectKey::from_raw_query("a%2Fb").unwrap().as_str(), "a/b");
    assert_eq!(ObjectKey::from_raw_base64("YS9i").unwrap().as_str(), "a/b");
    assert_eq!(ObjectKey::from_raw_base64("YQ==").unwrap().as_str(), "a");
    assert_eq!(ObjectKey::from_raw_base64("YQ%3D%3D").unwrap().as_str(), "a");
    assert_eq!(ObjectKey::from_raw_base64("!"), Err(KeyError::NotBase64));
}

#[test]
fn extensions() {
    for (key, extension) in
        [("a.ts", "ts"), ("a/b.c/d", ""), ("a/.hidden", ""), ("x.tar.gz", "gz"), ("end.", "")]
    {
        assert_eq!(ObjectKey::parse(key).unwrap().extension(), extension, "{key}");
    }
}

/// A slow, separate statement of what a key may be.
fn is_key(s: &str) -> bool {
    let escape = |i: usize| {
        s.as_bytes()[i] == b'%'
            && s.as_bytes().get(i + 1..i + 3).is_some_and(|h| h.iter().all(u8::is_ascii_hexdigit))
    };
    (1..=KEY_BYTES_MAX).contains(&s.len())
        && s.split('/').all(|segment| !["", ".", ".."].contains(&segment))
        && !s.chars().any(|c| c.is_control() || c == '\\')
        && !(0..s.len()).any(escape)
}

proptest! {
    #[test]
    fn parse_agrees_with_the_rule(s in "[a-c/.%2F\\\\\u{0}-\u{20}é]{0,12}") {
        prop_assert_eq!(ObjectKey::parse(&s).is_ok(), is_key(&s));
    }

    #[test]
    fn decoding_is_done_exactly_once(s in "\\PC{1,40}") {
        prop_assume!(is_key(&s));
        let encoded: Vec<String> =
            s.split('/').map(|p| percent_encode(p.as_bytes(), NON_ALPHANUMERIC).to_string()).collect();
        let key = ObjectKey::from_raw_path(&encoded.join("/")).unwrap();
        prop_assert_eq!(key.as_str(), &s);
        let again = ObjectKey::parse(key.as_str()).unwrap();
        prop_assert_eq!(again, key.clone());
        let query = percent_encode(s.as_bytes(), NON_ALPHANUMERIC).to_string();
        prop_assert_eq!(ObjectKey::from_raw_query(&query).unwrap(), key.clone());
        prop_assert_eq!(ObjectKey::from_raw_base64(&URL_SAFE_NO_PAD.encode(&s)).unwrap(), key);
    }

    #[test]
    fn any_bytes_never_panic_and_only_yield_keys(raw in "\\PC{0,64}") {
        for key in [ObjectKey::from_raw_path(&raw), ObjectKey::from_raw_query(&raw), ObjectKey::from_raw_base64(&raw)]
            .into_iter().flatten()
        {
            prop_assert!(is_key(key.as_str()));
        }
    }
}
