//! What to wait for before a failed call is tried again.

use headwater_proto::StorageError;
use headwater_types::Rng;
use std::time::Duration;

use crate::routes::Routes;

/// The first pause; each further one may be twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(20);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// The pauses between the attempts of one call.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    attempts: u32,
}

impl Retry {
    /// Waits after an attempt failed with `error` (`None`: the map has no members), at most for `left`.
    ///
    /// A node that is ahead of our map says how far: once we are there, the next attempt is made at once. Otherwise a
    /// jittered pause, which a change of the map ends.
    pub async fn pause(
        &mut self,
        error: Option<&StorageError>,
        routes: &Routes,
        rng: &dyn Rng,
        left: Duration,
    ) {
        let pause = self.next_pause(rng).min(left);
        match error {
            Some(StorageError::WrongEpoch { map_version, .. }) if self.attempts <= 3 => {
                // If the map is there already, the node is the one that is behind: give it a moment.
                routes.at_least(*map_version, PAUSE_MAX.min(left)).await;
                if self.attempts > 1 {
                    tokio::time::sleep(pause).await;
                }
            }
            _ => routes.changed(pause).await,
        }
    }

    fn next_pause(&mut self, rng: &dyn Rng) -> Duration {
        let ceiling = PAUSE_MAX.min(PAUSE_MIN * 2u32.saturating_pow(self.attempts.min(8)));
        self.attempts += 1;
        let spread = u64::try_from((ceiling - PAUSE_MIN / 2).as_micros()).unwrap_or(1).max(1);
        PAUSE_MIN / 2 + Duration::from_micros(rng.next_u64() % spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_types::SeededRng;

    #[test]
    fn pauses_grow_and_are_bounded() {
        let rng = SeededRng::new(3);
        for _ in 0..100 {
            let mut retry = Retry::default();
            assert!(retry.next_pause(&rng) <= PAUSE_MIN);
            for _ in 0..50 {
                let pause = retry.next_pause(&rng);
                assert!(pause >= PAUSE_MIN / 2 && pause <= PAUSE_MAX, "{pause:?}");
            }
        }
    }
}
