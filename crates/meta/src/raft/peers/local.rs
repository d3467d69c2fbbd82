//! Direct calls between voters of one process, and cuts between them for tests.

use async_trait::async_trait;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::time::timeout;

use super::{Peer, PeerAnswer, PeerCall, PeerError, PeerHeader, Peers};

#[derive(Debug, Default)]
struct Inner {
    voters: BTreeMap<String, Weak<dyn Peer>>,
    /// Callers and addresses between which nothing passes.
    cut: BTreeSet<(u64, String)>,
}

/// The voters of a process, by address. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct LocalPeers(Arc<Mutex<Inner>>);

impl LocalPeers {
    /// Nobody yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a voter known under its address; it is not kept alive.
    pub fn register(&self, address: &str, voter: Arc<dyn Peer>) {
        self.0.lock().voters.insert(address.to_owned(), Arc::downgrade(&voter));
    }

    /// Forgets who is at an address.
    pub fn forget(&self, address: &str) {
        self.0.lock().voters.remove(address);
    }

    /// Nothing that voter `from` says reaches `address` from now on, or it does again.
    pub fn cut(&self, from: u64, address: &str, cut: bool) {
        let key = (from, address.to_owned());
        let mut inner = self.0.lock();
        if cut {
            inner.cut.insert(key)
        } else {
            inner.cut.remove(&key)
        };
    }

    fn find(&self, from: u64, address: &str) -> Result<Arc<dyn Peer>, PeerError> {
        let inner = self.0.lock();
        let nobody = || PeerError::Unreachable(format!("nobody is at {address:?} in this process"));
        if inner.cut.contains(&(from, address.to_owned())) {
            return Err(nobody());
        }
        inner.voters.get(address).and_then(Weak::upgrade).ok_or_else(nobody)
    }
}

#[derive(Debug)]
struct LocalPeer {
    peers: LocalPeers,
    address: String,
}

impl Peers for LocalPeers {
    fn peer(&self, address: &str) -> Result<Arc<dyn Peer>, PeerError> {
        Ok(Arc::new(LocalPeer { peers: self.clone(), address: address.to_owned() }))
    }
}

#[async_trait]
impl Peer for LocalPeer {
    async fn call(
        &self,
        header: &PeerHeader,
        call: PeerCall,
        limit: Duration,
    ) -> Result<PeerAnswer, PeerError> {
        let voter = self.peers.find(header.from, &self.address)?;
        let answer = timeout(limit, voter.call(header, call, limit)).await;
        answer.unwrap_or_else(|_| Err(PeerError::Lost(format!("nothing within {limit:?}"))))
    }
}
