//! The applied state of a voter and its last entries, shared with everyone who reads or watches them.

use bytes::Bytes;
use parking_lot::RwLock;
use std::{collections::VecDeque, sync::Arc};
use tokio::sync::watch;

use super::ring::{Kept, Ring};
use crate::state::{Effect, State};

/// How far the state is, and whether it will go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    pub version: u64,
    pub open: bool,
}

/// What comes after a position.
#[derive(Debug)]
pub(super) enum Next {
    /// These entries, without a hole; empty if there is nothing new.
    Entries(VecDeque<Kept>),
    /// The position is too old, or there is none.
    Snapshot(Arc<State>),
    /// The position is ahead of what is here: this voter is behind.
    Ahead,
}

#[derive(Debug, Default)]
struct Inner {
    state: Arc<State>,
    ring: Ring,
}

/// The state and its watchers' source. One writer, any number of readers.
#[derive(Debug)]
pub(crate) struct Hub {
    inner: RwLock<Inner>,
    progress: watch::Sender<Progress>,
}

impl Hub {
    /// An empty state.
    pub(crate) fn new() -> Arc<Self> {
        let progress = watch::Sender::new(Progress { version: 0, open: true });
        Arc::new(Self { inner: RwLock::default(), progress })
    }

    /// Applies the entry at `index`; readers see it before this returns.
    pub(crate) fn apply(&self, index: u64, command: Bytes) -> Effect {
        let effect = {
            let mut inner = self.inner.write();
            let effect = Arc::make_mut(&mut inner.state).apply_entry(index, &command);
            inner.ring.push(index, command);
            effect
        };
        self.progress.send_modify(|progress| progress.version = index);
        effect
    }

    /// Replaces the state; watchers get it as a snapshot.
    pub(crate) fn install(&self, state: State) {
        let version = state.version;
        {
            let mut inner = self.inner.write();
            inner.state = Arc::new(state);
            inner.ring.clear();
        }
        self.progress.send_modify(|progress| progress.version = version);
    }

    /// The state as it is now.
    pub(crate) fn state(&self) -> Arc<State> {
        self.inner.read().state.clone()
    }

    /// Ends every watch.
    pub(crate) fn stop(&self) {
        self.progress.send_modify(|progress| progress.open = false);
    }

    /// Changes when there is something new or the end has come.
    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// At most `max` entries after `position`, or the whole state.
    pub(super) fn next(&self, position: Option<u64>, max: usize) -> Next {
        let inner = self.inner.read();
        let newest = inner.state.version;
        match position {
            Some(position) if position == newest => Next::Entries(VecDeque::new()),
            Some(position) if position < newest => match inner.ring.after(position, max) {
                Some(entries) => Next::Entries(entries),
                None => Next::Snapshot(inner.state.clone()),
            },
            Some(_) => Next::Ahead,
            None => Next::Snapshot(inner.state.clone()),
        }
    }
}
