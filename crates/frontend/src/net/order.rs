//! In which order requests begin.
//!
//! A request begins with the first byte of its head, which is no empty line before it; over HTTP/2, where streams share the
//! connection, with its HEADERS frame. Connections are served by tasks on several threads, so two that send at nearly the same time may be read in the
//! other order. An encoder that opens a connection for each request counts on that order: its last playlists come back to
//! back. So whoever reads the first bytes of a connection first looks at those that were accepted earlier and have not been
//! read yet. A request that waits there was first.
//!
//! # To ensure correctness
//! - A place is taken once the request has begun to arrive, never earlier: a connection may be opened ahead of use, and
//!   what it asks for then is later than all that was answered before.
//! - The first bytes of a connection are read, and its place is taken, under one lock.

use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};
use tokio::io::ReadBuf;

use super::{acceptor::NetStream, info::ConnectionId};

/// Connections that are looked at when another one is read first: those that were accepted last. A task that was woken
/// earlier is at most that many connections behind.
const LOOKED_AT_MAX: usize = 64;

/// A request's place in the order in which the requests of this process began. Requests that may store something carry it
/// as an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(pub u64);

impl Place {
    /// The place of a request that begins now.
    pub(super) fn next() -> Self {
        // Of the process, so that it does not matter how many listeners a data plane has.
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// The first byte that belongs to a request: a parser skips the empty lines before it (RFC 9112 section 2.2).
pub(super) fn first_of_request(bytes: &[u8]) -> Option<u8> {
    bytes.iter().copied().find(|byte| !matches!(byte, b'\r' | b'\n'))
}

/// The connections of a listener that were accepted and not read yet.
#[derive(Debug)]
pub(super) struct Unread<S>(Mutex<BTreeMap<ConnectionId, Entry<S>>>);

#[derive(Debug)]
struct Entry<S> {
    stream: Arc<Mutex<S>>,
    /// Input was seen: the request has begun.
    place: Option<Place>,
}

impl<S: NetStream> Unread<S> {
    /// None so far.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(BTreeMap::new())))
    }

    /// A connection was accepted. To be called in the order of acceptance, which is that of the ids.
    pub(super) fn accepted(self: &Arc<Self>, id: ConnectionId, stream: S) -> Accepted<S> {
        let stream = Arc::new(Mutex::new(stream));
        self.0.lock().insert(id, Entry { stream: stream.clone(), place: None });
        Accepted { unread: self.clone(), id, stream }
    }
}

/// A connection that was accepted.
#[derive(Debug)]
pub(super) struct Accepted<S: NetStream> {
    unread: Arc<Unread<S>>,
    id: ConnectionId,
    stream: Arc<Mutex<S>>,
}

impl<S: NetStream> Accepted<S> {
    /// Reads its first bytes; none: it has ended. Returns the place of the request that they begin, if they begin one.
    pub(super) fn poll_first(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<Option<Place>>> {
        let mut unread = self.unread.0.lock();
        ready!(Pin::new(&mut *self.stream.lock()).poll_read(cx, buf))?;
        let own = unread.remove(&self.id).and_then(|entry| entry.place);
        let first = first_of_request(buf.filled());
        // PUT and POST: the order of others does not matter.
        if own.is_none() && first == Some(b'P') {
            let earlier = unread.range_mut(..self.id).rev().take(LOOKED_AT_MAX);
            let waiting = earlier
                .map(|(_, entry)| entry)
                .filter(|entry| entry.place.is_none() && entry.stream.lock().has_input());
            // The one that was accepted first is the first.
            waiting.collect::<Vec<_>>().into_iter().rev().for_each(|entry| entry.place = Some(Place::next()));
        }
        Poll::Ready(Ok(own.or_else(|| first.map(|_| Place::next()))))
    }

    /// The stream, to be read on.
    pub(super) fn stream(&self) -> Arc<Mutex<S>> {
        self.stream.clone()
    }
}

impl<S: NetStream> Drop for Accepted<S> {
    fn drop(&mut self) {
        self.unread.0.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests;
