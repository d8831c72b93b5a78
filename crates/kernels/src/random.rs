//! Dropout as a function of a [`Key`]: which elements are zeroed depends on their places, and nothing is remembered.

pub use engraft_random::Key;

/// Zeroes a share of the elements and scales the others up, so that the expectation stays.
///
/// Which elements are zeroed depends on `key` and on the element's row and column alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// The share of elements zeroed, in `[0, 1]`.
    pub rate: f32,
    /// What the draws depend on, beside the element's place.
    pub key: Key,
}

impl Dropout {
    /// The factor by which kept elements grow; 0 when none is kept.
    pub(crate) fn scale(self) -> f32 {
        if self.rate >= 1.0 {
            0.0
        } else {
            1.0 / (1.0 - self.rate)
        }
    }

    /// Elements whose 32 random bits lie below this are zeroed.
    pub(crate) fn threshold(self) -> u32 {
        (f64::from(self.rate).clamp(0.0, 1.0) * 4_294_967_296.0).min(4_294_967_295.0) as u32
    }

    /// What the elements of `row` have in common.
    #[inline(always)]
    pub(crate) fn row(self, row: usize) -> u32 {
        self.key.bits(row as u64) as u32
    }

    /// 0 or the scale, for one element of a row: 32 bits are cheap to draw for 27 million elements a step.
    #[inline(always)]
    pub(crate) fn factor(row: u32, column: u32, threshold: u32, scale: f32) -> f32 {
        let mut x = row ^ column.wrapping_mul(0x9e37_79b9);
        x = (x ^ (x >> 16)).wrapping_mul(0x21f0_aaad);
        x = (x ^ (x >> 15)).wrapping_mul(0x735a_2d97);
        x ^= x >> 15;
        if x < threshold { 0.0 } else { scale }
    }

    /// The factors of a whole `[rows, columns]` matrix, row by row.
    pub(crate) fn mask(self, rows: usize, columns: usize) -> Vec<f32> {
        let (threshold, scale) = (self.threshold(), self.scale());
        (0..rows)
            .flat_map(|row| {
                let key = self.row(row);
                (0..columns).map(move |column| Self::factor(key, column as u32, threshold, scale))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_never_change_between_versions() {
        let key = Key::new(42);
        let mask = Dropout { rate: 0.5, key }.mask(2, 8);
        assert_eq!(
            mask,
            [
                2.0, 0.0, 0.0, 0.0, 2.0, 2.0, 2.0, 2.0, 0.0, 0.0, 2.0, 0.0, 2.0, 0.0, 0.0, 2.0
            ]
        );
    }

    #[test]
    fn a_mask_drops_its_rate_in_rows_in_columns_and_in_neighbours() {
        let (rows, columns) = (600, 500);
        let mask = Dropout {
            rate: 0.1,
            key: Key::new(5),
        }
        .mask(rows, columns);
        let dropped = |index: usize| f64::from(u8::from(mask[index] == 0.0));
        let total = (rows * columns) as f64;
        let share = (0..mask.len()).map(dropped).sum::<f64>() / total;
        assert!((share - 0.1).abs() < 3e-3, "{share}");
        for (step, what) in [
            (1, "columns"),
            (columns, "rows"),
            (columns + 1, "diagonals"),
        ] {
            let both = (0..mask.len() - step)
                .map(|i| dropped(i) * dropped(i + step))
                .sum::<f64>()
                / total;
            assert!((both - 0.01).abs() < 1.5e-3, "{what}: {both}");
        }
        assert!(
            mask.iter()
                .all(|&x| x == 0.0 || (x - 1.0 / 0.9).abs() < 1e-6)
        );
    }

    #[test]
    fn rates_of_zero_and_one_keep_all_and_nothing() {
        let key = Key::new(1);
        assert!(
            Dropout { rate: 0.0, key }
                .mask(9, 9)
                .iter()
                .all(|&x| x == 1.0)
        );
        assert!(
            Dropout { rate: 1.0, key }
                .mask(9, 9)
                .iter()
                .all(|&x| x == 0.0)
        );
    }
}
