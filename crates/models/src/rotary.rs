//! Rotary positions and the ways in which published models stretch them to longer texts.
//!
//! Angles are computed in single precision, as the reference libraries compute them.

use std::f64::consts::TAU;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use engraft_kernels::{RotaryLayout, rotary};

use crate::aligned::AlignmentPosition;
use crate::batch::TokenBatch;

/// Rotary position embedding (Su et al., arXiv 2104.09864).
#[derive(Clone, Debug, PartialEq)]
pub struct Rotary {
    /// Channels of each head that rotate; one more if it is odd.
    pub dim: usize,
    /// The base of the wavelengths.
    pub theta: f64,
    /// The base in layers whose attention has a window, where it is another; these are not stretched.
    pub local_theta: Option<f64>,
    /// How the wavelengths are stretched.
    pub scaling: RotaryScaling,
    /// Whether the second half of each head turns likewise, by the row of an alignment that a token stands in (AIDO.Protein-RAG); then `dim` is
    /// that of a half. A sequence that stands alone is row 0, which does not turn.
    pub aligned: bool,
}

/// How wavelengths are stretched, so that a model reads longer texts than those it was first trained on.
#[derive(Clone, Debug, PartialEq)]
pub enum RotaryScaling {
    /// Not at all.
    None,
    /// All by the same factor (Chen et al., arXiv 2306.15595).
    Linear {
        /// The factor.
        factor: f64,
    },
    /// The base grows with the sequence once it is longer than the positions trained on ("dynamic NTK").
    Dynamic {
        /// How much of the growth is followed.
        factor: f64,
        /// Positions trained on.
        original: usize,
    },
    /// Long wavelengths by the factor, short ones not at all, with a ramp between (Peng et al., arXiv 2309.00071).
    Yarn(Yarn),
    /// The same idea with the ramp over wavelengths, as Llama 3.1 has it (arXiv 2407.21783).
    Llama3 {
        /// The factor.
        factor: f64,
        /// Wavelengths longer than `original / low` are stretched whole.
        low: f64,
        /// Wavelengths shorter than `original / high` are left.
        high: f64,
        /// Positions trained on.
        original: usize,
    },
    /// A factor for each pair of channels, one list for sequences that fit the positions trained on and one for longer ones
    /// (Ding et al., arXiv 2402.13753).
    LongRope {
        /// Factors of sequences that fit.
        short: Arc<[f64]>,
        /// Factors of longer ones.
        long: Arc<[f64]>,
        /// Positions trained on.
        original: usize,
        /// Factor of cosines and sines.
        attention_factor: f64,
    },
}

/// The settings of [`RotaryScaling::Yarn`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Yarn {
    /// The factor of long wavelengths.
    pub factor: f64,
    /// Rotations over the positions trained on from which a wavelength counts as short.
    pub fast: f64,
    /// Rotations up to which it counts as long.
    pub slow: f64,
    /// Positions trained on.
    pub original: usize,
    /// Whether the ramp begins and ends at whole pairs of channels.
    pub truncate: bool,
    /// Factor of cosines and sines.
    pub attention_factor: f64,
}

impl Rotary {
    /// Plain rotation of `dim` channels.
    pub(crate) fn plain(dim: usize, theta: f64) -> Self {
        Self {
            dim,
            theta,
            local_theta: None,
            scaling: RotaryScaling::None,
            aligned: false,
        }
    }

    /// Pairs of channels that rotate.
    pub(crate) fn pairs(&self) -> usize {
        self.dim.div_ceil(2)
    }

    /// The angle from one position to the next of each pair of channels, `theta^(-2 k / dim)` before it is stretched, in a sequence of
    /// `length` tokens.
    pub(crate) fn frequencies(&self, length: usize) -> Vec<f32> {
        let plain = |theta| powers(theta, self.dim);
        let scaled: Vec<f64> = match &self.scaling {
            RotaryScaling::None => plain(self.theta).collect(),
            RotaryScaling::Linear { factor } => {
                plain(self.theta).map(|rate| rate / factor).collect()
            }
            RotaryScaling::Dynamic { factor, original } => {
                let (dim, original) = (self.dim as f64, *original as f64);
                let growth = factor * (length as f64).max(original) / original - (factor - 1.0);
                plain(self.theta * growth.powf(dim / (dim - 2.0))).collect()
            }
            RotaryScaling::Yarn(yarn) => yarn.frequencies(self.theta, self.dim),
            RotaryScaling::Llama3 {
                factor,
                low,
                high,
                original,
            } => plain(self.theta)
                .map(|rate| {
                    let rotations = *original as f64 * rate / TAU;
                    let kept = ((rotations - low) / (high - low)).clamp(0.0, 1.0);
                    (1.0 - kept) * rate / factor + kept * rate
                })
                .collect(),
            RotaryScaling::LongRope {
                short,
                long,
                original,
                ..
            } => {
                let factors = if length > *original { long } else { short };
                let rates = plain(self.theta).zip(factors.iter());
                rates.map(|(rate, factor)| rate / factor).collect()
            }
        };
        scaled.into_iter().map(|rate| rate as f32).collect()
    }

    /// Those of layers whose attention has a window, where they are others.
    pub(crate) fn local_frequencies(&self) -> Option<Vec<f32>> {
        let rates = powers(self.local_theta?, self.dim);
        Some(rates.map(|rate| rate as f32).collect())
    }

    /// Factor of cosines and sines, and so, squared, of the scores.
    fn attention_factor(&self) -> f32 {
        match &self.scaling {
            RotaryScaling::Yarn(yarn) => yarn.attention_factor as f32,
            RotaryScaling::LongRope {
                attention_factor, ..
            } => *attention_factor as f32,
            _ => 1.0,
        }
    }

    /// Whether all keys of a sequence turn by other angles once it has `after` tokens instead of `before`.
    pub fn changes(&self, before: usize, after: usize) -> bool {
        match &self.scaling {
            RotaryScaling::Dynamic { original, .. } => before != after && after > *original,
            RotaryScaling::LongRope { original, .. } => (before > *original) != (after > *original),
            _ => false,
        }
    }

    /// Whether the angles depend on a sequence's length at all.
    fn follows_length(&self) -> bool {
        matches!(
            self.scaling,
            RotaryScaling::Dynamic { .. } | RotaryScaling::LongRope { .. }
        )
    }
}

/// `theta^(-2 k / dim)` for each pair of channels.
fn powers(theta: f64, dim: usize) -> impl Iterator<Item = f64> {
    (0..dim.div_ceil(2)).map(move |pair| theta.powf(-2.0 * pair as f64 / dim as f64))
}

impl Yarn {
    /// `0.1 scale ln(factor) + 1`, by which attention is sharpened where a file does not say otherwise.
    pub(crate) fn sharpening(factor: f64, scale: f64) -> f64 {
        if factor <= 1.0 {
            1.0
        } else {
            0.1 * scale * factor.ln() + 1.0
        }
    }

    fn frequencies(&self, theta: f64, dim: usize) -> Vec<f64> {
        // The pair of channels that turns `rotations` times over the positions trained on.
        let pair = |rotations: f64| {
            let turns = self.original as f64 / (rotations * TAU);
            dim as f64 * turns.ln() / (2.0 * theta.ln())
        };
        let (mut low, mut high) = (pair(self.fast), pair(self.slow));
        if self.truncate {
            (low, high) = (low.floor(), high.ceil());
        }
        (low, high) = (low.max(0.0), high.min(dim as f64 - 1.0));
        if low == high {
            high += 0.001;
        }
        let ramp = |pair: usize| ((pair as f64 - low) / (high - low)).clamp(0.0, 1.0);
        powers(theta, dim)
            .enumerate()
            .map(|(pair, rate)| rate / self.factor * ramp(pair) + rate * (1.0 - ramp(pair)))
            .collect()
    }
}

/// Cosines and sines of each token's rotations, `[tokens, rotary dim / 2]`.
#[derive(Clone)]
pub(crate) struct Angles {
    cos: Tensor<2>,
    sin: Tensor<2>,
}

/// The angles of layers that see everything, and of those with a window.
#[derive(Clone)]
pub(crate) struct LayerAngles {
    everywhere: Angles,
    local: Option<Angles>,
    /// Whether each token has two rotations, one for each half of a head.
    by_halves: bool,
}

impl LayerAngles {
    /// For the tokens of `batch`; `stated` are frequencies that the checkpoint itself holds.
    pub(crate) fn new(rotation: &Rotary, batch: &TokenBatch, stated: Option<&[f32]>) -> Self {
        let factor = rotation.attention_factor();
        if let (true, Some(places)) = (rotation.aligned, &batch.places) {
            let rates =
                stated.map_or_else(|| rotation.frequencies(batch.longest()), <[f32]>::to_vec);
            return Self {
                everywhere: Angles::of_places(places, &rates, factor, &batch.ids.device()),
                local: None,
                by_halves: true,
            };
        }
        let everywhere = match stated {
            Some(stated) => Angles::new(batch, factor, |_| stated.to_vec(), false),
            None => {
                let rates = |length| rotation.frequencies(length);
                Angles::new(batch, factor, rates, rotation.follows_length())
            }
        };
        let local = rotation.local_frequencies();
        Self {
            everywhere,
            local: local.map(|rates| Angles::new(batch, 1.0, |_| rates.clone(), false)),
            by_halves: false,
        }
    }

    /// Turns `[tokens, heads * dim]`.
    pub(crate) fn rotate(&self, input: Tensor<2>, heads: usize, local: bool) -> Tensor<2> {
        let angles = match &self.local {
            Some(angles) if local => angles,
            _ => &self.everywhere,
        };
        let (cos, sin) = (angles.cos.clone(), angles.sin.clone());
        if !self.by_halves {
            return rotary(input, cos, sin, heads, RotaryLayout::Halves);
        }
        // The first halves of all heads side by side, then the second ones: as if these were two tokens.
        let [tokens, width] = input.dims();
        let half = width / heads / 2;
        let halves = input.reshape([tokens, heads, 2, half]).swap_dims(1, 2);
        let halves = halves.reshape([2 * tokens, heads * half]);
        let turned = rotary(halves, cos, sin, heads, RotaryLayout::Halves);
        let turned = turned.reshape([tokens, 2, heads, half]).swap_dims(1, 2);
        turned.reshape([tokens, width])
    }
}

impl Angles {
    /// `frequencies` are those of a sequence of so many tokens; `by_length` says whether they differ.
    fn new(
        batch: &TokenBatch,
        factor: f32,
        frequencies: impl Fn(usize) -> Vec<f32>,
        by_length: bool,
    ) -> Self {
        let mut turns = Turns::default();
        let mut rates = frequencies(batch.longest());
        let half = rates.len();
        for (range, &start) in batch.segments.iter().zip(batch.starts.iter()) {
            let end = start + range.len();
            if by_length {
                rates = frequencies(end);
                turns.table.clear();
            }
            turns.add(start..end, &rates, factor);
        }
        let device = batch.ids.device();
        let tokens = batch.segments.total();
        Self {
            cos: upload(turns.cos, [tokens, half], &device),
            sin: upload(turns.sin, [tokens, half], &device),
        }
    }

    /// Those of the column and of the row of each token, one after the other: `[2 tokens, rotary dim / 2]`.
    fn of_places(
        places: &[AlignmentPosition],
        rates: &[f32],
        factor: f32,
        device: &Device,
    ) -> Self {
        let mut turns = Turns::default();
        let count = 2 * places.len();
        turns.add_each(places.iter().flatten().copied(), rates, factor);
        Self {
            cos: upload(turns.cos, [count, rates.len()], device),
            sin: upload(turns.sin, [count, rates.len()], device),
        }
    }
}

fn upload(values: Vec<f32>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Cosines and sines on the host; those of sequences' first positions are computed once.
#[derive(Default)]
struct Turns {
    /// Cosines and sines of positions 0, 1, 2 and so on.
    table: Vec<(f32, f32)>,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Turns {
    fn add(&mut self, positions: std::ops::Range<usize>, rates: &[f32], factor: f32) {
        if positions.start > 0 {
            // Sequences that are continued by a token stand far apart: a table would be mostly unused.
            for position in positions {
                for &rate in rates {
                    let (cos, sin) = turn(position, rate, factor);
                    self.cos.push(cos);
                    self.sin.push(sin);
                }
            }
            return;
        }
        self.know(positions.end, rates, factor);
        let needed = &self.table[..positions.end * rates.len()];
        self.cos.extend(needed.iter().map(|(cos, _)| cos));
        self.sin.extend(needed.iter().map(|(_, sin)| sin));
    }

    /// Turns by each of these positions in any order.
    fn add_each(&mut self, positions: impl Iterator<Item = u32>, rates: &[f32], factor: f32) {
        for position in positions {
            let start = position as usize * rates.len();
            self.know(position as usize + 1, rates, factor);
            let turns = &self.table[start..start + rates.len()];
            self.cos.extend(turns.iter().map(|(cos, _)| cos));
            self.sin.extend(turns.iter().map(|(_, sin)| sin));
        }
    }

    /// Computes what the table lacks of so many positions.
    fn know(&mut self, positions: usize, rates: &[f32], factor: f32) {
        let known = self.table.len() / rates.len().max(1);
        for position in known..positions {
            let turns = rates.iter().map(|&rate| turn(position, rate, factor));
            self.table.extend(turns);
        }
    }
}

/// Cosine and sine of a rotation.
fn turn(position: usize, rate: f32, factor: f32) -> (f32, f32) {
    let (sin, cos) = (position as f32 * rate).sin_cos();
    (cos * factor, sin * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(ours: &[f32], expected: &[f64]) {
        assert_eq!(ours.len(), expected.len());
        for (ours, expected) in ours.iter().zip(expected) {
            let error = (f64::from(*ours) - expected).abs();
            assert!(error <= 1e-6 * expected, "{ours} {expected}");
        }
    }

    #[test]
    fn angles_depend_on_length_only_where_the_scaling_says_so() {
        let mut rotation = Rotary::plain(8, 10_000.0);
        assert!(!rotation.changes(1, 1_000_000));
        rotation.scaling = RotaryScaling::Dynamic {
            factor: 2.0,
            original: 16,
        };
        assert!(!rotation.changes(15, 16));
        assert!(rotation.changes(16, 17));
        assert_eq!(rotation.frequencies(3), rotation.frequencies(16));
        assert_ne!(rotation.frequencies(17), rotation.frequencies(16));
        rotation.scaling = RotaryScaling::LongRope {
            short: [1.0; 4].into(),
            long: [2.0; 4].into(),
            original: 16,
            attention_factor: 1.0,
        };
        assert!(rotation.changes(16, 17));
        assert!(!rotation.changes(17, 18));
        close(&rotation.frequencies(17), &[0.5, 0.05, 0.005, 0.0005]);
    }

    #[test]
    fn llama_stretches_long_wavelengths_alone() {
        let rotation = Rotary {
            scaling: RotaryScaling::Llama3 {
                factor: 8.0,
                low: 1.0,
                high: 4.0,
                original: 8192,
            },
            ..Rotary::plain(8, 500_000.0)
        };
        let plain: Vec<f64> = powers(500_000.0, 8).collect();
        let scaled = rotation.frequencies(1);
        close(&scaled[..2], &plain[..2]);
        close(&scaled[3..], &[plain[3] / 8.0]);
        let rotations = 8192.0 * plain[2] / TAU;
        let kept = (rotations - 1.0) / 3.0;
        close(
            &scaled[2..3],
            &[(1.0 - kept) * plain[2] / 8.0 + kept * plain[2]],
        );
    }
}
