//! A move takes nothing back that a reader has seen: the member that joins has it before it answers.

use headwater_meta::ShardEntry;
use headwater_proto::{Storage, StorageError};
use std::time::Duration;

use crate::{
    bytes_of,
    moves::{Cluster, LIMIT, begin, entry, member, shard},
    pair::Sender,
};

/// Waits until `is` holds.
async fn until(what: &str, is: impl AsyncFn() -> bool) {
    let wait = async {
        while !is().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

#[tokio::test]
async fn who_joins_has_what_the_one_that_leaves_has_shown() {
    // The tail leaves; the head leaves, and has handed its role over before.
    for (zone, head, leaves) in [("b", 1, 2), ("a", 2, 1)] {
        let cluster = Cluster::start(&[(1, "a"), (2, "b"), (3, zone)], entry(1, &[1, 2], &[]));
        let (cluster, gate, id) = (&cluster, &cluster.gate, shard(5));
        let insync = || cluster.meta.entry(id).insync.clone();
        let moved = |entry: &ShardEntry| entry.insync == [member(head), member(3)];
        gate.hold_stops(true);
        gate.hold_commits_from(1);
        cluster.meta.lead(id, |entry| begin(entry, 3));
        until("the head has found its shard empty", async || gate.stops() >= 1).await;
        let slow_put = cluster.put(id, "a/1.ts", 60);
        let scenario = async {
            until("the member that leaves shows it", async || {
                cluster.get(leaves, id, "a/1.ts").await.is_ok()
            })
            .await;
            let (unseen, body) = Sender::new();
            let (head_service, request) = (cluster.service(head), cluster.put_request(id, "a/2.ts", 60));
            let unseen_put = tokio::spawn(async move { head_service.put(request, body).await });
            unseen.chunk(b"body").await;
            until("its first bytes are there", async || cluster.follow(leaves, id, "a/2.ts").await.is_ok())
                .await;
            let follower = tokio::spawn(bytes_of(cluster.follow(leaves, id, "a/2.ts").await.unwrap()));
            gate.hold_stops(false);
            // Some rounds later the answer to it is long taken in.
            until("it is asked to stop again", async || gate.stops() >= 4 || insync().contains(&member(3)))
                .await;
            assert_eq!(insync(), [member(1), member(2)], "the joining member lacks what was read");
            unseen.end().await;
            until("it is staged", async || cluster.staged(head) == 2).await;
            let refused = cluster.get(leaves, id, "a/2.ts").await;
            assert!(matches!(refused, Err(StorageError::NotServing(_))), "{refused:?}");
            assert_eq!(
                follower.await.unwrap(),
                Err(StorageError::BodyCut),
                "who follows it is not told of its end"
            );
            gate.hold_commits_from(2);
            cluster.until(id, moved).await;
            cluster.get(3, id, "a/1.ts").await.expect("what was read stays");
            let absent = cluster.get(3, id, "a/2.ts").await;
            assert_eq!(absent, Err(StorageError::NotFound), "nobody has shown it");
            gate.hold_commits_from(u64::MAX);
            unseen_put.await.unwrap().unwrap();
        };
        tokio::join!(slow_put, scenario);
        for node in [head, 3] {
            for key in ["a/1.ts", "a/2.ts"] {
                cluster.get(node, id, key).await.unwrap();
            }
        }
        cluster.stop().await;
    }
}
