//! Exact shares: how many of a number of shards each node should hold.

use std::cmp::Reverse;

/// One who gets a share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Party {
    /// Share relative to the others; 0 gets nothing.
    pub weight: u32,
    /// What it holds now: who has more than its share keeps what cannot be divided evenly, so that nothing moves
    /// for it.
    pub held: usize,
}

/// Divides `total` in proportion to the weights by the largest-remainder method: everyone gets their exact share
/// rounded down or up, and the sum is `total`. Between equals the earlier one in the list comes first. Nothing is
/// given if no one has a weight.
pub(crate) fn apportion(total: usize, parties: &[Party]) -> Vec<usize> {
    let weights: u128 = parties.iter().map(|p| u128::from(p.weight)).sum();
    if weights == 0 {
        return vec![0; parties.len()];
    }
    let exact = |party: &Party| total as u128 * u128::from(party.weight);
    let mut shares: Vec<usize> = parties.iter().map(|p| (exact(p) / weights) as usize).collect();
    let left = total - shares.iter().sum::<usize>();
    let mut order: Vec<usize> = (0..parties.len()).collect();
    let surplus = |i: usize| parties[i].held.saturating_sub(shares[i]);
    order.sort_by_key(|&i| (Reverse(exact(&parties[i]) % weights), Reverse(surplus(i))));
    for &i in order.iter().take(left) {
        shares[i] += 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shares(total: usize, parties: &[(u32, usize)]) -> Vec<usize> {
        let parties: Vec<_> = parties.iter().map(|&(weight, held)| Party { weight, held }).collect();
        apportion(total, &parties)
    }

    #[test]
    fn remainders_go_to_the_largest_fraction_then_to_who_has_more() {
        assert_eq!(shares(9, &[(1, 0), (1, 0), (1, 0)]), [3, 3, 3]);
        assert_eq!(shares(10, &[(1, 0), (1, 0), (1, 0)]), [4, 3, 3]);
        assert_eq!(shares(10, &[(1, 3), (1, 4), (1, 3)]), [3, 4, 3]);
        assert_eq!(shares(10, &[(2, 9), (1, 0)]), [7, 3]);
        // The same fraction of a half each, whatever the whole part: only what is held above it counts.
        assert_eq!(shares(2, &[(1, 0), (3, 1)]), [1, 1]);
        assert_eq!(shares(2, &[(1, 1), (3, 1)]), [1, 1]);
        assert_eq!(shares(10, &[(0, 9), (1, 0)]), [0, 10]);
        assert_eq!(shares(10, &[(0, 9)]), [0]);
        assert_eq!(shares(10, &[]), [0usize; 0]);
    }

    proptest! {
        #[test]
        fn everyone_gets_their_share_rounded(
            total in 0..2048usize,
            parties in proptest::collection::vec((any::<u32>(), 0..1024usize), 1..20),
        ) {
            let weights: u128 = parties.iter().map(|p| u128::from(p.0)).sum();
            prop_assume!(weights > 0);
            let shares = shares(total, &parties);
            prop_assert_eq!(shares.iter().sum::<usize>(), total);
            for (share, (weight, _)) in shares.iter().zip(&parties) {
                let exact = total as u128 * u128::from(*weight);
                let (low, high) = (exact / weights, exact.div_ceil(weights));
                prop_assert!((low..=high).contains(&(*share as u128)));
            }
        }
    }
}
