//! What a namespace may hold: quotas, and its hot capacity over two nodes a zone.

use headwater_client::{Admin, Client, RetryPolicy};
use headwater_testkit::{Cluster, until};
use serde_json::{Value, json};
use std::time::Duration;

const LAYOUT: [&str; 6] = ["--meta", "1", "--nodes-per-zone", "2", "--frontends", "2"];
const BODY: usize = 100_000;

fn admin(cluster: &Cluster) -> Admin {
    Client::builder().admin(&cluster.info.admin_url, &cluster.info.admin_token).unwrap()
}

fn encoder(cluster: &Cluster, frontend: usize) -> Client {
    let (info, builder) = (&cluster.info, Client::builder().retry(RetryPolicy::none()));
    builder.client(&info.data_urls[frontend], &info.namespace, &info.encoder_api_key).unwrap()
}

async fn set(admin: &Admin, namespace: &str, patch: Value) {
    admin.update_namespace(namespace, None, &patch).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_its_quota_a_namespace_takes_nothing_until_there_is_room_again() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(dir.path(), &LAYOUT).await.unwrap();
    let (admin, namespace) = (admin(&cluster), cluster.info.namespace.clone());
    set(&admin, &namespace, json!({"max_bytes": 5 * BODY})).await;
    // Of several renditions, so that the nodes of a zone have to be added up.
    let names: Vec<String> = ('a'..='f').map(|rendition| format!("{rendition}/s_1.ts")).collect();
    for name in &names[..5] {
        encoder(&cluster, 0).put(name, vec![1; BODY]).send().await.unwrap();
    }
    let usage = |bytes: u64, objects: u64| {
        let (admin, namespace) = (&admin, &namespace);
        until("the usage is shown", Duration::from_secs(30), move || async move {
            let shown = admin.namespace(namespace).await.ok()?.usage?;
            ((shown.bytes, shown.objects) == (bytes, objects)).then_some(())
        })
    };
    usage(5 * BODY as u64, 5).await;
    encoder(&cluster, 1)
        .put(&names[5], vec![1; BODY])
        .send()
        .await
        .expect("as much as is allowed is not past it");
    // Both frontends know within 3 s of the PUT that passed it, and say so before the body.
    for frontend in 0..2 {
        until("a PUT is refused", Duration::from_secs(3), || async {
            let refused = encoder(&cluster, frontend).put("g/s_1.ts", vec![1; 1]).send().await.err()?;
            (refused.status()?.as_u16() == 507).then_some(())
        })
        .await;
    }
    encoder(&cluster, 0).get(&names[5]).await.expect("what is there is still read");
    // What is deleted makes room, and so does a larger quota.
    for name in &names[..2] {
        encoder(&cluster, 0).delete(name).await.unwrap();
    }
    encoder(&cluster, 0).delete("g/s_1.ts").await.unwrap();
    usage(4 * BODY as u64, 4).await;
    until("a PUT is taken", Duration::from_secs(30), || async {
        encoder(&cluster, 0).put("g/s_2.ts", vec![1; BODY]).send().await.ok()
    })
    .await;
    set(&admin, &namespace, json!({"max_bytes": null, "max_objects": 4})).await;
    until("a PUT is refused by number", Duration::from_secs(30), || async {
        let refused = encoder(&cluster, 1).put("h/s_1.ts", vec![1; 1]).send().await.err()?;
        (refused.status()?.as_u16() == 507).then_some(())
    })
    .await;
    cluster.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_rendition_may_use_nearly_all_of_the_capacity_though_it_lies_on_one_node_a_zone() {
    const CAPACITY: usize = 8_000_000;
    let dir = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(dir.path(), &LAYOUT).await.unwrap();
    let (admin, namespace) = (admin(&cluster), cluster.info.namespace.clone());
    set(&admin, &namespace, json!({"hot_capacity_bytes": CAPACITY})).await;
    // More than the equal half, less than the 15/16 that a node gets which takes in everything.
    let kept = CAPACITY * 7 / 8 / BODY - 2;
    let encoder = encoder(&cluster, 0);
    let mut next = 0_usize;
    let held = |newest: usize| {
        let encoder = &encoder;
        async move {
            let oldest = newest.checked_sub(kept)?;
            encoder.get(&format!("v/s_{oldest}.ts")).await.ok()
        }
    };
    // The capacity is shared anew while the channel runs; then so much of its past is there. On a busy machine that may be
    // before anything had to go.
    until("the past is as long as the capacity", Duration::from_secs(30), || {
        let at = next;
        next += 1;
        let (encoder, held) = (&encoder, &held);
        async move {
            encoder.put(&format!("v/s_{at}.ts"), vec![1; BODY]).send().await.unwrap();
            held(at).await.map(drop)
        }
    })
    .await;
    println!("the past is as long as the capacity after {next} segments");
    for at in next..=CAPACITY / BODY {
        encoder.put(&format!("v/s_{at}.ts"), vec![1; BODY]).send().await.unwrap();
    }
    assert!(encoder.get("v/s_0.ts").await.is_err(), "the capacity is still one: what is older is gone");
    cluster.stop().await.unwrap();
}
