//! LoRA: a trained low-rank update beside a frozen linear layer (Hu et al., arXiv 2106.09685).
//!
//! `y = x W^T + b + scale * (dropout(x) A^T) B^T`. The dense product is never formed while training.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use engraft_kernels::{LowRank, add_low_rank};

use crate::error::{Result, refuse};
use crate::initial::Initial;
use crate::layers::Linear;
use crate::linears::Linears;
use crate::mode::Mode;
use crate::transformer::Transformer;

/// A wider update than this is a mistake: it would be as large as what it updates.
const WIDEST: usize = 1 << 14;

/// The low-rank update of one linear layer.
#[derive(Module, Debug)]
pub struct Lora {
    /// `[r, in]`.
    pub a: Param<Tensor<2>>,
    /// `[out, r]`.
    pub b: Param<Tensor<2>>,
    #[module(skip)]
    rule: LoraRule,
}

/// How one layer's update is scaled and dropped out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoraRule {
    /// Its rank.
    pub r: usize,
    /// Numerator of its scale.
    pub alpha: f64,
    /// Whether the scale is `alpha / sqrt(r)` instead of `alpha / r` (Kalajdzievski, arXiv 2312.03732).
    pub rank_stabilised: bool,
    /// Dropout of its input while training.
    pub dropout: f64,
}

impl LoraRule {
    /// The factor of the update.
    pub fn scale(&self) -> f64 {
        let rank = self.r as f64;
        self.alpha
            / if self.rank_stabilised {
                rank.sqrt()
            } else {
                rank
            }
    }

    /// Refuses rules that no update can have.
    ///
    /// # Errors
    /// A rank of 0 or beyond all use, a dropout outside `[0, 1)`, a scale of 0 or that is not finite.
    pub fn check(&self) -> Result<()> {
        let refuse = |argument: &str, problem: String| Err(refuse(argument, problem).into());
        if self.alpha == 0.0 {
            let problem = "expected a finite number other than 0, found 0";
            return refuse("lora_alpha", problem.to_owned());
        }
        self.check_stored()
    }

    /// As [`Self::check`] for an update that was trained: one of the scale 0 counts for nothing, and that is its meaning.
    pub(crate) fn check_stored(&self) -> Result<()> {
        let refuse = |argument: &str, problem: String| Err(refuse(argument, problem).into());
        if !(1..=WIDEST).contains(&self.r) {
            return refuse(
                "lora_r",
                format!("expected a rank from 1 to {WIDEST}, found {}", self.r),
            );
        }
        if !self.alpha.is_finite() {
            return refuse(
                "lora_alpha",
                format!("expected a finite number, found {}", self.alpha),
            );
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return refuse(
                "lora_dropout",
                format!("expected a rate from 0 to below 1, found {}", self.dropout),
            );
        }
        Ok(())
    }
}

impl Lora {
    /// A fresh update of a layer of `[out, in]`: `A` uniform in `±1 / sqrt(in)` (Kaiming with `a = sqrt 5`), `B` zero, so that it
    /// changes nothing yet.
    fn new([output, input]: [usize; 2], rule: LoraRule, initial: &Initial) -> Self {
        let bound = 1.0 / (input as f64).sqrt();
        Self {
            a: initial.uniform([rule.r, input], bound),
            b: initial.constant([output, rule.r], 0.0),
            rule,
        }
    }

    /// The layer's `output`, `[rows, out]`, with the update of its `input`, `[rows, in]`, added.
    pub(crate) fn add_to(&self, output: Tensor<2>, input: Tensor<2>, mode: Mode) -> Tensor<2> {
        let call = LowRank {
            scale: self.rule.scale() as f32,
            dropout: mode.rate(self.rule.dropout),
        };
        add_low_rank(output, input, self.a.val(), self.b.val(), call)
    }

    /// How it is scaled and dropped out.
    pub fn rule(&self) -> LoraRule {
        self.rule
    }
}

impl Linear {
    /// Puts a saved update beside the layer, given its factors row by row.
    pub(crate) fn restore(&mut self, rule: LoraRule, [a, b]: [Vec<f32>; 2], device: &Device) {
        let [output, input] = self.shape();
        let param = |values, shape: [usize; 2]| {
            let tensor = Tensor::from_data(TensorData::new(values, shape), device);
            Param::from_tensor(tensor)
        };
        self.lora = Some(Lora {
            a: param(a, [rule.r, input]),
            b: param(b, [output, rule.r]),
            rule,
        });
    }

    /// Puts a fresh update beside the layer.
    pub(crate) fn adapt(&mut self, rule: LoraRule, initial: &Initial) {
        self.lora = Some(Lora::new(self.shape(), rule, initial));
    }

    /// Adds the update to the weight, summed in double precision, and drops it.
    pub(crate) fn merge(&mut self) {
        let Some(lora) = self.lora.take() else { return };
        let [_, input] = self.shape();
        let read = |tensor: Tensor<2>| -> Vec<f32> { tensor.into_data().iter::<f32>().collect() };
        let (mut weight, a, b) = (
            read(self.weight.val()),
            read(lora.a.val()),
            read(lora.b.val()),
        );
        add_product(&mut weight, input, &a, &b, lora.rule);
        self.weight = self.weight.clone().map(|old| {
            let merged = TensorData::new(weight, old.dims());
            Tensor::from_data(merged, &old.device())
        });
    }
}

/// Adds `scale * B A` to a weight of `input` columns, summed in double precision.
pub(crate) fn add_product(weight: &mut [f32], input: usize, a: &[f32], b: &[f32], rule: LoraRule) {
    let scale = rule.scale();
    let mut update = vec![0f64; input];
    for (row, factors) in weight.chunks_exact_mut(input).zip(b.chunks_exact(rule.r)) {
        update.fill(0.0);
        for (&factor, a) in factors.iter().zip(a.chunks_exact(input)) {
            for (sum, &a) in update.iter_mut().zip(a) {
                *sum += f64::from(factor) * f64::from(a);
            }
        }
        for (weight, update) in row.iter_mut().zip(&update) {
            *weight = (f64::from(*weight) + scale * update) as f32;
        }
    }
}

impl Transformer {
    /// Whether any layer has an update.
    pub fn is_adapted(&self) -> bool {
        let experts = self.expert_linears();
        self.linears()
            .iter()
            .any(|(_, linear)| linear.lora.is_some())
            || experts.iter().any(|(_, linear)| linear.lora.is_some())
    }

    /// Adds every update to its weight.
    pub fn merge_lora(&mut self) {
        self.linears()
            .into_iter()
            .for_each(|(_, linear)| linear.merge());
        let experts = self.expert_linears_mut().into_iter();
        experts.for_each(|(_, linear)| linear.merge());
    }
}
