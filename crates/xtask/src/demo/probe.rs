//! The demo's closing check: ffprobe plays each rendition, so codecs, size and decoded frames are looked at by a player
//! that is not ours.

use super::ladder::Rendition;
use crate::{process::Process, stop::Stop, wait::wait_for};
use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use std::{
    fs,
    path::Path,
    process::{Command, ExitStatus},
    time::Duration,
};

/// How long ffprobe may take for one rendition. It reads a few seconds of a live stream at its own pace.
const LIMIT: Duration = Duration::from_secs(45);

/// What ffprobe prints.
#[derive(Debug, Deserialize)]
struct Report {
    streams: Vec<Stream>,
}

#[derive(Debug, Deserialize)]
struct Stream {
    codec_name: String,
    width: Option<u32>,
    height: Option<u32>,
    /// A number in a string; absent where nothing was decoded.
    nb_read_frames: Option<String>,
}

/// Plays four seconds of a rendition. Gives one line about it.
///
/// # Errors
/// It does not play, or is not what the encoder made.
pub fn check(
    ffprobe: &Path,
    playlist_url: &str,
    key: &str,
    rendition: &Rendition,
    dir: &Path,
    stop: &Stop,
) -> anyhow::Result<String> {
    let report_file = dir.join(format!("ffprobe-{}.json", rendition.name));
    let mut command = Command::new(ffprobe);
    command.args(["-v", "error", "-headers", &format!("Authorization: {key}\r\n"), "-read_intervals", "%+4"]);
    command.args([
        "-count_frames",
        "-show_entries",
        "stream=codec_name,width,height,nb_read_frames",
        "-of",
        "json",
    ]);
    command.arg("-o").arg(&report_file).arg(playlist_url);
    let log = dir.join(format!("ffprobe-{}.log", rendition.name));
    let mut process = Process::start("ffprobe", &mut command, &log)?;
    let ended = wait_for("ffprobe", LIMIT, stop, || Ok(process.ended()?));
    process.stop()?;
    let status: ExitStatus = ended.with_context(|| process.last_lines(5))?;
    ensure!(status.success(), "{}: ffprobe ended with {status}: {}", rendition.name, process.last_lines(5));
    let report = serde_json::from_slice(&fs::read(&report_file)?).context("ffprobe's report")?;
    judge(&report, rendition)
}

/// Compares a report with what the rendition should be.
fn judge(report: &Report, rendition: &Rendition) -> anyhow::Result<String> {
    let name = rendition.name;
    let decoded = |codec: &str| -> anyhow::Result<(&Stream, u32)> {
        let stream = report.streams.iter().find(|stream| stream.codec_name == codec);
        let stream = stream.with_context(|| format!("{name}: no {codec} stream"))?;
        let frames = stream.nb_read_frames.as_deref().and_then(|count| count.parse().ok()).unwrap_or(0);
        if frames == 0 {
            bail!("{name}: no {codec} frame was decoded");
        }
        Ok((stream, frames))
    };
    let (video, video_frames) = decoded("h264")?;
    let (_, audio_frames) = decoded("aac")?;
    let size = (video.width, video.height);
    ensure!(size == (Some(rendition.width), Some(rendition.height)), "{name}: the picture is {size:?}");
    Ok(format!(
        "{name}: h264 {}x{}, {video_frames} frames; aac, {audio_frames} frames",
        rendition.width, rendition.height
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::ladder::LADDER;

    #[test]
    fn wants_both_codecs_the_size_and_frames() {
        let judge =
            |json: &str| judge(&serde_json::from_str(json).unwrap(), &LADDER[0]).map_err(|e| e.to_string());
        let audio = r#"{"codec_name":"aac","nb_read_frames":"9"}"#;
        let video = |height: u32, frames: &str| {
            format!(r#"{{"codec_name":"h264","width":1280,"height":{height},"nb_read_frames":"{frames}"}}"#)
        };
        let good = judge(&format!(r#"{{"streams":[{},{audio}]}}"#, video(720, "60")));
        assert_eq!(good.unwrap(), "720p: h264 1280x720, 60 frames; aac, 9 frames");
        let small = judge(&format!(r#"{{"streams":[{},{audio}]}}"#, video(480, "60")));
        assert_eq!(small.unwrap_err(), "720p: the picture is (Some(1280), Some(480))");
        let frozen = judge(&format!(r#"{{"streams":[{},{audio}]}}"#, video(720, "0")));
        assert_eq!(frozen.unwrap_err(), "720p: no h264 frame was decoded");
        let silent = judge(&format!(r#"{{"streams":[{}]}}"#, video(720, "60")));
        assert_eq!(silent.unwrap_err(), "720p: no aac stream");
    }
}
