//! Mixtures of experts: feed-forward layers of which each token passes a few (Shazeer et al., arXiv 1701.06538; Mixtral, arXiv 2401.04088).
//!
//! The tokens are sorted by expert, so that each expert's share is one product and the work is that of the chosen experts alone.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor, TensorData, activation};
use engraft_kernels::{GateActivation, Segments, gated, gather_rows, grouped_linear};

use crate::config::{Experts, FeedForwardKind, TransformerConfig};
use crate::expert_lora::ExpertLora;
use crate::initial::Initial;
use crate::layers::Linear;
use crate::mode::Mode;

/// Gated feed-forward layers, and what chooses among them.
#[derive(Module, Debug)]
pub struct ExpertLayer {
    /// `hidden` to a score for each expert.
    pub router: Linear,
    /// The experts' weights.
    pub experts: ExpertWeights,
    #[module(skip)]
    per_token: usize,
    #[module(skip)]
    renormalise: bool,
    #[module(skip)]
    kind: FeedForwardKind,
    #[module(skip)]
    activation: GateActivation,
}

/// The weights of all experts of a layer.
#[derive(Module, Debug)]
pub struct ExpertWeights {
    /// `hidden` to gates and what they gate, `2 * intermediate`; which of the two comes first is the [`FeedForwardKind`]'s.
    pub gate_up: ExpertLinear,
    /// `intermediate` to `hidden`.
    pub down: ExpertLinear,
}

/// A linear layer of each expert: `y = x W^T + b` by that of the row's expert, with a low-rank update beside it if it is adapted.
#[derive(Module, Debug)]
pub struct ExpertLinear {
    /// `[experts, out, in]`.
    pub weight: Param<Tensor<3>>,
    /// `[experts, out]`.
    pub bias: Option<Param<Tensor<2>>>,
    /// The updates of those that have one.
    pub lora: Option<ExpertLora>,
}

/// Which rows the experts get, and where the results belong.
struct Routes {
    /// The token of each row, rows sorted by expert.
    tokens: Vec<i32>,
    /// Where each choice of each token, `[tokens * per token]`, stands among the sorted rows.
    places: Vec<i32>,
    /// Each expert's rows.
    groups: Segments,
}

impl ExpertLayer {
    pub(crate) fn new(config: &TransformerConfig, experts: &Experts, initial: &Initial) -> Self {
        let (hidden, range) = (config.hidden, config.initializer_range);
        let linear = |[input, output]: [usize; 2], part| ExpertLinear {
            weight: initial
                .at(part)
                .normal([experts.count, output, input], range),
            bias: config
                .feed_forward_bias
                .then(|| initial.constant([experts.count, output], 0.0)),
            lora: None,
        };
        Self {
            router: Linear::normal([hidden, experts.count], false, range, &initial.at(9)),
            experts: ExpertWeights {
                gate_up: linear([hidden, 2 * experts.intermediate], 4),
                down: linear([experts.intermediate, hidden], 5),
            },
            per_token: experts.per_token,
            renormalise: experts.renormalise,
            kind: config.feed_forward,
            activation: config.activation.gate().unwrap_or(GateActivation::Silu),
        }
    }

    /// `[tokens, hidden]` to the same. Draws under parts 3, 4 and 6 of `mode`, which is its layer's.
    pub(crate) fn forward(&self, input: Tensor<2>, mode: Mode) -> Tensor<2> {
        let [tokens, hidden] = input.dims();
        let scores = self.router.forward(input.clone(), mode.at(6));
        let shares = activation::softmax(scores, 1);
        let chosen = chosen(shares.clone(), self.per_token);
        let device = input.device();
        let upload = |values: Vec<i32>| {
            let count = values.len();
            Tensor::<1, Int>::from_data(TensorData::new(values, [count]), &device)
        };
        let routes = Routes::new(&chosen, self.per_token, shares.dims()[1]);

        let rows = gather_rows(input, upload(routes.tokens));
        let ExpertWeights { gate_up, down } = &self.experts;
        let both = gate_up.forward(rows, &routes.groups, mode.at(3));
        let [gate, up] = self.kind.halves(both);
        let inner = gated(gate, up, self.activation);
        let output = down.forward(inner, &routes.groups, mode.at(4));

        let indices = upload(chosen).reshape([tokens, self.per_token]);
        let mut shares = shares.gather(1, indices);
        if self.renormalise {
            shares = shares.clone() / shares.sum_dim(1);
        }
        let rows = gather_rows(output, upload(routes.places));
        let weighted = rows.reshape([tokens, self.per_token, hidden])
            * shares.reshape([tokens, self.per_token, 1]);
        weighted.sum_dim(1).reshape([tokens, hidden])
    }
}

impl ExpertLinear {
    /// `[rows, in]` to `[rows, out]`, rows sorted by expert and `groups` each expert's; `mode` decides the updates' dropout alone.
    fn forward(&self, rows: Tensor<2>, groups: &Segments, mode: Mode) -> Tensor<2> {
        let mut output = grouped_linear(rows.clone(), self.weight.val(), groups.clone());
        if let Some(bias) = &self.bias {
            let experts = groups.lengths().enumerate();
            let of_rows: Vec<i32> = experts
                .flat_map(|(expert, count)| std::iter::repeat_n(expert as i32, count))
                .collect();
            let of_rows = TensorData::new(of_rows, [groups.total()]);
            let of_rows = Tensor::<1, Int>::from_data(of_rows, &rows.device());
            output = output + gather_rows(bias.val(), of_rows);
        }
        match &self.lora {
            Some(lora) => lora.add_to(output, rows, groups, mode),
            None => output,
        }
    }

    /// Number of experts, output and input width.
    pub(crate) fn shape(&self) -> [usize; 3] {
        let shape = self.weight.lazy_shape();
        [shape[0], shape[1], shape[2]]
    }
}

/// The experts with the largest shares of each token, `[tokens * per token]`, largest first and the first of equals.
fn chosen(shares: Tensor<2>, per_token: usize) -> Vec<i32> {
    let count = shares.dims()[1];
    let shares: Vec<f32> = shares.into_data().iter::<f32>().collect();
    let mut order: Vec<i32> = Vec::new();
    let mut chosen = Vec::with_capacity(shares.len() / count.max(1) * per_token);
    for shares in shares.chunks(count.max(1)) {
        order.clear();
        order.extend(0..count as i32);
        order.sort_by(|&a, &b| shares[b as usize].total_cmp(&shares[a as usize]));
        chosen.extend_from_slice(&order[..per_token.min(count)]);
    }
    chosen
}

impl Routes {
    /// From the experts chosen for each token, one after another.
    fn new(chosen: &[i32], per_token: usize, experts: usize) -> Self {
        let mut lengths = vec![0; experts];
        for &expert in chosen {
            lengths[expert as usize] += 1;
        }
        let groups = Segments::from_lengths(lengths);
        let mut next: Vec<usize> = groups.iter().map(|range| range.start).collect();
        let mut tokens = vec![0; chosen.len()];
        let mut places = Vec::with_capacity(chosen.len());
        for (choice, &expert) in chosen.iter().enumerate() {
            let place = &mut next[expert as usize];
            tokens[*place] = (choice / per_token) as i32;
            places.push(*place as i32);
            *place += 1;
        }
        Self {
            tokens,
            places,
            groups,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_sorted_by_expert_and_find_their_way_back() {
        let chosen = [2, 0, 0, 1, 2, 1];
        let routes = Routes::new(&chosen, 2, 4);
        assert_eq!(routes.tokens, [0, 1, 1, 2, 0, 2]);
        assert_eq!(routes.groups, Segments::from_lengths([2, 2, 2, 0]));
        for (choice, &place) in routes.places.iter().enumerate() {
            assert_eq!(routes.tokens[place as usize], (choice / 2) as i32);
            assert!(
                routes
                    .groups
                    .range(chosen[choice] as usize)
                    .contains(&(place as usize))
            );
        }
    }
}
