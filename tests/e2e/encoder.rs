//! A real encoder: ffmpeg with a small synthetic picture in real time.

use crate::needs;
use headwater_testkit::Process;
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// Frames a second of every test picture.
pub const FRAME_RATE: u32 = 25;

/// What ffmpeg says of every DASH output over HTTP.
const HARMLESS: &str = "Cannot use rename on non file protocol";

/// Which ffmpeg.
#[derive(Debug, Clone, Copy)]
pub enum Generation {
    /// The distribution's.
    Five,
    /// The static build.
    Nine,
}

/// A running ffmpeg.
#[derive(Debug)]
pub struct Encoder {
    process: Process,
    name: String,
    seconds: u32,
}

impl Encoder {
    /// Pushes `seconds` of one H.264 and AAC stream of 320x180, with a key frame a second, in real time. `output` are
    /// ffmpeg's arguments for the output.
    pub fn start(dir: &Path, name: &str, generation: Generation, seconds: u32, output: &[&str]) -> Self {
        Self::with_inputs(dir, name, generation, seconds, &["-g", "25"], output)
    }

    /// The same with more arguments between inputs and output, for maps and renditions.
    pub fn with_inputs(
        dir: &Path,
        name: &str,
        generation: Generation,
        seconds: u32,
        streams: &[&str],
        output: &[&str],
    ) -> Self {
        let mut command = Command::new(program(generation));
        command.args(["-hide_banner", "-nostdin", "-nostats", "-loglevel", "error", "-re"]);
        command.args(["-f", "lavfi", "-i", &format!("testsrc2=size=320x180:rate={FRAME_RATE}")]);
        command.args(["-re", "-f", "lavfi", "-i", "sine=sample_rate=44100", "-t", &seconds.to_string()]);
        command.args(["-c:v", "libx264", "-preset", "ultrafast", "-threads", "1", "-pix_fmt", "yuv420p"]);
        command.args(["-c:a", "aac", "-b:a", "64k"]).args(streams).args(output);
        Self::run(&mut command, dir, name, seconds)
    }

    /// Pushes `seconds` and one frame of a picture of 64x64 without sound, with a key frame a second, in an eighth of the
    /// time. The last frame is a segment of its own, so two playlists come back to back at the end.
    pub fn hurried(dir: &Path, name: &str, generation: Generation, seconds: u32, output: &[&str]) -> Self {
        let mut command = Command::new(program(generation));
        command.args(["-hide_banner", "-nostdin", "-nostats", "-loglevel", "error", "-readrate", "8"]);
        command.args(["-f", "lavfi", "-i", &format!("testsrc2=size=64x64:rate={FRAME_RATE}")]);
        command.args(["-frames:v", &(seconds * FRAME_RATE + 1).to_string()]);
        command.args(["-c:v", "libx264", "-preset", "ultrafast", "-threads", "1"]);
        command.args(["-pix_fmt", "yuv420p", "-g", "25"]).args(output);
        Self::run(&mut command, dir, name, seconds)
    }

    fn run(command: &mut Command, dir: &Path, name: &str, seconds: u32) -> Self {
        let process = Process::start(command, &dir.join(format!("{name}.log"))).expect("ffmpeg starts");
        Self { process, name: name.to_owned(), seconds }
    }

    /// Waits for its end: with success, and without a word of complaint but [`HARMLESS`].
    pub async fn finish(mut self) {
        let limit = Duration::from_secs(u64::from(self.seconds) + 20);
        let status = self.process.wait(limit).await.expect("ffmpeg ends");
        let output = self.process.output();
        let complaints: Vec<&str> = output.lines().filter(|line| !line.contains(HARMLESS)).collect();
        assert!(
            status.success() && complaints.is_empty(),
            "{} ended with {status}: {complaints:#?}",
            self.name
        );
    }
}

/// Fails a test early, in words, if the ffmpeg is not there.
fn program(generation: Generation) -> PathBuf {
    match generation {
        Generation::Five => needs::ffmpeg5(),
        Generation::Nine => needs::ffmpeg9(),
    }
}
