//! One watch: a position that moves through the hub's entries.

use futures_util::{StreamExt, stream};
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::{sync::watch, time::timeout};

use super::{
    hub::{Hub, Next, Progress},
    ring::Kept,
};
use crate::{
    limits::WATCHERS_MAX,
    metrics::WatcherGuard,
    state::State,
    store::{MetaError, WatchEvent, WatchEvents},
};

/// With nothing new, the watch says so this often.
const IDLE_EVERY: Duration = Duration::from_millis(500);
/// A watcher that is ahead is let go when nothing comes for this long.
const BEHIND_MAX: Duration = Duration::from_secs(2);
/// Entries taken from the hub at once: what a watcher holds in memory.
const BATCH: usize = 64;

#[derive(Debug)]
struct Watcher {
    hub: Arc<Hub>,
    progress: watch::Receiver<Progress>,
    /// What was handed out last; `None`: nothing yet.
    position: Option<u64>,
    taken: VecDeque<Kept>,
    _counted: WatcherGuard,
}

/// Changes after `after_version`; 0 stands for a watcher that knows nothing yet and always gets a snapshot first. Ends
/// when the hub stops, or when it stays behind a watcher that is ahead of it. Never goes back.
pub(crate) fn events(
    hub: &Arc<Hub>,
    after_version: u64,
    counted: WatcherGuard,
) -> Result<WatchEvents, MetaError> {
    if counted.watchers() > WATCHERS_MAX {
        return Err(MetaError::Unavailable(format!("there are {WATCHERS_MAX} watchers already")));
    }
    let watcher = Watcher {
        hub: hub.clone(),
        progress: hub.progress(),
        position: (after_version > 0).then_some(after_version),
        taken: VecDeque::new(),
        _counted: counted,
    };
    Ok(stream::unfold(watcher, |mut watcher| async move { Some((Ok(watcher.next().await?), watcher)) })
        .boxed())
}

impl Watcher {
    async fn next(&mut self) -> Option<WatchEvent> {
        loop {
            if let Some((version, command)) = self.taken.pop_front() {
                self.position = Some(version);
                return Some(WatchEvent::Entry { version, command });
            }
            if !self.progress.borrow_and_update().open {
                return None;
            }
            match self.hub.next(self.position, BATCH) {
                Next::Snapshot(state) => {
                    self.position = Some(state.version);
                    return Some(WatchEvent::Snapshot(Box::new(State::clone(&state))));
                }
                // Who watched another voter may be ahead of this one for a moment, and must not go back.
                Next::Ahead => {
                    if !matches!(timeout(BEHIND_MAX, self.progress.changed()).await, Ok(Ok(()))) {
                        return None;
                    }
                }
                Next::Entries(entries) if !entries.is_empty() => self.taken = entries,
                Next::Entries(_) => match timeout(IDLE_EVERY, self.progress.changed()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return None,
                    Err(_) => return self.position.map(|version| WatchEvent::Idle { version }),
                },
            }
        }
    }
}
