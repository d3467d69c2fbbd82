//! Classes of objects: what the rules of live media distinguish.

use serde::{Deserialize, Serialize};

/// What an object is, by its name or else by its Content-Type (see `headwater_media::classify`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaClass {
    /// An HLS playlist or a DASH manifest: overwritten all the time, visible only when whole, evicted last.
    Playlist,
    /// Segments, parts, init segments, captions, thumbnails: may be read while they are written.
    Media,
    /// A content key.
    Key,
    /// Everything else.
    Other,
}

impl MediaClass {
    /// The stable name, used on the wire, in logs and as a metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Playlist => "playlist",
            Self::Media => "media",
            Self::Key => "key",
            Self::Other => "other",
        }
    }
}
