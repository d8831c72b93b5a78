//! Activations, alone and as gates, in one pass over memory.

use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::buffer::{GRAIN, contiguous, map, tensor, unwritten, values, vectorised, zip};
use super::math;
use crate::plain::activation::{GELU_CUBIC, GELU_SLOPE};
use crate::{GateActivation, Gelu};

pub(crate) fn gelu(input: FlexTensor, kind: Gelu) -> FlexTensor {
    let input = contiguous(input);
    match kind {
        Gelu::Exact => map(&input, |x| exact(x).0),
        Gelu::Tanh => map(&input, |x| approximate(x).0),
    }
}

pub(crate) fn gelu_backward(input: FlexTensor, gradient: FlexTensor, kind: Gelu) -> FlexTensor {
    let (input, gradient) = (contiguous(input), contiguous(gradient));
    match kind {
        Gelu::Exact => zip(&input, &gradient, |x, gradient| gradient * exact(x).1),
        Gelu::Tanh => zip(&input, &gradient, |x, gradient| gradient * approximate(x).1),
    }
}

pub(crate) fn silu(input: FlexTensor) -> FlexTensor {
    map(&contiguous(input), |x| swish(x).0)
}

pub(crate) fn silu_backward(input: FlexTensor, gradient: FlexTensor) -> FlexTensor {
    let (input, gradient) = (contiguous(input), contiguous(gradient));
    zip(&input, &gradient, |x, gradient| gradient * swish(x).1)
}

pub(crate) fn gated(gate: FlexTensor, up: FlexTensor, activation: GateActivation) -> FlexTensor {
    let (gate, up) = (contiguous(gate), contiguous(up));
    assert_eq!(
        values(&gate).len(),
        values(&up).len(),
        "a gate beside what it gates"
    );
    match activation {
        GateActivation::Silu => zip(&gate, &up, |gate, up| swish(gate).0 * up),
        GateActivation::Gelu(Gelu::Exact) => zip(&gate, &up, |gate, up| exact(gate).0 * up),
        GateActivation::Gelu(Gelu::Tanh) => zip(&gate, &up, |gate, up| approximate(gate).0 * up),
    }
}

pub(crate) fn gated_backward(
    gate: FlexTensor,
    up: FlexTensor,
    gradient: FlexTensor,
    activation: GateActivation,
) -> (FlexTensor, FlexTensor) {
    let inputs = [contiguous(gate), contiguous(up), contiguous(gradient)];
    match activation {
        GateActivation::Silu => gate_gradients(&inputs, swish),
        GateActivation::Gelu(Gelu::Exact) => gate_gradients(&inputs, exact),
        GateActivation::Gelu(Gelu::Tanh) => gate_gradients(&inputs, approximate),
    }
}

/// The gradients of a gate and of what it gates; `curve` gives the activation's value and slope.
fn gate_gradients(
    inputs: &[FlexTensor; 3],
    curve: impl Fn(f32) -> (f32, f32) + Sync,
) -> (FlexTensor, FlexTensor) {
    let [gate, up, gradient] = inputs.each_ref().map(values);
    assert!(
        gate.len() == up.len() && gate.len() == gradient.len(),
        "a gate beside what it gates"
    );
    let (mut to_gate, mut to_up) = (unwritten(gate.len()), unwritten(gate.len()));
    let sources = gate
        .par_chunks(GRAIN)
        .zip(up.par_chunks(GRAIN))
        .zip(gradient.par_chunks(GRAIN));
    to_gate
        .par_chunks_mut(GRAIN)
        .zip(to_up.par_chunks_mut(GRAIN))
        .zip(sources)
        .for_each(|((to_gate, to_up), ((gate, up), gradient))| {
            vectorised(|| {
                let targets = to_gate.iter_mut().zip(to_up);
                let sources = gate.iter().zip(up).zip(gradient);
                for ((to_gate, to_up), ((&gate, &up), &gradient)) in targets.zip(sources) {
                    let (value, slope) = curve(gate);
                    *to_gate = gradient * up * slope;
                    *to_up = gradient * value;
                }
            });
        });
    let shape = inputs[0].layout().shape();
    (tensor(to_gate, shape.clone()), tensor(to_up, shape.clone()))
}

/// `x σ(x)` and its slope.
#[inline(always)]
fn swish(x: f32) -> (f32, f32) {
    let sigmoid = math::sigmoid(x);
    let value = x * sigmoid;
    (value, sigmoid + value * (1.0 - sigmoid))
}

/// `x Φ(x)` and its slope.
#[inline(always)]
fn exact(x: f32) -> (f32, f32) {
    let (cumulative, density) = math::normal(x);
    (x * cumulative, cumulative + x * density)
}

/// `x (1 + tanh u) / 2` with `u = sqrt(2 / pi) (x + 0.044715 x³)`, and its slope.
#[inline(always)]
fn approximate(x: f32) -> (f32, f32) {
    let square = x * x;
    // (1 + tanh u) / 2 is the sigmoid of 2u.
    let sigmoid = math::sigmoid(2.0 * GELU_SLOPE * x * (1.0 + GELU_CUBIC * square));
    let slope = 2.0 * GELU_SLOPE * (1.0 + 3.0 * GELU_CUBIC * square);
    (x * sigmoid, sigmoid * (1.0 + x * slope * (1.0 - sigmoid)))
}
