//! The composition roots: each reads as a list, in order; stopping is the reverse.

pub mod admin;
pub mod frontend;
pub mod meta;
pub mod node;

use headwater_types::{Clock, Rng, SystemClock, SystemRng};
use std::{sync::Arc, time::Duration};

/// How long a role waits for the metadata at its start before it gives up.
pub const META_WAIT: Duration = Duration::from_secs(60);

/// The machine's clock and randomness.
pub fn system() -> (Arc<dyn Clock>, Arc<dyn Rng>) {
    (Arc::new(SystemClock::new()), Arc::new(SystemRng))
}
