use super::*;
use headwater_types::{ApiKey, SeededRng};
use proptest::prelude::*;

#[test]
fn hides_credentials_and_nothing_else() {
    let cases = [
        ("", ""),
        ("list&limit=1000&cursor=YQ%3D%3D", "list&limit=1000&cursor=YQ%3D%3D"),
        (
            "hw_exp=1&hw_prefix=live/&hw_kid=k1&hw_sig=c2ln",
            "hw_exp=1&hw_prefix=live/&hw_kid=k1&hw_sig=REDACTED",
        ),
        ("token=s3cret&_HLS_msn=7", "token=REDACTED&_HLS_msn=7"),
        ("TOKEN=a=b=c", "TOKEN=REDACTED"),
        ("t%6Fken=s3cret", "t%6Fken=REDACTED"),
        ("start=1?token=s3cret", "start=REDACTED"),
        ("CMCD=nor%3D%22b.ts%3Ftoken%3Ds3cret%22", "CMCD=REDACTED"),
        ("x=hwv1.e30.c2ln", "x=REDACTED"),
        ("hwv1.e30.c2ln", "REDACTED"),
        ("a=%zz&b=%", "a=%zz&b=%"),
    ];
    for (query, expected) in cases {
        assert_eq!(redact_query(query), expected, "{query}");
    }
    assert!(matches!(redact_query("list&limit=10"), Cow::Borrowed(_)), "copied without need");
}

#[test]
fn names_lose_their_credentials_and_nothing_else() {
    let key = ApiKey::generate(&SeededRng::new(5)).reveal();
    for (text, expected) in [
        ("a/v_1.ts".to_owned(), "a/v_1.ts"),
        ("p.m3u8?token=SECRET".to_owned(), "p.m3u8?token=REDACTED"),
        ("p.m3u8?x=1&TOKEN=SECRET&y=2".to_owned(), "p.m3u8?x=1&TOKEN=REDACTED&y=2"),
        (format!("p.m3u8?{key}"), "p.m3u8?REDACTED"),
        (format!("p.m3u8?a&{key}?b"), "p.m3u8?a&REDACTED"),
        ("token=SECRET/p.m3u8".to_owned(), "REDACTED"),
        ("a/token=SECRET?b".to_owned(), "REDACTED"),
        (format!("a/{key}.ts"), "REDACTED"),
        ("hwv1.e30.c2ln/a.ts".to_owned(), "REDACTED"),
        ("tok?en=SECRET".to_owned(), "tok?en=SECRET"),
        ("hwv1?.e30".to_owned(), "hwv1?.e30"),
    ] {
        assert_eq!(redact_text(&text), expected, "{text}");
    }
}

/// Each character of `name` as it is, in the other case, or percent-encoded, as `choices` says.
fn disguise(name: &str, choices: &[u8]) -> String {
    let disguised = name.bytes().zip(choices.iter().cycle()).map(|(byte, choice)| match choice % 3 {
        0 => char::from(byte).to_string(),
        1 => char::from(byte.to_ascii_uppercase()).to_string(),
        _ => format!("%{byte:02X}"),
    });
    disguised.collect()
}

/// Whether any three neighbouring characters of `secret` are left. The tests' other text has no three digits in a row.
fn survives(secret: &str, text: &str) -> bool {
    secret.as_bytes().windows(3).any(|part| text.as_bytes().windows(3).any(|window| window == part))
}

proptest! {
    #[test]
    fn no_part_of_a_parameter_survives(
        secret in "[0-9]{6,64}([=?;/%][0-9]{3,9}){0,3}",
        name in prop::sample::select(SECRET_NAMES.to_vec()),
        choices in prop::collection::vec(0u8..3, 8),
        before in prop::collection::vec("[a-z]{0,5}(=[a-z/.]{0,8})?", 0..4),
        after in prop::collection::vec("[a-z]{0,5}(=[a-z/.]{0,8})?", 0..4),
    ) {
        let pair = format!("{}={secret}", disguise(name, &choices));
        let query = [before, vec![pair], after].concat().join("&");
        let redacted = [redact_query(&query), redact_text(&format!("a/b.m3u8?{query}"))].join(" ");
        for digits in secret.split(|c: char| !c.is_ascii_digit()) {
            prop_assert!(!survives(digits, &redacted), "{query} became {redacted}");
        }
    }

    #[test]
    fn no_part_of_a_key_survives_wherever_it_stands(
        seed: u64,
        cut in 0usize..30,
        encoded in 0usize..3,
        (before, after) in ("[a-z?=]{0,6}", "[a-z?=]{0,6}"),
    ) {
        let key = ApiKey::generate(&SeededRng::new(seed)).reveal();
        let key = &key[..key.len() - cut];
        let mut presented = key.to_owned();
        for _ in 0..encoded {
            presented = presented.replace('%', "%25").replace('_', "%5F");
        }
        let query = format!("a=b&{before}{presented}{after}&c=d");
        let redacted = [redact_query(&query), redact_text(&query)].join(" ");
        prop_assert!(!redacted.contains(&key[3..15]) && !redacted.contains(&key[16..]), "{query} became {redacted}");
    }

    #[test]
    fn any_text_is_taken_and_harmless_text_kept(query in "\\PC{0,64}", harmless in "([a-s]{0,6}=[a-s]{0,6}&){0,4}") {
        redact_query(&query);
        redact_text(&query);
        prop_assert_eq!(redact_query(&harmless), harmless.as_str());
    }
}
