//! Stopping and starting `headwater dev` again, and starts that must be refused.

use headwater_testkit::{Dev, Process, RawConn, binary::binary};
use std::{path::Path, process::Command, time::Duration};
use tokio::net::TcpListener;

fn request(dev: &Dev, method: &str, key: &str, headers: &str) -> String {
    let info = &dev.info;
    let (namespace, api_key) = (&info.namespace, &info.encoder_api_key);
    format!(
        "{method} /cache/{namespace}/{key} HTTP/1.1\r\nHost: o\r\nAuthorization: Bearer {api_key}\r\n{headers}\r\n"
    )
}

async fn connect(dev: &Dev) -> RawConn {
    RawConn::connect(dev.info.data_address()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_ends_within_2_s_whatever_is_open() {
    let dir = tempfile::tempdir().unwrap();
    // A collector of traces that accepts them and never answers.
    let silent_collector = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent_collector.local_addr().unwrap());
    let dev = Dev::start(dir.path(), &["--otlp-endpoint", &endpoint, "--trace-ratio", "1"]).await.unwrap();
    let mut idle = connect(&dev).await;
    let put = request(&dev, "PUT", "a/s_1.ts", "Content-Length: 3\r\n");
    assert_eq!(idle.exchange(put + "one").await.unwrap().status, 201);
    let mut uploading = connect(&dev).await;
    uploading.send(request(&dev, "PUT", "a/s_2.ts", "Transfer-Encoding: chunked\r\n")).await.unwrap();
    uploading.send("3\r\ntwo\r\n").await.unwrap();
    // A reader that waits for the rest of the upload.
    let mut reading = loop {
        let mut conn = connect(&dev).await;
        conn.send(request(&dev, "GET", "a/s_2.ts", "")).await.unwrap();
        let (status, _) = conn.head().await.unwrap();
        if status == 200 {
            break conn;
        }
        assert_eq!(status, 404, "the upload has not reached its node yet");
    };
    assert_eq!(reading.chunk().await.unwrap(), b"two");
    let mut silent = connect(&dev).await;

    // Cutting the reader off is worth a warning: it has half of a segment.
    let expected =
        ["a response was cut", "the last traces were not sent", "traces cannot be sent and are dropped"];
    dev.stop_within(Duration::from_secs(2), &expected).await.unwrap();
    assert!(idle.is_closed_within(Duration::from_secs(1)).await);
    assert!(silent.is_closed_within(Duration::from_secs(1)).await);
    assert!(reading.chunk().await.is_err(), "half a segment never looks whole");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_and_namespaces_survive_a_restart_and_objects_do_not() {
    const GONE: &str = "what was only in their memory is gone";
    let dir = tempfile::tempdir().unwrap();
    let first = Dev::start(dir.path(), &[]).await.unwrap();
    assert!(!first.log().contains(GONE), "{}", first.log());
    let before = first.info.clone();
    let put = request(&first, "PUT", "a/s_1.ts", "Content-Length: 3\r\n") + "one";
    assert_eq!(connect(&first).await.exchange(put).await.unwrap().status, 201);
    first.stop(&[]).await.unwrap();

    let second = Dev::start(dir.path(), &[]).await.unwrap();
    assert!(second.log().contains(GONE), "{}", second.log());
    let after = &second.info;
    assert_eq!(
        (&before.namespace, &before.encoder_api_key, &before.player_api_key, &before.admin_token),
        (&after.namespace, &after.encoder_api_key, &after.player_api_key, &after.admin_token)
    );
    let mut conn = connect(&second).await;
    let get = request(&second, "GET", "a/s_1.ts", "");
    assert_eq!(conn.exchange(&get).await.unwrap().code(), "not_found");
    let put = request(&second, "PUT", "a/s_1.ts", "Content-Length: 3\r\n") + "new";
    assert_eq!(conn.exchange(put).await.unwrap().status, 201);
    assert_eq!(conn.exchange(get).await.unwrap().body, b"new");
    second.stop(&[]).await.unwrap();
}

/// Starts the binary and answers its exit code and what it wrote.
async fn run_to_end(dir: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(binary("headwater"));
    let mut process = Process::start(command.args(arguments), &dir.join("ended.log")).unwrap();
    let status = process.wait(Duration::from_secs(10)).await.expect("it ends by itself");
    (status.code(), process.output())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_directory_belongs_to_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let first = Dev::start(dir.path(), &[]).await.unwrap();
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    let second = ["dev", "--data-dir", data, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let (code, output) = run_to_end(dir.path(), &second).await;
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains(data) && output.contains("in use by another process"), "{output}");
    // The first one does not notice.
    let put = request(&first, "PUT", "a/s_1.ts", "Content-Length: 3\r\n") + "one";
    assert_eq!(connect(&first).await.exchange(put).await.unwrap().status, 201);
    first.stop(&[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_configuration_is_named_and_ends_with_64() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("node.toml");
    let right = "id = 1\nzone = \"a\"\ndata_dir = \"data\"\nlisten = \"127.0.0.1:0\"\nadvertise = \"127.0.0.1:9\"\n\
                 admin_listen = \"127.0.0.1:0\"\nmeta = [\"127.0.0.1:9\"]\nhot_capacity_bytes = 67108864\n";
    for (text, named) in [
        (format!("{right}hot_capacity = 1\n"), "hot_capacity"),
        (right.replace("67108864", "67108863"), "hot_capacity_bytes"),
        (right.replace("127.0.0.1:9\"]", "nowhere\"]"), "meta"),
        (right.replace("zone = \"a\"\n", ""), "zone"),
    ] {
        std::fs::write(&file, &text).unwrap();
        let (code, output) = run_to_end(dir.path(), &["node", "--config", file.to_str().unwrap()]).await;
        let said = output.lines().last().unwrap_or_default();
        assert_eq!(code, Some(64), "{text}: {said}");
        assert!(said.contains(named), "{text}: {said}");
    }
}
