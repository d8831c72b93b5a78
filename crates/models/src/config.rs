//! What a transformer is made of, whatever family it comes from.

use std::fmt;

use serde_json::{Map, Value};

use crate::families::Family;

/// The activation inside the feed-forward layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x Φ(x)`.
    Gelu,
    /// GELU by the hyperbolic tangent.
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
    /// `x sigmoid(x)`.
    Silu,
    /// The hyperbolic tangent.
    Tanh,
}

/// The shape of an encoder: everything that the one transformer needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct TransformerConfig {
    /// Number of token ids.
    pub vocabulary: usize,
    /// Width of the hidden states.
    pub hidden: usize,
    /// Number of layers.
    pub layers: usize,
    /// Number of attention heads; divides `hidden`.
    pub heads: usize,
    /// Width inside the feed-forward layers.
    pub intermediate: usize,
    /// Activation inside the feed-forward layers.
    pub activation: Activation,
    /// Added to the variance in every norm.
    pub norm_epsilon: f64,
    /// Rows of the position table.
    pub positions: usize,
    /// The row of the first token: RoBERTa counts from the padding id + 1.
    pub position_offset: usize,
    /// Whether fresh positions are sines and cosines instead of drawn.
    pub sinusoidal_positions: bool,
    /// Rows of the token-type table; 0 if the family has none.
    pub token_types: usize,
    /// Dropout of the embeddings and of what each sub-layer adds.
    pub hidden_dropout: f64,
    /// Dropout of the attention probabilities.
    pub attention_dropout: f64,
    /// Standard deviation of newly drawn weights.
    pub initializer_range: f64,
}

impl TransformerConfig {
    /// The longest sequence that has positions, special tokens included.
    pub fn longest(&self) -> usize {
        self.positions.saturating_sub(self.position_offset)
    }
}

/// The classification head that a family's checkpoints come with: dropout, dense, activation, dropout, projection, on the first token.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassifierConfig {
    /// Dropout before the dense layer.
    pub input_dropout: f64,
    /// Activation after the dense layer.
    pub activation: Activation,
    /// Dropout before the projection.
    pub dropout: f64,
}

/// A checkpoint's `config.json`, understood.
#[derive(Clone)]
pub struct ModelConfig {
    /// The family that understood it.
    pub family: &'static Family,
    /// The encoder.
    pub transformer: TransformerConfig,
    /// The activation of its masked-LM head.
    pub masked_lm_activation: Activation,
    /// Its own classification head.
    pub classifier: ClassifierConfig,
    /// Whether the masked-LM head reads the token embeddings.
    pub tied: bool,
    /// Names of the classes in order, from `id2label`; placeholders (`LABEL_0`) are left out.
    pub labels: Option<Vec<String>>,
    /// Number of classes that the file states, by `id2label` or `num_labels`.
    pub classes: Option<usize>,
    /// The file as it was read, overwrites applied.
    pub json: Map<String, Value>,
}

impl fmt::Debug for ModelConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelConfig")
            .field("family", &self.family.name)
            .field("transformer", &self.transformer)
            .finish()
    }
}
