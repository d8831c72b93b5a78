//! What operations that are single nodes of the autodiff graph are made of: inputs split, output recorded with what its backward pass
//! needs and no more. The table in `ops` does so for each.

use std::fmt::Debug;
use std::marker::PhantomData;

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;

use crate::Kernels;

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

/// The tensors within inputs of a node, and their places in the graph, which the node's parents are.
pub(crate) fn split<B: Kernels, const N: usize>(
    inputs: [FloatTensor<Autodiff<B>>; N],
) -> ([FloatTensor<B>; N], [NodeGuard; N]) {
    let parents = inputs.each_ref().map(|input| input.node());
    (inputs.map(|input| input.into_primitive()), parents)
}

/// Puts `output` into the graph as a child of `parents`; `state` is what the backward pass needs besides its gradient.
pub(crate) fn record<
    B: Kernels,
    C: CheckpointStrategy,
    S: Clone + Send + Debug + 'static,
    const N: usize,
>(
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

/// Each gradient, needed or not: for a backward pass that computes them together.
pub(crate) fn all<T, const N: usize>(gradients: impl Into<[T; N]>) -> [Option<T>; N] {
    gradients.into().map(Some)
}

/// The gradients of a linear layer's input and weight, each only if needed.
pub(crate) fn linear_gradients<B: Kernels>(
    (input, weight): (FloatTensor<B>, FloatTensor<B>),
    gradient: &FloatTensor<B>,
    [to_input, to_weight]: [bool; 2],
) -> [Option<FloatTensor<B>>; 2] {
    [
        to_input.then(|| B::linear_backward_input(gradient.clone(), weight)),
        to_weight.then(|| B::linear_backward_weight(gradient.clone(), input)),
    ]
}
