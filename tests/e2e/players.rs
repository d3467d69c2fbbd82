//! Players on a live ladder of three renditions: ffprobe, and a browser on the watch page.

use crate::{
    encoder::{Encoder, Generation},
    manifest::uris,
    needs,
    stored::Stored,
};
use headwater_testkit::{Dev, until};
use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

/// Name and size of each rendition.
const LADDER: [(&str, (u64, u64)); 3] = [("360p", (640, 360)), ("180p", (320, 180)), ("90p", (160, 90))];
const MASTER: &str = "ladder/master.m3u8";
/// How long the browser plays.
const PLAY_SECONDS: u32 = 20;

/// Begins to push the ladder, and waits until it can be played.
async fn push_ladder(dev: &Dev, seconds: u32, list_size: &str) -> Encoder {
    let mut streams: Vec<String> = ["-g", "50"].map(str::to_owned).into();
    let mut variants = Vec::new();
    for (index, (name, (width, height))) in LADDER.iter().enumerate() {
        streams.extend(["-map", "0:v", "-map", "1:a"].map(str::to_owned));
        streams.extend([format!("-s:v:{index}"), format!("{width}x{height}")]);
        streams.extend([format!("-b:v:{index}"), format!("{}k", height * 2)]);
        variants.push(format!("v:{index},a:{index},name:{name}"));
    }
    let streams: Vec<&str> = streams.iter().map(String::as_str).collect();
    let header = format!("Authorization: Bearer {}\r\n", dev.info.encoder_api_key);
    let url = dev.info.url("ladder/stream_%v.m3u8");
    let output = [
        "-f",
        "hls",
        "-hls_time",
        "2",
        "-hls_list_size",
        list_size,
        "-method",
        "PUT",
        "-http_persistent",
        "1",
        "-headers",
        &header,
        "-master_pl_name",
        "master.m3u8",
        "-var_stream_map",
        &variants.join(" "),
        &url,
    ];
    let encoder = Encoder::with_inputs(dev.dir(), "ladder", Generation::Five, seconds, &streams, &output);
    let http = reqwest::Client::new();
    until("the ladder has its first segments", Duration::from_secs(20), || async {
        for name in [MASTER.to_owned()]
            .into_iter()
            .chain(LADDER.map(|(name, _)| format!("ladder/stream_{name}.m3u8")))
        {
            let get = http.get(dev.info.url(&name)).bearer_auth(&dev.info.player_api_key);
            get.send().await.ok().filter(|answer| answer.status().is_success())?;
        }
        Some(())
    })
    .await;
    encoder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ffprobe_decodes_every_rendition_of_a_ladder() {
    const SECONDS: u32 = 8;
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(dir.path(), &[]).await.unwrap();
    push_ladder(&dev, SECONDS, "0").await.finish().await;
    let stored = Stored::new(&dev.info.data_url, &dev.info.namespace, &dev.info.player_api_key);
    assert_eq!(uris(&stored.text(MASTER).await), LADDER.map(|(name, _)| format!("stream_{name}.m3u8")));
    for (name, size) in LADDER {
        let url = dev.info.url(&format!("ladder/stream_{name}.m3u8"));
        let streams = crate::decoded::decode(url, &dev.info.player_api_key).await;
        let found: Vec<_> = streams.iter().map(|s| (s.codec.as_str(), s.size)).collect();
        assert_eq!(found, [("h264", size), ("aac", (0, 0))], "{name}");
        assert_eq!(streams[0].frames, u64::from(SECONDS * crate::encoder::FRAME_RATE), "{name}");
    }
    dev.stop(&[]).await.unwrap();
}

/// Plays a playlist in a browser on the watch page; what happened.
async fn play(dev: &Dev, playlist: &str, seconds: u32) -> serde_json::Value {
    let (node, chromium, modules) =
        (needs::program("node"), needs::program("chromium"), needs::node_modules());
    let mut browser = Command::new(node);
    // At run time: a shared target directory may hold tests that were built in another checkout.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
    browser.arg(Path::new(&package).join("e2e/player.mjs"));
    browser.arg(modules).arg(chromium).arg(dev.dir().join("profile"));
    let info = &dev.info;
    browser.arg(format!(
        "{}/#data={}&namespace={}&token={}",
        info.admin_url, info.data_url, info.namespace, info.player_api_key
    ));
    browser.args([playlist, &seconds.to_string()]);
    let output = tokio::process::Command::from(browser).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(Duration::from_secs(120), output).await.expect("in time").unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {complaints}", output.status);
    serde_json::from_slice(&output.stdout).expect("the script prints JSON")
}

/// All segments are ranges of one file, whose upload goes on as long as the stream does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_playlist_of_byte_ranges_is_played_while_its_one_file_is_pushed() {
    const PLAYLIST: &str = "single/s.m3u8";
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(dir.path(), &[]).await.unwrap();
    let url = dev.info.url(PLAYLIST);
    // ffmpeg sends no `-headers` for the one file.
    let credentials = format!("http://encoder:{}@", dev.info.encoder_api_key);
    let push = url.replacen("http://", &credentials, 1);
    // The whole list: of a window, this ffmpeg leaves the media sequence number at 0, and no player sees it move.
    let output = ["-f", "hls", "-hls_time", "1", "-hls_list_size", "0", "-hls_flags", "single_file"];
    let output = [&output[..], &["-method", "PUT", &push]].concat();
    let encoder = Encoder::start(dev.dir(), "single", Generation::Five, 120, &output);
    let http = reqwest::Client::new();
    let get = |key: &str| http.get(dev.info.url(key)).bearer_auth(&dev.info.player_api_key);
    until("three segments are listed", Duration::from_secs(30), || async {
        let text = get(PLAYLIST).send().await.ok()?.text().await.ok()?;
        (text.matches("#EXT-X-BYTERANGE").count() >= 3).then_some(())
    })
    .await;
    let part = get("single/s.ts").header("range", "bytes=0-187").send().await.unwrap();
    assert_eq!(
        (part.status().as_u16(), &part.headers()["content-range"]),
        (206, &"bytes 0-187/*".parse().unwrap())
    );
    assert_eq!(part.bytes().await.unwrap().len(), 188);

    let mut player = Command::new(needs::ffmpeg5());
    player.args([
        "-v",
        "error",
        "-headers",
        &format!("Authorization: Bearer {}\r\n", dev.info.player_api_key),
    ]);
    player.args(["-i", &url, "-map", "0:v", "-frames:v", "75", "-f", "framecrc", "-"]);
    let output = tokio::process::Command::from(player).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(Duration::from_secs(60), output).await.expect("in time").unwrap();
    let frames =
        String::from_utf8_lossy(&output.stdout).lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(frames, 75, "{}", String::from_utf8_lossy(&output.stderr));

    let seen = play(&dev, PLAYLIST, 8).await;
    assert!(seen["advanced"].as_f64() >= Some(6.0), "{seen:#}");
    assert_eq!((&seen["fatalErrors"], &seen["live"]), (&0.into(), &true.into()), "{seen:#}");
    assert_eq!(seen["failed"], serde_json::json!([]), "{seen:#}");
    drop(encoder);
    // The encoder was killed in the middle of its file.
    dev.stop(&[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_plays_20_s_live_on_the_watch_page() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(dir.path(), &[]).await.unwrap();
    let encoder = push_ladder(&dev, PLAY_SECONDS + 90, "6").await;
    let seen = play(&dev, MASTER, PLAY_SECONDS).await;
    let info = &dev.info;
    assert!(seen["advanced"].as_f64() >= Some(15.0), "{seen:#}");
    assert_eq!((&seen["fatalErrors"], &seen["stalls"]), (&0.into(), &0.into()), "{seen:#}");
    assert_eq!((&seen["message"], &seen["live"]), (&"".into(), &true.into()), "{seen:#}");
    assert_eq!(seen["failed"], serde_json::json!([]), "{seen:#}");
    let mut origins = vec![info.admin_url.clone(), info.data_url.clone()];
    origins.sort();
    assert_eq!(seen["origins"], serde_json::json!(origins), "{seen:#}");
    drop(encoder);
    // The encoder was killed in the middle of whatever it was pushing.
    dev.stop(&[]).await.unwrap();
}
