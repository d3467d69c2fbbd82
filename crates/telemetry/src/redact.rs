//! Takes credentials out of query strings, names and other texts before they are logged.
//!
//! It errs on the side of hiding: a value that merely resembles a credential is hidden too.

use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// What stands where a credential was.
pub const REDACTED: &str = "REDACTED";

/// Parts of parameter names whose values are credentials.
const SECRET_NAMES: [&str; 2] = ["token", "hw_sig"];
/// What begins a viewer token.
const VIEWER_TOKEN: &str = "hwv1.";
/// What begins an API key: `hw_<key id>_<secret>`.
const API_KEY: &str = "hw_";
/// A run of key characters at least this long after [`API_KEY`] is taken for a key, cut short or mistyped as it may be;
/// `hw_prefix` and its like are shorter.
const API_KEY_RUN: usize = 16;
/// Credentials are looked for under this many layers of percent-encoding: a URL within a parameter of a URL within a
/// parameter has two.
const DECODE_ROUNDS: usize = 4;

/// `query` (without its `?`) with every credential replaced by [`REDACTED`]: the values of `token` and `hw_sig` in any
/// case and percent-encoding of the name, and every value that holds an API key, a viewer token or a URL with such a
/// parameter. Order and everything else stay as they are.
pub fn redact_query(query: &str) -> Cow<'_, str> {
    if !query.split('&').any(|pair| redact_pair(pair).is_some()) {
        return Cow::Borrowed(query);
    }
    let pairs: Vec<Cow<'_, str>> =
        query.split('&').map(|pair| redact_pair(pair).map_or(Cow::Borrowed(pair), Cow::Owned)).collect();
    Cow::Owned(pairs.join("&"))
}

/// A text that is no query string, such as the name of an object. A credential in it hides all of it, except that of a
/// `?` and what follows only the query is hidden, as by [`redact_query`].
pub fn redact_text(text: &str) -> Cow<'_, str> {
    if !holds_credential(&plain(text)) {
        return Cow::Borrowed(text);
    }
    match text.split_once('?') {
        Some((path, query)) if !holds_credential(&plain(path)) => {
            Cow::Owned(format!("{path}?{}", redact_query(query)))
        }
        _ => Cow::Borrowed(REDACTED),
    }
}

/// What `pair` is replaced by, if it has to be.
fn redact_pair(pair: &str) -> Option<String> {
    let Some((name, value)) = pair.split_once('=') else {
        return holds_credential(&plain(pair)).then(|| REDACTED.to_owned());
    };
    let plain_name = plain(name);
    if holds_credential(&plain_name) {
        Some(REDACTED.to_owned())
    } else if names_secret(&plain_name) || holds_credential(&plain(value)) {
        Some(format!("{name}={REDACTED}"))
    } else {
        None
    }
}

/// Percent-decoded, in lower case.
fn plain(text: &str) -> String {
    let mut text = Cow::Borrowed(text);
    for _ in 0..DECODE_ROUNDS {
        if !text.contains('%') {
            break;
        }
        text = Cow::Owned(percent_decode_str(&text).decode_utf8_lossy().into_owned());
    }
    text.to_ascii_lowercase()
}

fn names_secret(name: &str) -> bool {
    SECRET_NAMES.iter().any(|secret| name.contains(secret))
}

/// Whether `text` (plain) has a credential anywhere in it.
fn holds_credential(text: &str) -> bool {
    text.contains(VIEWER_TOKEN)
        || text
            .match_indices('=')
            .any(|(at, _)| SECRET_NAMES.iter().any(|secret| text[..at].ends_with(secret)))
        || text.match_indices(API_KEY).any(|(at, found)| {
            let run =
                text[at + found.len()..].bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_');
            run.count() >= API_KEY_RUN
        })
}

#[cfg(test)]
mod tests;
