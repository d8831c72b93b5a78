//! Low-rank updates of linear layers.

use burn::backend::Backend;
use burn::backend::tensor::FloatTensor;

use super::{dropout, linear};
use crate::LowRank;

fn dropped<B: Backend>(tensor: FloatTensor<B>, call: LowRank) -> FloatTensor<B> {
    match call.dropout {
        Some(rule) => dropout::<B>(tensor, rule),
        None => tensor,
    }
}

pub(crate) fn forward<B: Backend>(
    base: FloatTensor<B>,
    input: FloatTensor<B>,
    down: FloatTensor<B>,
    up: FloatTensor<B>,
    call: LowRank,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let low = linear::<B>(dropped::<B>(input, call), down);
    let update = B::float_mul_scalar(linear::<B>(low.clone(), up), call.scale.into());
    (B::float_add(base, update), low)
}

pub(crate) fn backward<B: Backend>(
    input: FloatTensor<B>,
    down: FloatTensor<B>,
    up: FloatTensor<B>,
    low: FloatTensor<B>,
    gradient: FloatTensor<B>,
    call: LowRank,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let gradient = B::float_mul_scalar(gradient, call.scale.into());
    let to_up = B::float_matmul(B::float_transpose(gradient.clone()), low);
    let to_low = B::float_matmul(gradient, up);
    let input = dropped::<B>(input, call);
    let to_down = B::float_matmul(B::float_transpose(to_low.clone()), input);
    let to_input = dropped::<B>(B::float_matmul(to_low, down), call);
    (to_input, to_down, to_up)
}
