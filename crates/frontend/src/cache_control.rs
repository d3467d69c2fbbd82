//! Cache-Control of answers: a namespace's rule, else what the encoder sent, else by class.

use bytes::Bytes;
use futures_util::TryStreamExt;
use headwater_media::{CacheControl, PlaylistFacts, default_cache_control, gunzip_bounded};
use headwater_meta::NamespaceSettings;
use headwater_proto::{ObjectBody, StorageError};
use headwater_types::{Attributes, Chunks, Digest, MediaClass, ObjectKey, ObjectMeta};
use http::HeaderValue;
use std::sync::LazyLock;

use crate::{answer, policy::first_match, recent::Recent};

/// Playlists whose facts are remembered, about twice as many at most.
const PLAYLISTS: usize = 16 * 1024;
/// The largest playlist that is read for its facts, decompressed: real ones are far below it.
const PLAYLIST_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The facts of playlists by the digest of their bytes: equal bodies have equal facts, so nothing ever goes stale.
#[derive(Debug)]
pub(crate) struct PlaylistCache(Recent<Digest, PlaylistFacts>);

impl PlaylistCache {
    pub fn new() -> Self {
        Self(Recent::new(PLAYLISTS))
    }

    /// What is known of a playlist without reading it: what is remembered, and nothing of one that is too large.
    pub fn get(&self, meta: &ObjectMeta) -> Option<PlaylistFacts> {
        if meta.size > PLAYLIST_BYTES_MAX as u64 {
            return Some(PlaylistFacts::default());
        }
        self.0.get(&meta.digest)
    }

    /// The facts of a playlist whose whole body is at hand. A body that is a stream is read into memory if it is small.
    pub async fn read(
        &self,
        key: &ObjectKey,
        meta: &ObjectMeta,
        body: ObjectBody,
    ) -> Result<(PlaylistFacts, ObjectBody), StorageError> {
        if let Some(facts) = self.get(meta) {
            return Ok((facts, body));
        }
        let chunks = match body {
            ObjectBody::Memory(chunks) => chunks,
            ObjectBody::Stream(stream) => Chunks::new(stream.try_collect::<Vec<Bytes>>().await?),
        };
        if chunks.len() != meta.size {
            return Err(StorageError::BodyCut);
        }
        let facts = facts_of(key, &meta.attributes, &chunks.to_bytes());
        self.0.insert(meta.digest, facts);
        Ok((facts, ObjectBody::Memory(chunks)))
    }
}

/// What cannot be decompressed has no facts.
fn facts_of(key: &ObjectKey, attributes: &Attributes, body: &[u8]) -> PlaylistFacts {
    match attributes.content_encoding.as_deref() {
        None => PlaylistFacts::read(key, body),
        Some(encoding) if encoding.trim().eq_ignore_ascii_case("gzip") => {
            gunzip_bounded(body, PLAYLIST_BYTES_MAX)
                .map_or(PlaylistFacts::default(), |plain| PlaylistFacts::read(key, &plain))
        }
        Some(_) => PlaylistFacts::default(),
    }
}

/// The value to answer.
pub(crate) fn cache_control(
    settings: &NamespaceSettings,
    key: &ObjectKey,
    attributes: &Attributes,
    class: MediaClass,
    facts: PlaylistFacts,
    remaining_ttl_s: u64,
) -> HeaderValue {
    let set = first_match(&settings.cache_control_rules, key).or(attributes.cache_control.as_ref());
    // A rule that is no header value falls back to what is always right.
    match set {
        Some(value) => HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static("no-cache")),
        None => by_class(default_cache_control(class, facts, remaining_ttl_s, settings.unique_names)),
    }
}

/// Nearly all answers say one of these ages, so their values are made once.
fn by_class(value: CacheControl) -> HeaderValue {
    const AGES: u64 = 61;
    static PUBLIC: LazyLock<Vec<HeaderValue>> =
        LazyLock::new(|| (0..AGES).map(|age| formatted(CacheControl::Public(age))).collect());
    static PLAIN: LazyLock<Vec<HeaderValue>> =
        LazyLock::new(|| (0..AGES).map(|age| formatted(CacheControl::MaxAge(age))).collect());
    let known = match value {
        CacheControl::Public(age) => PUBLIC.get(age as usize),
        CacheControl::MaxAge(age) => PLAIN.get(age as usize),
        _ => None,
    };
    known.cloned().unwrap_or_else(|| formatted(value))
}

fn formatted(value: CacheControl) -> HeaderValue {
    answer::text_value(format_args!("{value}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_meta::Rule;

    #[test]
    fn a_rule_wins_over_the_encoder_and_the_encoder_over_the_class() {
        let key = ObjectKey::parse("a/b.ts").unwrap();
        let mut settings = NamespaceSettings::default();
        let mut attributes = Attributes::default();
        let value = |settings: &NamespaceSettings, attributes: &Attributes| {
            cache_control(settings, &key, attributes, MediaClass::Media, PlaylistFacts::default(), 30)
        };
        assert_eq!(value(&settings, &attributes), "public, max-age=30");
        attributes.cache_control = Some("private".into());
        assert_eq!(value(&settings, &attributes), "private");
        settings.cache_control_rules = vec![
            Rule { glob: "*.ts".into(), value: "no-match".into() },
            Rule { glob: "**.ts".into(), value: "max-age=1".into() },
        ];
        assert_eq!(value(&settings, &attributes), "max-age=1");
        settings.cache_control_rules[1].value = "a\nb".into();
        assert_eq!(value(&settings, &attributes), "no-cache");
    }
}
