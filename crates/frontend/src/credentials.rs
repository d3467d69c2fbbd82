//! The credentials that a request presents, in all the forms that encoders, CDNs and players use.
//!
//! Here they are only read. What one is worth says [`check`], and what it allows [`crate::authorize`].

pub(crate) mod challenge;
pub(crate) mod check;
mod digest;
mod nonce;
mod signed_url;
#[cfg(test)]
mod tests;

use base64::{Engine, alphabet, engine};
use http::{HeaderMap, header};
use std::borrow::Cow;

use crate::query::Query;
pub(crate) use digest::DigestAnswer;
pub(crate) use signed_url::SignedUrl;

/// Most credentials of one request that are looked at.
const CANDIDATES_MAX: usize = 8;

/// Basic credentials come with and without padding.
const BASE64: engine::GeneralPurpose = engine::GeneralPurpose::new(
    &alphabet::STANDARD,
    engine::GeneralPurposeConfig::new()
        .with_decode_padding_mode(engine::DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A credential as it was sent, not checked yet. It has no `Debug`: nothing of it may reach a log.
pub(crate) enum Presented<'a> {
    /// What may be an API key or a viewer token: each may stand wherever the other may.
    Secret(Cow<'a, str>),
    /// An answer to a Digest challenge. Boxed, as it is large and rare.
    Digest(Box<DigestAnswer<'a>>),
    /// The parameters of a signed URL.
    SignedUrl(SignedUrl<'a>),
}

/// All credentials that a request presents, at most [`CANDIDATES_MAX`], each as the bearer of a right of its own: a CDN
/// that adds its header to a URL that carries a token must not make the token worthless. Read one by one, so that
/// nothing is spent on those behind the one that grants.
pub(crate) fn presented<'a>(
    headers: &'a HeaderMap,
    query: Query<'a>,
) -> impl Iterator<Item = Presented<'a>> + 'a {
    // Bytes, not visible ASCII: a Digest answer repeats the target, which may be UTF-8 as it is.
    let values = headers.get_all(header::AUTHORIZATION).iter();
    let from_headers = values.filter_map(|value| from_header(std::str::from_utf8(value.as_bytes()).ok()?));
    let from_query = query.all("token").map(|raw| Presented::Secret(decoded_lossy(raw)));
    // Looked for only when it is their turn.
    let signed = std::iter::once_with(move || SignedUrl::of(query)).flatten().map(Presented::SignedUrl);
    from_headers.chain(from_query).chain(signed).take(CANDIDATES_MAX)
}

/// What an Authorization header holds: raw, Bearer, the password of Basic, or a Digest answer.
fn from_header(value: &str) -> Option<Presented<'_>> {
    let value = value.trim();
    let Some((scheme, rest)) = value.split_once(' ') else {
        return Some(Presented::Secret(Cow::Borrowed(value)));
    };
    let rest = rest.trim_start();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Presented::Secret(Cow::Borrowed(rest)));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded = String::from_utf8(BASE64.decode(rest).ok()?).ok()?;
        let (_user, password) = decoded.split_once(':')?;
        return Some(Presented::Secret(Cow::Owned(password.to_owned())));
    }
    if scheme.eq_ignore_ascii_case("digest") {
        return DigestAnswer::parse(rest).map(|answer| Presented::Digest(Box::new(answer)));
    }
    None
}

fn decoded_lossy(raw: &str) -> Cow<'_, str> {
    percent_encoding::percent_decode_str(raw).decode_utf8_lossy()
}
