//! The two ways in which the stored bytes of a playlist are changed before they are sent.

use bytes::Bytes;
use headwater_media::{gunzip_bounded, gzip, is_gzip};
use headwater_types::{Digest, MediaClass, ObjectMeta};

use crate::cache_control::PLAYLIST_BYTES_MAX;

/// The smallest playlist that is compressed: a smaller one fits into the first flight of a new connection (10 segments,
/// RFC 6928), so compressing it saves no round trip.
pub(crate) const COMPRESSED_BYTES_MIN: u64 = 16 * 1024;

/// A change of the content coding of a stored version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Recoding {
    /// It is stored compressed and sent as it was before.
    Gunzip,
    /// It is stored as it is and sent compressed.
    Gzip,
}

/// A version in another coding than the stored one: a representation of its own (RFC 9110 section 8.8.3.3).
#[derive(Debug, Clone)]
pub(crate) struct Recoded {
    /// Its entity tag: of these bytes, so that it is a strong validator whatever build of the origin made them.
    pub digest: Digest,
    pub body: Bytes,
}

impl Recoding {
    /// Returns how a version may be recoded. `None` of all that is only sent as it is stored: other classes, other
    /// codings, and playlists that are too small to gain or larger than [`PLAYLIST_BYTES_MAX`].
    pub fn of(meta: &ObjectMeta) -> Option<Self> {
        if meta.class != MediaClass::Playlist || meta.size > PLAYLIST_BYTES_MAX as u64 {
            return None;
        }
        match meta.attributes.content_encoding.as_deref() {
            None if meta.size >= COMPRESSED_BYTES_MIN => Some(Self::Gzip),
            Some(coding) if is_gzip(coding) => Some(Self::Gunzip),
            _ => None,
        }
    }

    /// The Content-Encoding after it.
    pub fn content_encoding(self) -> Option<String> {
        match self {
            Self::Gunzip => None,
            Self::Gzip => Some("gzip".to_owned()),
        }
    }

    /// Recodes stored bytes, which takes milliseconds of a processor. `None` if they must be sent as they are stored:
    /// they are not gzip, they have more than [`PLAYLIST_BYTES_MAX`] bytes decoded, or they do not shrink.
    pub fn apply(self, stored: &[u8]) -> Option<Recoded> {
        let body = match self {
            Self::Gunzip => gunzip_bounded(stored, PLAYLIST_BYTES_MAX).ok()?,
            Self::Gzip => Some(gzip(stored)).filter(|packed| packed.len() < stored.len())?,
        };
        // It is kept: without what the buffer has beyond it.
        Some(Recoded { digest: Digest::of(&body), body: body.into_boxed_slice().into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_types::{Attributes, UnixMillis, Version};

    fn meta(class: MediaClass, content_encoding: Option<&str>, size: u64) -> ObjectMeta {
        ObjectMeta {
            version: Version::default(),
            digest: Digest(0),
            size,
            class,
            attributes: Attributes {
                content_encoding: content_encoding.map(str::to_owned),
                ..Attributes::default()
            },
            stored_at: UnixMillis(0),
            expires_at: UnixMillis(1),
        }
    }

    #[test]
    fn what_may_be_recoded_at_the_limits() {
        let max = PLAYLIST_BYTES_MAX as u64;
        for (content_encoding, size, want) in [
            (None, COMPRESSED_BYTES_MIN - 1, None),
            (None, COMPRESSED_BYTES_MIN, Some(Recoding::Gzip)),
            (None, max, Some(Recoding::Gzip)),
            (None, max + 1, None),
            (Some("gzip"), 1, Some(Recoding::Gunzip)),
            (Some("X-GZIP"), max, Some(Recoding::Gunzip)),
            (Some("gzip"), max + 1, None),
            (Some("br"), COMPRESSED_BYTES_MIN, None),
            (Some("gzip, gzip"), COMPRESSED_BYTES_MIN, None),
        ] {
            let recoding = Recoding::of(&meta(MediaClass::Playlist, content_encoding, size));
            assert_eq!(recoding, want, "{content_encoding:?} {size}");
            for class in [MediaClass::Media, MediaClass::Key, MediaClass::Other] {
                assert_eq!(Recoding::of(&meta(class, content_encoding, size)), None, "{class:?}");
            }
        }
    }

    #[test]
    fn decoded_bodies_are_bounded_and_what_cannot_be_recoded_is_left_alone() {
        let mut plain = vec![b'#'; PLAYLIST_BYTES_MAX];
        let at = Recoding::Gunzip.apply(&gzip(&plain)).unwrap();
        assert_eq!((at.body.len(), at.digest), (PLAYLIST_BYTES_MAX, Digest::of(&plain)));
        plain.push(b'#');
        assert!(Recoding::Gunzip.apply(&gzip(&plain)).is_none());
        assert!(Recoding::Gunzip.apply(b"#EXTM3U\n").is_none());
        assert!(Recoding::Gzip.apply(b"x").is_none(), "it would not shrink");
        let packed = Recoding::Gzip.apply(&plain).unwrap();
        assert!(packed.body.len() < plain.len());
        assert_eq!(packed.digest, Digest::of(&packed.body));
    }
}
