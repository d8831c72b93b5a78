//! DeBERTa-v2's convolution beside the first layer.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use engraft_kernels::{Segments, linear, shift_rows};

use crate::batch::TokenBatch;
use crate::config::{Convolution, TransformerConfig};
use crate::initial::Initial;
use crate::layers::Norm;
use crate::mode::Mode;

/// A convolution over the tokens of each sequence, its output added to the first layer's and normalised.
#[derive(Module, Debug)]
pub struct TokenConvolution {
    /// `[hidden, hidden, kernel]`.
    pub weight: Param<Tensor<3>>,
    /// `[hidden]`.
    pub bias: Param<Tensor<1>>,
    /// Norm of the sum.
    pub norm: Norm,
    #[module(skip)]
    config: Convolution,
    #[module(skip)]
    dropout: f64,
}

impl TokenConvolution {
    pub(crate) fn new(
        config: &TransformerConfig,
        convolution: Convolution,
        initial: &Initial,
    ) -> Self {
        let shape = [config.hidden, config.hidden, convolution.kernel];
        Self {
            weight: initial.normal(shape, config.initializer_range),
            bias: initial.constant([config.hidden], 0.0),
            norm: Norm::new(config.hidden, config.norm, initial),
            config: convolution,
            dropout: config.dropout.attention_output,
        }
    }

    /// The first layer's `output` with the convolution of its `input`, normalised; `[tokens, hidden]` all.
    pub(crate) fn forward(
        &self,
        input: Tensor<2>,
        output: Tensor<2>,
        batch: &TokenBatch,
        mode: Mode,
    ) -> Tensor<2> {
        let bias = Some(self.bias.val());
        let convolved = convolve(input, self.weight.val(), bias, &batch.segments);
        let convolved = self
            .config
            .activation
            .apply(mode.dropout(convolved, self.dropout));
        self.norm.forward(output + convolved)
    }
}

/// A convolution over the tokens of each sequence, beyond whose ends there are zeros: `[tokens, in]` to `[tokens, out]`, by a `weight` of
/// `[out, in, kernel]`.
pub(crate) fn convolve(
    input: Tensor<2>,
    weight: Tensor<3>,
    bias: Option<Tensor<1>>,
    segments: &Segments,
) -> Tensor<2> {
    let [outputs, inputs, kernel] = weight.dims();
    let before = (kernel / 2) as isize;
    let part = |at: usize, bias| {
        let weight = weight.clone().slice([0..outputs, 0..inputs, at..at + 1]);
        let weight = weight.reshape([outputs, inputs]);
        let shifted = shift_rows(input.clone(), segments.clone(), at as isize - before);
        linear(shifted, weight, bias)
    };
    let first = part(0, bias);
    (1..kernel).fold(first, |sum, at| sum + part(at, None))
}
