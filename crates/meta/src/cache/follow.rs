//! Keeping a copy in step with a source: watch, apply, and watch again when that ends.

use futures_util::StreamExt;
use headwater_types::{Clock, Rng};
use std::{sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};

use super::MetaCache;
use crate::store::{MetaStore, WatchEvent, WatchEvents};

/// A source says something at least every 500 ms; silent for this long, it is given up.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// Pauses between attempts double between these.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// Events that are there at once are applied together, at most so many.
const BATCH: usize = 256;

pub(super) async fn run(
    cache: Arc<MetaCache>,
    source: Arc<dyn MetaStore>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
) {
    let mut pause = PAUSE_MIN;
    loop {
        let ended = match begin(&cache, &*source).await {
            Ok(events) => {
                let (heard, ended) = apply_all(&cache, events, &*clock).await;
                if heard {
                    pause = PAUSE_MIN;
                }
                ended
            }
            Err(reason) => reason,
        };
        tracing::info!(version = cache.version(), reason = %ended, "the metadata watch ended; watching again");
        sleep(jittered(pause, &*rng)).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Begins a watch after what the copy has. Of a source that names another cluster it takes the whole state first: the
/// entries of one cluster must not be applied to the state of another.
async fn begin(cache: &MetaCache, source: &dyn MetaStore) -> Result<WatchEvents, String> {
    let named = match timeout(SILENCE_MAX, source.membership()).await {
        Ok(Ok(membership)) => membership.cluster,
        // It is not known then, and the watch says why.
        Ok(Err(_)) | Err(_) => String::new(),
    };
    let own = cache.cluster();
    let other = !named.is_empty() && !own.is_empty() && named != own;
    let mut events = watch(source, if other { 0 } else { cache.version() }).await?;
    if other {
        let Ok(Some(Ok(WatchEvent::Snapshot(state)))) = timeout(SILENCE_MAX, events.next()).await else {
            return Err("no state of the other cluster came".to_owned());
        };
        let (version, theirs) = (cache.version(), state.version);
        if !cache.move_to(&named, *state) {
            return Err(format!(
                "the source is of cluster {named}, at version {theirs}; this is {own}'s copy"
            ));
        }
        tracing::warn!(from = %own, to = %named, version, theirs, "the metadata is of another cluster now");
    } else if !named.is_empty() {
        cache.belongs_to(named);
    }
    Ok(events)
}

async fn watch(source: &dyn MetaStore, after: u64) -> Result<WatchEvents, String> {
    match timeout(SILENCE_MAX, source.watch(after)).await {
        Ok(begun) => begun.map_err(|e| e.to_string()),
        Err(_) => Err("no answer".to_owned()),
    }
}

/// Applies events until the watch ends; answers whether there were any, and why it ended.
async fn apply_all(cache: &MetaCache, events: WatchEvents, clock: &dyn Clock) -> (bool, String) {
    let mut heard = false;
    let mut events = events.ready_chunks(BATCH);
    loop {
        let ready = match timeout(SILENCE_MAX, events.next()).await {
            Ok(Some(ready)) => ready,
            Ok(None) => return (heard, "closed by the source".to_owned()),
            Err(_) => return (heard, format!("nothing heard for {SILENCE_MAX:?}")),
        };
        let mut failed = None;
        let sound: Vec<_> =
            ready.into_iter().map_while(|event| event.map_err(|e| failed = Some(e)).ok()).collect();
        if !sound.is_empty() {
            heard = true;
            cache.hear(clock.monotonic());
            if !cache.apply_all(sound) {
                return (heard, "entries were missing".to_owned());
            }
        }
        if let Some(error) = failed {
            return (heard, error.to_string());
        }
    }
}

/// Between half of `pause` and all of it, so that watchers do not come back at once.
fn jittered(pause: Duration, rng: &dyn Rng) -> Duration {
    let half = pause / 2;
    let micros = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).max(1);
    half + Duration::from_micros(rng.next_u64() % micros)
}
