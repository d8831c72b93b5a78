//! LoRA on experts, where each is a layer of its own in the reference library and so has an update of its own.
//!
//! The updates of a layer's experts are kept together, as their weights are: the rows of those that have one pass two grouped products.

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor, TensorData};
use engraft_kernels::{Segments, gather_rows, grouped_linear};

use crate::config::TransformerConfig;
use crate::experts::{ExpertLayer, ExpertLinear, ExpertWeights};
use crate::initial::Initial;
use crate::lora::{LoraRule, add_product};
use crate::mode::Mode;
use crate::names::of_expert;
use crate::transformer::{FeedForwardLayer, Layer, Transformer};

/// The low-rank updates of some experts.
#[derive(Module, Debug)]
pub struct ExpertLora {
    /// `[adapted experts, r, in]`.
    pub a: Param<Tensor<3>>,
    /// `[adapted experts, out, r]`.
    pub b: Param<Tensor<3>>,
    /// Which experts these are, in ascending order.
    #[module(skip)]
    experts: Vec<usize>,
    #[module(skip)]
    rule: LoraRule,
}

/// The factors `A` and `B` of one expert's update, row by row.
pub(crate) type Factors = [Vec<f32>; 2];

impl ExpertLora {
    /// Which experts have an update.
    pub fn experts(&self) -> &[usize] {
        &self.experts
    }

    /// How the updates are scaled and dropped out.
    pub fn rule(&self) -> LoraRule {
        self.rule
    }

    /// The experts' `output`, `[rows, out]`, with the updates of their `input`, `[rows, in]`, added; `groups` are the rows of each expert.
    pub(crate) fn add_to(
        &self,
        output: Tensor<2>,
        input: Tensor<2>,
        groups: &Segments,
        mode: Mode,
    ) -> Tensor<2> {
        let [rows, width] = output.dims();
        let device = output.device();
        let upload = |values: Vec<i32>| {
            let count = values.len();
            Tensor::<1, Int>::from_data(TensorData::new(values, [count]), &device)
        };
        let adapted = || self.experts.iter().map(|&expert| groups.range(expert));
        let own = Segments::from_lengths(adapted().map(|range| range.len()));
        if own.total() == 0 {
            return output;
        }
        let is_whole = own.total() == rows;
        let input = if is_whole {
            input
        } else {
            gather_rows(
                input,
                upload(adapted().flatten().map(|row| row as i32).collect()),
            )
        };
        let input = mode.dropout(input, self.rule.dropout);
        let low = grouped_linear(input, self.a.val(), own.clone());
        let update = grouped_linear(low, self.b.val(), own.clone()) * self.rule.scale() as f32;
        if is_whole {
            return output + update;
        }
        // The rows of other experts get the row of zeros behind the updates.
        let mut places = vec![own.total() as i32; rows];
        for (place, row) in adapted().flatten().enumerate() {
            places[row] = place as i32;
        }
        let zeros = Tensor::<2>::zeros([1, width], &device).cast(update.dtype());
        let update = Tensor::cat(vec![update, zeros], 0);
        output + gather_rows(update, upload(places))
    }

    /// The shapes of one expert's factors, `[r, in]` and `[out, r]`.
    pub(crate) fn shapes(&self) -> [Vec<usize>; 2] {
        [self.a.val().dims(), self.b.val().dims()].map(|[_, rows, columns]| vec![rows, columns])
    }

    /// Each adapted expert's factors.
    pub(crate) fn factors(&self) -> Vec<(usize, Factors)> {
        let parts = |tensor: Tensor<3>| -> Vec<Vec<f32>> {
            let [_, rows, columns] = tensor.dims();
            let values: Vec<f32> = tensor.into_data().iter::<f32>().collect();
            let parts = values.chunks_exact((rows * columns).max(1));
            parts.map(<[f32]>::to_vec).collect()
        };
        let factors = parts(self.a.val()).into_iter().zip(parts(self.b.val()));
        let factors = factors.map(|(a, b)| [a, b]);
        self.experts.iter().copied().zip(factors).collect()
    }
}

impl ExpertLinear {
    /// Puts fresh updates beside the layers of some experts: `A` uniform in `±1 / sqrt(in)`, `B` zero.
    pub(crate) fn adapt(&mut self, experts: Vec<usize>, rule: LoraRule, initial: &Initial) {
        let [_, output, input] = self.shape();
        let bound = 1.0 / (input as f64).sqrt();
        self.lora = Some(ExpertLora {
            a: initial.uniform([experts.len(), rule.r, input], bound),
            b: initial.constant([experts.len(), output, rule.r], 0.0),
            experts,
            rule,
        });
    }

    /// Puts saved updates beside the layers of some experts, given each one's factors row by row.
    pub(crate) fn restore(
        &mut self,
        rule: LoraRule,
        updates: Vec<(usize, Factors)>,
        device: &Device,
    ) {
        let [_, output, input] = self.shape();
        let count = updates.len();
        let mut experts = Vec::with_capacity(count);
        let (mut all_a, mut all_b) = (Vec::new(), Vec::new());
        for (expert, [a, b]) in updates {
            experts.push(expert);
            all_a.extend(a);
            all_b.extend(b);
        }
        let param = |values, shape: [usize; 3]| {
            let tensor = Tensor::from_data(TensorData::new(values, shape), device);
            Param::from_tensor(tensor)
        };
        self.lora = Some(ExpertLora {
            a: param(all_a, [count, rule.r, input]),
            b: param(all_b, [count, output, rule.r]),
            experts,
            rule,
        });
    }

    /// Adds the updates to the weights, summed in double precision, and drops them.
    pub(crate) fn merge(&mut self) {
        let Some(lora) = self.lora.take() else { return };
        let [_, output, input] = self.shape();
        let mut weights: Vec<f32> = self.weight.val().into_data().iter::<f32>().collect();
        for (expert, [a, b]) in lora.factors() {
            let start = expert * output * input;
            let weight = &mut weights[start..start + output * input];
            add_product(weight, input, &a, &b, lora.rule);
        }
        self.weight = self.weight.clone().map(|old| {
            let merged = TensorData::new(weights, old.dims());
            Tensor::from_data(merged, &old.device())
        });
    }
}

impl Transformer {
    /// The linear layers of experts that LoRA may adapt, with their paths: those that are layers of their own in the reference library.
    pub(crate) fn expert_linears(&self) -> Vec<(String, &ExpertLinear)> {
        if !has_separate_experts(self.config()) {
            return Vec::new();
        }
        let layers = self.layers.iter().enumerate();
        let experts =
            layers.filter_map(|(number, Layer { feed_forward, .. })| match feed_forward {
                FeedForwardLayer::Experts(ExpertLayer { experts, .. }) => Some((number, experts)),
                FeedForwardLayer::Dense(_) => None,
            });
        let parts = experts.flat_map(|(number, ExpertWeights { gate_up, down })| {
            let parts = [("gate_up", gate_up), ("down", down)];
            parts.map(|(part, linear)| (path(number, part), linear))
        });
        parts.collect()
    }

    /// As [`Self::expert_linears`], to change them.
    pub(crate) fn expert_linears_mut(&mut self) -> Vec<(String, &mut ExpertLinear)> {
        if !has_separate_experts(self.config()) {
            return Vec::new();
        }
        let layers = self.layers.iter_mut().enumerate();
        let experts =
            layers.filter_map(|(number, Layer { feed_forward, .. })| match feed_forward {
                FeedForwardLayer::Experts(ExpertLayer { experts, .. }) => Some((number, experts)),
                FeedForwardLayer::Dense(_) => None,
            });
        let parts = experts.flat_map(|(number, ExpertWeights { gate_up, down })| {
            let parts = [("gate_up", gate_up), ("down", down)];
            parts.map(|(part, linear)| (path(number, part), linear))
        });
        parts.collect()
    }
}

fn has_separate_experts(config: &TransformerConfig) -> bool {
    let experts = config.experts.as_ref();
    experts.is_some_and(|experts| experts.separate)
}

fn path(layer: usize, part: &str) -> String {
    format!("layers.{layer}.feed_forward.experts.{part}")
}

/// The name of one expert's layer, given that of all.
pub(crate) fn module_of(pattern: &str, expert: usize) -> String {
    of_expert(pattern, expert).join(",")
}
