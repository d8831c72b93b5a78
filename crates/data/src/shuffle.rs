//! Randomness as a function: every draw depends on a seed, a stream, an epoch and an index alone.
//!
//! There is no generator whose state could be lost: a run that resumes in the middle of epoch 7
//! draws what the uninterrupted run would have drawn.

use engraft_random::{GOLDEN, mix};

/// What draws are for. Streams of one seed are independent of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Stream {
    /// Which rows are held out for testing.
    TestSplit = 1,
    /// Which of the remaining rows are held out for validation.
    ValidSplit = 2,
    /// The order of the training rows in an epoch.
    RowOrder = 3,
    /// The order of the batches of a window.
    BatchOrder = 4,
    /// Which rows are in which fold of a cross-validation.
    Folds = 5,
}

/// A random order of `0..n`, every one of the `n!` orders equally likely.
pub fn permutation(n: usize, seed: u64, stream: Stream, epoch: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    shuffle(&mut order, Draws::new(seed, stream, epoch));
    order
}

/// Fisher-Yates from the end; the swap at `last` uses draw number `last`.
pub(crate) fn shuffle<T>(items: &mut [T], draws: Draws) {
    for last in (1..items.len()).rev() {
        let other = draws.below(last as u64, last as u64 + 1) as usize;
        items.swap(last, other);
    }
}

/// The draws of one seed, stream and epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draws {
    key: u64,
}

impl Draws {
    /// The draws that belong to these three.
    pub fn new(seed: u64, stream: Stream, epoch: u64) -> Draws {
        Draws {
            key: chain(chain(mix(seed), stream as u64), epoch),
        }
    }

    /// The draws that belong to one part of these, such as one window of an epoch.
    pub(crate) fn part(self, part: u64) -> Draws {
        Draws {
            key: chain(self.key, part),
        }
    }

    /// Draw number `index`: 64 random bits.
    pub fn bits(self, index: u64) -> u64 {
        self.attempt(index, 0)
    }

    /// Draw number `index` as a number below `bound`, all equally likely; 0 if `bound` is 0.
    ///
    /// The draw is scaled by multiplication; the few draws that would make some results likelier
    /// than others are refused and taken again (Lemire, arXiv 1805.10941).
    pub fn below(self, index: u64, bound: u64) -> u64 {
        let threshold = bound.wrapping_neg().checked_rem(bound).unwrap_or(0);
        let mut attempt = 0;
        loop {
            let product = u128::from(self.attempt(index, attempt)) * u128::from(bound);
            if product as u64 >= threshold {
                return (product >> 64) as u64;
            }
            attempt += 1;
        }
    }

    fn attempt(self, index: u64, attempt: u64) -> u64 {
        chain(chain(self.key, index), attempt)
    }
}

/// One more word into a key.
fn chain(key: u64, word: u64) -> u64 {
    // The constant makes neighbouring words differ in many bits.
    mix(key ^ word.wrapping_add(1).wrapping_mul(GOLDEN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Computed by a separate implementation of the same formulas.
    #[test]
    fn the_order_never_changes_between_versions() {
        assert_eq!(
            permutation(8, 42, Stream::RowOrder, 0),
            [6, 4, 5, 2, 3, 1, 7, 0]
        );
        assert_eq!(
            Draws::new(0, Stream::TestSplit, 0).bits(0),
            0x90D4_5869_2C94_5C3A
        );
        assert_eq!(
            permutation(8, 7, Stream::BatchOrder, 3),
            [2, 5, 4, 0, 3, 7, 6, 1]
        );
        let draws = Draws::new(42, Stream::Folds, 7);
        assert_eq!(draws.bits(3), 0x1C56_69A2_5690_1502);
        assert_eq!(
            [0, 1, 2, 3, 4, 5].map(|index| draws.below(index, 1000)),
            [393, 940, 477, 110, 847, 508]
        );
    }

    #[test]
    fn seed_stream_epoch_and_part_each_change_the_order() {
        let order = permutation(50, 1, Stream::RowOrder, 1);
        assert_ne!(order, permutation(50, 2, Stream::RowOrder, 1));
        assert_ne!(order, permutation(50, 1, Stream::BatchOrder, 1));
        assert_ne!(order, permutation(50, 1, Stream::RowOrder, 2));
        let draws = Draws::new(1, Stream::BatchOrder, 1);
        assert_ne!(draws.part(0).bits(0), draws.part(1).bits(0));
    }

    /// Chi-square of all 24 orders of four items over 24,000 seeds: 23 degrees of freedom, so
    /// above 50 only one time in a thousand.
    #[test]
    fn all_orders_are_equally_likely() {
        let mut counts = std::collections::HashMap::new();
        for seed in 0..24_000 {
            *counts
                .entry(permutation(4, seed, Stream::RowOrder, 3))
                .or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 24);
        let chi_square: f64 = counts
            .values()
            .map(|n| (f64::from(*n) - 1000.0).powi(2) / 1000.0)
            .sum();
        assert!(chi_square < 50.0, "{chi_square}");
    }

    /// A bound of three quarters of 2^64: plain scaling would return every third number twice as
    /// often as the others.
    #[test]
    fn bounded_draws_are_not_biased() {
        let draws = Draws::new(9, Stream::RowOrder, 0);
        let bound = 3 << 62;
        let thirds = (0..30_000)
            .filter(|index| draws.below(*index, bound).is_multiple_of(3))
            .count();
        assert!((9_700..10_300).contains(&thirds), "{thirds}");
        assert_eq!(draws.below(5, 0), 0);
        assert_eq!(draws.below(5, 1), 0);
    }

    proptest! {
        #[test]
        fn every_item_occurs_once(n in 0usize..500, seed: u64, epoch: u64) {
            let mut order = permutation(n, seed, Stream::RowOrder, epoch);
            order.sort_unstable();
            prop_assert_eq!(order, (0..n).collect::<Vec<_>>());
        }

        #[test]
        fn draws_stay_below_their_bound(seed: u64, index: u64, bound in 1u64..) {
            prop_assert!(Draws::new(seed, Stream::RowOrder, 0).below(index, bound) < bound);
        }
    }
}
