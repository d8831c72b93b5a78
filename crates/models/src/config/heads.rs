//! The heads that checkpoints come with.

use super::{Activation, NormConfig};
use crate::adapters::Pooling;

/// A classification head that a family's checkpoints come with: dropout, dense, activation, norm, dropout, projection.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassifierConfig {
    /// What becomes one vector a sequence; none for a head on every token.
    pub pooling: Option<Pooling>,
    /// Dropout before the dense layer.
    pub input_dropout: f64,
    /// The dense layer, if there is one.
    pub dense: Option<DenseConfig>,
    /// Dropout before the projection.
    pub dropout: f64,
    /// Whether the projection has a bias.
    pub bias: bool,
}

impl ClassifierConfig {
    /// Dropout and a projection of every token, as most families' token classifiers are.
    pub(crate) fn tokens(dropout: f64) -> Self {
        Self {
            pooling: None,
            input_dropout: 0.0,
            dense: None,
            dropout,
            bias: true,
        }
    }
}

/// The dense layer of a head, with what follows it.
#[derive(Clone, Debug, PartialEq)]
pub struct DenseConfig {
    /// Its width.
    pub width: usize,
    /// Whether it has a bias.
    pub bias: bool,
    /// The activation after it.
    pub activation: Activation,
    /// The norm after that, if there is one.
    pub norm: Option<NormConfig>,
}

impl DenseConfig {
    /// A layer with a bias and no norm.
    pub(crate) fn plain(width: usize, activation: Activation) -> Self {
        Self {
            width,
            bias: true,
            activation,
            norm: None,
        }
    }

    /// The same with another activation.
    pub(crate) fn activated(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }
}

/// The masked-LM head of a family's checkpoints: a dense layer with a norm, and a projection to the vocabulary.
#[derive(Clone, Debug, PartialEq)]
pub struct MaskedLmConfig {
    /// The dense layer, if there is one; its width is that of the token embeddings where these are the projection.
    pub dense: Option<DenseConfig>,
    /// Whether the projection has a bias.
    pub bias: bool,
    /// Whether the projection is the token embeddings.
    pub tied: bool,
    /// How many values there are for each token, where it is not the vocabulary's size: the model then tells something else than tokens.
    pub outputs: Option<usize>,
}

impl MaskedLmConfig {
    /// The width of what the projection reads, in an encoder of `hidden` units.
    pub(crate) fn width(&self, hidden: usize) -> usize {
        self.dense.as_ref().map_or(hidden, |dense| dense.width)
    }
}

/// The projection to the vocabulary of a language model that writes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CausalLmConfig {
    /// Whether the projection is the token embeddings.
    pub tied: bool,
    /// Logits become `cap * tanh(logit / cap)`, if given.
    pub soft_cap: Option<f64>,
    /// Factor of the hidden states before it, if there is one (T5).
    pub scale: Option<f64>,
}
