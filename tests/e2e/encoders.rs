//! Two generations of ffmpeg push HLS, DASH and single objects, with each form of credentials.

use crate::{
    encoder::{Encoder, FRAME_RATE, Generation},
    stored::Stored,
};
use headwater_testkit::Dev;
use std::time::Duration;

/// A window of three segments; the encoder deletes what is older, but for one.
const HLS: [&str; 10] =
    ["-f", "hls", "-hls_time", "1", "-hls_list_size", "3", "-hls_flags", "delete_segments", "-method", "PUT"];
/// Segments behind the window that ffmpeg keeps (`hls_delete_threshold`).
const HLS_SPARE: usize = 1;
/// A window of four segments; one more of each stream is kept.
const DASH: [&str; 10] =
    ["-f", "dash", "-seg_duration", "1", "-window_size", "4", "-extra_window_size", "1", "-method", "PUT"];
const SECONDS: u32 = 8;

/// A running origin and how encoders address it.
struct Target {
    dev: Dev,
    _dir: tempfile::TempDir,
    header: String,
}

impl Target {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let dev = Dev::start(dir.path(), &[]).await.unwrap();
        let header = format!("Authorization: Bearer {}\r\n", dev.info.encoder_api_key);
        Self { dev, _dir: dir, header }
    }

    /// The URL of an object with Basic credentials in it.
    fn basic_url(&self, key: &str) -> String {
        let credentials = format!("http://encoder:{}@", self.dev.info.encoder_api_key);
        self.dev.info.url(key).replacen("http://", &credentials, 1)
    }

    fn encoder(&self, name: &str, generation: Generation, arguments: &[&[&str]]) -> Encoder {
        Encoder::start(self.dev.dir(), name, generation, SECONDS, &arguments.concat())
    }

    fn stored(&self) -> Stored {
        let info = &self.dev.info;
        Stored::new(&info.data_url, &info.namespace, &info.player_api_key)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ffmpeg_5_with_each_form_of_credentials_and_connections() {
    let target = Target::start().await;
    let url = |key: &str| target.dev.info.url(key);
    let token = |key: &str| format!("{}?token={}", url(key), target.dev.info.encoder_api_key);
    let headers = ["-headers", &target.header];
    let encoders = [
        target.encoder("headers", Generation::Five, &[&HLS, &headers, &[&url("headers/s.m3u8")]]),
        target.encoder("basic", Generation::Five, &[&HLS, &[&target.basic_url("basic/s.m3u8")]]),
        target.encoder(
            "persistent",
            Generation::Five,
            &[&HLS, &headers, &["-http_persistent", "1", &url("persistent/s.m3u8")]],
        ),
        target.encoder(
            "one",
            Generation::Five,
            &[&["-f", "mpegts", "-method", "PUT", &token("token/one.ts")]],
        ),
        // Its HLS muxer drops the playlist's query from segments that it names by itself.
        target.encoder(
            "token",
            Generation::Five,
            &[&HLS, &["-hls_segment_filename", &token("tokens/s%d.ts"), &token("tokens/s.m3u8")]],
        ),
    ];
    for encoder in encoders {
        encoder.finish().await;
    }
    let stored = target.stored();
    for folder in ["headers/", "basic/", "persistent/", "tokens/"] {
        let playlist = stored.check_hls(folder, HLS_SPARE).await;
        assert_eq!((playlist.sequence, playlist.segments.len()), (u64::from(SECONDS) - 3, 3), "{folder}");
    }
    assert_eq!(stored.video_frames("token/one.ts").await, u64::from(SECONDS * FRAME_RATE));
    target.dev.stop(&[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ffmpeg_9_hls_and_dash_whole_and_while_they_are_encoded() {
    let target = Target::start().await;
    let streaming = ["-streaming", "1", "-ldash", "1", "-hls_playlist", "1", "-http_persistent", "1"];
    let encoders = [
        target.encoder(
            "hls",
            Generation::Nine,
            &[&HLS, &["-headers", &target.header, &target.dev.info.url("hls/s.m3u8")]],
        ),
        target.encoder("dash", Generation::Nine, &[&DASH, &[&target.basic_url("dash/m.mpd")]]),
        target.encoder("low", Generation::Nine, &[&DASH, &streaming, &[&target.basic_url("low/m.mpd")]]),
    ];
    for encoder in encoders {
        encoder.finish().await;
    }
    let stored = target.stored();
    let playlist = stored.check_hls("hls/", HLS_SPARE).await;
    assert_eq!((playlist.sequence, playlist.segments.len()), (u64::from(SECONDS) - 3, 3));
    let window = u64::from(4 * FRAME_RATE);
    // One segment of each of the two streams is kept behind the window.
    stored.check_dash("dash/", 2, window).await;
    stored.check_dash("low/", 2, window).await;
    assert_eq!(stored.video_frames("low/master.m3u8").await, window);
    target.dev.stop(&[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ffmpeg_9_dash_segments_of_12_s_leave_their_put_idle_as_long() {
    const SECONDS: u32 = 25;
    let target = Target::start().await;
    let url = target.basic_url("long/m.mpd");
    let output = ["-f", "dash", "-seg_duration", "12", "-method", "PUT", &url];
    Encoder::start(target.dev.dir(), "long", Generation::Nine, SECONDS, &output).finish().await;
    target.stored().check_dash("long/", 0, u64::from(SECONDS * FRAME_RATE)).await;
    target.dev.stop(&[]).await.unwrap();
}

/// Short pushes on a connection for each request: the last playlists come back to back, and only the last one ends the
/// stream.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ffmpeg_ends_every_one_of_many_short_pushes() {
    const PUSHES: usize = 10;
    let target = Target::start().await;
    for generation in [Generation::Five, Generation::Nine] {
        let pushes: Vec<_> = (0..PUSHES)
            .map(|n| {
                let name = format!("{generation:?}{n}");
                let url = target.dev.info.url(&format!("{name}/s.m3u8"));
                let output =
                    ["-f", "hls", "-hls_time", "1", "-hls_list_size", "0", "-method", "PUT", "-headers"];
                let output = [&output[..], &[&target.header, &url]].concat();
                (name.clone(), Encoder::hurried(target.dev.dir(), &name, generation, 3, &output))
            })
            .collect();
        let mut names = Vec::new();
        for (name, push) in pushes {
            push.finish().await;
            names.push(name);
        }
        let stored = target.stored();
        for name in names {
            // The encoder leaves without waiting for the answer.
            headwater_testkit::until("the playlist has its end", Duration::from_secs(10), || async {
                let text = stored.text(&format!("{name}/s.m3u8")).await;
                text.ends_with("#EXT-X-ENDLIST\n").then_some(())
            })
            .await;
        }
    }
    target.dev.stop(&[]).await.unwrap();
}
