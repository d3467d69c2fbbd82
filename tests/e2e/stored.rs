//! What an origin has of a channel, read back with LIST and GET.

use crate::{
    decoded::decode,
    encoder::FRAME_RATE,
    manifest::{MediaPlaylist, mpd_segments},
};
use headwater_client::Client;
use std::collections::BTreeSet;

/// A namespace, read with the player's key.
pub struct Stored {
    client: Client,
    api_key: String,
}

impl Stored {
    /// At a data plane (`http://host:port`).
    pub fn new(data_url: &str, namespace: &str, api_key: &str) -> Self {
        let client = Client::new(data_url, namespace, api_key).expect("a URL");
        Self { client, api_key: api_key.to_owned() }
    }

    /// The bytes of an object that must be there.
    pub async fn bytes(&self, key: &str) -> Vec<u8> {
        let object = self.client.get(key).await.unwrap_or_else(|e| panic!("{key}: {e}"));
        object.bytes().await.unwrap_or_else(|e| panic!("{key} was cut: {e}")).to_vec()
    }

    /// The same as text.
    pub async fn text(&self, key: &str) -> String {
        String::from_utf8(self.bytes(key).await).expect("text")
    }

    /// Names below a folder, without it. Every object is as long as LIST says.
    pub async fn names(&self, folder: &str) -> BTreeSet<String> {
        let listing = self.client.list(folder).await.expect("LIST");
        for object in &listing.objects {
            assert_eq!(self.bytes(&object.name).await.len() as u64, object.size, "{}", object.name);
        }
        listing
            .objects
            .iter()
            .map(|o| o.name.strip_prefix(folder).expect("below the folder").to_owned())
            .collect()
    }

    /// Decodes what an object leads to and answers the frames of the picture.
    pub async fn video_frames(&self, key: &str) -> u64 {
        let streams = decode(self.client.url(key).expect("a URL").into(), &self.api_key).await;
        let picture =
            streams.iter().find(|s| s.codec == "h264").unwrap_or_else(|| panic!("{key}: {streams:?}"));
        assert_eq!(picture.size, (320, 180), "{key}");
        assert!(streams.iter().any(|s| s.codec == "aac" && s.frames > 0), "{key} has no sound: {streams:?}");
        picture.frames
    }

    /// A finished HLS stream `s.m3u8` of a folder: every listed segment is there, nothing else is but the `spare`
    /// segments that the encoder keeps behind the window, and every frame of what is listed decodes. Answers the
    /// playlist.
    pub async fn check_hls(&self, folder: &str, spare: usize) -> MediaPlaylist {
        let playlist = MediaPlaylist::parse(&self.text(&format!("{folder}s.m3u8")).await);
        assert!(playlist.ended && !playlist.segments.is_empty(), "{folder}: {playlist:?}");
        let mut names = self.names(folder).await;
        assert!(names.remove("s.m3u8"), "{names:?}");
        for segment in &playlist.segments {
            // The encoder's own token may be in the URI, and is no part of the name.
            let name = segment.split('?').next().unwrap_or_default();
            assert!(names.remove(name), "{folder}{segment} is listed in the playlist and not stored");
        }
        assert!(names.len() <= spare, "{folder}: deleted segments are still there: {names:?}");
        let frames = self.video_frames(&format!("{folder}s.m3u8")).await;
        assert_eq!(
            frames as f64,
            (playlist.seconds * f64::from(FRAME_RATE)).round(),
            "{folder}: {playlist:?}"
        );
        playlist
    }

    /// A finished DASH stream `m.mpd` of a folder: every segment that it refers to is there, nothing else is but
    /// `spare` segments, and all of them decode to `frames`.
    pub async fn check_dash(&self, folder: &str, spare: usize, frames: u64) {
        let mpd = self.text(&format!("{folder}m.mpd")).await;
        let mut names = self.names(folder).await;
        names.retain(|name| name.ends_with(".m4s"));
        for segment in mpd_segments(&mpd) {
            assert!(names.remove(&segment), "{folder}{segment} is in the manifest and not stored: {mpd}");
        }
        assert!(names.len() <= spare, "{folder}: deleted segments are still there: {names:?}");
        assert_eq!(self.video_frames(&format!("{folder}m.mpd")).await, frames, "{folder}");
    }
}
