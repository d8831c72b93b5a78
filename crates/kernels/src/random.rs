//! Randomness as a function: every draw is computed from a key and a place, nothing is remembered.
//!
//! A [`Key`] is derived step by step from the seed and the coordinates of a draw (stream, epoch, step, micro-batch, layer, ...). A run that
//! resumes in the middle therefore draws what it would have drawn, whatever was drawn before and on however many threads.

/// A place in the tree of random draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(u64);

/// The fractional part of the golden ratio, the usual odd constant of Weyl sequences.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): a bijection whose every output bit depends on every input bit.
const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Key {
    /// The root of all draws of a run.
    pub const fn new(seed: u64) -> Self {
        Self(mix(seed.wrapping_add(GOLDEN)))
    }

    /// The key one level deeper, at `coordinate`.
    pub const fn with(self, coordinate: u64) -> Self {
        Self(mix(self.0 ^ mix(coordinate.wrapping_add(GOLDEN))))
    }

    /// 64 uniform bits for draw number `index` under this key.
    pub const fn bits(self, index: u64) -> u64 {
        self.with(index).0
    }

    /// A number uniform in `[0, 1)` for draw number `index`.
    pub fn uniform(self, index: u64) -> f64 {
        (self.bits(index) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A standard normal number for draw number `index`, by the transform of Box and Muller.
    pub fn normal(self, index: u64) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform(2 * index)).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform(2 * index + 1)).cos()
    }
}

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
        self.key.with(row as u64).0 as u32
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
    fn draws_depend_on_every_coordinate_and_on_their_order() {
        let root = Key::new(7);
        assert_eq!(
            root.with(1).with(2).bits(3),
            Key::new(7).with(1).with(2).bits(3)
        );
        assert_ne!(root.with(1).with(2), root.with(2).with(1));
        assert_ne!(root.with(0), root);
        assert_ne!(Key::new(0).bits(0), Key::new(1).bits(0));
    }

    #[test]
    fn uniform_and_normal_draws_have_their_moments() {
        let key = Key::new(3);
        let n = 200_000;
        let uniform: f64 = (0..n).map(|i| key.uniform(i)).sum::<f64>() / n as f64;
        let normals: Vec<f64> = (0..n).map(|i| key.with(1).normal(i)).collect();
        let mean = normals.iter().sum::<f64>() / n as f64;
        let variance = normals.iter().map(|x| x * x).sum::<f64>() / n as f64;
        assert!((uniform - 0.5).abs() < 3e-3, "{uniform}");
        assert!(
            mean.abs() < 1e-2 && (variance - 1.0).abs() < 2e-2,
            "{mean} {variance}"
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
