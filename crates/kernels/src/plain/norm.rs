//! Normalisation of rows.

use burn::backend::Backend;
use burn::backend::tensor::FloatTensor;

use super::{column_sum, row, upload_rows};

pub(crate) fn layer_norm<B: Backend>(
    input: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    epsilon: f32,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let mean = B::float_mean_dim(input.clone(), 1);
    let centred = B::float_sub(input, mean.clone());
    let variance = B::float_mean_dim(B::float_mul(centred.clone(), centred.clone()), 1);
    let inverse = B::float_recip(B::float_sqrt(B::float_add_scalar(variance, epsilon.into())));
    let normalised = B::float_mul(centred, inverse.clone());
    let output = B::float_add(B::float_mul(normalised, row::<B>(weight)), row::<B>(bias));
    (output, B::float_cat(vec![mean, inverse], 1))
}

pub(crate) fn layer_norm_backward<B: Backend>(
    input: FloatTensor<B>,
    weight: FloatTensor<B>,
    statistics: FloatTensor<B>,
    gradient: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let column =
        |index: usize| B::float_select(statistics.clone(), 1, upload_rows::<B>([index], &input));
    let (mean, inverse) = (column(0), column(1));
    let normalised = B::float_mul(B::float_sub(input, mean), inverse.clone());
    let to_weight = column_sum::<B>(B::float_mul(gradient.clone(), normalised.clone()));
    let to_bias = column_sum::<B>(gradient.clone());
    let scaled = B::float_mul(gradient, row::<B>(weight));
    let mean_scaled = B::float_mean_dim(scaled.clone(), 1);
    let mean_product = B::float_mean_dim(B::float_mul(scaled.clone(), normalised.clone()), 1);
    let inner = B::float_sub(
        B::float_sub(scaled, mean_scaled),
        B::float_mul(normalised, mean_product),
    );
    (B::float_mul(inner, inverse), to_weight, to_bias)
}

pub(crate) fn rms_norm<B: Backend>(
    input: FloatTensor<B>,
    weight: FloatTensor<B>,
    epsilon: f32,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let square = B::float_mean_dim(B::float_mul(input.clone(), input.clone()), 1);
    let inverse = B::float_recip(B::float_sqrt(B::float_add_scalar(square, epsilon.into())));
    let normalised = B::float_mul(input, inverse.clone());
    (B::float_mul(normalised, row::<B>(weight)), inverse)
}

pub(crate) fn rms_norm_backward<B: Backend>(
    input: FloatTensor<B>,
    weight: FloatTensor<B>,
    inverse: FloatTensor<B>,
    gradient: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let normalised = B::float_mul(input, inverse.clone());
    let to_weight = column_sum::<B>(B::float_mul(gradient.clone(), normalised.clone()));
    let scaled = B::float_mul(gradient, row::<B>(weight));
    let mean_product = B::float_mean_dim(B::float_mul(scaled.clone(), normalised.clone()), 1);
    let inner = B::float_sub(scaled, B::float_mul(normalised, mean_product));
    (B::float_mul(inner, inverse), to_weight)
}
