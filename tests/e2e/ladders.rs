//! Ladders of many channels that begin at once, right after a start: each upload is of unknown length, nothing is known
//! of any rendition yet, and no encoder tries again.

use crate::encoder::{Encoder, Generation};
use headwater_client::Client;
use headwater_testkit::{Dev, RawConn};
use std::{collections::BTreeSet, time::Duration};
use tokio::task::JoinSet;

/// In which an upload must have an answer.
const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eighty_encoders_that_open_their_uploads_right_after_a_start_are_all_stored() {
    const ENCODERS: usize = 80;
    const PIECE: usize = 256 << 10;
    const PIECES: usize = 4;
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(dir.path(), &[]).await.unwrap();
    let mut held = Vec::new();
    // Four renditions of twenty channels. All are open before a byte arrives, as with encoders that open the request when
    // a segment begins.
    for i in 0..ENCODERS {
        let mut conn = RawConn::connect(dev.info.data_address()).await.unwrap();
        conn.send(format!(
            "PUT /cache/{}/channel{}/v{}/s_1.ts HTTP/1.1\r\nHost: o\r\nAuthorization: Bearer {}\r\n\
             Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
            dev.info.namespace,
            i / 4,
            i % 4,
            dev.info.encoder_api_key
        ))
        .await
        .unwrap();
        assert_eq!(conn.head().await.unwrap().0, 100, "upload {i} is let in while {i} are open");
        held.push(conn);
    }
    let piece = [format!("{PIECE:x}\r\n").as_bytes(), &[b'x'; PIECE], b"\r\n"].concat();
    let mut uploads = JoinSet::new();
    for mut conn in held {
        let piece = piece.clone();
        uploads.spawn(async move {
            for _ in 0..PIECES {
                conn.send(&piece).await.unwrap();
            }
            let answer = tokio::time::timeout(LIMIT, conn.exchange("0\r\n\r\n")).await;
            let answer = answer.expect("an answer").unwrap();
            (answer.status, answer.text())
        });
    }
    for (status, text) in uploads.join_all().await {
        assert_eq!(status, 201, "{text}");
    }
    let client = Client::new(&dev.info.data_url, &dev.info.namespace, &dev.info.player_api_key).unwrap();
    let stored = client.list("channel").await.unwrap().objects;
    assert_eq!(stored.len(), ENCODERS);
    assert!(stored.iter().all(|object| object.size == (PIECE * PIECES) as u64));
    assert_eq!(refused(&dev).await, 0);
    dev.stop(&[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ladders_of_eight_real_encoders_that_begin_at_once_have_no_hole() {
    const SECONDS: u32 = 6;
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(dir.path(), &[]).await.unwrap();
    let header = format!("Authorization: Bearer {}\r\n", dev.info.encoder_api_key);
    let ladder = |channel: usize| {
        let url = |name: &str| dev.info.url(&format!("ladder{channel}/%v/{name}"));
        let streams = ["-g", "25", "-map", "0:v", "-map", "0:v", "-map", "0:v"];
        let output = [
            "-f",
            "hls",
            "-hls_time",
            "1",
            "-hls_list_size",
            "0",
            "-method",
            "PUT",
            "-http_persistent",
            "1",
            "-headers",
            &header,
            "-var_stream_map",
            "v:0,name:a v:1,name:b v:2,name:c",
            "-hls_segment_filename",
            &url("s_%d.ts"),
            &url("s.m3u8"),
        ];
        let name = format!("ladder{channel}");
        Encoder::with_inputs(dev.dir(), &name, Generation::Five, SECONDS, &streams, &output)
    };
    let encoders: Vec<Encoder> = (0..8).map(ladder).collect();
    for encoder in encoders {
        encoder.finish().await;
    }
    let client = Client::new(&dev.info.data_url, &dev.info.namespace, &dev.info.player_api_key).unwrap();
    for (channel, rendition) in (0..8).flat_map(|channel| ["a", "b", "c"].map(|name| (channel, name))) {
        let folder = format!("ladder{channel}/{rendition}/");
        let objects = client.list(&folder).await.unwrap().objects;
        let names: BTreeSet<&str> = objects.iter().filter_map(|o| o.name.strip_prefix(&folder)).collect();
        let segments: Vec<String> = (0..SECONDS).map(|n| format!("s_{n}.ts")).collect();
        let all = segments.iter().map(String::as_str).chain(["s.m3u8"]).collect();
        assert_eq!(names, all, "{folder}");
    }
    assert_eq!(refused(&dev).await, 0);
    dev.stop(&[]).await.unwrap();
}

/// PUTs that were refused for want of memory.
async fn refused(dev: &Dev) -> u64 {
    let address = dev.info.admin_url.trim_start_matches("http://");
    let mut conn = RawConn::connect(address).await.unwrap();
    let answer = conn.exchange(format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n")).await.unwrap();
    let text = answer.text();
    let line = text.lines().find_map(|line| line.strip_prefix("headwater_ingest_refused_total "));
    line.unwrap_or_else(|| panic!("the metric is there: {text}")).parse().unwrap()
}
