//! Names: the one table of extensions, with class and content type.

use headwater_types::{MediaClass, ObjectKey};
use std::borrow::Cow;

/// What is answered for an object of unknown type (RFC 2046 section 4.5.1).
const OCTET_STREAM: &str = "application/octet-stream";

/// Class and content type of an extension, in lower case. `None` if it is not in the table.
fn row(extension: &str) -> Option<(MediaClass, &'static str)> {
    Some(match extension {
        "m3u8" => (MediaClass::Playlist, "application/vnd.apple.mpegurl"),
        "mpd" => (MediaClass::Playlist, "application/dash+xml"),
        "ts" => (MediaClass::Media, "video/mp2t"),
        "m4s" => (MediaClass::Media, "video/iso.segment"),
        "m4v" | "mp4" | "cmfv" => (MediaClass::Media, "video/mp4"),
        "m4a" | "cmfa" => (MediaClass::Media, "audio/mp4"),
        "cmft" => (MediaClass::Media, "application/mp4"),
        "aac" => (MediaClass::Media, "audio/aac"),
        "ac3" => (MediaClass::Media, "audio/ac3"),
        "ec3" => (MediaClass::Media, "audio/eac3"),
        "mp3" => (MediaClass::Media, "audio/mpeg"),
        "vtt" => (MediaClass::Media, "text/vtt"),
        "ttml" => (MediaClass::Media, "application/ttml+xml"),
        "jpg" => (MediaClass::Media, "image/jpeg"),
        "key" => (MediaClass::Key, OCTET_STREAM),
        _ => return None,
    })
}

fn row_of(key: &ObjectKey) -> Option<(MediaClass, &'static str)> {
    row(&key.extension().to_ascii_lowercase())
}

/// The class of an object, by its extension without regard to case.
pub fn classify(key: &ObjectKey) -> MediaClass {
    row_of(key).map_or(MediaClass::Other, |(class, _)| class)
}

/// Whether an empty PUT of this name is an encoder's probe, which stores nothing: playlists and media are never
/// empty.
pub fn is_probe_name(key: &ObjectKey) -> bool {
    matches!(classify(key), MediaClass::Playlist | MediaClass::Media)
}

/// Whether readers may follow an object of this class while it arrives. A playlist is visible only when whole.
pub fn is_followable(class: MediaClass) -> bool {
    class != MediaClass::Playlist
}

/// The Content-Type to store: the one that was sent, unless it is absent, empty or `application/octet-stream`
/// (packagers send that for playlists too): then the extension's, and for unknown extensions that same type.
pub fn content_type<'a>(key: &ObjectKey, sent: Option<&'a str>) -> Cow<'a, str> {
    let meaningful = |sent: &&str| {
        let essence = sent.split(';').next().unwrap_or_default().trim();
        !essence.is_empty() && !essence.eq_ignore_ascii_case(OCTET_STREAM)
    };
    let by_extension = || row_of(key).map_or(OCTET_STREAM, |(_, content_type)| content_type);
    Cow::Borrowed(sent.filter(meaningful).unwrap_or_else(by_extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key: &str) -> ObjectKey {
        ObjectKey::parse(key).unwrap()
    }

    #[test]
    fn classes_follow_the_extension_of_the_last_segment() {
        for name in ["m3u8", "mpd"] {
            assert_eq!(classify(&key(&format!("a/b.{name}"))), MediaClass::Playlist, "{name}");
        }
        for name in "ts m4s m4v m4a mp4 cmfv cmfa cmft aac ac3 ec3 mp3 vtt ttml jpg".split(' ') {
            assert_eq!(classify(&key(&format!("a/b.{name}"))), MediaClass::Media, "{name}");
            assert_eq!(classify(&key(&format!("a/b.{}", name.to_uppercase()))), MediaClass::Media, "{name}");
        }
        assert_eq!(classify(&key("keys/7.key")), MediaClass::Key);
        for other in ["a", "a.ts/b", "ts", ".ts", "a.tsx", "a.json", "a.jpeg", "a.m3u8.", "a.ts.tmp", "a.ſ"]
        {
            assert_eq!(classify(&key(other)), MediaClass::Other, "{other}");
        }
    }

    #[test]
    fn probes_are_playlist_and_media_names() {
        for (name, probe) in
            [("a.m3u8", true), ("a.TS", true), ("a.key", false), ("a.txt", false), ("a", false)]
        {
            assert_eq!(is_probe_name(&key(name)), probe, "{name}");
        }
    }

    #[test]
    fn only_playlists_are_not_followed() {
        assert!(!is_followable(MediaClass::Playlist));
        assert!([MediaClass::Media, MediaClass::Key, MediaClass::Other].into_iter().all(is_followable));
    }

    #[test]
    fn content_types_that_say_nothing_are_replaced() {
        let hls = "application/vnd.apple.mpegurl";
        for (name, sent, want) in [
            ("a.m3u8", None, hls),
            ("a.M3U8", Some("application/octet-stream"), hls),
            ("a.m3u8", Some("Application/Octet-Stream; charset=binary"), hls),
            ("a.m3u8", Some(" "), hls),
            ("a.m3u8", Some("application/x-mpegURL"), "application/x-mpegURL"),
            ("a.ts", Some("text/plain; charset=utf-8"), "text/plain; charset=utf-8"),
            ("a.m4s", None, "video/iso.segment"),
            ("a.key", None, OCTET_STREAM),
            ("a", None, OCTET_STREAM),
            ("a", Some("application/octet-stream"), OCTET_STREAM),
        ] {
            assert_eq!(content_type(&key(name), sent), want, "{name} {sent:?}");
        }
    }
}
