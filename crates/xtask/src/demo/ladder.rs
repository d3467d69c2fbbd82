//! The demo's encoder: one ffmpeg that pushes a live HLS ladder made from test sources.

use std::{path::Path, process::Command};

/// Seconds of a segment.
const SEGMENT_SECONDS: u32 = 2;
const FRAMES_PER_SECOND: u32 = 30;
/// The folder of the channel inside the namespace.
pub const CHANNEL: &str = "demo";
/// The multivariant playlist.
pub const MULTIVARIANT: &str = "index.m3u8";

/// One rendition of the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rendition {
    /// Names its playlist and segments.
    pub name: &'static str,
    pub width: u32,
    pub height: u32,
    video_kbit_per_s: u32,
}

impl Rendition {
    /// Its media playlist's file name.
    pub fn playlist(&self) -> String {
        format!("{}.m3u8", self.name)
    }
}

/// Highest first.
pub const LADDER: [Rendition; 3] = [
    Rendition { name: "720p", width: 1280, height: 720, video_kbit_per_s: 2000 },
    Rendition { name: "480p", width: 854, height: 480, video_kbit_per_s: 900 },
    Rendition { name: "240p", width: 426, height: 240, video_kbit_per_s: 300 },
];

/// Where the channel is: `{data_url}/cache/{namespace}/demo`.
pub fn channel_url(data_url: &str, namespace: &str) -> String {
    format!("{data_url}/cache/{namespace}/{CHANNEL}")
}

/// The encoder that pushes the ladder to `channel_url` in real time. The key goes into a header: ffmpeg keeps the query
/// of the playlists' URL but drops it on segments.
pub fn encoder(ffmpeg: &Path, channel_url: &str, key: &str) -> Command {
    let [high, ..] = LADDER;
    let keyframes = (FRAMES_PER_SECOND * SEGMENT_SECONDS).to_string();
    let mut command = Command::new(ffmpeg);
    command.args(["-hide_banner", "-loglevel", "warning", "-nostats", "-nostdin"]);
    let video = format!("testsrc2=size={}x{}:rate={FRAMES_PER_SECOND}", high.width, high.height);
    command.args(["-re", "-f", "lavfi", "-i", &video]);
    command.args(["-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"]);
    command.args(["-filter_complex", &filters()]);
    for (at, rendition) in LADDER.iter().enumerate() {
        let rate = format!("{}k", rendition.video_kbit_per_s);
        let buffer = format!("{}k", 2 * rendition.video_kbit_per_s);
        command.args(["-map", &format!("[v{at}]"), "-map", "1:a"]);
        command.args([&format!("-b:v:{at}"), &rate, &format!("-maxrate:v:{at}"), &rate]);
        command.args([&format!("-bufsize:v:{at}"), &buffer]);
    }
    command.args(["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p"]);
    command.args(["-g", &keyframes, "-keyint_min", &keyframes, "-sc_threshold", "0"]);
    command.args(["-c:a", "aac", "-b:a", "96k", "-ac", "2"]);
    command.args(["-f", "hls", "-hls_time", &SEGMENT_SECONDS.to_string(), "-hls_list_size", "6"]);
    command.args(["-hls_flags", "independent_segments+program_date_time", "-hls_segment_type", "mpegts"]);
    command.args(["-var_stream_map", &stream_map(), "-master_pl_name", MULTIVARIANT]);
    command.args([
        "-method",
        "PUT",
        "-http_persistent",
        "1",
        "-headers",
        &format!("Authorization: {key}\r\n"),
    ]);
    command.args(["-hls_segment_filename", &format!("{channel_url}/%v_%05d.ts")]);
    command.arg(format!("{channel_url}/%v.m3u8?ttl_seconds=300&role=origin"));
    command
}

/// Splits the source and scales each copy: `[0:v]split=2[s0][s1];[s0]scale=..[v0];...`.
fn filters() -> String {
    let copies: String = (0..LADDER.len()).map(|at| format!("[s{at}]")).collect();
    let scaled = LADDER
        .iter()
        .enumerate()
        .map(|(at, rendition)| format!(";[s{at}]scale={}:{}[v{at}]", rendition.width, rendition.height));
    format!("[0:v]split={}{copies}{}", LADDER.len(), scaled.collect::<String>())
}

/// Which video and audio belong to which rendition, and its name.
fn stream_map() -> String {
    let variants =
        LADDER.iter().enumerate().map(|(at, rendition)| format!("v:{at},a:{at},name:{}", rendition.name));
    variants.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rendition_is_filtered_and_mapped() {
        assert_eq!(
            filters(),
            "[0:v]split=3[s0][s1][s2];[s0]scale=1280:720[v0];[s1]scale=854:480[v1];[s2]scale=426:240[v2]"
        );
        assert_eq!(stream_map(), "v:0,a:0,name:720p v:1,a:1,name:480p v:2,a:2,name:240p");
    }
}
