//! A residual network of convolutions over the plane of all pairs.
//!
//! Unlike a perceptron it looks beyond single pairs, so that it holds whole planes: `channels x letters x letters` for the input of each block.
//! What a block makes of its input is computed again for the gradients, one block at a time, and one row of a batch after the other.

use burn::module::{Module, Param};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, activation, module::conv2d};
use engraft_component::{Component, Refusal};
use engraft_kernels::Segments;

use super::gradients::{add, leaf, told};
use super::{PairTargets, mirrored, shares};
use crate::head::{Head, HeadInput};
use crate::initial::Initial;
use crate::layers::Linear;
use crate::mode::Mode;

/// Added to the variance of a channel.
const EPSILON: f32 = 1e-5;

/// A residual network of convolutions over the plane of all pairs; nothing is said of a letter with itself.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct ResNet2DAdapter {
    /// Residual blocks, each of three convolutions.
    #[arg(default = 2)]
    pub num_res_blocks: usize,
    /// Channels of the plane.
    #[arg(default = 64)]
    pub conv_channels: usize,
    /// Height and width of the middle convolution of each block, and of the last one; odd.
    #[arg(default = 3)]
    pub kernel_size: usize,
}

/// More channels than this are a mistake: their weights would fill the memory.
const MOST_CHANNELS: usize = 1 << 14;

impl ResNet2DAdapter {
    pub(super) fn check(&self) -> crate::Result<()> {
        let refuse = |key: &str, problem: String| {
            let refusal = Refusal::of(key, problem).within("model.adapter");
            Err(refusal.into())
        };
        if !(1..=MOST_CHANNELS).contains(&self.conv_channels) {
            let problem = format!(
                "expected a number from 1 to {MOST_CHANNELS}, found {}",
                self.conv_channels
            );
            return refuse("conv_channels", problem);
        }
        if self.kernel_size.is_multiple_of(2) || self.kernel_size > 1023 {
            let problem = format!(
                "expected an odd number up to 1023, found {}",
                self.kernel_size
            );
            return refuse("kernel_size", problem);
        }
        if self.num_res_blocks > 4096 {
            let problem = format!("expected up to 4096 blocks, found {}", self.num_res_blocks);
            return refuse("num_res_blocks", problem);
        }
        Ok(())
    }

    pub(super) fn head(&self, hidden: usize, initial: &Initial) -> PairResNet {
        let (channels, size) = (self.conv_channels, self.kernel_size);
        let convolution = |[output, size]: [usize; 2], initial: &Initial| {
            let bound = 1.0 / ((channels * size * size) as f64).sqrt();
            initial.uniform([output, channels, size, size], bound)
        };
        let block = |number: u64| PairBlock {
            convolutions: [1, size, 1]
                .into_iter()
                .zip(0..)
                .map(|(size, part)| convolution([channels, size], &initial.at(number).at(part)))
                .collect(),
        };
        let last = initial.at(1);
        PairResNet {
            in_to_conv: Linear::uniform([2 * hidden, channels], true, &initial.at(0)),
            blocks: (2..).map(block).take(self.num_res_blocks).collect(),
            conv_to_output: Convolution {
                weight: convolution([1, size], &last.at(0)),
                bias: last
                    .at(1)
                    .uniform([1], 1.0 / ((channels * size * size) as f64).sqrt()),
            },
        }
    }
}

/// A [`ResNet2DAdapter`] with its parameters.
#[derive(Module, Debug)]
pub struct PairResNet {
    /// From both hidden states of a pair to its channels, `[channels, 2 hidden]`: columns 0, 2, ... meet the earlier letter's hidden state.
    pub in_to_conv: Linear,
    /// The blocks, first to last.
    pub blocks: Vec<PairBlock>,
    /// From channels to logits.
    pub conv_to_output: Convolution,
}

/// `x` and what three convolutions make of it, each followed by a normalisation of every channel over the plane and the positive part.
#[derive(Module, Debug)]
pub struct PairBlock {
    /// `[channels, channels, size, size]`, of size 1, the kernel's and 1; without biases.
    pub convolutions: Vec<Param<Tensor<4>>>,
}

/// A convolution to one channel.
#[derive(Module, Debug)]
pub struct Convolution {
    /// `[1, channels, size, size]`, of the kernel's size.
    pub weight: Param<Tensor<4>>,
    /// `[1]`.
    pub bias: Param<Tensor<1>>,
}

/// The parameters of a pass, in the graph or outside.
struct Weights {
    blocks: Vec<Vec<Tensor<4>>>,
    last: Tensor<4>,
    bias: Tensor<1>,
}

impl Weights {
    fn of(head: &PairResNet) -> Self {
        let of_block = |block: &PairBlock| block.convolutions.iter().map(Param::val).collect();
        Self {
            blocks: head.blocks.iter().map(of_block).collect(),
            last: head.conv_to_output.weight.val(),
            bias: head.conv_to_output.bias.val(),
        }
    }

    fn inner(&self) -> Self {
        let of_block = |block: &Vec<Tensor<4>>| block.iter().cloned().map(Tensor::inner).collect();
        Self {
            blocks: self.blocks.iter().map(of_block).collect(),
            last: self.last.clone().inner(),
            bias: self.bias.clone().inner(),
        }
    }
}

/// Gradients summed up over rows.
#[derive(Default)]
struct Sums {
    /// Of what each letter gives as the earlier of a pair and as the later one, one row after the other.
    sides: [Vec<Tensor<2>>; 2],
    blocks: Vec<Vec<Option<Tensor<4>>>>,
    last: Option<Tensor<4>>,
    bias: Option<Tensor<1>>,
}

/// The channels of a row's plane, `[1, channels, letters, letters]`, from what its letters give, `[letters, channels]`.
fn channels([first, second]: [Tensor<2>; 2]) -> Tensor<4> {
    let [length, width] = first.dims();
    let first = first.transpose().reshape([width, length, 1]);
    let second = second.transpose().reshape([width, 1, length]);
    let upper = first + second;
    let whole = upper.clone().triu(0) + upper.triu(1).swap_dims(1, 2);
    whole.reshape([1, width, length, length])
}

/// A convolution that keeps height and width.
fn convolved(plane: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
    let [outputs, inputs, size, _] = weight.dims();
    if size > 1 {
        let padding = size / 2;
        let options = ConvOptions::new([1, 1], [padding; 2], [1, 1], 1);
        return conv2d(plane, weight, bias, options);
    }
    // One by one it is a product of matrices.
    let [_, _, height, width] = plane.dims();
    let states = plane.reshape([inputs, height * width]);
    let product = weight.reshape([outputs, inputs]).matmul(states);
    product.reshape([1, outputs, height, width])
}

/// The positive part of each channel, normalised to mean 0 and variance 1 over its plane.
fn normalised(plane: Tensor<4>) -> Tensor<4> {
    let [_, channels, height, width] = plane.dims();
    let states = plane.reshape([channels, height * width]);
    let centred = states.clone() - states.mean_dim(1);
    let variance = centred.clone().powi_scalar(2).mean_dim(1);
    let states = activation::relu(centred / (variance + EPSILON).sqrt());
    states.reshape([1, channels, height, width])
}

fn block(plane: Tensor<4>, convolutions: &[Tensor<4>]) -> Tensor<4> {
    let convolutions = convolutions.iter().cloned();
    let residual = convolutions.fold(plane.clone(), |plane, weight| {
        normalised(convolved(plane, weight, None))
    });
    plane + residual
}

/// The symmetric plane of logits, `[letters * letters, 1]`, with zeros on the diagonal.
fn logits(plane: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>) -> Tensor<2> {
    let [_, _, length, _] = plane.dims();
    let output = convolved(plane, weight, Some(bias)).reshape([length, length]);
    mirrored(output.triu(1)).reshape([length * length, 1])
}

impl PairResNet {
    /// What each row gives, in order.
    fn rows(sides: &[Tensor<2>; 2], rows: &Segments) -> Vec<[Tensor<2>; 2]> {
        let filled = rows.iter().filter(|range| !range.is_empty());
        let of_row = filled.map(|range| sides.clone().map(|side| side.slice(range.clone())));
        of_row.collect()
    }

    /// A row's logits, outside the graph, with the input of each block.
    fn evaluated(sides: [Tensor<2>; 2], weights: &Weights) -> (Tensor<2>, Vec<Tensor<4>>) {
        let mut planes = vec![channels(sides)];
        let mut last = planes[0].clone();
        for convolutions in &weights.blocks {
            last = block(last, convolutions);
            planes.push(last.clone());
        }
        let logits = logits(last, weights.last.clone(), weights.bias.clone());
        (logits, planes)
    }

    /// The loss with its gradients, both computed row by row and these block by block, and the logits, which are outside the graph.
    fn trained(
        sides: [Tensor<2>; 2],
        weights: &Weights,
        rows: &Segments,
        targets: &PairTargets,
    ) -> (Tensor<1>, Tensor<2>) {
        let values = sides.clone().map(Tensor::inner);
        let inner = weights.inner();
        let mut sums = Sums {
            blocks: inner.blocks.iter().map(|it| vec![None; it.len()]).collect(),
            ..Sums::default()
        };
        let mut sum = Tensor::zeros([1], &values[0].device());
        let mut outputs = Vec::new();
        let planes = targets.planes.iter().filter(|plane| plane.length > 0);
        for (sides, target) in Self::rows(&values, rows).into_iter().zip(planes) {
            let (output, mut inputs) = Self::evaluated(sides.clone(), &inner);
            outputs.push(output);
            let Some(input) = inputs.pop().map(leaf) else {
                continue;
            };
            let (weight, bias) = (leaf(inner.last.clone()), leaf(inner.bias.clone()));
            let output = logits(input.clone(), weight.clone(), bias.clone());
            let all = 0..target.length;
            let loss = targets.loss(target, all.clone(), all, output);
            sum = sum + loss.clone().inner();
            let gradients = loss.backward();
            add(&mut sums.last, weight.grad(&gradients));
            add(&mut sums.bias, bias.grad(&gradients));
            let mut gradient = input.grad(&gradients);
            let blocks = inner.blocks.iter().zip(&mut sums.blocks).rev();
            for ((convolutions, sums), input) in blocks.zip(inputs.into_iter().rev()) {
                let Some(outer) = gradient.take() else { break };
                let input = leaf(input);
                let leaves: Vec<Tensor<4>> = convolutions.iter().cloned().map(leaf).collect();
                let output = block(input.clone(), &leaves);
                let gradients = (output * outer).sum().backward();
                for (sum, leaf) in sums.iter_mut().zip(&leaves) {
                    add(sum, leaf.grad(&gradients));
                }
                gradient = input.grad(&gradients);
            }
            if let Some(outer) = gradient {
                let leaves = sides.map(leaf);
                let gradients = (channels(leaves.clone()) * outer).sum().backward();
                for (sum, leaf) in sums.sides.iter_mut().zip(leaves) {
                    sum.extend(leaf.grad(&gradients));
                }
            }
        }
        for (side, gradients) in sides.into_iter().zip(sums.sides) {
            sum = told(sum, side, Tensor::cat(gradients, 0));
        }
        let of_blocks = weights.blocks.iter().flatten();
        let of_blocks = of_blocks.zip(sums.blocks.into_iter().flatten());
        for (weight, gradient) in of_blocks.chain([(&weights.last, sums.last)]) {
            if let Some(gradient) = gradient {
                sum = told(sum, weight.clone(), gradient);
            }
        }
        if let Some(gradient) = sums.bias {
            sum = told(sum, weights.bias.clone(), gradient);
        }
        (sum, Tensor::cat(outputs, 0))
    }
}

impl Head for PairResNet {
    /// The logits of each row's pairs, `[pairs of all rows, 1]`, outside the graph: what is trained is [`Head::pair_losses`].
    fn forward(&self, input: HeadInput<'_>, _mode: Mode) -> Tensor<2> {
        let rows = input.rows();
        let sides = shares(&self.in_to_conv, input.hidden).map(Tensor::inner);
        let weights = Weights::of(self).inner();
        let outputs = Self::rows(&sides, &rows).into_iter();
        let outputs = outputs.map(|sides| Self::evaluated(sides, &weights).0);
        Tensor::cat(outputs.collect(), 0)
    }

    fn pair_losses(
        &self,
        input: HeadInput<'_>,
        targets: &PairTargets,
        mode: Mode,
    ) -> (Tensor<1>, Tensor<2>) {
        let sides = shares(&self.in_to_conv, input.hidden.clone());
        if sides.iter().any(Tensor::is_autodiff) {
            return Self::trained(sides, &Weights::of(self), &input.rows(), targets);
        }
        let logits = self.forward(input, mode);
        (targets.loss_of_all(logits.clone()), logits)
    }
}
