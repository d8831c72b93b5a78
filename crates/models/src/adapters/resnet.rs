//! Residual blocks of convolutions along a sequence, ModelGenerator's `ResNet1DAdapter`.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor, TensorData, activation};
use engraft_kernels::{Segments, gather_rows, segment_mean};

use crate::convolution::convolve;
use crate::initial::Initial;
use crate::layers::Linear;
use crate::mode::Mode;

/// Tokens that a convolution sees at once.
const KERNEL: usize = 3;

/// Added to the variances, as in PyTorch.
const EPSILON: f64 = 1e-5;

/// A linear layer to channels, and blocks that each add to what they are given.
#[derive(Module, Debug)]
pub struct ResNet1d {
    /// `hidden` to `channels`.
    pub inputs: Linear,
    /// First to last.
    pub blocks: Vec<ResidualBlock>,
}

/// Twice a convolution, a norm of each channel over its sequence, and an exponential linear unit.
#[derive(Module, Debug)]
pub struct ResidualBlock {
    /// `[channels, channels, 3]`, as PyTorch stores it.
    pub first: Param<Tensor<3>>,
    /// The same.
    pub second: Param<Tensor<3>>,
}

impl ResNet1d {
    pub(super) fn new(hidden: usize, channels: usize, blocks: usize, initial: &Initial) -> Self {
        let fan_in = (channels * KERNEL) as f64;
        let convolution =
            |initial: Initial| initial.uniform([channels, channels, KERNEL], 1.0 / fan_in.sqrt());
        let block = |initial: Initial| ResidualBlock {
            first: convolution(initial.at(0)),
            second: convolution(initial.at(1)),
        };
        let draws = initial.at(1);
        Self {
            inputs: Linear::uniform([hidden, channels], true, &initial.at(0)),
            blocks: (0..blocks as u64).map(|at| block(draws.at(at))).collect(),
        }
    }

    /// `[tokens, hidden]` to `[tokens, channels]`.
    pub(super) fn forward(&self, hidden: Tensor<2>, segments: &Segments, mode: Mode) -> Tensor<2> {
        let sequences = Sequences::new(segments, &hidden);
        let states = self.inputs.forward(hidden, mode);
        self.blocks.iter().fold(states, |states, block| {
            let first = sequences.layer(states.clone(), &block.first);
            states + sequences.layer(first, &block.second)
        })
    }
}

/// Where sequences begin and end, and the sequence that each token is of.
struct Sequences<'a> {
    segments: &'a Segments,
    /// `[tokens]`.
    of_token: Tensor<1, Int>,
}

impl<'a> Sequences<'a> {
    fn new(segments: &'a Segments, beside: &Tensor<2>) -> Self {
        let numbers = segments.lengths().zip(0..);
        let numbers = numbers.flat_map(|(length, number)| std::iter::repeat_n(number, length));
        let numbers: Vec<i32> = numbers.collect();
        let count = numbers.len();
        Self {
            segments,
            of_token: Tensor::from_data(TensorData::new(numbers, [count]), &beside.device()),
        }
    }

    fn layer(&self, states: Tensor<2>, weight: &Param<Tensor<3>>) -> Tensor<2> {
        let convolved = convolve(states, weight.val(), None, self.segments);
        elu(self.normalised(convolved))
    }

    /// Each channel with mean 0 and variance 1 over the tokens of its sequence (Ulyanov et al., arXiv 1607.08022). A single token becomes 0.
    fn normalised(&self, states: Tensor<2>) -> Tensor<2> {
        let mean = |states: Tensor<2>| segment_mean(states, self.segments.clone());
        let spread = |of_sequence| gather_rows(of_sequence, self.of_token.clone());
        let centred = states.clone() - spread(mean(states));
        let variance = mean(centred.clone() * centred.clone());
        centred / spread((variance + EPSILON).sqrt())
    }
}

/// `x` from 0 on, else `exp(x) - 1`. Burn's own has no gradient where `exp(x)` of a large `x` overflows.
fn elu(states: Tensor<2>) -> Tensor<2> {
    let below = activation::relu(states.clone().neg()).neg();
    activation::relu(states) + below.exp() - 1.0
}
