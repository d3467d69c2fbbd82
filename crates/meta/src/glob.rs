//! Globs over keys: `*` is any run within a segment, `**` any run across segments, `?` one character but `/`.

/// Whether the whole `key` matches `pattern`. There is no escape; every other character stands for itself.
///
/// Takes at most (characters of the pattern) × (characters of the key) steps: all places in the pattern that a prefix
/// of the key can lead to are followed at once, and nothing is tried twice (Thompson, CACM 11(6), 1968).
pub fn matches(pattern: &str, key: &str) -> bool {
    let tokens = tokens(pattern);
    // `places[i]`: what was read so far matches the first `i` tokens.
    let mut places = vec![false; tokens.len() + 1];
    let mut next = places.clone();
    places[0] = true;
    skip_runs(&tokens, &mut places);
    for c in key.chars() {
        next.fill(false);
        for (i, token) in tokens.iter().enumerate().filter(|(i, _)| places[*i]) {
            match token {
                Token::Exactly(wanted) if *wanted == c => next[i + 1] = true,
                Token::One if c != '/' => next[i + 1] = true,
                Token::Run if c != '/' => next[i] = true,
                Token::LongRun => next[i] = true,
                Token::Exactly(_) | Token::One | Token::Run => {}
            }
        }
        skip_runs(&tokens, &mut next);
        if !next.contains(&true) {
            return false;
        }
        std::mem::swap(&mut places, &mut next);
    }
    places[tokens.len()]
}

#[derive(Debug, Clone, Copy)]
enum Token {
    Exactly(char),
    One,
    Run,
    LongRun,
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(pattern.len());
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' if chars.next_if_eq(&'*').is_some() => Token::LongRun,
            '*' => Token::Run,
            '?' => Token::One,
            c => Token::Exactly(c),
        });
    }
    tokens
}

/// A run may be empty.
fn skip_runs(tokens: &[Token], places: &mut [bool]) {
    for (i, token) in tokens.iter().enumerate() {
        if matches!(token, Token::Run | Token::LongRun) && places[i] {
            places[i + 1] = true;
        }
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
            ("*.m3u8", "a/live.m3u8", false),
            ("**.m3u8", "a/b/live.m3u8", true),
            ("a/*/c", "a/b/c", true),
            ("a/*/c", "a/b/b/c", false),
            ("a/**/c", "a/b/b/c", true),
            ("a/**", "a/", true),
            ("a?c", "aéc", true),
            ("a?c", "a/c", false),
            ("***x", "a/x", true),
            ("[a]", "[a]", true),
            ("[a]", "a", false),
        ] {
            assert_eq!(matches(pattern, key), wanted, "{pattern:?} on {key:?}");
        }
    }

    #[test]
    fn a_hostile_pattern_is_not_slow() {
        let (pattern, key) = (format!("{}b", "**a*a".repeat(51)), "a".repeat(900));
        let clock = SystemClock::new();
        assert!(!matches(&pattern, &key));
        assert!(clock.monotonic() < Duration::from_secs(20), "{:?}", clock.monotonic());
    }

    /// The definition, by trying everything.
    fn naive(pattern: &[char], key: &[char]) -> bool {
        match pattern {
            [] => key.is_empty(),
            ['*', '*', rest @ ..] => (0..=key.len()).any(|n| naive(rest, &key[n..])),
            ['*', rest @ ..] => {
                let segment = key.iter().take_while(|c| **c != '/').count();
                (0..=segment).any(|n| naive(rest, &key[n..]))
            }
            ['?', rest @ ..] => key.first().is_some_and(|c| *c != '/') && naive(rest, &key[1..]),
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
