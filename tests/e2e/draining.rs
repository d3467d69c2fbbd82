//! A process that is told to stop says so while it drains.

use headwater_testkit::{Dev, RawConn, until};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_is_off_while_requests_in_flight_finish() {
    let dir = tempfile::tempdir().unwrap();
    let mut dev = Dev::start(dir.path(), &[]).await.unwrap();
    let info = dev.info.clone();
    // Its body never ends: the data plane drains for as long as it may.
    let mut put = RawConn::connect(info.data_address()).await.unwrap();
    put.send(format!(
        "PUT /cache/{}/s.ts HTTP/1.1\r\nHost: o\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\
         Authorization: Bearer {}\r\n\r\n",
        info.namespace, info.encoder_api_key
    ))
    .await
    .unwrap();
    assert_eq!(put.head().await.unwrap().0, 100);
    let client = reqwest::Client::new();
    let ready = || client.get(format!("{}/readyz", info.admin_url)).send();
    assert_eq!(ready().await.unwrap().status(), 200);

    dev.process().interrupt().unwrap();
    let report = until("readiness is off", Duration::from_secs(1), || async {
        let answer = ready().await.ok()?;
        (answer.status() == 503).then_some(answer)
    })
    .await;
    let report = report.text().await.unwrap();
    assert!(report.contains("stopping"), "{report}");
    drop(put);
    assert!(dev.process().wait(Duration::from_secs(5)).await.unwrap().success());
}
