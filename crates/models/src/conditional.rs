//! The head that is told numbers of each sequence while it predicts tokens.

use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};
use engraft_component::{Choice, Component, Refusal};
use engraft_kernels::gather_rows;

use crate::attention::{Context, QueryKeyValue, Separate};
use crate::batch::TokenBatch;
use crate::checkpoint::Checkpoint;
use crate::config::{Activation, DropoutConfig, NormConfig, TransformerConfig};
use crate::head::{Head, HeadInput};
use crate::heads::MaskedLmHead;
use crate::initial::Initial;
use crate::layers::Linear;
use crate::mode::Mode;
use crate::transformer::{FeedForwardLayer, Layer};

/// A layer wider, or deeper by as many, is a mistake: its weights would fill the memory.
const MOST: usize = 1 << 16;

/// Dropout of the head's layers.
const DROPOUT: f64 = 0.1;

/// A head that is told numbers of each sequence.
#[derive(Clone, Debug, PartialEq, Choice)]
#[choice(default = ConditionalLMAdapter)]
pub enum ConditionalAdapter {
    /// A few layers of attention over hidden states that what is told is added to.
    ConditionalLMAdapter(ConditionalLMAdapter),
}

/// Layers of attention along each sequence, over hidden states that a linear layer of what is told is added to, before the head that tells
/// tokens.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct ConditionalLMAdapter {
    /// Heads of attention, a divisor of the backbone's width.
    #[arg(default = 8)]
    pub nhead: usize,
    /// Width of the layers between.
    #[arg(default = 2048)]
    pub dim_feedforward: usize,
    /// Layers of attention.
    #[arg(default = 2)]
    pub num_layers: usize,
}

impl ConditionalAdapter {
    fn shape(&self) -> &ConditionalLMAdapter {
        match self {
            Self::ConditionalLMAdapter(shape) => shape,
        }
    }

    /// Refuses arguments that no model can have.
    ///
    /// # Errors
    /// A number is 0, or beyond all use.
    pub fn check(&self) -> crate::Result<()> {
        let shape = self.shape();
        let counts = [
            ("nhead", shape.nhead),
            ("dim_feedforward", shape.dim_feedforward),
            ("num_layers", shape.num_layers),
        ];
        match counts.iter().find(|(_, count)| !(1..=MOST).contains(count)) {
            None => Ok(()),
            Some((key, count)) => {
                let problem = format!("expected a number from 1 to {MOST}, found {count}");
                Err(Refusal::of(*key, problem).within("model.adapter").into())
            }
        }
    }

    /// Refuses a backbone whose hidden states the heads do not divide.
    ///
    /// # Errors
    /// They do not.
    pub fn check_backbone(&self, checkpoint: &Checkpoint) -> crate::Result<()> {
        let width = checkpoint.config().transformer.output_width();
        let heads = self.shape().nhead;
        if width.is_multiple_of(heads) {
            return Ok(());
        }
        let problem = format!(
            "{heads} heads do not divide the {width} channels of {}; give a divisor of {width}",
            checkpoint.preset().name()
        );
        Err(Refusal::of("nhead", problem).within("model.adapter").into())
    }
}

/// A [`ConditionalAdapter`] with its parameters: `decoder(layers(x) + x)` of `x`, the hidden states with the encoded conditions of their
/// sequences added.
#[derive(Module, Debug)]
pub struct ConditionalLmHead {
    /// Conditions to the width of hidden states.
    pub label_encoder: Linear,
    /// Post-norm layers of attention along each sequence, as PyTorch's `TransformerEncoderLayer`.
    pub layers: Vec<Layer>,
    /// What tells tokens.
    pub decoder: TokenDecoder,
    #[module(skip)]
    config: TransformerConfig,
}

/// What tells tokens by hidden states.
// A few hundred bytes more are nothing beside its weights.
#[allow(clippy::large_enum_variant)]
#[derive(Module, Debug)]
pub enum TokenDecoder {
    /// The checkpoint's own head.
    MaskedLm(MaskedLmHead),
    /// A linear layer.
    Linear(Linear),
}

/// The shape of the head's layers.
fn layers(adapter: &ConditionalLMAdapter, width: usize) -> TransformerConfig {
    TransformerConfig {
        intermediate: adapter.dim_feedforward,
        activation: Activation::Relu,
        norm: NormConfig::layer(1e-5),
        dropout: DropoutConfig {
            embedding: 0.0,
            attention: DROPOUT,
            attention_output: DROPOUT,
            feed_forward: DROPOUT,
            feed_forward_output: DROPOUT,
            output: 0.0,
        },
        ..TransformerConfig::bert(1, width, adapter.num_layers, adapter.nhead)
    }
}

/// A layer that starts as PyTorch starts its own.
fn layer(config: &TransformerConfig, number: usize, initial: &Initial) -> Layer {
    let mut layer = Layer::new(config, number, initial);
    let (width, inner) = (config.hidden, config.intermediate);
    // Queries, keys and values begin as one matrix of three times the width (Glorot and Bengio, 2010), without biases.
    let bound = (6.0 / (4 * width) as f64).sqrt();
    let square = |part, bound| Linear {
        weight: initial.at(part).uniform([width, width], bound),
        bias: Some(initial.constant([width], 0.0)),
        lora: None,
    };
    layer.attention.inputs = QueryKeyValue::Separate(Separate {
        query: square(10, bound),
        key: square(11, bound),
        value: square(12, bound),
    });
    layer.attention.output = square(13, (width as f64).sqrt().recip());
    if let FeedForwardLayer::Dense(dense) = &mut layer.feed_forward {
        dense.up = Linear::uniform([width, inner], true, &initial.at(14));
        dense.down = Linear::uniform([inner, width], true, &initial.at(15));
    }
    layer
}

impl ConditionalLmHead {
    /// A head on hidden states of `width` that is told so many `conditions`, with fresh layers before `decoder`.
    pub fn new(
        adapter: &ConditionalAdapter,
        [width, conditions]: [usize; 2],
        decoder: TokenDecoder,
        initial: &Initial,
    ) -> Self {
        let config = layers(adapter.shape(), width);
        let own = initial.at(1);
        Self {
            label_encoder: Linear::uniform([conditions, width], true, &initial.at(0)),
            layers: (0..config.layers)
                .map(|number| layer(&config, number, &own.at(number as u64)))
                .collect(),
            decoder,
            config,
        }
    }

    /// `[tokens, hidden]` and what is told of each sequence, `[sequences, conditions]`, to `[tokens, hidden]`: what the decoder reads.
    pub fn states(
        &self,
        hidden: Tensor<2>,
        conditions: Option<Tensor<2>>,
        batch: &TokenBatch,
        mode: Mode,
    ) -> Tensor<2> {
        let input = match conditions {
            None => hidden,
            Some(conditions) => {
                let told = self
                    .label_encoder
                    .forward(conditions.cast(hidden.dtype()), mode);
                let sequences = batch.segments.lengths().zip(0i32..);
                let of_token: Vec<i32> = sequences
                    .flat_map(|(length, sequence)| std::iter::repeat_n(sequence, length))
                    .collect();
                let of_token = TensorData::new(of_token, [batch.segments.total()]);
                let of_token = Tensor::<1, Int>::from_data(of_token, &hidden.device());
                hidden + gather_rows(told, of_token)
            }
        };
        let context = Context::new(batch, &self.config, None, None);
        let layers = self.layers.iter().enumerate();
        let attended = layers.fold(input.clone(), |states, (pass, layer)| {
            layer.forward(states, &context, pass, mode.at(pass as u64), None)
        });
        attended + input
    }
}

impl Head for ConditionalLmHead {
    fn forward(&self, input: HeadInput<'_>, mode: Mode) -> Tensor<2> {
        let mut states = self.states(input.hidden, input.conditions, input.tokens, mode);
        if let Some(sites) = input.sites {
            states = gather_rows(states, sites);
        }
        match &self.decoder {
            TokenDecoder::MaskedLm(head) => head.forward(states, input.towers.first()),
            TokenDecoder::Linear(linear) => linear.forward(states, mode),
        }
    }

    fn reads_rows(&self) -> bool {
        true
    }
}

impl Checkpoint {
    /// The head that is told `conditions` numbers of each sequence: as this preset stores it if it is `required`, else fresh before the
    /// checkpoint's own masked-LM head, or before a linear layer where it is not `own`.
    ///
    /// # Errors
    /// A stored part of it is missing or has another shape; the family has no masked-LM head.
    pub fn conditional_lm(
        &self,
        adapter: &ConditionalAdapter,
        conditions: usize,
        own: bool,
        required: bool,
        initial: &Initial,
    ) -> crate::Result<ConditionalLmHead> {
        let shape = &self.config().transformer;
        let width = shape.output_width();
        let decoder = match (&self.config().masked_lm, own, required) {
            (_, false, _) => {
                let linear = Linear::uniform([width, shape.vocabulary], true, &initial.at(2));
                TokenDecoder::Linear(linear)
            }
            // It is loaded with the rest.
            (Some(head), true, true) => {
                TokenDecoder::MaskedLm(MaskedLmHead::new(shape, head, initial))
            }
            _ => TokenDecoder::MaskedLm(self.masked_lm(false, initial)?),
        };
        let fresh = ConditionalLmHead::new(adapter, [width, conditions], decoder, initial);
        self.own_head(fresh, required, initial)
    }
}

#[cfg(test)]
mod tests;
