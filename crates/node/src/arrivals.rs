//! Objects that are still being written here, and the readers that follow them.

use bytes::Bytes;
use headwater_proto::{Arriving, Began};
use headwater_types::{BodyReader, BodyWriter, ObjectId};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::watch;

use crate::beginnings::Beginning;

/// The uploads in progress of a node, by object.
#[derive(Debug, Default)]
pub struct Arrivals {
    by_object: Mutex<HashMap<ObjectId, Vec<Arc<Shared>>>>,
    arrived: AtomicU64,
}

#[derive(Debug)]
struct Shared {
    /// The upload begun last is followed.
    beginning: Beginning,
    about: Arriving,
    /// What readers follow; apart from the upload's own body, since a DELETE cuts the readers and not the upload.
    follow: BodyWriter,
    /// Set when the upload has ended, well or not.
    over: watch::Sender<bool>,
}

/// One upload. Dropped, it is over; its followers are cut unless [`Arrival::committed`] was said before.
#[derive(Debug)]
pub struct Arrival {
    arrivals: Weak<Arrivals>,
    object: ObjectId,
    beginning: Beginning,
    about: Option<Arriving>,
    shared: Option<Arc<Shared>>,
    body: BodyWriter,
}

impl Arrivals {
    /// Begins an upload whose request `began` then. Readers can follow it from its first byte on, if `about` is given.
    pub fn begin(
        self: &Arc<Self>,
        object: ObjectId,
        about: Option<Arriving>,
        began: Option<Began>,
    ) -> Arrival {
        Arrival {
            arrivals: Arc::downgrade(self),
            object,
            beginning: Beginning { began, arrived: self.arrived.fetch_add(1, Ordering::Relaxed) },
            about,
            shared: None,
            body: BodyWriter::new(),
        }
    }

    /// The upload of an object that was begun last, if it has bytes and may be followed.
    pub fn follow(&self, object: &ObjectId) -> Option<(Arriving, BodyReader)> {
        let shared = self.last(object)?;
        Some((shared.about.clone(), shared.follow.reader()))
    }

    /// Follows whether the upload begun last is over.
    pub fn over(&self, object: &ObjectId) -> Option<watch::Receiver<bool>> {
        Some(self.last(object)?.over.subscribe())
    }

    /// Whether an object is arriving with bytes that readers may see.
    pub fn is_arriving(&self, object: &ObjectId) -> bool {
        self.by_object.lock().contains_key(object)
    }

    /// The object was deleted: who follows it is cut and nobody follows these uploads any more. The uploads go on.
    pub fn cut_followers(&self, object: &ObjectId) {
        for shared in self.by_object.lock().remove(object).into_iter().flatten() {
            shared.follow.cut();
        }
    }

    /// Objects that are arriving.
    pub fn count(&self) -> usize {
        self.by_object.lock().len()
    }

    fn last(&self, object: &ObjectId) -> Option<Arc<Shared>> {
        let is_before = |a: &'_ Arc<Shared>, b: &'_ Arc<Shared>| a.beginning.is_before(b.beginning);
        let by_object = self.by_object.lock();
        let last = by_object.get(object)?.iter().reduce(|a, b| if is_before(a, b) { b } else { a });
        last.cloned()
    }
}

impl Arrival {
    /// Appends what arrived.
    pub fn push(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        self.publish();
        if let Some(shared) = &self.shared {
            shared.follow.push(piece.clone());
        }
        self.body.push(piece);
    }

    /// The first byte makes the upload visible to readers.
    fn publish(&mut self) {
        let (Some(about), Some(arrivals)) = (self.about.take(), self.arrivals.upgrade()) else { return };
        let shared = Arc::new(Shared {
            beginning: self.beginning,
            about,
            follow: BodyWriter::new(),
            over: watch::Sender::new(false),
        });
        arrivals.by_object.lock().entry(self.object.clone()).or_default().push(shared.clone());
        self.shared = Some(shared);
    }

    /// When it began.
    pub fn beginning(&self) -> Beginning {
        self.beginning
    }

    /// The upload's own body.
    pub fn body(&self) -> &BodyWriter {
        &self.body
    }

    /// The object is committed: followers get their clean end.
    pub fn committed(&self) {
        if let Some(shared) = &self.shared {
            shared.follow.complete();
        }
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        shared.follow.cut();
        shared.over.send_replace(true);
        let Some(arrivals) = self.arrivals.upgrade() else { return };
        let mut by_object = arrivals.by_object.lock();
        if let Some(uploads) = by_object.get_mut(&self.object) {
            uploads.retain(|other| other.beginning.arrived != self.beginning.arrived);
            if uploads.is_empty() {
                by_object.remove(&self.object);
            }
        }
    }
}
