//! Requests that are never repeated, under which other things happen.

use headwater_client::{Client, RetryPolicy};
use headwater_testkit::{cluster::ClusterInfo, until};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinHandle;

/// Encoders and players that never repeat a request, and what they were refused.
pub struct Load {
    stop: Arc<AtomicBool>,
    requests: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    pub fn start(info: &ClusterInfo) -> Self {
        let (stop, requests) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = Vec::new();
        for at in 0..info.data_urls.len() {
            let builder = Client::builder().retry(RetryPolicy::none());
            let client = builder.client(&info.data_urls[at], &info.namespace, &info.encoder_api_key).unwrap();
            let (stop, requests) = (stop.clone(), requests.clone());
            tasks.push(tokio::spawn(async move {
                let mut refused = Vec::new();
                for i in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let (key, body) = (format!("load{at}/s_{i}.ts"), vec![i as u8; 20_000]);
                    if let Err(error) = client.put(&key, body.clone()).send().await {
                        refused.push(format!("PUT {key}: {error}"));
                    }
                    let read = async { client.get(&key).await?.bytes().await };
                    match read.await {
                        Ok(bytes) if bytes == body => {}
                        Ok(_) => refused.push(format!("GET {key}: other bytes")),
                        Err(error) => refused.push(format!("GET {key}: {error}")),
                    }
                    requests.fetch_add(2, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                refused
            }));
        }
        Self { stop, requests, tasks }
    }

    /// Waits for so many more requests.
    pub async fn goes_on(&self, more: u64) {
        let from = self.requests.load(Ordering::Relaxed);
        until("the data plane goes on", Duration::from_secs(30), || async {
            (self.requests.load(Ordering::Relaxed) >= from + more).then_some(())
        })
        .await;
    }

    /// What was refused, of how many.
    pub async fn finish(self) -> (Vec<String>, u64) {
        self.stop.store(true, Ordering::Relaxed);
        let mut refused = Vec::new();
        for task in self.tasks {
            refused.extend(task.await.unwrap());
        }
        (refused, self.requests.load(Ordering::Relaxed))
    }
}
