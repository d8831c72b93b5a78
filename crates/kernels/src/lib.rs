//! Operations that Burn lacks or does slowly.
//!
//! Activations are `[tokens, dim]`: the sequences of a batch laid end to end, without padding. Linear, norm and loss operations never see
//! where a sequence ends; [`attention`] and the segment reductions are told by [`Segments`]. Every operation is one node of the autodiff
//! graph, has a fast body for the CPU and a plain-Burn body for every other device, and its result depends on its inputs alone: sums run in
//! fixed chunks, random draws are a function of their [`Key`].

use std::sync::Arc;

mod attention;
mod autodiff;
mod disentangled;
mod flex;
mod ops;
mod plain;
mod random;
mod recompute;
mod segments;
mod tensor;
#[cfg(test)]
mod twins;
mod wiring;

pub use attention::{Attention, Buckets, CachedAttention, Mask, ScoreBias};
pub use disentangled::{Disentangled, LogBuckets};
pub use ops::{
    Kernels, add_low_rank, cross_entropy, gated, gather_rows, gelu, layer_norm, rms_norm, rotary,
    segment_max, segment_mean, shift_rows, silu,
};
pub use random::{Dropout, Key};
pub use recompute::{Again, recomputed};
pub use segments::Segments;
pub use tensor::{
    adamw_step, attention, cached_attention, disentangled_attention, dropout, grouped_linear,
    linear, linear_cross_entropy, sum_squares, write_rows,
};

/// Which formula of the Gaussian error linear unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gelu {
    /// `x Φ(x)` with the error function.
    Exact,
    /// The approximation by the hyperbolic tangent.
    Tanh,
}

/// A low-rank update of a linear layer (Hu et al., arXiv 2106.09685), beside its tensors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LowRank {
    /// Factor of the update: `alpha / rank`, or `alpha / sqrt(rank)` if stabilised.
    pub scale: f32,
    /// Dropout of the update's input.
    pub dropout: Option<Dropout>,
}

/// The activation of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateActivation {
    /// `x σ(x)`, also called swish.
    Silu,
    /// The Gaussian error linear unit.
    Gelu(Gelu),
}

/// Which channels of a head turn together under rotary positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotaryLayout {
    /// Channel `i` with channel `i + rotary_dim / 2`, as in GPT-NeoX and Hugging Face's Llama.
    Halves,
    /// Channel `2 i` with channel `2 i + 1`, as in the paper and GPT-J.
    Interleaved,
}

/// What the rows of a classification should be, and how much each counts.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassTargets {
    /// The class of each row.
    pub classes: Vec<u32>,
    /// The weight of each row; empty for 1 each.
    pub weights: Vec<f32>,
}

impl ClassTargets {
    /// Targets that count equally.
    pub fn new(classes: Vec<u32>) -> Self {
        Self {
            classes,
            weights: Vec::new(),
        }
    }

    /// The weight of `row`.
    pub fn weight(&self, row: usize) -> f32 {
        self.weights.get(row).copied().unwrap_or(1.0)
    }
}

/// A language model's loss: what the projection of each row should be, from the hidden states on.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearCrossEntropy {
    /// The class of each row.
    pub targets: ClassTargets,
    /// Logits become `cap * tanh(logit / cap)`, if given.
    pub soft_cap: Option<f64>,
    /// What is added to the logit of each class before, if given; it has no gradient.
    pub bias: Option<Arc<[f32]>>,
}

/// One step of AdamW (Loshchilov and Hutter, arXiv 1711.05101), as PyTorch defines it, scalars in double precision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWStep {
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Decay rates of the two moments.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled decay: the parameter shrinks by `learning_rate * weight_decay` first.
    pub weight_decay: f64,
    /// Number of this step, from 1.
    pub step: u64,
    /// Factor of the gradient (clipping, averaging over micro-batches).
    pub gradient_scale: f64,
}

impl AdamWStep {
    /// The scalars of the element-wise update, rounded to single precision once.
    pub(crate) fn coefficients(&self) -> AdamWCoefficients {
        let [beta1, beta2] = self.betas;
        let exponent = i32::try_from(self.step).unwrap_or(i32::MAX);
        let correction1 = 1.0 - beta1.powi(exponent);
        let correction2 = 1.0 - beta2.powi(exponent);
        AdamWCoefficients {
            gradient: self.gradient_scale as f32,
            decay: (1.0 - self.learning_rate * self.weight_decay) as f32,
            beta1: beta1 as f32,
            rest1: (1.0 - beta1) as f32,
            beta2: beta2 as f32,
            rest2: (1.0 - beta2) as f32,
            size: (self.learning_rate / correction1) as f32,
            root: correction2.sqrt().recip() as f32,
            epsilon: self.epsilon as f32,
        }
    }
}

/// `p = decay p - size m / (root sqrt(v) + epsilon)`, with `m = beta1 m + rest1 g` and `v = beta2 v + rest2 g²`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdamWCoefficients {
    pub(crate) gradient: f32,
    pub(crate) decay: f32,
    pub(crate) beta1: f32,
    pub(crate) rest1: f32,
    pub(crate) beta2: f32,
    pub(crate) rest2: f32,
    pub(crate) size: f32,
    pub(crate) root: f32,
    pub(crate) epsilon: f32,
}
