//! The end: what is in flight finishes, within a bound.

use super::support::{PATIENCE, Server, config};
use headwater_frontend::net::NetConfig;
use std::time::Duration;
use tokio::{net::TcpStream, time::timeout};

#[tokio::test]
async fn a_slow_answer_is_finished_idle_connections_end_and_new_ones_are_refused() {
    let server = Server::start(config()).await;
    let (mut silent, mut idle, mut slow) =
        (server.connect().await, server.connect().await, server.connect().await);
    assert_eq!(idle.get("/ok").await.status, 200);
    slow.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    server.routes.slow_begun.notified().await;
    server.until_open(3).await;

    server.shutdown.cancel();
    silent.ends().await;
    idle.ends().await;
    drop((silent, idle));
    server.until_open(1).await;
    let refused = async { while TcpStream::connect(server.address).await.is_ok() {} };
    timeout(PATIENCE, refused).await.unwrap();

    server.routes.slow_go.notify_one();
    let answer = slow.answer().await;
    assert_eq!(answer.body, "slow");
    assert!(answer.closes());
    slow.ends().await;
    drop(slow);
    assert_eq!(timeout(PATIENCE, server.task).await.unwrap().unwrap().cut, 0);
}

#[tokio::test]
async fn what_does_not_finish_within_the_bound_is_cut() {
    let server = Server::start(NetConfig { drain_timeout: Duration::from_millis(100), ..config() }).await;
    let mut slow = server.connect().await;
    slow.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    server.routes.slow_begun.notified().await;
    server.shutdown.cancel();
    assert_eq!(timeout(PATIENCE, server.task).await.unwrap().unwrap().cut, 1);
    slow.ends().await;
    assert_eq!(server.metrics.open(), 0);
}
