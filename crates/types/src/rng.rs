//! Randomness as a parameter: simulations are seeded.

use rand::{RngCore, SeedableRng, rngs::SmallRng};
use std::{fmt, sync::Mutex};

/// A source of randomness.
pub trait Rng: Send + Sync + fmt::Debug + 'static {
    /// 64 random bits, good enough for ids, jitter and sampling.
    fn next_u64(&self) -> u64;
    /// Fills a secret. Cryptographic in production.
    fn fill_secret(&self, bytes: &mut [u8]);
}

/// The machine's randomness.
#[derive(Debug, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks for the machine's randomness")]
    fn next_u64(&self) -> u64 {
        rand::random()
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that asks for the machine's randomness")]
    fn fill_secret(&self, bytes: &mut [u8]) {
        rand::rng().fill_bytes(bytes);
    }
}

/// The same numbers for the same seed. For tests and simulations only: its secrets can be guessed.
#[derive(Debug)]
pub struct SeededRng(Mutex<SmallRng>);

impl SeededRng {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(SmallRng::seed_from_u64(seed)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, SmallRng> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Rng for SeededRng {
    fn next_u64(&self) -> u64 {
        self.lock().next_u64()
    }

    fn fill_secret(&self, bytes: &mut [u8]) {
        self.lock().fill_bytes(bytes);
    }
}
