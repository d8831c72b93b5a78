//! Gradients that are computed together with a value, and how the graph is told of them.

use burn::tensor::Tensor;

/// A copy of a tensor, outside its graph, that a graph of its own begins with.
pub(super) fn leaf<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    tensor.inner().autodiff().require_grad()
}

/// `sum + 0`, where the gradient of the 0 by `input` is `gradient`.
///
/// With `x` the input, `x'` the same number outside the graph and `g` the gradient, the 0 is `(x - x') g`.
pub(super) fn told<const D: usize>(
    sum: Tensor<1>,
    input: Tensor<D>,
    gradient: Tensor<D>,
) -> Tensor<1> {
    let zero = (input.clone() - input.detach()) * gradient;
    sum + zero.sum()
}

/// Adds to a gradient that is summed up over tiles.
pub(super) fn add<const D: usize>(sum: &mut Option<Tensor<D>>, more: Option<Tensor<D>>) {
    *sum = match (sum.take(), more) {
        (Some(sum), Some(more)) => Some(sum + more),
        (sum, more) => sum.or(more),
    };
}
