//! The heads that checkpoints come with.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use engraft_kernels::{gather_rows, linear};

use crate::batch::TokenBatch;
use crate::config::{Activation, ClassifierConfig, TransformerConfig};
use crate::initial::Initial;
use crate::layers::{LayerNorm, Linear};
use crate::mode::Mode;
use crate::transformer::Transformer;

/// Vocabulary logits: dense, activation, norm, and a projection that reads the token embeddings if tied.
#[derive(Module, Debug)]
pub struct MaskedLmHead {
    /// `hidden` to `hidden`.
    pub dense: Linear,
    /// Norm after the activation.
    pub norm: LayerNorm,
    /// `[vocabulary, hidden]`, only where it is not the embedding itself.
    pub decoder: Option<Param<Tensor<2>>>,
    /// `[vocabulary]`.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    activation: Activation,
}

impl MaskedLmHead {
    pub(crate) fn new(
        config: &TransformerConfig,
        activation: Activation,
        tied: bool,
        initial: &Initial,
    ) -> Self {
        let range = config.initializer_range;
        Self {
            dense: Linear::normal([config.hidden, config.hidden], range, &initial.at(0)),
            norm: LayerNorm::new(config.hidden, config.norm_epsilon, initial),
            decoder: (!tied).then(|| {
                initial
                    .at(1)
                    .normal([config.vocabulary, config.hidden], range)
            }),
            bias: initial.constant([config.vocabulary], 0.0),
            activation,
        }
    }

    /// `[rows, hidden]` to `[rows, vocabulary]`; `encoder` is the one that the hidden states come from.
    pub fn forward(&self, hidden: Tensor<2>, encoder: &Transformer) -> Tensor<2> {
        let hidden = self
            .norm
            .forward(self.activation.apply(self.dense.forward(hidden)));
        let decoder = self
            .decoder
            .as_ref()
            .unwrap_or(&encoder.embeddings.tokens.weight);
        linear(hidden, decoder.val(), Some(self.bias.val()))
    }
}

/// A family's own classification head, on the first token.
#[derive(Module, Debug)]
pub struct ClassifierHead {
    /// `hidden` to `hidden`.
    pub dense: Linear,
    /// `hidden` to the classes.
    pub projection: Linear,
    #[module(skip)]
    config: ClassifierConfig,
}

impl ClassifierHead {
    pub(crate) fn new(
        config: &TransformerConfig,
        classifier: &ClassifierConfig,
        classes: usize,
        initial: &Initial,
    ) -> Self {
        let linear = |output, part| {
            Linear::normal(
                [config.hidden, output],
                config.initializer_range,
                &initial.at(part),
            )
        };
        Self {
            dense: linear(config.hidden, 0),
            projection: linear(classes, 1),
            config: classifier.clone(),
        }
    }

    /// `[tokens, hidden]` to `[sequences, classes]`.
    pub fn forward(&self, hidden: Tensor<2>, batch: &TokenBatch, mode: Mode) -> Tensor<2> {
        let first = mode.at(0).dropout(
            gather_rows(hidden, batch.first_rows()),
            self.config.input_dropout,
        );
        let pooled = self.config.activation.apply(self.dense.forward(first));
        self.projection
            .forward(mode.at(1).dropout(pooled, self.config.dropout))
    }
}

/// The pooler of BERT and RoBERTa: a dense layer and tanh on the first token.
#[derive(Module, Debug)]
pub struct Pooler {
    /// `hidden` to `hidden`.
    pub dense: Linear,
}

impl Pooler {
    pub(crate) fn new(config: &TransformerConfig, initial: &Initial) -> Self {
        Self {
            dense: Linear::normal(
                [config.hidden, config.hidden],
                config.initializer_range,
                initial,
            ),
        }
    }

    /// `[tokens, hidden]` to `[sequences, hidden]`.
    pub fn forward(&self, hidden: Tensor<2>, batch: &TokenBatch) -> Tensor<2> {
        self.dense
            .forward(gather_rows(hidden, batch.first_rows()))
            .tanh()
    }
}
