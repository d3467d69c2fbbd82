//! A process whose node has a newer one.

use futures_util::FutureExt;
use headwater_types::Incarnation;

use crate::pair::Pair;

#[tokio::test]
async fn a_process_learns_that_a_newer_one_has_its_node() {
    let mut pair = Pair::start().await;
    let [head, tail] = pair.services();
    assert_eq!(tail.0.replaced().now_or_never(), None, "it is the newest itself");
    let waiting = tokio::spawn(async move { tail.0.replaced().await });
    pair.reconfigure([1, 3], 1, &[1], &[2]).await;
    assert_eq!(waiting.await.unwrap(), Incarnation(3));
    assert_eq!(head.0.replaced().now_or_never(), None, "the other node is not concerned");
}
