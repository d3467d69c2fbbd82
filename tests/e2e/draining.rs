//! A process that is told to stop says so while it drains.

use headwater_testkit::{Cluster, RawConn, process::signal, until};
use std::time::Duration;
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_is_off_while_requests_in_flight_finish() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(dir.path(), &[]).await.unwrap();
    let (info, frontend) = (&cluster.info, cluster.process("frontend", 1).unwrap());
    // Its body never ends: the data plane drains for as long as it may.
    let mut put = RawConn::connect(&frontend.addresses.listen).await.unwrap();
    put.send(format!(
        "PUT /cache/{}/s.ts HTTP/1.1\r\nHost: o\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\
         Authorization: Bearer {}\r\n\r\n",
        info.namespace, info.encoder_api_key
    ))
    .await
    .unwrap();
    assert_eq!(put.head().await.unwrap().0, 100);
    let client = reqwest::Client::new();
    let ready = || client.get(format!("http://{}/readyz", frontend.addresses.admin)).send();
    assert_eq!(ready().await.unwrap().status(), 200);
    // Both ports tell the same, and no credential is needed.
    for path in ["healthz", "readyz"] {
        let mut told = Vec::new();
        for address in [&frontend.addresses.listen, &frontend.addresses.admin] {
            let answer = client.get(format!("http://{address}/{path}")).send().await.unwrap();
            let (status, headers) = (answer.status(), answer.headers().clone());
            let header = |name| headers.get(name).cloned();
            told.push((
                status,
                header("content-type"),
                header("cache-control"),
                answer.text().await.unwrap(),
            ));
        }
        assert_eq!(told[0], told[1], "{path}");
    }

    signal(frontend.pid, "INT").unwrap();
    let report = until("readiness is off", Duration::from_secs(10), || async {
        let answer = ready().await.ok()?;
        (answer.status() == 503).then_some(answer)
    })
    .await;
    let report = report.text().await.unwrap();
    assert!(report.contains("stopping"), "{report}");
    // The data port takes no new connection, which a balancer that probes there sees at once.
    until("the data port is closed", Duration::from_secs(10), || async {
        TcpStream::connect(&frontend.addresses.listen).await.is_err().then_some(())
    })
    .await;
    drop(put);
    until("it ends once the last request has", Duration::from_secs(10), || async {
        TcpStream::connect(&frontend.addresses.admin).await.is_err().then_some(())
    })
    .await;
    assert!(!cluster.log("frontend", 1).contains("panicked"), "{}", cluster.log("frontend", 1));
    cluster.stop().await.unwrap();
}
