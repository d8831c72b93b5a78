//! Activations, alone and as gates.

use burn::backend::Backend;
use burn::backend::tensor::FloatTensor;

use crate::{GateActivation, Gelu};

/// `sqrt(2 / pi)`, of the approximation by tanh.
pub(crate) const GELU_SLOPE: f32 = 0.797_884_6;
/// The cubic term of the approximation by tanh.
pub(crate) const GELU_CUBIC: f32 = 0.044_715;

pub(crate) fn gelu<B: Backend>(input: FloatTensor<B>, kind: Gelu) -> FloatTensor<B> {
    let sigmoid = match kind {
        Gelu::Exact => B::float_erf(B::float_mul_scalar(
            input.clone(),
            std::f32::consts::FRAC_1_SQRT_2.into(),
        )),
        Gelu::Tanh => B::float_tanh(gelu_argument::<B>(input.clone())),
    };
    let half = B::float_mul_scalar(B::float_add_scalar(sigmoid, 1f32.into()), 0.5f32.into());
    B::float_mul(input, half)
}

/// `sqrt(2 / pi) (x + 0.044715 x³)`.
fn gelu_argument<B: Backend>(input: FloatTensor<B>) -> FloatTensor<B> {
    let cube = B::float_mul(B::float_mul(input.clone(), input.clone()), input.clone());
    let inner = B::float_add(input, B::float_mul_scalar(cube, GELU_CUBIC.into()));
    B::float_mul_scalar(inner, GELU_SLOPE.into())
}

pub(crate) fn gelu_backward<B: Backend>(
    input: FloatTensor<B>,
    gradient: FloatTensor<B>,
    kind: Gelu,
) -> FloatTensor<B> {
    B::float_mul(gradient, gelu_slope::<B>(input, kind))
}

fn gelu_slope<B: Backend>(input: FloatTensor<B>, kind: Gelu) -> FloatTensor<B> {
    let square = B::float_mul(input.clone(), input.clone());
    match kind {
        Gelu::Exact => {
            let scaled = B::float_mul_scalar(input.clone(), std::f32::consts::FRAC_1_SQRT_2.into());
            let cumulative = B::float_mul_scalar(
                B::float_add_scalar(B::float_erf(scaled), 1f32.into()),
                0.5f32.into(),
            );
            let density = B::float_exp(B::float_mul_scalar(square, (-0.5f32).into()));
            let density = B::float_mul_scalar(density, (0.5 * GELU_SLOPE).into());
            B::float_add(cumulative, B::float_mul(input, density))
        }
        Gelu::Tanh => {
            let tanh = B::float_tanh(gelu_argument::<B>(input.clone()));
            let half = B::float_mul_scalar(
                B::float_add_scalar(tanh.clone(), 1f32.into()),
                0.5f32.into(),
            );
            let sech =
                B::float_add_scalar(B::float_neg(B::float_mul(tanh.clone(), tanh)), 1f32.into());
            let inner = B::float_add_scalar(
                B::float_mul_scalar(square, (3.0 * GELU_CUBIC).into()),
                1f32.into(),
            );
            let inner = B::float_mul_scalar(B::float_mul(input, inner), (0.5 * GELU_SLOPE).into());
            B::float_add(half, B::float_mul(inner, sech))
        }
    }
}

pub(crate) fn silu<B: Backend>(input: FloatTensor<B>) -> FloatTensor<B> {
    B::float_mul(B::sigmoid(input.clone()), input)
}

pub(crate) fn silu_backward<B: Backend>(
    input: FloatTensor<B>,
    gradient: FloatTensor<B>,
) -> FloatTensor<B> {
    B::float_mul(gradient, silu_slope::<B>(input))
}

pub(crate) fn gated<B: Backend>(
    gate: FloatTensor<B>,
    up: FloatTensor<B>,
    activation: GateActivation,
) -> FloatTensor<B> {
    B::float_mul(activated::<B>(gate, activation), up)
}

pub(crate) fn gated_backward<B: Backend>(
    gate: FloatTensor<B>,
    up: FloatTensor<B>,
    gradient: FloatTensor<B>,
    activation: GateActivation,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let to_up = B::float_mul(gradient.clone(), activated::<B>(gate.clone(), activation));
    let slope = match activation {
        GateActivation::Silu => silu_slope::<B>(gate),
        GateActivation::Gelu(kind) => gelu_slope::<B>(gate, kind),
    };
    (B::float_mul(B::float_mul(gradient, up), slope), to_up)
}

fn activated<B: Backend>(gate: FloatTensor<B>, activation: GateActivation) -> FloatTensor<B> {
    match activation {
        GateActivation::Silu => silu::<B>(gate),
        GateActivation::Gelu(kind) => gelu::<B>(gate, kind),
    }
}

/// `σ(x) + x σ(x) (1 - σ(x))`.
fn silu_slope<B: Backend>(input: FloatTensor<B>) -> FloatTensor<B> {
    let sigmoid = B::sigmoid(input.clone());
    let value = B::float_mul(input, sigmoid.clone());
    let rest = B::float_add_scalar(B::float_neg(sigmoid.clone()), 1f32.into());
    B::float_add(sigmoid, B::float_mul(value, rest))
}
