//! The optimizer's step, and the sum that gradients are clipped by.

use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::buffer::{GRAIN, contiguous, owned, values, vectorised};
use crate::{AdamWStep, plain};

/// One pass over memory; in place where nobody else holds the tensors.
pub(crate) fn adamw(
    parameter: FlexTensor,
    gradient: &FlexTensor,
    first_moment: FlexTensor,
    second_moment: FlexTensor,
    step: AdamWStep,
) -> (FlexTensor, FlexTensor, FlexTensor) {
    let c = step.coefficients();
    let [mut parameter, mut first, mut second] =
        [parameter, first_moment, second_moment].map(owned);
    let gradients = values(gradient);
    let chunks = parameter
        .storage_mut::<f32>()
        .par_chunks_mut(GRAIN)
        .zip(first.storage_mut::<f32>().par_chunks_mut(GRAIN))
        .zip(second.storage_mut::<f32>().par_chunks_mut(GRAIN))
        .zip(gradients.par_chunks(GRAIN));
    chunks.for_each(|(((parameter, first), second), gradient)| {
        vectorised(|| {
            for (((p, m), v), &g) in parameter.iter_mut().zip(first).zip(second).zip(gradient) {
                let g = c.gradient * g;
                *m = c.beta1 * *m + c.rest1 * g;
                *v = c.beta2 * *v + c.rest2 * (g * g);
                *p = c.decay * *p - c.size * (*m / (c.root * v.sqrt() + c.epsilon));
            }
        });
    });
    (parameter, first, second)
}

pub(crate) fn sum_squares(input: FlexTensor) -> f64 {
    let input = contiguous(input);
    let sums: Vec<f64> = values(&input)
        .par_chunks(plain::ELEMENTS_PER_CHUNK)
        .map(|chunk| vectorised(|| plain::chunk_sum_squares(chunk)))
        .collect();
    sums.into_iter().sum()
}
