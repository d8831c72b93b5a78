//! The smallest pieces: they know shapes and nothing of families.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor, activation};
use engraft_kernels::{Gelu, gather_rows, gelu, layer_norm, linear};

use crate::config::Activation;
use crate::initial::Initial;

/// `y = x W^T + b`.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[out, in]`, as checkpoints store it.
    pub weight: Param<Tensor<2>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    /// Normal weights and a bias of zeros, as transformers start.
    pub(crate) fn normal([input, output]: [usize; 2], range: f64, initial: &Initial) -> Self {
        Self {
            weight: initial.normal([output, input], range),
            bias: Some(initial.constant([output], 0.0)),
        }
    }

    /// Uniform in `±1 / sqrt(in)`, as PyTorch starts a layer by default.
    pub(crate) fn uniform([input, output]: [usize; 2], bias: bool, initial: &Initial) -> Self {
        let bound = 1.0 / (input as f64).sqrt();
        Self {
            weight: initial.at(0).uniform([output, input], bound),
            bias: bias.then(|| initial.at(1).uniform([output], bound)),
        }
    }

    /// `[rows, in]` to `[rows, out]`.
    pub fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        linear(input, self.weight.val(), self.bias.as_ref().map(Param::val))
    }
}

/// Layer normalisation over the last dimension.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// `[dim]`.
    pub weight: Param<Tensor<1>>,
    /// `[dim]`.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    epsilon: f64,
}

impl LayerNorm {
    pub(crate) fn new(dim: usize, epsilon: f64, initial: &Initial) -> Self {
        Self {
            weight: initial.constant([dim], 1.0),
            bias: initial.constant([dim], 0.0),
            epsilon,
        }
    }

    /// `[rows, dim]` to the same.
    pub fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        layer_norm(input, self.weight.val(), self.bias.val(), self.epsilon)
    }
}

/// A table of vectors.
#[derive(Module, Debug)]
pub struct Embedding {
    /// `[count, dim]`.
    pub weight: Param<Tensor<2>>,
}

impl Embedding {
    pub(crate) fn normal([count, dim]: [usize; 2], range: f64, initial: &Initial) -> Self {
        Self {
            weight: initial.normal([count, dim], range),
        }
    }

    /// `[rows]` numbers to `[rows, dim]`.
    pub fn forward(&self, rows: Tensor<1, Int>) -> Tensor<2> {
        gather_rows(self.weight.val(), rows)
    }
}

impl Activation {
    /// Element by element.
    pub(crate) fn apply(self, input: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Gelu => gelu(input, Gelu::Exact),
            Self::GeluTanh => gelu(input, Gelu::Tanh),
            Self::Relu => activation::relu(input),
            Self::Silu => activation::silu(input),
            Self::Tanh => input.tanh(),
        }
    }
}
