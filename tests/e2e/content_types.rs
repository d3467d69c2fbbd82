//! Clients that say nothing of what they send, and WebM as ffmpeg pushes it.

use crate::{decoded::decode, needs};
use headwater_testkit::{Dev, RawConn, RawResponse};
use std::{path::Path, process::Command};

const PLAYLIST: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nv_1.ts\n";

/// Sends the playlist with Python's HTTP library, which calls every body a form.
const PYTHON: &str = "
import sys, urllib.request
url, token = sys.argv[1:]
request = urllib.request.Request(url, open(sys.argv[0] + '.m3u8', 'rb').read(), method='PUT')
request.add_header('Authorization', token)
print(urllib.request.urlopen(request).status)
";

/// Runs a client to its end; what it printed.
async fn run(command: Command) -> String {
    let mut command = tokio::process::Command::from(command);
    let output = command.kill_on_drop(true).output().await.expect("the client runs");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{}: {complaints}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

/// One request with the encoder's key at the raw socket.
async fn request(dev: &Dev, method: &str, key: &str, headers: &str) -> RawResponse {
    let mut conn = RawConn::connect(dev.info.data_address()).await.unwrap();
    let (namespace, api_key) = (&dev.info.namespace, &dev.info.encoder_api_key);
    let head =
        format!("{method} /cache/{namespace}/{key} HTTP/1.1\r\nHost: o\r\nAuthorization: {api_key}\r\n");
    conn.exchange(format!("{head}{headers}\r\n")).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playlists_of_curl_and_python_are_playlists() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(dir.path(), &[]).await.unwrap();
    let script = dir.path().join("put.py");
    std::fs::write(&script, PYTHON).unwrap();
    let file = dir.path().join("put.py.m3u8");
    std::fs::write(&file, PLAYLIST).unwrap();
    let curl = |arguments: &[&str], key: &str| {
        let mut command = Command::new(needs::program("curl"));
        command.args(["-sS", "--fail", "--max-time", "20", "-o", "/dev/null", "-w", "%{http_code}"]);
        command.args(["-H", &format!("Authorization: {}", dev.info.encoder_api_key)]);
        command.args(arguments).arg(dev.info.url(key));
        command
    };
    let body = format!("@{}", file.display());
    let mut python = Command::new(needs::python());
    python.arg(&script).args([&dev.info.url("python/live.m3u8"), &dev.info.encoder_api_key]);
    for (command, key) in [
        (curl(&["-X", "PUT", "--data-binary", &body], "curl-put/live.m3u8"), "curl-put/live.m3u8"),
        (curl(&["--data-binary", &body], "curl-post/live.m3u8"), "curl-post/live.m3u8"),
        (curl(&["-T", &file.display().to_string()], "curl-file/live.m3u8"), "curl-file/live.m3u8"),
        (python, "python/live.m3u8"),
    ] {
        assert_eq!(run(command).await.trim(), "201", "{key}");
        let get = request(&dev, "GET", key, "").await;
        assert_eq!((get.status, get.text().as_str()), (200, PLAYLIST), "{key}");
        assert_eq!(get.header("content-type"), Some("application/vnd.apple.mpegurl"), "{key}");
        assert_eq!(get.header("cache-control"), Some("public, max-age=3"), "{key}");
    }
    dev.stop(&[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webm_of_ffmpeg_is_media_and_survives_probes() {
    const SECONDS: &str = "4";
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(dir.path(), &[]).await.unwrap();
    // Its DASH writer sends no `-headers`.
    let credentials = format!("http://encoder:{}@", dev.info.encoder_api_key);
    let push = |program: &Path, folder: &str| {
        let video = ["-map", "0:v", "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-g", "25"];
        let put = ["-method", "PUT"];
        let url = |name: &str| dev.info.url(&format!("{folder}/{name}")).replacen("http://", &credentials, 1);
        let mut command = Command::new(program);
        command.args(["-hide_banner", "-nostdin", "-nostats", "-loglevel", "fatal"]);
        command.args(["-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25", "-t", SECONDS]);
        command.args(video).args(["-f", "dash", "-dash_segment_type", "webm", "-seg_duration", "1"]);
        command.args(put).arg(url("m.mpd"));
        command.args(video).args(["-t", SECONDS, "-f", "webm_chunk", "-chunk_start_index", "1"]);
        command.args(["-header", &url("v.hdr")]).args(put).arg(url("v_%d.chk"));
        command
    };
    for (program, folder) in [(needs::ffmpeg5(), "five"), (needs::ffmpeg9(), "nine")] {
        run(push(&program, folder)).await;
        for name in ["init-stream0.webm", "chunk-stream0-00001.webm", "v.hdr", "v_1.chk"] {
            let key = format!("{folder}/{name}");
            let before = request(&dev, "GET", &key, "").await;
            assert_eq!(before.status, 200, "{key}");
            assert!(!before.body.is_empty(), "{key}");
            assert_eq!(before.header("content-type"), Some("video/webm"), "{key}");
            assert_eq!(before.header("cache-control"), Some("public, max-age=60"), "{key}");
            for framing in ["Content-Length: 0\r\n", "Transfer-Encoding: chunked\r\n\r\n0\r\n"] {
                assert_eq!(request(&dev, "PUT", &key, framing).await.status, 204, "{key}");
            }
            assert!(request(&dev, "GET", &key, "").await.body == before.body, "{key}: it was overwritten");
        }
        let mpd = format!("{folder}/m.mpd");
        let streams = decode(dev.info.url(&mpd), &dev.info.player_api_key).await;
        assert_eq!((streams[0].codec.as_str(), streams[0].frames), ("vp8", 100), "{folder}: {streams:?}");
    }
    dev.stop(&[]).await.unwrap();
}
