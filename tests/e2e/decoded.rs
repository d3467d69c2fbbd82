//! What ffprobe decodes: the judge of whether bytes are whole.

use crate::needs;
use std::process::Command;

/// A stream as it was decoded to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// `h264`, `aac`.
    pub codec: String,
    /// Width and height; 0 for sound.
    pub size: (u64, u64),
    /// Frames that were decoded.
    pub frames: u64,
}

/// Decodes everything that a playlist, manifest or segment leads to. Panics if ffprobe complains about anything.
pub async fn decode(url: String, api_key: &str) -> Vec<Stream> {
    let mut command = Command::new(needs::program("ffprobe"));
    command.args(["-v", "error", "-headers", &format!("Authorization: Bearer {api_key}\r\n")]);
    command.args(["-count_frames", "-show_entries", "stream=codec_name,width,height,nb_read_frames"]);
    command.args(["-of", "json", &url]);
    let output = tokio::process::Command::from(command).kill_on_drop(true).output();
    let output = tokio::time::timeout(std::time::Duration::from_secs(30), output);
    let output = output.await.expect("ffprobe ends in time").expect("ffprobe runs");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{url}: {}: {complaints}", output.status);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("ffprobe writes JSON");
    let number =
        |value: &serde_json::Value| value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(0);
    let stream = |s: &serde_json::Value| Stream {
        codec: s["codec_name"].as_str().unwrap_or_default().to_owned(),
        size: (number(&s["width"]), number(&s["height"])),
        frames: number(&s["nb_read_frames"]),
    };
    json["streams"].as_array().expect("streams").iter().map(stream).collect()
}
