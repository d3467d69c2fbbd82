//! A playlist never goes back in time, whichever frontend answers, while it is replaced all the time.

use headwater_client::{Client, RetryPolicy};
use headwater_testkit::Cluster;
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

const VERSIONS: u64 = 300;
const READERS: usize = 4;
const KEY: &str = "channel/live.m3u8";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_playlist_that_is_replaced_all_the_time_never_goes_back_at_any_reader() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(dir.path(), &["--nodes-per-zone", "1", "--frontends", "2"]).await.unwrap();
    let info = &cluster.info;
    let clients: Vec<Client> = info
        .data_urls
        .iter()
        .map(|url| {
            let builder = Client::builder().retry(RetryPolicy::none());
            builder.client(url, &info.namespace, &info.encoder_api_key).unwrap()
        })
        .collect();
    // What was acknowledged, and what some reader was shown: neither may be followed by an older one anywhere.
    let floor = Arc::new(AtomicU64::new(0));
    clients[0].put(KEY, "0").send().await.unwrap();
    let readers: Vec<_> = (0..READERS)
        .map(|reader| {
            let (clients, floor) = (clients.clone(), floor.clone());
            tokio::spawn(async move {
                let mut seen = BTreeSet::new();
                for turn in reader.. {
                    let least = floor.load(Ordering::SeqCst);
                    let body = clients[turn % clients.len()].get(KEY).await.unwrap().bytes().await.unwrap();
                    let shown: u64 = std::str::from_utf8(&body).unwrap().parse().unwrap();
                    assert!(shown >= least, "{shown} was read after {least} was known");
                    floor.fetch_max(shown, Ordering::SeqCst);
                    seen.insert(shown);
                    if shown == VERSIONS {
                        break;
                    }
                }
                seen.len()
            })
        })
        .collect();
    for version in 1..=VERSIONS {
        let writer = &clients[usize::try_from(version % 3 / 2).unwrap()];
        writer.put(KEY, version.to_string()).send().await.unwrap();
        floor.fetch_max(version, Ordering::SeqCst);
    }
    for reader in readers {
        let seen = reader.await.unwrap();
        println!("a reader saw {seen} of {VERSIONS} versions");
        assert!(seen > 10, "a reader that saw {seen} versions was no witness");
    }
    cluster.stop().await.unwrap();
}
