//! Closed-loop uploads over kept connections.

use crate::target::Target;
use anyhow::Context;
use headwater_types::{Clock, SystemClock};
use std::sync::Arc;
use tokio::task::JoinSet;

const CONNECTIONS: usize = 8;
/// By number, not by time: what a fast server has to keep stays bounded.
const PUTS_PER_CONNECTION: usize = 64;
/// Each connection overwrites its objects after so many.
const KEYS_PER_CONNECTION: usize = 32;

/// PUTs `body` 512 times over 8 connections and gives the requests per second.
///
/// # Errors
/// Any answer but 201 or 204.
pub async fn closed_loop(target: &Target, body: &Arc<[u8]>) -> anyhow::Result<f64> {
    let clock = SystemClock::new();
    let mut uploads = JoinSet::new();
    for connection in 0..CONNECTIONS {
        let mut writer = target.writer();
        let body = Arc::clone(body);
        uploads.spawn(async move {
            for at in 0..PUTS_PER_CONNECTION {
                let name = format!("put{}_{:05}.ts", letter(connection), at % KEYS_PER_CONNECTION);
                writer.put(&format!("{}?ttl_seconds=60", Target::path(&name)), &body).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(upload) = uploads.join_next().await {
        upload?.with_context(|| format!("{}: PUT", target.kind))?;
    }
    Ok((CONNECTIONS * PUTS_PER_CONNECTION) as f64 / clock.monotonic().as_secs_f64())
}

/// Names that differ in digits alone would all fall into one shard.
fn letter(connection: usize) -> char {
    char::from(b'a' + (connection % 26) as u8)
}
