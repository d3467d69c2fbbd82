//! What names and playlists say about live media: classes, content types, how long an answer may be cached.
//!
//! Pure. Parsers take any bytes, in time linear in their number, and answer `None` where they do not understand.

pub mod cache_control;
pub mod class;
pub mod gzip;
pub mod hls;
pub mod mpd;

pub use cache_control::{CacheControl, PlaylistFacts, default_cache_control};
pub use class::{PlaylistFormat, classify, content_type, is_followable, is_probed, playlist_format};
pub use gzip::{GunzipError, gunzip_bounded, gzip, is_gzip};
