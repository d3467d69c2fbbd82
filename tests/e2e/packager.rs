//! Shaka Packager pushes live HLS: the token in every URL, chunked bodies without a type of their own, a connection for
//! each object, DELETE of what left the window.

use crate::{
    decoded::decode,
    encoder::{Encoder, FRAME_RATE, Generation},
    manifest::MediaPlaylist,
    needs,
    stored::Stored,
};
use headwater_testkit::{Dev, Process};
use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path, process::Command, time::Duration};

const SECONDS: u32 = 8;
/// Segments behind the window that it is told to keep.
const SPARE: usize = 1;

/// Packages what comes out of `input` into two streams of TS segments and a multivariant playlist.
fn package(dev: &Dev, input: &Path) -> Process {
    let token = format!("?token={}", dev.info.encoder_api_key);
    let url = |name: &str| format!("{}{token}", dev.info.url(&format!("shaka/{name}")));
    let stream = |kind: &str, letter: &str| {
        format!(
            "in={},stream={kind},format=ts,segment_template={},playlist_name={letter}.m3u8{token}",
            input.display(),
            url(&format!("{letter}_$Number$.ts"))
        )
    };
    let mut command = Command::new(needs::shaka_packager());
    command.arg(stream("video", "v"));
    command.arg(stream("audio", "a") + ",hls_group_id=audio,hls_name=main");
    command.args(["--hls_master_playlist_output", &url("main.m3u8"), "--hls_playlist_type", "LIVE"]);
    command.args(["--segment_duration", "1", "--time_shift_buffer_depth", "3"]);
    command.args(["--preserved_segments_outside_live_window", &SPARE.to_string()]);
    Process::start(&mut command, &dev.dir().join("packager.log")).expect("the packager starts")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shaka_packager_with_a_token_in_the_url() {
    let dir = tempfile::tempdir().unwrap();
    let (access_log, pipe) = (dir.path().join("access.log"), dir.path().join("input.ts"));
    let dev = Dev::start(dir.path(), &["--access-log", access_log.to_str().unwrap()]).await.unwrap();
    assert!(Command::new(needs::program("mkfifo")).arg(&pipe).status().unwrap().success());
    let mut packager = package(&dev, &pipe);
    let output = ["-f", "mpegts", "-y", pipe.to_str().unwrap()];
    Encoder::start(dir.path(), "encoder", Generation::Five, SECONDS, &output).finish().await;
    let status = packager.wait(Duration::from_secs(20)).await.expect("the packager ends with its input");
    let said = packager.output();
    assert!(status.success() && said.contains("completed successfully"), "{status}: {said}");
    assert!(!said.contains("http_file"), "a request failed: {said}");

    let info = dev.info.clone();
    let stored = Stored::new(&info.data_url, &info.namespace, &info.player_api_key);
    let mut names = stored.names("shaka/").await;
    assert!(names.remove("main.m3u8"));
    for (letter, codec) in [("v", "h264"), ("a", "aac")] {
        assert!(names.remove(&format!("{letter}.m3u8")), "{names:?}");
        let playlist = MediaPlaylist::parse(&stored.text(&format!("shaka/{letter}.m3u8")).await);
        assert!(playlist.sequence > 1 && playlist.segments.len() >= 3, "{playlist:?}");
        for segment in &playlist.segments {
            let (name, token) = segment.split_once('?').expect("it lists its own token");
            assert_eq!(token, format!("token={}", info.encoder_api_key));
            assert!(names.remove(name), "{name} is listed and not stored");
            let streams = decode(info.url(&format!("shaka/{name}")), &info.player_api_key).await;
            assert_eq!((streams.len(), streams[0].codec.as_str()), (1, codec), "{name}");
            assert!(codec == "aac" || streams[0].frames == u64::from(FRAME_RATE), "{name}: {streams:?}");
        }
    }
    assert!(names.len() <= 2 * SPARE, "deleted segments are still there: {names:?}");
    let http = reqwest::Client::new();
    for (name, content_type) in [
        ("main.m3u8", "application/vnd.apple.mpegurl"),
        ("v.m3u8", "application/vnd.apple.mpegurl"),
        ("v_7.ts", "video/mp2t"),
    ] {
        let get = http.get(info.url(&format!("shaka/{name}"))).bearer_auth(&info.player_api_key);
        assert_eq!(get.send().await.unwrap().headers()["content-type"], content_type, "{name}");
    }
    // A second DELETE of what is gone is success, too.
    let again = http.delete(format!("{}?token={}", info.url("shaka/v_1.ts"), info.encoder_api_key));
    assert_eq!(again.send().await.unwrap().status(), 204);

    dev.stop(&[]).await.unwrap();
    let lines: Vec<Value> = fs::read_to_string(&access_log)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["user_agent"].as_str().is_some_and(|a| a.starts_with("ShakaPackager/")))
        .collect();
    let of = |method: &str| lines.iter().filter(|line| line["method"] == method).count();
    assert!(of("PUT") >= 2 * SECONDS as usize && of("DELETE") >= 4, "{lines:#?}");
    for line in &lines {
        assert!([201, 204].map(Value::from).contains(&line["status"]), "{line}");
        assert!(!line.to_string().contains(&info.encoder_api_key), "{line}");
    }
    let connections: BTreeSet<&str> = lines.iter().filter_map(|line| line["peer"].as_str()).collect();
    assert_eq!(connections.len(), lines.len(), "a connection each");
}
