//! Classes and content types: the one table of extensions, and content types where the extension is not in it.

use headwater_types::{MediaClass, ObjectKey};
use std::borrow::Cow;

/// The type of an object about which nothing is known (RFC 2046 section 4.5.1).
const OCTET_STREAM: &str = "application/octet-stream";
/// The registered type of HLS playlists (RFC 8216 section 4).
const HLS: &str = "application/vnd.apple.mpegurl";

/// Types that clients send by default, whatever the body is: curl's for `--data-binary` and `--form`, those of S3 tools
/// and HTTP libraries, and those that the MIME Sniffing standard (section 7) takes for unknown.
const MEANINGLESS: [&str; 8] = [
    OCTET_STREAM,
    "binary/octet-stream",
    "application/x-octet-stream",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "application/unknown",
    "unknown/unknown",
    "*/*",
];

/// Types under which HLS playlists are sent: those of RFC 8216 section 4, and older spellings.
const HLS_TYPES: [&str; 7] = [
    HLS,
    "application/x-mpegurl",
    "application/mpegurl",
    "audio/mpegurl",
    "audio/x-mpegurl",
    "video/mpegurl",
    "video/x-mpegurl",
];

/// The two languages of playlists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlaylistFormat {
    /// HLS (RFC 8216).
    Hls,
    /// DASH (ISO/IEC 23009-1).
    Dash,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Playlist(PlaylistFormat),
    Media,
    Key,
}

impl Kind {
    fn class(self) -> MediaClass {
        match self {
            Self::Playlist(_) => MediaClass::Playlist,
            Self::Media => MediaClass::Media,
            Self::Key => MediaClass::Key,
        }
    }
}

/// Kind and content type of an extension, in lower case. `None` if it is not in the table.
///
/// The types are those of the IANA registry, or where it has none (webm, ac4, srt) those that players use.
fn row(extension: &str) -> Option<(Kind, &'static str)> {
    use PlaylistFormat::{Dash, Hls};
    Some(match extension {
        "m3u8" | "m3u" => (Kind::Playlist(Hls), HLS),
        "mpd" => (Kind::Playlist(Dash), "application/dash+xml"),
        // MPEG transport streams; cameras and broadcast encoders write the longer names.
        "ts" | "m2ts" | "mts" | "m2t" => (Kind::Media, "video/mp2t"),
        "m4s" | "m4f" => (Kind::Media, "video/iso.segment"),
        // `init` and `dash` are what some DASH packagers call their MP4 segments, `header` is that of DASH-IF Live Media
        // Ingest 1.2 (table 6).
        "mp4" | "m4v" | "cmfv" | "init" | "header" | "dash" => (Kind::Media, "video/mp4"),
        "m4a" | "cmfa" => (Kind::Media, "audio/mp4"),
        "cmft" | "cmfm" => (Kind::Media, "application/mp4"),
        // Older relatives of MP4, whole files beside a live stream.
        "mov" => (Kind::Media, "video/quicktime"),
        "3gp" => (Kind::Media, "video/3gpp"),
        "3g2" => (Kind::Media, "video/3gpp2"),
        // `hdr` and `chk` are the names in the documentation of ffmpeg's WebM chunk muxer.
        "webm" | "hdr" | "chk" => (Kind::Media, "video/webm"),
        "weba" => (Kind::Media, "audio/webm"),
        // RFC 9559 section 27.3; the types with `x-` are deprecated.
        "mkv" => (Kind::Media, "video/matroska"),
        "mka" => (Kind::Media, "audio/matroska"),
        // RFC 5334; Opus files are Ogg files (RFC 7845 section 9).
        "ogv" => (Kind::Media, "video/ogg"),
        "ogg" | "oga" | "opus" => (Kind::Media, "audio/ogg"),
        "aac" => (Kind::Media, "audio/aac"),
        "ac3" => (Kind::Media, "audio/ac3"),
        // ffmpeg writes both.
        "ec3" | "eac3" => (Kind::Media, "audio/eac3"),
        // Dolby's successor of E-AC-3, in HLS packed audio.
        "ac4" => (Kind::Media, "audio/ac4"),
        // MPEG audio layers 2 (radio) and 3.
        "mp3" | "mp2" => (Kind::Media, "audio/mpeg"),
        "flac" => (Kind::Media, "audio/flac"),
        "vtt" | "webvtt" => (Kind::Media, "text/vtt"),
        // Subtitles beside a stream, which some players load by themselves.
        "srt" => (Kind::Media, "application/x-subrip"),
        "ttml" | "dfxp" | "imsc" => (Kind::Media, "application/ttml+xml"),
        "jpg" | "jpeg" => (Kind::Media, "image/jpeg"),
        "png" => (Kind::Media, "image/png"),
        "webp" => (Kind::Media, "image/webp"),
        "avif" => (Kind::Media, "image/avif"),
        "gif" => (Kind::Media, "image/gif"),
        "key" => (Kind::Key, OCTET_STREAM),
        _ => return None,
    })
}

fn row_of(key: &ObjectKey) -> Option<(Kind, &'static str)> {
    row(&key.extension().to_ascii_lowercase())
}

/// The type and subtype of a Content-Type, without its parameters.
fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

fn is_one_of(essence: &str, types: &[&str]) -> bool {
    types.iter().any(|one| essence.eq_ignore_ascii_case(one))
}

/// The kind that a content type stands for. `None` of types that are neither playlists nor media.
fn kind_of_type(content_type: &str) -> Option<Kind> {
    let essence = essence(content_type);
    if is_one_of(essence, &HLS_TYPES) {
        return Some(Kind::Playlist(PlaylistFormat::Hls));
    }
    if essence.eq_ignore_ascii_case("application/dash+xml") {
        return Some(Kind::Playlist(PlaylistFormat::Dash));
    }
    let (top_level, _) = essence.split_once('/')?;
    let is_media = is_one_of(top_level, &["video", "audio", "image"])
        || is_one_of(essence, &["application/mp4", "application/ttml+xml", "text/vtt"]);
    is_media.then_some(Kind::Media)
}

fn kind(key: &ObjectKey, content_type: Option<&str>) -> Option<Kind> {
    row_of(key).map(|(kind, _)| kind).or_else(|| kind_of_type(content_type?))
}

/// Returns the class of an object: by its extension without regard to case, or if the extension is missing or not in the
/// table, by its Content-Type.
pub fn classify(key: &ObjectKey, content_type: Option<&str>) -> MediaClass {
    kind(key, content_type).map_or(MediaClass::Other, Kind::class)
}

/// Returns the language of a playlist, found like its class. `None` of objects of other classes.
pub fn playlist_format(key: &ObjectKey, content_type: &str) -> Option<PlaylistFormat> {
    match kind(key, Some(content_type))? {
        Kind::Playlist(format) => Some(format),
        Kind::Media | Kind::Key => None,
    }
}

/// Reports whether an empty PUT of this class is an encoder's probe, which stores nothing: playlists, media and content
/// keys are never empty.
pub fn is_probed(class: MediaClass) -> bool {
    match class {
        MediaClass::Playlist | MediaClass::Media | MediaClass::Key => true,
        MediaClass::Other => false,
    }
}

/// Whether readers may follow an object of this class while it arrives. A playlist is visible only when whole.
pub fn is_followable(class: MediaClass) -> bool {
    class != MediaClass::Playlist
}

/// Returns the Content-Type to store: the one that was sent if it says something about the body, else that of the
/// extension, else `application/octet-stream`.
///
/// These say nothing: no type at all, a value that is no media type (RFC 9110 section 8.3.1), the defaults of HTTP
/// clients, and `text/plain` for playlists and media, which is what file servers send for them.
pub fn content_type<'a>(key: &ObjectKey, sent: Option<&'a str>) -> Cow<'a, str> {
    let row = row_of(key);
    let is_meaningful = |sent: &&str| {
        let essence = essence(sent);
        let is_plain_media = || {
            let is_listed = matches!(row, Some((Kind::Playlist(_) | Kind::Media, _)));
            is_listed && essence.eq_ignore_ascii_case("text/plain")
        };
        is_media_type(essence) && !is_one_of(essence, &MEANINGLESS) && !is_plain_media()
    };
    let by_extension = || row.map_or(OCTET_STREAM, |(_, content_type)| content_type);
    Cow::Borrowed(sent.filter(is_meaningful).unwrap_or_else(by_extension))
}

/// Whether it is a type and a subtype, both tokens (RFC 9110 section 5.6.2).
fn is_media_type(essence: &str) -> bool {
    let is_token = |text: &str| {
        let is_token_char = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        !text.is_empty() && text.bytes().all(is_token_char)
    };
    essence.split_once('/').is_some_and(|(top_level, subtype)| is_token(top_level) && is_token(subtype))
}

#[cfg(test)]
mod tests;
