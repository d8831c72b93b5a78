//! The random draws of a row: a function of its own seed and of the position, whatever else is in the batch.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use engraft_kernels::Key;

/// Sets the draws of sampling apart from those of other parts of a run with the same seed.
const STREAM: u64 = 0x73616d706c65;

/// What all random draws of one row of generated text depend on.
///
/// A row draws the same numbers alone, in any batch, and after it was taken out of a batch and put back.
///
/// ```
/// use engraft_generate::RowSeed;
///
/// let row = RowSeed::new(1, 0, 0);
/// assert_eq!(row.draw(7), RowSeed::new(1, 0, 0).draw(7));
/// assert_ne!(row.draw(7), row.draw(8));
/// assert_ne!(row.draw(7), RowSeed::new(1, 1, 0).draw(7));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowSeed(Key);

impl RowSeed {
    /// The seed of return sequence `sequence` of prompt `row` (both from 0) in a call seeded by `seed`.
    pub fn new(seed: u64, row: u64, sequence: u64) -> Self {
        Self(Key::new(seed).with(STREAM).with(row).with(sequence))
    }

    /// The number uniform in `[0, 1)` that chooses the token at `position` of the row, the prompt's first token being at 0.
    pub fn draw(self, position: u64) -> f64 {
        self.0.uniform(position)
    }

    /// Another number for the same position, by its `purpose`: each is independent of the others.
    pub(crate) fn draw_for(self, purpose: u64, position: u64) -> f64 {
        self.0.with(purpose).uniform(position)
    }
}

/// A seed for calls that give none, other each time: from the randomness the system gives this process, and the time.
pub fn fresh_seed() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    hasher.write_u128(since.map_or(0, |since| since.as_nanos()));
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_coordinate_changes_the_draws_and_their_order_matters() {
        let draws = |seed, row, sequence| {
            let row = RowSeed::new(seed, row, sequence);
            (0..4).map(|at| row.draw(at)).collect::<Vec<_>>()
        };
        let all = [
            draws(0, 0, 0),
            draws(1, 0, 0),
            draws(0, 1, 0),
            draws(0, 0, 1),
            draws(0, 1, 2),
            draws(0, 2, 1),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(one.iter().all(|draw| (0.0..1.0).contains(draw)));
            assert!(all[..at].iter().all(|other| other != one));
        }
    }

    #[test]
    fn draws_of_neighbouring_rows_and_positions_are_independent() {
        let n = 40_000;
        let pairs = |other: fn(u64) -> f64| {
            let products =
                (0..n).map(|at| (RowSeed::new(3, 0, 0).draw(at) - 0.5) * (other(at) - 0.5));
            12.0 * products.sum::<f64>() / n as f64
        };
        for correlation in [
            pairs(|at| RowSeed::new(3, 0, 0).draw(at + 1)),
            pairs(|at| RowSeed::new(3, 1, 0).draw(at)),
            pairs(|at| RowSeed::new(3, 0, 1).draw(at)),
            pairs(|at| RowSeed::new(4, 0, 0).draw(at)),
        ] {
            assert!(correlation.abs() < 0.02, "{correlation}");
        }
    }

    #[test]
    fn fresh_seeds_differ() {
        assert_ne!(fresh_seed(), fresh_seed());
    }
}
