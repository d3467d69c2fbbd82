//! Globs over keys, as in the path patterns of CDNs: `*` is any run of characters, `/` included; `?` is one character.

use std::str::Chars;

/// Reports whether the whole `key` matches `pattern`. There is no escape; every other character stands for itself, and
/// `**` is the same as `*`.
///
/// Takes at most (characters of the pattern) × (characters of the key) steps and no memory. After a run that is followed
/// by another one, the first match of what stands between them is as good as any later one, so only the last run is
/// ever tried longer.
pub fn matches(pattern: &str, key: &str) -> bool {
    let (mut pattern, mut key) = (pattern.chars(), key.chars());
    // What follows the last run of the pattern, and where in the key it was last tried.
    let mut last_run: Option<(Chars<'_>, Chars<'_>)> = None;
    loop {
        let (mut pattern_rest, mut key_rest) = (pattern.clone(), key.clone());
        match (pattern_rest.next(), key_rest.next()) {
            (Some('*'), _) => {
                last_run = Some((pattern_rest.clone(), key.clone()));
                pattern = pattern_rest;
                continue;
            }
            (None, None) => return true,
            (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {
                (pattern, key) = (pattern_rest, key_rest);
                continue;
            }
            _ => {}
        }
        // The last run takes one character more.
        let Some((after, tried)) = &mut last_run else { return false };
        if tried.next().is_none() {
            return false;
        }
        (pattern, key) = (after.clone(), tried.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::matches;
    use headwater_types::{Clock, SystemClock};
    use proptest::prelude::*;
    use std::time::Duration;

    #[test]
    fn examples() {
        for (pattern, key, wanted) in [
            ("", "", true),
            ("", "a", false),
            ("*.m3u8", "live.m3u8", true),
            ("*.m3u8", "a/live.m3u8", true),
            ("*.m3u8", "a/b/live.m3u8", true),
            ("*.m3u8", "a/live.m3u8.tmp", false),
            ("**.m3u8", "a/b/live.m3u8", true),
            ("**/*.m3u8", "a/live.m3u8", true),
            ("**/*.m3u8", "live.m3u8", false),
            ("*", "a/b", true),
            ("*", "", true),
            ("a/*", "a/b/c", true),
            ("a/*", "ab/c", false),
            ("a/*/c", "a/b/c", true),
            ("a/*/c", "a/b/b/c", true),
            ("a/*/c", "a/c", false),
            ("a/**/c", "a/b/b/c", true),
            ("a/**", "a/", true),
            ("a?c", "aéc", true),
            ("a?c", "a/c", true),
            ("a?c", "ac", false),
            ("?", "", false),
            ("a*b*c", "a/xbx/b/xc", true),
            ("a*bc", "abcbc", true),
            ("a*bc", "abcb", false),
            ("***x", "a/x", true),
            ("[a]", "[a]", true),
            ("[a]", "a", false),
        ] {
            assert_eq!(matches(pattern, key), wanted, "{pattern:?} on {key:?}");
        }
    }

    #[test]
    fn a_hostile_pattern_is_not_slow() {
        let key = "a".repeat(900);
        let clock = SystemClock::new();
        for pattern in [
            format!("{}b", "*a".repeat(128)),
            format!("{}b", "**a*a".repeat(51)),
            format!("*{}b", "a".repeat(255)),
            format!("*{}b", "?".repeat(255)),
        ] {
            assert!(!matches(&pattern, &key), "{pattern}");
        }
        assert!(clock.monotonic() < Duration::from_secs(20), "{:?}", clock.monotonic());
    }

    /// The definition, by trying everything.
    fn naive(pattern: &[char], key: &[char]) -> bool {
        match pattern {
            [] => key.is_empty(),
            ['*', rest @ ..] => (0..=key.len()).any(|n| naive(rest, &key[n..])),
            ['?', rest @ ..] => !key.is_empty() && naive(rest, &key[1..]),
            [c, rest @ ..] => key.first() == Some(c) && naive(rest, &key[1..]),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn agrees_with_the_definition(pattern in "[ab/*?]{0,7}", key in "[ab/]{0,7}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, &key), naive(&chars(&pattern), &chars(&key)));
        }
    }
}
