//! Adapters: heads of ModelGenerator's kind, from hidden states to one vector a sequence or a token.
//!
//! They start as PyTorch starts its layers. Means and maxima include the special tokens, as the reference's masks do.

use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};
use engraft_component::{Choice, Component, Refusal, Words};
use engraft_kernels::{Segments, gather_rows, segment_max, segment_mean};

use crate::batch::TokenBatch;
use crate::config::Activation;
use crate::head::{Head, HeadInput};
use crate::initial::Initial;
use crate::layers::Linear;
use crate::mode::Mode;

mod linear_transformer;
mod resnet;

pub use linear_transformer::EncoderLayers;
use linear_transformer::HEADS;
pub use resnet::{ResNet1d, ResidualBlock};

/// A layer wider than this is a mistake: its weights would fill the memory.
const WIDEST: usize = 1 << 20;

/// The part of a mode's draws that are those of a stage before pooling.
const STAGE: u64 = 1 << 32;

/// A head on pooled hidden states.
#[derive(Clone, Debug, PartialEq, Choice)]
#[choice(default = LinearCLSAdapter)]
pub enum Adapter {
    /// A linear layer on the first token.
    LinearCLSAdapter(LinearCLSAdapter),
    /// A linear layer on the last token.
    LinearLastAdapter(LinearLastAdapter),
    /// A linear layer on the mean.
    LinearMeanPoolAdapter(LinearMeanPoolAdapter),
    /// A linear layer on the maximum.
    LinearMaxPoolAdapter(LinearMaxPoolAdapter),
    /// Several layers on the mean or the first token.
    MLPPoolAdapter(MLPPoolAdapter),
    /// Layers of attention, then a linear layer on the first token.
    LinearTransformerAdapter(LinearTransformerAdapter),
    /// Convolutions along the sequence, then a linear layer on the mean.
    ResNet1DAdapter(ResNet1DAdapter),
}

/// A linear layer on the first token's hidden state.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct LinearCLSAdapter {}

/// A linear layer on the last token's hidden state, which in a decoder has seen all others; without a bias, as decoders' own heads are.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct LinearLastAdapter {}

/// A linear layer on the mean of a sequence's hidden states.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct LinearMeanPoolAdapter {}

/// A linear layer on the largest value of each column of a sequence's hidden states.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct LinearMaxPoolAdapter {}

/// A multi-layer perceptron on pooled hidden states.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct MLPPoolAdapter {
    /// What is pooled: `mean_pooling`, `cls_pooling`, `max_pooling`, `last_pooling`, `mean_sqrt_len_pooling` or `weighted_mean_pooling`.
    #[arg(default = Pooling::Mean)]
    pub pooling: Pooling,
    /// Its layers.
    #[arg(flatten)]
    pub layers: MlpLayers,
}

/// Two layers of attention with 8 heads each, feed-forward layers of 2048 and dropout of 0.1, then a linear layer on the first token.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct LinearTransformerAdapter {}

/// A linear layer to channels, residual blocks of convolutions over three tokens, then a linear layer on the mean.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct ResNet1DAdapter {
    /// Channels inside.
    #[arg(default = 256)]
    pub channels: usize,
    /// Residual blocks, each of two convolutions.
    #[arg(default = 9)]
    pub num_blocks: usize,
    /// Dropout of the mean.
    #[arg(default = 0.2)]
    pub dropout: f64,
}

/// A head on every token's hidden state.
#[derive(Clone, Debug, PartialEq, Choice)]
#[choice(default = LinearAdapter)]
pub enum TokenAdapter {
    /// A linear layer.
    LinearAdapter(LinearAdapter),
    /// Several layers.
    MLPAdapter(MLPAdapter),
}

/// A linear layer on every token's hidden state.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct LinearAdapter {}

/// A multi-layer perceptron on every token's hidden state.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct MLPAdapter {
    /// Its layers.
    #[arg(flatten)]
    pub layers: MlpLayers,
}

/// The layers of a multi-layer perceptron: dropout, then linear layers with an activation between.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct MlpLayers {
    /// Widths of the hidden layers.
    #[arg(default = Vec::new())]
    pub hidden_sizes: Vec<usize>,
    /// Activation after each hidden layer.
    #[arg(default = ActivationLayer::default())]
    pub activation_layer: ActivationLayer,
    /// Whether the linear layers have a bias.
    #[arg(default = true)]
    pub bias: bool,
    /// Dropout before the first layer.
    #[arg(default = 0.0)]
    pub dropout: f64,
    /// Whether there is dropout after each hidden layer too.
    #[arg(default = true)]
    pub dropout_in_middle: bool,
}

/// How hidden states become one vector a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Words)]
pub enum Pooling {
    /// The first token's.
    #[word(name = "cls_pooling", alias = "cls")]
    Cls,
    /// The mean.
    #[word(name = "mean_pooling", alias = "mean")]
    Mean,
    /// The largest value of each column.
    #[word(name = "max_pooling", alias = "max")]
    Max,
    /// The last token's, which in a decoder has seen all others.
    #[word(name = "last_pooling", alias = "last")]
    Last,
    /// The sum, divided by the square root of the number of tokens.
    #[word(name = "mean_sqrt_len_pooling", alias = "mean_sqrt_len_tokens")]
    MeanSqrtLen,
    /// The mean, each token weighing as much as its number, the first 1.
    #[word(name = "weighted_mean_pooling", alias = "weightedmean")]
    WeightedMean,
}

impl Pooling {
    /// `[tokens, hidden]` to `[sequences, hidden]`; zeros for a sequence without tokens.
    pub fn apply(self, hidden: Tensor<2>, batch: &TokenBatch) -> Tensor<2> {
        self.apply_after(0, hidden, batch)
    }

    /// As [`Self::apply`], without the first `skipped` tokens of each sequence. Of a sequence that has no others, the first or last is
    /// taken all the same, and the rest is zeros.
    pub fn apply_after(self, skipped: usize, hidden: Tensor<2>, batch: &TokenBatch) -> Tensor<2> {
        if self == Self::Last {
            return batch.last(hidden);
        }
        if self == Self::Cls {
            return batch.nth_or_first(skipped, hidden);
        }
        let ranges = || {
            let all = batch.segments.iter();
            all.map(move |range| (range.start + skipped).min(range.end)..range.end)
        };
        let segments = Segments::from_lengths(ranges().map(|range| range.len()));
        if segments.total() == 0 {
            return Tensor::zeros([segments.len(), hidden.dims()[1]], &hidden.device());
        }
        let device = hidden.device();
        let kept = if skipped == 0 {
            hidden
        } else {
            let rows: Vec<i32> = ranges().flatten().map(|row| row as i32).collect();
            let rows = TensorData::new(rows, [segments.total()]);
            gather_rows(hidden, Tensor::<1, Int>::from_data(rows, &device))
        };
        // What a token weighs, where its mean over the sequence is the result.
        let weigh = |weights: Vec<f32>| {
            let weights = TensorData::new(weights, [segments.total(), 1]);
            let weights = Tensor::<2>::from_data(weights, &device).cast(kept.dtype());
            segment_mean(kept.clone() * weights, segments.clone())
        };
        match self {
            Self::Cls | Self::Last | Self::Mean => segment_mean(kept, segments),
            Self::Max => segment_max(kept, segments),
            Self::MeanSqrtLen => {
                let of_row = |length: usize| std::iter::repeat_n((length as f32).sqrt(), length);
                weigh(segments.lengths().flat_map(of_row).collect())
            }
            Self::WeightedMean => {
                let of_row = |length: usize| {
                    let numbers = move || (1 + skipped..=skipped + length).map(|it| it as f32);
                    let mean = numbers().sum::<f32>() / length.max(1) as f32;
                    numbers().map(move |number| number / mean)
                };
                weigh(segments.lengths().flat_map(of_row).collect())
            }
        }
    }
}

/// An activation, by its PyTorch name.
#[derive(Clone, Debug, PartialEq, Choice)]
#[choice(default = Tanh)]
pub enum ActivationLayer {
    /// The hyperbolic tangent.
    Tanh(Tanh),
    /// `max(x, 0)`.
    ReLU(ReLU),
    /// `x Φ(x)`.
    GELU(GeluLayer),
    /// `x sigmoid(x)`.
    SiLU(SiLU),
}

/// The hyperbolic tangent.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct Tanh {}

/// `max(x, 0)`.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct ReLU {}

/// `x Φ(x)`.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(name = "GELU")]
pub struct GeluLayer {}

/// `x sigmoid(x)`.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct SiLU {}

impl ActivationLayer {
    pub(crate) fn activation(&self) -> Activation {
        match self {
            Self::Tanh(_) => Activation::Tanh,
            Self::ReLU(_) => Activation::Relu,
            Self::GELU(_) => Activation::Gelu,
            Self::SiLU(_) => Activation::Silu,
        }
    }
}

/// An [`Adapter`] or [`TokenAdapter`] with its parameters.
#[derive(Module, Debug)]
pub struct AdapterHead {
    /// What is done to every token before anything is pooled.
    pub stage: Option<TokenStage>,
    /// The linear layers, first to last.
    pub layers: Vec<Linear>,
    #[module(skip)]
    pooling: Option<Pooling>,
    #[module(skip)]
    mlp: Option<MlpLayers>,
    /// Whether it is given the tokens that are asked for, so that nothing may be pooled before.
    #[module(skip)]
    at_sites: bool,
}

/// What an adapter does to every token before anything is pooled.
// A model has one.
#[allow(clippy::large_enum_variant)]
#[derive(Module, Debug)]
pub enum TokenStage {
    /// Layers of attention.
    Transformer(EncoderLayers),
    /// Residual blocks of convolutions.
    ResNet(ResNet1d),
}

impl TokenStage {
    fn forward(&self, hidden: Tensor<2>, batch: &TokenBatch, mode: Mode) -> Tensor<2> {
        match self {
            Self::Transformer(layers) => layers.forward(hidden, batch, mode),
            Self::ResNet(blocks) => blocks.forward(hidden, &batch.segments, mode),
        }
    }
}

impl Adapter {
    /// What reads a whole sequence where no adapter is named: the first token, or the last of a decoder.
    pub fn for_backbone(is_decoder: bool) -> Self {
        if is_decoder {
            LinearLastAdapter {}.into()
        } else {
            LinearCLSAdapter {}.into()
        }
    }

    /// The head from `hidden` to `outputs`, with fresh weights.
    pub fn build(&self, hidden: usize, outputs: usize, initial: &Initial) -> AdapterHead {
        let draws = initial.at(STAGE);
        let (stage, width) = match self {
            Self::LinearTransformerAdapter(_) => {
                let layers = EncoderLayers::new(hidden, &draws);
                (Some(TokenStage::Transformer(layers)), hidden)
            }
            Self::ResNet1DAdapter(it) => {
                let blocks = ResNet1d::new(hidden, it.channels, it.num_blocks, &draws);
                (Some(TokenStage::ResNet(blocks)), it.channels)
            }
            _ => (None, hidden),
        };
        let mlp = self.mlp();
        let pooling = Some(self.pooling());
        AdapterHead {
            stage,
            ..AdapterHead::new(pooling, mlp.as_ref(), [width, outputs], initial)
        }
    }

    fn pooling(&self) -> Pooling {
        match self {
            Self::LinearCLSAdapter(_) | Self::LinearTransformerAdapter(_) => Pooling::Cls,
            Self::LinearLastAdapter(_) => Pooling::Last,
            Self::LinearMeanPoolAdapter(_) | Self::ResNet1DAdapter(_) => Pooling::Mean,
            Self::LinearMaxPoolAdapter(_) => Pooling::Max,
            Self::MLPPoolAdapter(mlp) => mlp.pooling,
        }
    }

    fn mlp(&self) -> Option<MlpLayers> {
        match self {
            Self::MLPPoolAdapter(mlp) => Some(mlp.layers.clone()),
            Self::ResNet1DAdapter(it) => Some(MlpLayers {
                dropout: it.dropout,
                ..MlpLayers::default()
            }),
            _ => None,
        }
    }

    /// Refuses arguments that no model can have.
    ///
    /// # Errors
    /// A width of zero, a dropout outside `[0, 1)`.
    pub fn check(&self) -> crate::Result<()> {
        if let Self::ResNet1DAdapter(it) = self {
            check_width("channels", it.channels)?;
        }
        self.mlp().map_or(Ok(()), |mlp| mlp.check())
    }

    /// Refuses a backbone of whose hidden states it can make nothing.
    ///
    /// # Errors
    /// The heads of its attention do not divide their width.
    pub fn check_on(&self, hidden: usize) -> crate::Result<()> {
        match self {
            Self::LinearTransformerAdapter(_) if !hidden.is_multiple_of(HEADS) => {
                let problem = format!(
                    "LinearTransformerAdapter has {HEADS} heads, which do not divide the {hidden} of the backbone's hidden states"
                );
                let help = "Take another adapter";
                Err(Refusal::of("model.adapter", problem).help(help).into())
            }
            _ => Ok(()),
        }
    }
}

impl TokenAdapter {
    /// The head from `hidden` to `outputs`, with fresh weights.
    pub fn build(&self, hidden: usize, outputs: usize, initial: &Initial) -> AdapterHead {
        AdapterHead::new(None, self.mlp(), [hidden, outputs], initial)
    }

    fn mlp(&self) -> Option<&MlpLayers> {
        match self {
            Self::LinearAdapter(_) => None,
            Self::MLPAdapter(mlp) => Some(&mlp.layers),
        }
    }

    /// Refuses arguments that no model can have.
    ///
    /// # Errors
    /// A width of zero, a dropout outside `[0, 1)`.
    pub fn check(&self) -> crate::Result<()> {
        self.mlp().map_or(Ok(()), MlpLayers::check)
    }
}

/// Refuses a layer of no width, or beyond all use.
pub(crate) fn check_width(key: &str, width: usize) -> crate::Result<()> {
    let refuse = |problem: &str| Refusal::of(key, problem).within("model.adapter");
    if width > WIDEST {
        let problem = format!("{width} is more than the {WIDEST} that a layer may have");
        return Err(refuse(&problem).into());
    }
    if width == 0 {
        let refusal = refuse("a layer of width 0 passes nothing on");
        return Err(refusal.help("Give sizes from 1").into());
    }
    Ok(())
}

impl MlpLayers {
    pub(crate) fn check(&self) -> crate::Result<()> {
        let refuse = |key: &str, problem: &str| Refusal::of(key, problem).within("model.adapter");
        for size in &self.hidden_sizes {
            check_width("hidden_sizes", *size)?;
        }
        if !(0.0..1.0).contains(&self.dropout) {
            let problem = format!("expected a rate from 0 to below 1, found {}", self.dropout);
            return Err(refuse("dropout", &problem).into());
        }
        Ok(())
    }
}

impl AdapterHead {
    fn new(
        pooling: Option<Pooling>,
        mlp: Option<&MlpLayers>,
        [hidden, outputs]: [usize; 2],
        initial: &Initial,
    ) -> Self {
        let has_bias = pooling != Some(Pooling::Last);
        let (middle, bias) = mlp.map_or((&[][..], has_bias), |mlp| (&mlp.hidden_sizes, mlp.bias));
        let widths: Vec<usize> = std::iter::once(hidden)
            .chain(middle.iter().copied())
            .chain([outputs])
            .collect();
        let layers = widths
            .windows(2)
            .zip(0..)
            .map(|(pair, part)| Linear::uniform([pair[0], pair[1]], bias, &initial.at(part)));
        Self {
            stage: None,
            layers: layers.collect(),
            pooling,
            mlp: mlp.cloned(),
            at_sites: false,
        }
    }

    /// The same with a bias of the last layer, zeros where it has none.
    #[must_use]
    pub fn with_bias(mut self, initial: &Initial) -> Self {
        if let Some(last) = self.layers.last_mut()
            && last.bias.is_none()
        {
            let [outputs, _] = last.shape();
            last.bias = Some(initial.constant([outputs], 0.0));
        }
        self
    }

    /// The same on the tokens that are asked for alone, wherever it is computed.
    #[must_use]
    pub fn at_sites(self) -> Self {
        Self {
            at_sites: true,
            ..self
        }
    }

    /// The layer and what it reads of a sequence, if there is one layer and nothing else.
    pub(crate) fn as_linear(&self) -> Option<(&Linear, Option<Pooling>)> {
        match self.layers.as_slice() {
            [only] if self.stage.is_none() && !self.at_sites => Some((only, self.pooling)),
            _ => None,
        }
    }

    /// `[tokens, hidden]` to `[sequences, outputs]`, or `[tokens, outputs]` for a head on every token.
    pub fn forward(&self, hidden: Tensor<2>, batch: &TokenBatch, mode: Mode) -> Tensor<2> {
        let hidden = match &self.stage {
            Some(stage) => stage.forward(hidden, batch, mode.at(STAGE)),
            None => hidden,
        };
        let states = match self.pooling {
            Some(pooling) => pooling.apply(hidden, batch),
            None => hidden,
        };
        self.after_pooling(states, mode)
    }

    /// `[rows, hidden]` to `[rows, outputs]`, the rows being pooled if they are to be.
    pub fn after_pooling(&self, mut states: Tensor<2>, mode: Mode) -> Tensor<2> {
        let Some(mlp) = &self.mlp else {
            let layers = self.layers.iter();
            return layers.fold(states, |states, layer| layer.forward(states, mode));
        };
        states = mode.at(0).dropout(states, mlp.dropout);
        let middle = self.layers.len().saturating_sub(1);
        for (layer, number) in self.layers.iter().zip(0..) {
            states = layer.forward(states, mode);
            if number < middle {
                states = mlp.activation_layer.activation().apply(states);
                let rate = if mlp.dropout_in_middle {
                    mlp.dropout
                } else {
                    0.0
                };
                states = mode.at(1 + number as u64).dropout(states, rate);
            }
        }
        states
    }
}

impl Head for AdapterHead {
    fn forward(&self, input: HeadInput<'_>, mode: Mode) -> Tensor<2> {
        if input.is_pooled {
            self.after_pooling(input.hidden, mode)
        } else {
            self.forward(input.hidden, input.tokens, mode)
        }
    }

    fn pooling(&self) -> Option<Pooling> {
        self.pooling
            .filter(|_| self.stage.is_none() && !self.at_sites)
    }
}

#[cfg(test)]
mod tests;
