//! Every row of the table, and what is in none.

use super::*;

fn key(key: &str) -> ObjectKey {
    ObjectKey::parse(key).unwrap()
}

/// All that `docs/http.md` lists.
const TABLE: [(&str, MediaClass, &str); 31] = [
    ("m3u8 m3u", MediaClass::Playlist, "application/vnd.apple.mpegurl"),
    ("mpd", MediaClass::Playlist, "application/dash+xml"),
    ("ts m2ts mts m2t", MediaClass::Media, "video/mp2t"),
    ("m4s m4f", MediaClass::Media, "video/iso.segment"),
    ("mp4 m4v cmfv init header dash", MediaClass::Media, "video/mp4"),
    ("m4a cmfa", MediaClass::Media, "audio/mp4"),
    ("cmft cmfm", MediaClass::Media, "application/mp4"),
    ("mov", MediaClass::Media, "video/quicktime"),
    ("3gp", MediaClass::Media, "video/3gpp"),
    ("3g2", MediaClass::Media, "video/3gpp2"),
    ("webm hdr chk", MediaClass::Media, "video/webm"),
    ("weba", MediaClass::Media, "audio/webm"),
    ("mkv", MediaClass::Media, "video/matroska"),
    ("mka", MediaClass::Media, "audio/matroska"),
    ("ogv", MediaClass::Media, "video/ogg"),
    ("ogg oga opus", MediaClass::Media, "audio/ogg"),
    ("aac", MediaClass::Media, "audio/aac"),
    ("ac3", MediaClass::Media, "audio/ac3"),
    ("ec3 eac3", MediaClass::Media, "audio/eac3"),
    ("ac4", MediaClass::Media, "audio/ac4"),
    ("mp3 mp2", MediaClass::Media, "audio/mpeg"),
    ("flac", MediaClass::Media, "audio/flac"),
    ("vtt webvtt", MediaClass::Media, "text/vtt"),
    ("srt", MediaClass::Media, "application/x-subrip"),
    ("ttml dfxp imsc", MediaClass::Media, "application/ttml+xml"),
    ("jpg jpeg", MediaClass::Media, "image/jpeg"),
    ("png", MediaClass::Media, "image/png"),
    ("webp", MediaClass::Media, "image/webp"),
    ("avif", MediaClass::Media, "image/avif"),
    ("gif", MediaClass::Media, "image/gif"),
    ("key", MediaClass::Key, OCTET_STREAM),
];

#[test]
fn every_extension_has_a_class_and_a_type() {
    for (extensions, class, content_type) in TABLE {
        for extension in extensions.split(' ') {
            for name in [format!("a/b.{extension}"), format!("b.{}", extension.to_uppercase())] {
                let key = key(&name);
                assert_eq!(classify(&key, None), class, "{name}");
                assert_eq!(super::content_type(&key, None), content_type, "{name}");
                // The extension decides, whatever the client says.
                assert_eq!(classify(&key, Some("text/html")), class, "{name}");
            }
        }
    }
}

#[test]
fn names_without_a_known_extension_go_by_their_content_type() {
    for name in ["a", "a.ts/b", "ts", ".ts", "a.tsx", "a.m3u8.", "a.ts.tmp", "a.ſ", "stream.7"] {
        let key = key(name);
        for (content_type, class) in [
            (None, MediaClass::Other),
            (Some("video/mp2t"), MediaClass::Media),
            (Some("Audio/AAC; codecs=x"), MediaClass::Media),
            (Some("image/heic"), MediaClass::Media),
            (Some("text/vtt"), MediaClass::Media),
            (Some("application/mp4"), MediaClass::Media),
            (Some("application/ttml+xml"), MediaClass::Media),
            (Some("application/vnd.apple.mpegurl"), MediaClass::Playlist),
            (Some("Application/X-mpegURL"), MediaClass::Playlist),
            (Some("audio/mpegurl; charset=utf-8"), MediaClass::Playlist),
            (Some("audio/x-mpegurl"), MediaClass::Playlist),
            (Some("application/dash+xml"), MediaClass::Playlist),
            (Some("application/json"), MediaClass::Other),
            (Some("text/plain"), MediaClass::Other),
            (Some("videos/mp4"), MediaClass::Other),
            (Some("video"), MediaClass::Other),
            (Some(""), MediaClass::Other),
        ] {
            assert_eq!(classify(&key, content_type), class, "{name} {content_type:?}");
        }
    }
}

#[test]
fn the_language_of_a_playlist_is_found_like_its_class() {
    use PlaylistFormat::{Dash, Hls};
    for (name, content_type, format) in [
        ("a.m3u8", "application/dash+xml", Some(Hls)),
        ("a.M3U", "text/plain", Some(Hls)),
        ("a.mpd", "text/xml", Some(Dash)),
        ("manifest", "application/dash+xml", Some(Dash)),
        ("playlist", "audio/mpegurl", Some(Hls)),
        ("a.ts", "application/dash+xml", None),
        ("a", "video/mp4", None),
    ] {
        assert_eq!(playlist_format(&key(name), content_type), format, "{name} {content_type}");
    }
}

#[test]
fn everything_but_other_objects_is_probed() {
    assert!(!is_probed(MediaClass::Other));
    assert!([MediaClass::Playlist, MediaClass::Media, MediaClass::Key].into_iter().all(is_probed));
}

#[test]
fn only_playlists_are_not_followed() {
    assert!(!is_followable(MediaClass::Playlist));
    assert!([MediaClass::Media, MediaClass::Key, MediaClass::Other].into_iter().all(is_followable));
}

#[test]
fn content_types_that_say_nothing_are_replaced() {
    let says_nothing = [
        "application/octet-stream",
        "Application/Octet-Stream; charset=binary",
        "binary/octet-stream",
        "application/x-octet-stream",
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded; charset=UTF-8",
        "multipart/form-data; boundary=------------------------d74496d66958873e",
        "application/unknown",
        "unknown/unknown",
        "*/*",
        "undefined",
        "video",
        "/mp4",
        "video/",
        "video/mp 4",
        "; charset=utf-8",
        " ",
        "",
    ];
    for (name, by_extension) in [
        ("a.m3u8", "application/vnd.apple.mpegurl"),
        ("a.M3U8", "application/vnd.apple.mpegurl"),
        ("a.mpd", "application/dash+xml"),
        ("a.ts", "video/mp2t"),
        ("init.webm", "video/webm"),
        ("a.key", OCTET_STREAM),
        ("a.json", OCTET_STREAM),
        ("a", OCTET_STREAM),
    ] {
        assert_eq!(content_type(&key(name), None), by_extension, "{name}");
        for sent in says_nothing {
            assert_eq!(content_type(&key(name), Some(sent)), by_extension, "{name} {sent:?}");
        }
    }
}

#[test]
fn text_plain_says_nothing_of_playlists_and_media_only() {
    let plain = "text/plain; charset=utf-8";
    for (name, want) in [
        ("a.m3u8", "application/vnd.apple.mpegurl"),
        ("a.ts", "video/mp2t"),
        ("a.vtt", "text/vtt"),
        ("a.txt", plain),
        ("a.key", plain),
        ("a", plain),
    ] {
        assert_eq!(content_type(&key(name), Some(plain)), want, "{name}");
    }
}

#[test]
fn content_types_that_say_something_are_kept() {
    for sent in [
        "application/x-mpegURL",
        "audio/mpegurl",
        "video/mpegts",
        "multipart/x-mixed-replace; boundary=frame",
        "application/xml",
        "text/html",
        "x-custom/y",
    ] {
        for name in ["a.m3u8", "a.ts", "a.key", "a.bin", "a"] {
            assert_eq!(content_type(&key(name), Some(sent)), sent, "{name}");
        }
    }
}
