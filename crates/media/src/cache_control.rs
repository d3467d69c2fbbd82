//! Cache-Control of answers whose object was stored without one.

use headwater_types::{MediaClass, ObjectKey};
use std::{fmt, time::Duration};

use crate::{PlaylistFormat, class::playlist_format, hls, mpd};

/// How long a segment may be cached while names may be used again, in seconds.
const SEGMENT_MAX_AGE_S: u64 = 60;

/// What the Cache-Control of a playlist depends on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlaylistFacts {
    /// How long until there is a new version: a media playlist's target duration, a manifest's minimumUpdatePeriod.
    /// `None` if unknown, as of multivariant playlists and of static manifests.
    pub target_duration: Option<Duration>,
    /// Whether it is a multivariant HLS playlist.
    pub is_multivariant: bool,
}

impl PlaylistFacts {
    /// Reads the facts from a decompressed body, in the language that its name or Content-Type says. Objects of other
    /// classes have none. Linear in the body.
    pub fn read(key: &ObjectKey, content_type: &str, body: &[u8]) -> Self {
        match playlist_format(key, content_type) {
            Some(PlaylistFormat::Hls) => Self {
                target_duration: hls::target_duration(body),
                is_multivariant: hls::is_multivariant(body),
            },
            Some(PlaylistFormat::Dash) => {
                Self { target_duration: mpd::minimum_update_period(body), is_multivariant: false }
            }
            None => Self::default(),
        }
    }
}

/// A Cache-Control value (RFC 9111, section 5.2.2). Ages are in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheControl {
    /// `public, max-age`: without `public` a shared cache must not answer another request from what it got with an
    /// Authorization header (RFC 9111 section 3.5).
    Public(u64),
    /// `public, max-age, immutable` (RFC 8246).
    Immutable(u64),
    /// `no-cache`.
    NoCache,
}

impl fmt::Display for CacheControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public(seconds) => write!(f, "public, max-age={seconds}"),
            Self::Immutable(seconds) => write!(f, "public, max-age={seconds}, immutable"),
            Self::NoCache => f.write_str("no-cache"),
        }
    }
}

/// The Cache-Control of a committed object.
///
/// - Playlists and manifests: half their target duration, rounded down, at least 1 s; 1 s where it is unknown and for
///   multivariant playlists.
/// - Media: the remaining TTL, at most 60 s, since some encoders restart their counters and overwrite. Where the
///   namespace promises unique names: the whole remaining TTL, and `immutable` (RFC 8246).
/// - Everything else is validated on every use: `no-cache`.
pub fn default_cache_control(
    class: MediaClass,
    facts: PlaylistFacts,
    remaining_ttl_s: u64,
    unique_names: bool,
) -> CacheControl {
    match class {
        MediaClass::Playlist => {
            let target = facts.target_duration.filter(|_| !facts.is_multivariant).unwrap_or_default();
            let half_s = (target / 2).as_secs().max(1);
            CacheControl::Public(half_s)
        }
        MediaClass::Media if unique_names => CacheControl::Immutable(remaining_ttl_s),
        MediaClass::Media => CacheControl::Public(remaining_ttl_s.min(SEGMENT_MAX_AGE_S)),
        MediaClass::Key | MediaClass::Other => CacheControl::NoCache,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn playlist(target_millis: Option<u64>) -> String {
        let facts = PlaylistFacts {
            target_duration: target_millis.map(Duration::from_millis),
            is_multivariant: false,
        };
        default_cache_control(MediaClass::Playlist, facts, 3600, true).to_string()
    }

    #[test]
    fn playlists_live_half_a_target_duration() {
        for (target_millis, seconds) in
            [(0, 1), (1999, 1), (2000, 1), (3999, 1), (4000, 2), (6000, 3), (11_000, 5)]
        {
            assert_eq!(
                playlist(Some(target_millis)),
                format!("public, max-age={seconds}"),
                "{target_millis} ms"
            );
        }
        assert_eq!(playlist(None), "public, max-age=1");
        let both = PlaylistFacts { target_duration: Some(Duration::from_secs(10)), is_multivariant: true };
        assert_eq!(default_cache_control(MediaClass::Playlist, both, 3600, false), CacheControl::Public(1));
    }

    #[test]
    fn media_lives_a_minute_or_its_ttl() {
        let media = |ttl, unique| {
            default_cache_control(MediaClass::Media, PlaylistFacts::default(), ttl, unique).to_string()
        };
        assert_eq!(media(61, false), "public, max-age=60");
        assert_eq!(media(60, false), "public, max-age=60");
        assert_eq!(media(59, false), "public, max-age=59");
        assert_eq!(media(0, false), "public, max-age=0");
        assert_eq!(media(86_400, true), "public, max-age=86400, immutable");
    }

    #[test]
    fn the_rest_is_validated() {
        for class in [MediaClass::Key, MediaClass::Other] {
            let value = default_cache_control(class, PlaylistFacts::default(), 3600, true);
            assert_eq!(value.to_string(), "no-cache");
        }
    }

    #[test]
    fn facts_are_read_by_extension_or_content_type() {
        let read = |key: &str, content_type: &str, body: &str| {
            PlaylistFacts::read(&ObjectKey::parse(key).unwrap(), content_type, body.as_bytes())
        };
        let media = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n";
        let mpd = "<MPD minimumUpdatePeriod='PT2S'/>";
        let (hls, dash) = ("application/x-mpegurl", "application/dash+xml");
        for (key, content_type, body, seconds) in [
            ("a.M3U8", "text/html", media, 6),
            ("a.m3u", dash, media, 6),
            ("live", hls, media, 6),
            ("a.mpd", "text/xml", mpd, 2),
            ("manifest", dash, mpd, 2),
        ] {
            let facts = read(key, content_type, body);
            assert_eq!(facts.target_duration, Some(Duration::from_secs(seconds)), "{key} {content_type}");
        }
        assert!(read("a.m3u8", hls, "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n").is_multivariant);
        for (key, content_type, body) in
            [("a.ts", hls, media), ("a.mpd", hls, media), ("a.m3u8", dash, mpd), ("a", "text/plain", media)]
        {
            assert_eq!(read(key, content_type, body), PlaylistFacts::default(), "{key}");
        }
    }
}
