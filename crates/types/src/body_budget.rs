//! A byte budget of bodies that arrive, shared by all of them.
//!
//! A body whose length is known takes all of it when it is let in. One of unknown length takes what has arrived and grows
//! while there is room. Where there is none, the newest of those that have grown are refused, and the one that grows waits
//! until their bytes are gone. What they free is kept for it: until it has grown, no body is let in and no newer one grows.
//! So a body waits for the refused and for older ones that wait for the refused, and for nobody else. Nothing here needs a runtime: a waiting task is woken; the task that grows it checks again.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// Most bodies that wait to be let in; more are refused without waiting.
pub const BODIES_WAITING_MAX: usize = 4096;

/// There is no room for a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no memory for another body")]
pub struct BudgetFull;

/// The budget.
///
/// # To ensure correctness
/// - What is used passes the capacity only by a body that is alone, and by what was taken without asking
///   ([`BodyBudget::take`], [`BodyShare::cover_anyway`], [`BodyShare::settle`]).
/// - A body waits to be let in, behind those that came before. Once it is in it waits only for bytes of bodies that were
///   refused already, which wait for nobody, and for the growth of an older body that waits.
/// - While a growth waits, the bytes that become free are its own: nothing but what is taken without asking overtakes it.
pub struct BodyBudget {
    capacity: u64,
    state: Mutex<State>,
    shown: Box<dyn Fn(u64) + Send + Sync>,
}

#[derive(Debug, Default)]
struct State {
    used: u64,
    /// Of `used`, what was refused and has not been given back yet.
    leaving: u64,
    /// Orders shares and waiting ones.
    next: u64,
    /// Those that grew and may be refused, oldest first.
    growing: BTreeMap<u64, Growing>,
    /// Those of them whose growth waits, none of them refused.
    hungry: BTreeSet<u64>,
    /// Those that wait to be let in, first come first.
    waiting: BTreeMap<u64, Waker>,
}

#[derive(Debug)]
struct Growing {
    bytes: u64,
    is_refused: bool,
    waker: Waker,
}

impl BodyBudget {
    /// A budget of `capacity` bytes, which tells `shown` how many are used whenever that changes.
    pub fn new(capacity: u64, shown: impl Fn(u64) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { capacity, state: Mutex::default(), shown: Box::new(shown) })
    }

    /// Most bytes that may be used.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Bytes in use.
    pub fn used(&self) -> u64 {
        self.lock().used
    }

    /// Waits until there is room for `bytes`, which the share has then, and for `ahead` more, which it has not: a body that
    /// begins needs them soon. Nothing is too large where nothing else is in.
    ///
    /// # Errors
    /// Ends with [`BudgetFull`] where [`BODIES_WAITING_MAX`] wait already. It does not end by itself while there is no room.
    pub fn admit(self: &Arc<Self>, bytes: u64, ahead: u64) -> Admission {
        Admission { budget: self.clone(), bytes, ahead, place: None }
    }

    /// [`BodyBudget::admit`] without waiting.
    ///
    /// # Errors
    /// [`BudgetFull`] where there is none, or others wait.
    pub fn admit_now(self: &Arc<Self>, bytes: u64, ahead: u64) -> Result<BodyShare, BudgetFull> {
        self.change(|state, _| {
            let has_room = state.waiting.is_empty() && state.has_room(self.capacity, bytes, ahead);
            if has_room { Ok(state.enter(bytes)) } else { Err(BudgetFull) }
        })
        .map(|order| self.share(order, bytes))
    }

    /// A share for what must be taken, whatever there is.
    pub fn take(self: &Arc<Self>, bytes: u64) -> BodyShare {
        let order = self.change(|state, _| state.enter(bytes));
        self.share(order, bytes)
    }

    fn share(self: &Arc<Self>, order: u64, bytes: u64) -> BodyShare {
        BodyShare { budget: self.clone(), order, bytes, waits: false }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and then, outside of the lock, wakes those that `change` collects.
    fn change<T>(&self, change: impl FnOnce(&mut State, &mut Vec<Waker>) -> T) -> T {
        let mut woken = Vec::new();
        let changed = {
            let mut state = self.lock();
            let before = state.used;
            let changed = change(&mut state, &mut woken);
            if state.used != before {
                (self.shown)(state.used);
            }
            changed
        };
        woken.into_iter().for_each(Waker::wake);
        changed
    }
}

impl fmt::Debug for BodyBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyBudget")
            .field("capacity", &self.capacity)
            .field("used", &self.used())
            .finish_non_exhaustive()
    }
}

impl State {
    fn has_room(&self, capacity: u64, bytes: u64, ahead: u64) -> bool {
        let after = self.used.saturating_add(bytes).saturating_add(ahead);
        // What leaves, or has left, makes room for those that are in.
        self.hungry.is_empty() && (self.used == 0 || (self.leaving == 0 && after <= capacity))
    }

    fn enter(&mut self, bytes: u64) -> u64 {
        self.used += bytes;
        self.next += 1;
        self.next
    }

    /// Room of `more` bytes for a body that is in.
    fn grow(
        &mut self,
        capacity: u64,
        order: u64,
        more: u64,
        woken: &mut Vec<Waker>,
    ) -> Poll<Result<(), BudgetFull>> {
        let Some(bytes) = self.growing.get(&order).filter(|own| !own.is_refused).map(|own| own.bytes) else {
            return Poll::Ready(Err(BudgetFull));
        };
        let after = self.used.saturating_add(more);
        let is_next = self.hungry.range(..order).next().is_none();
        if is_next && (after <= capacity || self.used == bytes) {
            self.used = after;
            if let Some(own) = self.growing.get_mut(&order) {
                own.bytes = bytes + more;
            }
            if self.hungry.remove(&order) {
                self.wake(woken);
            }
            return Poll::Ready(Ok(()));
        }
        let mut missing = after.saturating_sub(capacity).saturating_sub(self.leaving);
        let mut newest = Vec::new();
        for (other, body) in self.growing.range(order + 1..).rev().filter(|(_, body)| !body.is_refused) {
            if missing == 0 {
                break;
            }
            missing = missing.saturating_sub(body.bytes);
            newest.push(*other);
        }
        if missing > 0 && self.used - self.leaving > bytes {
            let waited = self.hungry.contains(&order);
            self.refuse(order, woken);
            if waited {
                self.wake(woken);
            }
            return Poll::Ready(Err(BudgetFull));
        }
        newest.into_iter().for_each(|other| self.refuse(other, woken));
        self.hungry.insert(order);
        Poll::Pending
    }

    fn refuse(&mut self, order: u64, woken: &mut Vec<Waker>) {
        if let Some(body) = self.growing.get_mut(&order) {
            body.is_refused = true;
            self.leaving += body.bytes;
            self.hungry.remove(&order);
            woken.push(body.waker.clone());
        }
    }

    /// The body grows no more, and cannot be refused any more.
    fn end_growth(&mut self, order: u64) {
        self.hungry.remove(&order);
        if let Some(body) = self.growing.remove(&order)
            && body.is_refused
        {
            self.leaving -= body.bytes;
        }
    }

    /// Bytes may have become free, or it is another one's turn.
    fn wake(&self, woken: &mut Vec<Waker>) {
        let growing = self.hungry.iter().filter_map(|order| self.growing.get(order)).map(|body| &body.waker);
        woken.extend(growing.chain(self.waiting.values().next()).cloned());
    }
}

/// Waits to be let in; dropped, it gives up its place.
#[derive(Debug)]
#[must_use = "it waits only while it is polled"]
pub struct Admission {
    budget: Arc<BodyBudget>,
    bytes: u64,
    ahead: u64,
    place: Option<u64>,
}

impl Future for Admission {
    type Output = Result<BodyShare, BudgetFull>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { budget, bytes, ahead, place } = &mut *self;
        let entered = budget.change(|state, woken| {
            let first = state.waiting.keys().next().copied();
            let is_next = first.is_none() || first == *place;
            if is_next && state.has_room(budget.capacity, *bytes, *ahead) {
                if let Some(place) = place.take() {
                    state.waiting.remove(&place);
                }
                let order = state.enter(*bytes);
                state.wake(woken);
                return Poll::Ready(Ok(order));
            }
            if place.is_none() && state.waiting.len() >= BODIES_WAITING_MAX {
                return Poll::Ready(Err(BudgetFull));
            }
            let place = *place.get_or_insert_with(|| state.enter(0));
            state.waiting.insert(place, cx.waker().clone());
            Poll::Pending
        });
        entered.map(|entered| entered.map(|order| budget.share(order, *bytes)))
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.budget.change(|state, woken| {
                state.waiting.remove(&place);
                state.wake(woken);
            });
        }
    }
}

/// What one body has of the budget; gives it back when it is dropped.
#[derive(Debug)]
pub struct BodyShare {
    budget: Arc<BodyBudget>,
    order: u64,
    bytes: u64,
    /// Its last growth waited.
    waits: bool,
}

impl BodyShare {
    /// Bytes that it has.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes it at least `bytes`, before they are there. Waits only for bytes of bodies that were refused already, and for
    /// older bodies that wait for them. While it waits nothing newer is let in: when the wait is given up without dropping
    /// the share, [`BodyShare::stop_waiting`] must be called.
    ///
    /// # Errors
    /// [`BudgetFull`]: the body is refused, by this or an earlier growth of its own or of an older one, and must be given up.
    pub fn poll_cover(&mut self, bytes: u64, cx: &mut Context<'_>) -> Poll<Result<(), BudgetFull>> {
        if bytes <= self.bytes {
            self.stop_waiting();
            return Poll::Ready(Ok(()));
        }
        let (more, had, order) = (bytes - self.bytes, self.bytes, self.order);
        let grown = self.budget.change(|state, woken| {
            let new = || Growing { bytes: had, is_refused: false, waker: cx.waker().clone() };
            let own = state.growing.entry(order).or_insert_with(new);
            own.waker.clone_from(cx.waker());
            state.grow(self.budget.capacity, order, more, woken)
        });
        if grown == Poll::Ready(Ok(())) {
            self.bytes = bytes;
        }
        self.waits = grown.is_pending();
        grown
    }

    /// Gives up a growth that waits, so that others do not wait for it.
    pub fn stop_waiting(&mut self) {
        if std::mem::take(&mut self.waits) {
            self.budget.change(|state, woken| {
                state.hungry.remove(&self.order);
                state.wake(woken);
            });
        }
    }

    /// Ready once the body is refused because an older one grew.
    pub fn poll_refused(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.budget.lock();
        match state.growing.get_mut(&self.order) {
            Some(own) if own.is_refused => Poll::Ready(()),
            Some(own) => {
                own.waker.clone_from(cx.waker());
                Poll::Pending
            }
            // It has not grown yet; the task that grows it checks again.
            None => Poll::Pending,
        }
    }

    /// [`BodyShare::poll_cover`], to be awaited. Dropped, it gives up its wait.
    ///
    /// # Errors
    /// The same.
    pub async fn cover(&mut self, bytes: u64) -> Result<(), BudgetFull> {
        let wait = Wait(self);
        std::future::poll_fn(|cx| wait.0.poll_cover(bytes, cx)).await
    }

    /// What `poll` gives, while the body is not refused.
    ///
    /// # Errors
    /// [`BudgetFull`] once it is, because an older one grew.
    pub async fn unless_refused<T>(
        &self,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Result<T, BudgetFull> {
        let or_refused = |cx: &mut Context<'_>| match self.poll_refused(cx) {
            Poll::Ready(()) => Poll::Ready(Err(BudgetFull)),
            Poll::Pending => poll(cx).map(Ok),
        };
        std::future::poll_fn(or_refused).await
    }

    /// Makes it at least `bytes`, whatever there is: for a body that must be taken and is never refused.
    pub fn cover_anyway(&mut self, bytes: u64) {
        if bytes > self.bytes {
            self.settle(bytes);
        }
    }

    /// Makes it `bytes`, more or less than it has: the body is whole, and is not refused any more.
    pub fn settle(&mut self, bytes: u64) {
        let had = std::mem::replace(&mut self.bytes, bytes);
        self.waits = false;
        self.budget.change(|state, woken| {
            state.end_growth(self.order);
            state.used = state.used - had + bytes;
            state.wake(woken);
        });
    }
}

impl Drop for BodyShare {
    fn drop(&mut self) {
        self.budget.change(|state, woken| {
            state.end_growth(self.order);
            state.used -= self.bytes;
            state.wake(woken);
        });
    }
}

/// The growth that [`BodyShare::cover`] waits for.
struct Wait<'a>(&'a mut BodyShare);

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.0.stop_waiting();
    }
}

#[cfg(test)]
mod tests;
