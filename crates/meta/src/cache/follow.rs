//! Keeping a copy in step with a source: watch, apply, and watch again when that ends.

use futures_util::StreamExt;
use headwater_types::{Clock, Rng};
use std::{sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};

use super::MetaCache;
use crate::store::{MetaStore, WatchEvents};

/// A source says something at least every 500 ms; silent for this long, it is given up.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// Pauses between attempts double between these.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

pub(super) async fn run(
    cache: Arc<MetaCache>,
    source: Arc<dyn MetaStore>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
) {
    let mut pause = PAUSE_MIN;
    loop {
        let ended = match timeout(SILENCE_MAX, source.watch(cache.version())).await {
            Ok(Ok(events)) => {
                let (heard, ended) = apply_all(&cache, events, &*clock).await;
                if heard {
                    pause = PAUSE_MIN;
                }
                ended
            }
            Ok(Err(e)) => e.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        tracing::info!(version = cache.version(), reason = %ended, "the metadata watch ended; watching again");
        sleep(jittered(pause, &*rng)).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Applies events until the watch ends; answers whether there were any, and why it ended.
async fn apply_all(cache: &MetaCache, mut events: WatchEvents, clock: &dyn Clock) -> (bool, String) {
    let mut heard = false;
    loop {
        match timeout(SILENCE_MAX, events.next()).await {
            Ok(Some(Ok(event))) => {
                heard = true;
                cache.hear(clock.monotonic());
                if !cache.apply(event) {
                    return (heard, "entries were missing".to_owned());
                }
            }
            Ok(Some(Err(e))) => return (heard, e.to_string()),
            Ok(None) => return (heard, "closed by the source".to_owned()),
            Err(_) => return (heard, format!("nothing heard for {SILENCE_MAX:?}")),
        }
    }
}

/// Between half of `pause` and all of it, so that watchers do not come back at once.
fn jittered(pause: Duration, rng: &dyn Rng) -> Duration {
    let half = pause / 2;
    let micros = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).max(1);
    half + Duration::from_micros(rng.next_u64() % micros)
}
