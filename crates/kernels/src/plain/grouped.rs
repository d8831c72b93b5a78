//! A linear layer of which each group of rows has its own weight.

use std::ops::Range;

use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{Shape, Slice};

use crate::{Kernels, Segments};

pub(super) fn rows<B: Kernels>(tensor: &FloatTensor<B>, range: Range<usize>) -> FloatTensor<B> {
    let others = tensor.shape().len() - 1;
    let mut slices = vec![Slice::from(range)];
    slices.extend(std::iter::repeat_n(Slice::full(), others));
    B::float_slice(tensor.clone(), &slices)
}

/// The `[out, in]` of one group.
fn weight_of<B: Kernels>(weights: &FloatTensor<B>, group: usize) -> FloatTensor<B> {
    let shape = weights.shape();
    let one = rows::<B>(weights, group..group + 1);
    B::float_reshape(one, Shape::new([shape[1], shape[2]]))
}

/// The groups that have rows.
fn filled(groups: &Segments) -> impl Iterator<Item = (usize, Range<usize>)> + '_ {
    groups
        .iter()
        .enumerate()
        .filter(|(_, range)| !range.is_empty())
}

fn joined<B: Kernels>(
    parts: Vec<FloatTensor<B>>,
    width: usize,
    like: &FloatTensor<B>,
) -> FloatTensor<B> {
    if parts.is_empty() {
        super::zeros::<B>([0, width], like)
    } else {
        B::float_cat(parts, 0)
    }
}

pub(crate) fn forward<B: Kernels>(
    input: FloatTensor<B>,
    weights: FloatTensor<B>,
    groups: &Segments,
) -> FloatTensor<B> {
    let parts = filled(groups).map(|(group, range)| {
        let weight = weight_of::<B>(&weights, group);
        <B as Kernels>::linear(rows::<B>(&input, range), weight)
    });
    joined::<B>(parts.collect(), weights.shape()[1], &input)
}

pub(crate) fn backward_input<B: Kernels>(
    gradient: FloatTensor<B>,
    weights: FloatTensor<B>,
    groups: &Segments,
) -> FloatTensor<B> {
    let parts = filled(groups).map(|(group, range)| {
        let weight = weight_of::<B>(&weights, group);
        B::linear_backward_input(rows::<B>(&gradient, range), weight)
    });
    joined::<B>(parts.collect(), weights.shape()[2], &gradient)
}

pub(crate) fn backward_weight<B: Kernels>(
    gradient: FloatTensor<B>,
    input: FloatTensor<B>,
    groups: &Segments,
) -> FloatTensor<B> {
    let (output_width, input_width) = (gradient.shape()[1], input.shape()[1]);
    let parts = groups.iter().map(|range| {
        if range.is_empty() {
            super::zeros::<B>([output_width, input_width], &gradient)
        } else {
            let gradient = rows::<B>(&gradient, range.clone());
            B::linear_backward_weight(gradient, rows::<B>(&input, range))
        }
    });
    let all = joined::<B>(parts.collect(), input_width, &gradient);
    B::float_reshape(all, Shape::new([groups.len(), output_width, input_width]))
}
