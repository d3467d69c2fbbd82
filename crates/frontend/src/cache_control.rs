//! Cache-Control of answers: a namespace's rule, else what the encoder sent, else by class.

use bytes::Bytes;
use futures_util::TryStreamExt;
use headwater_media::{
    CacheControl, PlaylistFacts, PlaylistFormat, default_cache_control, gunzip_bounded, is_gzip,
    playlist_format,
};
use headwater_meta::NamespaceSettings;
use headwater_proto::{ObjectBody, StorageError};
use headwater_types::{Attributes, Chunks, Digest, MediaClass, ObjectKey, ObjectMeta};
use http::HeaderValue;
use std::sync::{Arc, LazyLock};
use tokio::sync::Semaphore;

use crate::{answer, policy::first_match, recent::Recent};

/// Playlists whose facts are remembered, about twice as many at most.
const PLAYLISTS: usize = 16 * 1024;
/// The largest playlist that is read for its facts or recoded, stored and decompressed: real ones are far below it.
pub(crate) const PLAYLIST_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The facts of playlists by all that they depend on, so nothing ever goes stale.
#[derive(Debug)]
pub(crate) struct PlaylistCache {
    facts: Recent<Source, PlaylistFacts>,
    /// One compressed playlist is read for its facts at a time. Readers that waited find the facts of the first one.
    unpacking: Arc<Semaphore>,
}

/// What facts are read from: the stored bytes, the language of the playlist, and whether it is stored compressed.
type Source = (Digest, Option<PlaylistFormat>, bool);

fn source(key: &ObjectKey, meta: &ObjectMeta) -> Source {
    (meta.digest, playlist_format(key, &meta.attributes.content_type), is_packed(meta))
}

fn is_packed(meta: &ObjectMeta) -> bool {
    meta.attributes.content_encoding.as_deref().is_some_and(is_gzip)
}

impl PlaylistCache {
    pub fn new() -> Self {
        Self { facts: Recent::new(PLAYLISTS), unpacking: Arc::new(Semaphore::new(1)) }
    }

    /// Returns what is known of a playlist without reading it: the remembered facts, and no facts of a playlist that is
    /// too large or in a coding that is not read.
    pub fn get(&self, key: &ObjectKey, meta: &ObjectMeta) -> Option<PlaylistFacts> {
        let is_readable = meta.attributes.content_encoding.is_none() || is_packed(meta);
        if meta.size > PLAYLIST_BYTES_MAX as u64 || !is_readable {
            return Some(PlaylistFacts::default());
        }
        self.facts.get(&source(key, meta))
    }

    /// The facts of a playlist whose whole body is at hand. A body that is a stream is read into memory if it is small.
    pub async fn read(
        &self,
        key: &ObjectKey,
        meta: &ObjectMeta,
        body: ObjectBody,
    ) -> Result<(PlaylistFacts, ObjectBody), StorageError> {
        if let Some(facts) = self.get(key, meta) {
            return Ok((facts, body));
        }
        let chunks = collect(meta, body).await?;
        let facts = match is_packed(meta) {
            // Boxed: it is rare, and would make every read larger.
            true => Box::pin(self.facts_of_packed(key, meta, chunks.clone())).await,
            false => {
                let facts = PlaylistFacts::read(key, &meta.attributes.content_type, &chunks.to_bytes());
                self.facts.insert(source(key, meta), facts);
                facts
            }
        };
        Ok((facts, ObjectBody::Memory(chunks)))
    }

    /// Reads the facts of a compressed playlist on a thread of its own, as decompressing takes milliseconds of a
    /// processor. A playlist that cannot be decompressed has no facts.
    async fn facts_of_packed(&self, key: &ObjectKey, meta: &ObjectMeta, packed: Chunks) -> PlaylistFacts {
        // It is never closed.
        let turn = self.unpacking.clone().acquire_owned().await.ok();
        if let Some(facts) = self.get(key, meta) {
            return facts;
        }
        let (key_read, content_type) = (key.clone(), meta.attributes.content_type.clone());
        let read = move || {
            // Held to the end, though the request may be gone by then.
            let _turn = turn;
            let plain = gunzip_bounded(&packed.to_bytes(), PLAYLIST_BYTES_MAX).ok()?;
            Some(PlaylistFacts::read(&key_read, &content_type, &plain))
        };
        match tokio::task::spawn_blocking(read).await {
            Ok(facts) => {
                let facts = facts.unwrap_or_default();
                self.facts.insert(source(key, meta), facts);
                facts
            }
            Err(error) => {
                tracing::error!(%error, "reading a compressed playlist failed");
                PlaylistFacts::default()
            }
        }
    }
}

/// Reads the whole body of a small version into memory.
pub(crate) async fn collect(meta: &ObjectMeta, body: ObjectBody) -> Result<Chunks, StorageError> {
    let chunks = match body {
        ObjectBody::Memory(chunks) => chunks,
        ObjectBody::Stream(stream) => Chunks::new(stream.try_collect::<Vec<Bytes>>().await?),
    };
    if chunks.len() == meta.size { Ok(chunks) } else { Err(StorageError::BodyCut) }
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
    let known = match value {
        CacheControl::Public(age) => PUBLIC.get(age as usize),
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
    use headwater_types::{UnixMillis, Version};

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
            Rule { glob: "*.mp4".into(), value: "no-match".into() },
            Rule { glob: "*.ts".into(), value: "max-age=1".into() },
        ];
        assert_eq!(value(&settings, &attributes), "max-age=1");
        settings.cache_control_rules[1].value = "a\nb".into();
        assert_eq!(value(&settings, &attributes), "no-cache");
    }

    #[tokio::test]
    async fn readers_of_a_compressed_playlist_wait_for_the_first_of_them() {
        let cache = PlaylistCache::new();
        let key = ObjectKey::parse("a/live.m3u8").unwrap();
        // Not gzip: reading it would find no facts.
        let body = Chunks::new(vec![Bytes::from_static(b"packed")]);
        let meta = ObjectMeta {
            version: Version::default(),
            digest: Digest::of(b"packed"),
            size: body.len(),
            class: MediaClass::Playlist,
            attributes: Attributes { content_encoding: Some("gzip".into()), ..Attributes::default() },
            stored_at: UnixMillis(0),
            expires_at: UnixMillis(0),
        };
        let found = PlaylistFacts::read(&key, "", b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n");
        assert_ne!(found, PlaylistFacts::default());

        let first = cache.unpacking.try_acquire().unwrap();
        let readers: Vec<_> =
            (0..20).map(|_| cache.read(&key, &meta, ObjectBody::Memory(body.clone()))).collect();
        let mut readers = Box::pin(futures_util::future::join_all(readers));
        assert!(futures_util::poll!(readers.as_mut()).is_pending());
        cache.facts.insert(source(&key, &meta), found);
        drop(first);
        for read in readers.await {
            assert_eq!(read.unwrap().0, found);
        }
    }
}
