//! The one transformer.
//!
//! Embeddings, then layers of attention and feed-forward, each added to its input and normalised after (Vaswani et al., arXiv 1706.03762;
//! BERT, arXiv 1810.04805).

use burn::module::Module;
use burn::tensor::Tensor;
use engraft_kernels::{Attention, attention};

use crate::batch::TokenBatch;
use crate::config::{Activation, TransformerConfig};
use crate::initial::Initial;
use crate::layers::{Embedding, LayerNorm, Linear};
use crate::mode::Mode;

/// An encoder: token ids to hidden states.
#[derive(Module, Debug)]
pub struct Transformer {
    /// Token, position and type embeddings.
    pub embeddings: Embeddings,
    /// The layers, first to last.
    pub layers: Vec<Layer>,
}

/// The sum of token, position and type embeddings, normalised.
#[derive(Module, Debug)]
pub struct Embeddings {
    /// `[vocabulary, hidden]`.
    pub tokens: Embedding,
    /// `[positions, hidden]`.
    pub positions: Embedding,
    /// `[token types, hidden]`, where the family has them.
    pub types: Option<Embedding>,
    /// Norm of the sum.
    pub norm: LayerNorm,
    #[module(skip)]
    dropout: f64,
}

/// Attention and feed-forward.
#[derive(Module, Debug)]
pub struct Layer {
    /// Attention of the sequence to itself.
    pub attention: SelfAttention,
    /// Norm after attention.
    pub attention_norm: LayerNorm,
    /// The feed-forward layer.
    pub feed_forward: FeedForward,
    /// Norm after feed-forward.
    pub feed_forward_norm: LayerNorm,
    #[module(skip)]
    dropout: f64,
}

/// Multi-head attention of a sequence to itself.
#[derive(Module, Debug)]
pub struct SelfAttention {
    /// `hidden` to queries of all heads.
    pub query: Linear,
    /// `hidden` to keys.
    pub key: Linear,
    /// `hidden` to values.
    pub value: Linear,
    /// Heads back to `hidden`.
    pub output: Linear,
    #[module(skip)]
    heads: usize,
    #[module(skip)]
    dropout: f64,
}

/// Two linear layers with an activation between.
#[derive(Module, Debug)]
pub struct FeedForward {
    /// `hidden` to `intermediate`.
    pub up: Linear,
    /// `intermediate` to `hidden`.
    pub down: Linear,
    #[module(skip)]
    activation: Activation,
}

impl Transformer {
    /// A transformer with fresh weights.
    pub fn new(config: &TransformerConfig, initial: &Initial) -> Self {
        Self {
            embeddings: Embeddings::new(config, &initial.at(0)),
            layers: (0..config.layers)
                .map(|layer| Layer::new(config, &initial.at(1).at(layer as u64)))
                .collect(),
        }
    }

    /// The last layer's hidden states, `[tokens, hidden]`.
    pub fn forward(&self, batch: &TokenBatch, mode: Mode) -> Tensor<2> {
        let mut hidden = self.embeddings.forward(batch, mode.at(0));
        for (layer, number) in self.layers.iter().zip(1..) {
            hidden = layer.forward(hidden, batch, mode.at(number));
        }
        hidden
    }
}

impl Embeddings {
    fn new(config: &TransformerConfig, initial: &Initial) -> Self {
        let table = |rows, part| {
            Embedding::normal(
                [rows, config.hidden],
                config.initializer_range,
                &initial.at(part),
            )
        };
        Self {
            tokens: table(config.vocabulary, 0),
            positions: if config.sinusoidal_positions {
                Embedding {
                    weight: initial.sinusoidal([config.positions, config.hidden]),
                }
            } else {
                table(config.positions, 1)
            },
            types: (config.token_types > 0).then(|| table(config.token_types, 2)),
            norm: LayerNorm::new(config.hidden, config.norm_epsilon, initial),
            dropout: config.hidden_dropout,
        }
    }

    fn forward(&self, batch: &TokenBatch, mode: Mode) -> Tensor<2> {
        let mut sum = self.tokens.forward(batch.ids.clone())
            + self.positions.forward(batch.positions.clone());
        if let (Some(types), Some(ids)) = (&self.types, &batch.type_ids) {
            sum = sum + types.forward(ids.clone());
        }
        mode.dropout(self.norm.forward(sum), self.dropout)
    }
}

impl Layer {
    fn new(config: &TransformerConfig, initial: &Initial) -> Self {
        let norm = || LayerNorm::new(config.hidden, config.norm_epsilon, initial);
        let linear = |input, output, part| {
            Linear::normal([input, output], config.initializer_range, &initial.at(part))
        };
        Self {
            attention: SelfAttention {
                query: linear(config.hidden, config.hidden, 0),
                key: linear(config.hidden, config.hidden, 1),
                value: linear(config.hidden, config.hidden, 2),
                output: linear(config.hidden, config.hidden, 3),
                heads: config.heads,
                dropout: config.attention_dropout,
            },
            attention_norm: norm(),
            feed_forward: FeedForward {
                up: linear(config.hidden, config.intermediate, 4),
                down: linear(config.intermediate, config.hidden, 5),
                activation: config.activation,
            },
            feed_forward_norm: norm(),
            dropout: config.hidden_dropout,
        }
    }

    fn forward(&self, input: Tensor<2>, batch: &TokenBatch, mode: Mode) -> Tensor<2> {
        let attended = self.attention.forward(input.clone(), batch, mode.at(0));
        let hidden = self
            .attention_norm
            .forward(input + mode.at(1).dropout(attended, self.dropout));
        let fed = self.feed_forward.forward(hidden.clone());
        self.feed_forward_norm
            .forward(hidden + mode.at(2).dropout(fed, self.dropout))
    }
}

impl SelfAttention {
    fn forward(&self, input: Tensor<2>, batch: &TokenBatch, mode: Mode) -> Tensor<2> {
        let query = self.query.forward(input.clone());
        let dim = query.dims()[1] / self.heads;
        let mut call = Attention::new(
            batch.segments.clone(),
            self.heads,
            1.0 / (dim as f32).sqrt(),
        );
        call.dropout = mode.rate(self.dropout);
        let (key, value) = (self.key.forward(input.clone()), self.value.forward(input));
        self.output
            .forward(attention(query, key, value, None, call))
    }
}

impl FeedForward {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.down
            .forward(self.activation.apply(self.up.forward(input)))
    }
}
