//! Medians and percentiles of what was measured.

use std::time::Duration;

/// The middle value; of an even number of values the upper of the two in the middle. 0 of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

/// The smallest value that at least `percent` of all values do not exceed (nearest rank), in milliseconds. `None` of
/// none.
pub fn percentile_ms(values: &[Duration], percent: u32) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * usize::try_from(percent).ok()?).div_ceil(100).max(1);
    sorted.get(rank - 1).map(|value| value.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[]), 0.0);
    }

    #[test]
    fn percentiles_by_nearest_rank() {
        let values: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile_ms(&values, 50), Some(50.0));
        assert_eq!(percentile_ms(&values, 99), Some(99.0));
        assert_eq!(percentile_ms(&values, 100), Some(100.0));
        assert_eq!(percentile_ms(&values[..1], 1), Some(100.0));
        assert_eq!(percentile_ms(&[], 50), None);
    }
}
