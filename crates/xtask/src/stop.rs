//! The request to stop: Ctrl-C, SIGTERM or SIGHUP, seen as a flag that tasks poll.

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Set once the user, or whoever runs the task, wants it to end.
#[derive(Debug, Clone)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Takes over the signals of this process. From here on they only set the flag.
    pub fn on_signals() -> io::Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            flag::register(signal, Arc::clone(&flag))?;
        }
        Ok(Self(flag))
    }

    /// Whether to end.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// A flag of its own, for tests.
    #[cfg(test)]
    pub fn manual() -> Self {
        Self(Arc::default())
    }

    /// Sets the flag, for tests.
    #[cfg(test)]
    pub fn request(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
