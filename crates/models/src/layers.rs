//! The smallest pieces: they know shapes and nothing of families.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor, activation};
use engraft_kernels::{
    GateActivation, Gelu, gather_rows, gelu, layer_norm, linear, rms_norm, silu,
};

use crate::config::{Activation, NormConfig, NormKind};
use crate::initial::Initial;
use crate::lora::Lora;
use crate::mode::Mode;

/// `y = x W^T + b`, and a low-rank update beside it if it is adapted.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[out, in]`, as checkpoints store it.
    pub weight: Param<Tensor<2>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// The update, where there is one.
    pub lora: Option<Lora>,
}

impl Linear {
    /// Normal weights and, if any, a bias of zeros, as transformers start.
    pub(crate) fn normal(
        [input, output]: [usize; 2],
        bias: bool,
        range: f64,
        initial: &Initial,
    ) -> Self {
        Self {
            weight: initial.normal([output, input], range),
            bias: bias.then(|| initial.constant([output], 0.0)),
            lora: None,
        }
    }

    /// Uniform in `±1 / sqrt(in)`, as PyTorch starts a layer by default.
    pub fn uniform([input, output]: [usize; 2], bias: bool, initial: &Initial) -> Self {
        let bound = 1.0 / (input as f64).sqrt();
        Self {
            weight: initial.at(0).uniform([output, input], bound),
            bias: bias.then(|| initial.at(1).uniform([output], bound)),
            lora: None,
        }
    }

    /// `[rows, in]` to `[rows, out]`; `mode` decides the update's dropout alone.
    pub fn forward(&self, input: Tensor<2>, mode: Mode) -> Tensor<2> {
        let bias = self.bias.as_ref().map(Param::val);
        match &self.lora {
            None => linear(input, self.weight.val(), bias),
            Some(lora) => {
                let output = linear(input.clone(), self.weight.val(), bias);
                lora.add_to(output, input, mode)
            }
        }
    }

    /// Output and input width.
    pub(crate) fn shape(&self) -> [usize; 2] {
        let shape = self.weight.lazy_shape();
        [shape[0], shape[1]]
    }
}

/// Layer or root mean square normalisation over the last dimension.
#[derive(Module, Debug)]
pub struct Norm {
    /// `[dim]`.
    pub weight: Option<Param<Tensor<1>>>,
    /// `[dim]`.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    config: NormConfig,
}

impl Norm {
    pub(crate) fn new(dim: usize, config: NormConfig, initial: &Initial) -> Self {
        Self {
            weight: config.weight.then(|| {
                let start = if config.unit_offset { 0.0 } else { 1.0 };
                initial.constant([dim], start)
            }),
            bias: config.bias.then(|| initial.constant([dim], 0.0)),
            config,
        }
    }

    /// `[rows, dim]` to the same.
    pub fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let [_, dim] = input.dims();
        let mut weight = match &self.weight {
            Some(weight) => weight.val(),
            None => Tensor::ones([dim], &input.device()),
        };
        if self.config.unit_offset {
            weight = weight + 1.0;
        }
        let epsilon = self.config.epsilon;
        match self.config.kind {
            NormKind::Layer => {
                let bias = self.bias.as_ref();
                let bias = bias.map_or_else(|| weight.zeros_like(), Param::val);
                layer_norm(input, weight, bias, epsilon)
            }
            NormKind::RootMeanSquare => rms_norm(input, weight, epsilon),
        }
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
    /// As the activation of a gate, where there is a fused product for it.
    pub(crate) fn gate(self) -> Option<GateActivation> {
        match self {
            Self::Silu => Some(GateActivation::Silu),
            Self::Gelu => Some(GateActivation::Gelu(Gelu::Exact)),
            Self::GeluTanh => Some(GateActivation::Gelu(Gelu::Tanh)),
            Self::Relu | Self::Tanh => None,
        }
    }

    /// Element by element.
    pub(crate) fn apply(self, input: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Gelu => gelu(input, Gelu::Exact),
            Self::GeluTanh => gelu(input, Gelu::Tanh),
            Self::Relu => activation::relu(input),
            Self::Silu => silu(input),
            Self::Tanh => input.tanh(),
        }
    }
}
