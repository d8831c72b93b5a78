//! Randomness as a function: every draw is computed from a key and a place, nothing is remembered.
//!
//! A [`Key`] is derived step by step from the seed and the coordinates of a draw (stream, epoch, step, micro-batch, layer, ...). A run that
//! resumes in the middle therefore draws what it would have drawn, whatever was drawn before and on however many threads.
//! [`mix`] is what all draws are made with, those of other crates too that have rules of their own for their keys.
//!
//! What a key draws never changes: seeds that people have published with their results depend on it.
//!
//! ```
//! use engraft_random::Key;
//!
//! let epoch = Key::new(42).with(3);
//! assert_eq!(epoch.uniform(7), Key::new(42).with(3).uniform(7));
//! assert_ne!(epoch.uniform(7), epoch.uniform(8));
//! ```

/// 2^64 divided by the golden ratio, the usual odd constant of Weyl sequences: its multiples differ in many bits.
pub const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A bijection of 64 bits in which every input bit flips each output bit half of the time, and 0 stays 0: the finaliser of SplitMix64
/// (Steele, Lea and Flood, 2014), which is Stafford's variant 13 of that of MurmurHash3.
#[inline]
pub const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// A place in the tree of random draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(u64);

impl Key {
    /// The root of all draws of a run.
    #[inline]
    pub const fn new(seed: u64) -> Self {
        Self(mix(seed.wrapping_add(GOLDEN)))
    }

    /// The key one level deeper, at `coordinate`.
    #[inline]
    pub const fn with(self, coordinate: u64) -> Self {
        Self(mix(self.0 ^ mix(coordinate.wrapping_add(GOLDEN))))
    }

    /// 64 uniform bits for draw number `index` under this key.
    #[inline]
    pub const fn bits(self, index: u64) -> u64 {
        self.with(index).0
    }

    /// A number uniform in `[0, 1)` for draw number `index`.
    #[inline]
    pub fn uniform(self, index: u64) -> f64 {
        (self.bits(index) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A standard normal number for draw number `index`, by the transform of Box and Muller.
    #[inline]
    pub fn normal(self, index: u64) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform(2 * index)).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform(2 * index + 1)).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers of the generator SplitMix64 for the seed 1234567.
    #[test]
    fn mixed_multiples_of_the_constant_are_the_generator_of_the_paper() {
        let draws = [1, 2, 3].map(|n| mix(GOLDEN.wrapping_mul(n).wrapping_add(1_234_567)));
        assert_eq!(
            draws,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
        assert_eq!(mix(0), 0);
    }

    #[test]
    fn draws_never_change_between_versions() {
        let key = Key::new(42);
        assert_eq!(Key::new(0).bits(0), 0);
        assert_eq!(key.with(3).with(u64::MAX).bits(7), 0x31fe_f745_5bda_7d2e);
        assert_eq!(key.with(1).uniform(5), 0.408_412_597_096_899_6);
        let normal = key.with(1).normal(5);
        assert!((normal - 0.248_611_335_039_807_7).abs() < 1e-15, "{normal}");
    }

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
}
