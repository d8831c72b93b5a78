//! The operations as single nodes of the autodiff graph, each keeping what its backward pass needs and no more.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, AutodiffBackend, TensorMetadata};

use crate::{
    Attention, ClassTargets, Disentangled, Dropout, GateActivation, Gelu, Kernels,
    LinearCrossEntropy, LowRank, RotaryLayout, Segments,
};

/// The backward pass of a node: from the saved state, the output's gradient and which inputs need theirs, to the gradients of the `N` inputs.
type BackwardFn<B, S, const N: usize> =
    fn(S, FloatTensor<B>, [bool; N]) -> [Option<FloatTensor<B>>; N];

struct Node<B: Kernels, S, const N: usize> {
    backward: BackwardFn<B, S, N>,
    backend: PhantomData<B>,
}

impl<B: Kernels, S, const N: usize> Debug for Node<B, S, N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("engraft_kernels::Node")
    }
}

impl<B: Kernels, S: Clone + Send + Debug + 'static, const N: usize> Backward<B, N>
    for Node<B, S, N>
{
    type State = S;

    fn backward(self, ops: Ops<S, N>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let gradient = grads.consume::<B>(&ops.node);
        let needed = ops.parents.each_ref().map(Option::is_some);
        let gradients = (self.backward)(ops.state, gradient, needed);
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                grads.register::<B>(parent.id, gradient);
            }
        }
    }
}

/// Puts `output` into the graph as a child of `parents`.
fn record<B: Kernels, C: CheckpointStrategy, S: Clone + Send + Debug + 'static, const N: usize>(
    parents: [NodeGuard; N],
    output: FloatTensor<B>,
    state: S,
    backward: BackwardFn<B, S, N>,
) -> FloatTensor<Autodiff<B, C>> {
    let node = Node {
        backward,
        backend: PhantomData,
    };
    match node.prepare::<C>(parents).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(state, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}

impl<B: Kernels, C: CheckpointStrategy> Kernels for Autodiff<B, C> {
    fn attention(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        table: FloatTensor<Self>,
        call: Arc<Attention>,
    ) -> FloatTensor<Self> {
        let (query, query_node) = query.into_parts();
        let (key, key_node) = key.into_parts();
        let (value, value_node) = value.into_parts();
        let (table, table_node) = table.into_parts();
        let inputs = (query.clone(), key.clone(), value.clone(), table.clone());
        let (output, log_sum) = B::attention_forward(query, key, value, table, call.clone());
        let state = (inputs, output.clone(), log_sum, call);
        record::<B, C, _, 4>(
            [query_node, key_node, value_node, table_node],
            output,
            state,
            |state, gradient, _| {
                let ((query, key, value, table), output, log_sum, call) = state;
                let (query, key, value, table) = B::attention_backward(
                    query, key, value, table, output, log_sum, gradient, call,
                );
                [query, key, value, table].map(Some)
            },
        )
    }

    fn disentangled_attention(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        position_key: FloatTensor<Self>,
        position_query: FloatTensor<Self>,
        call: Arc<Disentangled>,
    ) -> FloatTensor<Self> {
        let (query, query_node) = query.into_parts();
        let (key, key_node) = key.into_parts();
        let (value, value_node) = value.into_parts();
        let (position_key, position_key_node) = position_key.into_parts();
        let (position_query, position_query_node) = position_query.into_parts();
        let inputs = (
            query.clone(),
            key.clone(),
            value.clone(),
            position_key.clone(),
            position_query.clone(),
        );
        let (output, log_sum) = B::disentangled_attention_forward(
            query,
            key,
            value,
            position_key,
            position_query,
            call.clone(),
        );
        let state = (inputs, output.clone(), log_sum, call);
        record::<B, C, _, 5>(
            [
                query_node,
                key_node,
                value_node,
                position_key_node,
                position_query_node,
            ],
            output,
            state,
            |state, gradient, _| {
                let (inputs, output, log_sum, call) = state;
                let (query, key, value, position_key, position_query) = inputs;
                let (query, key, value, position_key, position_query) =
                    B::disentangled_attention_backward(
                        query,
                        key,
                        value,
                        position_key,
                        position_query,
                        output,
                        log_sum,
                        gradient,
                        call,
                    );
                [query, key, value, position_key, position_query].map(Some)
            },
        )
    }

    fn dropout(input: FloatTensor<Self>, dropout: Dropout) -> FloatTensor<Self> {
        let (input, node) = input.into_parts();
        record::<B, C, _, 1>(
            [node],
            B::dropout(input, dropout),
            dropout,
            |dropout, gradient, _| [Some(B::dropout(gradient, dropout))],
        )
    }

    fn linear(input: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        let (input, input_node) = input.into_parts();
        let (weight, weight_node) = weight.into_parts();
        let output = <B as Kernels>::linear(input.clone(), weight.clone());
        record::<B, C, _, 2>(
            [input_node, weight_node],
            output,
            (input, weight),
            |state, gradient, needed| linear_gradients::<B>(state, &gradient, needed),
        )
    }

    fn linear_bias(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let (input, input_node) = input.into_parts();
        let (weight, weight_node) = weight.into_parts();
        let (bias, bias_node) = bias.into_parts();
        let output = B::linear_bias(input.clone(), weight.clone(), bias);
        record::<B, C, _, 3>(
            [input_node, weight_node, bias_node],
            output,
            (input, weight),
            |state, gradient, needed| {
                let [to_input, to_weight, to_bias] = needed;
                let [input, weight] =
                    linear_gradients::<B>(state, &gradient, [to_input, to_weight]);
                [input, weight, to_bias.then(|| B::column_sum(gradient))]
            },
        )
    }

    fn grouped_linear(
        input: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        groups: Segments,
    ) -> FloatTensor<Self> {
        let (input, input_node) = input.into_parts();
        let (weights, weights_node) = weights.into_parts();
        let output = B::grouped_linear(input.clone(), weights.clone(), groups.clone());
        record::<B, C, _, 2>(
            [input_node, weights_node],
            output,
            (input, weights, groups),
            |(input, weights, groups), gradient, [to_input, to_weights]| {
                let for_input =
                    || B::grouped_linear_backward_input(gradient.clone(), weights, groups.clone());
                let for_input = to_input.then(for_input);
                let for_weights = || B::grouped_linear_backward_weight(gradient, input, groups);
                [for_input, to_weights.then(for_weights)]
            },
        )
    }

    fn add_low_rank(
        base: FloatTensor<Self>,
        input: FloatTensor<Self>,
        down: FloatTensor<Self>,
        up: FloatTensor<Self>,
        call: LowRank,
    ) -> FloatTensor<Self> {
        let (base, base_node) = base.into_parts();
        let (input, input_node) = input.into_parts();
        let (down, down_node) = down.into_parts();
        let (up, up_node) = up.into_parts();
        let inputs = (input.clone(), down.clone(), up.clone());
        let (output, low) = B::add_low_rank_forward(base, input, down, up, call);
        let state = (inputs, low, call);
        record::<B, C, _, 4>(
            [base_node, input_node, down_node, up_node],
            output,
            state,
            |((input, down, up), low, call), gradient, _| {
                let (input, down, up) =
                    B::add_low_rank_backward(input, down, up, low, gradient.clone(), call);
                [gradient, input, down, up].map(Some)
            },
        )
    }

    fn layer_norm(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        let (input, input_node) = input.into_parts();
        let (weight, weight_node) = weight.into_parts();
        let (bias, bias_node) = bias.into_parts();
        let (output, statistics) =
            B::layer_norm_forward(input.clone(), weight.clone(), bias, epsilon);
        let state = (input, weight, statistics);
        record::<B, C, _, 3>(
            [input_node, weight_node, bias_node],
            output,
            state,
            |state, gradient, _| {
                let (input, weight, statistics) = state;
                let (input, weight, bias) =
                    B::layer_norm_backward(input, weight, statistics, gradient);
                [input, weight, bias].map(Some)
            },
        )
    }

    fn rms_norm(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        let (input, input_node) = input.into_parts();
        let (weight, weight_node) = weight.into_parts();
        let (output, inverse) = B::rms_norm_forward(input.clone(), weight.clone(), epsilon);
        let state = (input, weight, inverse);
        record::<B, C, _, 2>(
            [input_node, weight_node],
            output,
            state,
            |state, gradient, _| {
                let (input, weight, inverse) = state;
                let (input, weight) = B::rms_norm_backward(input, weight, inverse, gradient);
                [input, weight].map(Some)
            },
        )
    }

    fn gelu(input: FloatTensor<Self>, kind: Gelu) -> FloatTensor<Self> {
        let (input, node) = input.into_parts();
        let output = <B as Kernels>::gelu(input.clone(), kind);
        record::<B, C, _, 1>(
            [node],
            output,
            (input, kind),
            |(input, kind), gradient, _| {
                [Some(<B as Kernels>::gelu_backward(input, gradient, kind))]
            },
        )
    }

    fn silu(input: FloatTensor<Self>) -> FloatTensor<Self> {
        let (input, node) = input.into_parts();
        let output = <B as Kernels>::silu(input.clone());
        record::<B, C, _, 1>([node], output, input, |input, gradient, _| {
            [Some(<B as Kernels>::silu_backward(input, gradient))]
        })
    }

    fn gated(
        gate: FloatTensor<Self>,
        up: FloatTensor<Self>,
        activation: GateActivation,
    ) -> FloatTensor<Self> {
        let (gate, gate_node) = gate.into_parts();
        let (up, up_node) = up.into_parts();
        let output = B::gated(gate.clone(), up.clone(), activation);
        record::<B, C, _, 2>(
            [gate_node, up_node],
            output,
            (gate, up, activation),
            |(gate, up, activation), gradient, _| {
                let (gate, up) = B::gated_backward(gate, up, gradient, activation);
                [gate, up].map(Some)
            },
        )
    }

    fn rotary(
        input: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
        heads: usize,
        layout: RotaryLayout,
    ) -> FloatTensor<Self> {
        let (input, node) = input.into_parts();
        let (cos, sin) = (cos.into_parts().0, sin.into_parts().0);
        let output = B::rotary(input, cos.clone(), sin.clone(), heads, layout);
        record::<B, C, _, 1>(
            [node],
            output,
            (cos, sin, heads, layout),
            |(cos, sin, heads, layout), gradient, _| {
                let back = B::float_neg(sin);
                [Some(B::rotary(gradient, cos, back, heads, layout))]
            },
        )
    }

    fn gather_rows(table: FloatTensor<Self>, rows: IntTensor<Self>) -> FloatTensor<Self> {
        let (table, node) = table.into_parts();
        let count = table.shape()[0];
        let output = B::gather_rows(table, rows.clone());
        record::<B, C, _, 1>(
            [node],
            output,
            (rows, count),
            |(rows, count), gradient, _| [Some(B::gather_rows_backward(gradient, rows, count))],
        )
    }

    fn shift_rows(
        input: FloatTensor<Self>,
        segments: Segments,
        offset: isize,
    ) -> FloatTensor<Self> {
        let (input, node) = input.into_parts();
        let output = B::shift_rows(input, segments.clone(), offset);
        record::<B, C, _, 1>(
            [node],
            output,
            (segments, offset),
            |(segments, offset), gradient, _| {
                [Some(B::shift_rows(
                    gradient,
                    segments,
                    offset.wrapping_neg(),
                ))]
            },
        )
    }

    fn segment_mean(input: FloatTensor<Self>, segments: Segments) -> FloatTensor<Self> {
        let (input, node) = input.into_parts();
        let output = B::segment_mean(input, segments.clone());
        record::<B, C, _, 1>([node], output, segments, |segments, gradient, _| {
            [Some(B::segment_mean_backward(gradient, segments))]
        })
    }

    fn segment_max(input: FloatTensor<Self>, segments: Segments) -> FloatTensor<Self> {
        let (input, node) = input.into_parts();
        let count = input.shape()[0];
        let (output, rows) = B::segment_max_forward(input, segments);
        record::<B, C, _, 1>(
            [node],
            output,
            (rows, count),
            |(rows, count), gradient, _| [Some(B::segment_max_backward(gradient, rows, count))],
        )
    }

    fn linear_cross_entropy(
        hidden: FloatTensor<Self>,
        projection: FloatTensor<Self>,
        call: Arc<LinearCrossEntropy>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (hidden, hidden_node) = hidden.into_parts();
        let (projection, projection_node) = projection.into_parts();
        let (sum, told) = B::linear_cross_entropy(hidden.clone(), projection.clone(), call.clone());
        let sum = record::<B, C, _, 2>(
            [hidden_node, projection_node],
            sum,
            (hidden, projection, call),
            |(hidden, projection, call), gradient, needed| {
                let (to_hidden, to_projection) =
                    B::linear_cross_entropy_backward(hidden, projection, call, gradient, needed);
                [
                    needed[0].then_some(to_hidden),
                    needed[1].then_some(to_projection),
                ]
            },
        );
        (sum, <Self as AutodiffBackend>::from_inner(told))
    }

    fn cross_entropy(logits: FloatTensor<Self>, targets: Arc<ClassTargets>) -> FloatTensor<Self> {
        let (logits, node) = logits.into_parts();
        let output = B::cross_entropy(logits.clone(), targets.clone());
        record::<B, C, _, 1>(
            [node],
            output,
            (logits, targets),
            |(logits, targets), gradient, _| {
                [Some(B::cross_entropy_backward(logits, targets, gradient))]
            },
        )
    }
}

/// The gradients of a linear layer's input and weight, each only if needed.
fn linear_gradients<B: Kernels>(
    (input, weight): (FloatTensor<B>, FloatTensor<B>),
    gradient: &FloatTensor<B>,
    [to_input, to_weight]: [bool; 2],
) -> [Option<FloatTensor<B>>; 2] {
    [
        to_input.then(|| B::linear_backward_input(gradient.clone(), weight)),
        to_weight.then(|| B::linear_backward_weight(gradient.clone(), input)),
    ]
}
