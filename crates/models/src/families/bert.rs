//! BERT.
//! Paper: arXiv 1810.04805.

use super::Family;
use crate::config::{Activation, ClassifierConfig, TransformerConfig};
use crate::error::Result;
use crate::json::ConfigReader;

pub(crate) const FAMILY: Family = Family {
    name: "bert",
    hugging_face: &["bert"],
    prefix: "bert.",
    config,
    classifier,
    encoder: ENCODER,
    pooler: &[("dense", "pooler.dense")],
    masked_lm_activation: None,
    masked_lm: &[
        ("dense", "cls.predictions.transform.dense"),
        ("norm", "cls.predictions.transform.LayerNorm"),
        ("decoder", "cls.predictions.decoder.weight"),
        // Where both are stored, the decoder's own is the one that counts.
        ("bias", "cls.predictions.decoder.bias"),
        ("bias", "cls.predictions.bias"),
    ],
    classification: &[("dense", "^pooler.dense"), ("projection", "classifier")],
    derived: &["embeddings.position_ids"],
    architectures: [
        "BertModel",
        "BertForMaskedLM",
        "BertForSequenceClassification",
    ],
};

/// Shared with the families whose layers are BERT's.
pub(super) const ENCODER: &[(&str, &str)] = &[
    ("embeddings.tokens", "embeddings.word_embeddings"),
    ("embeddings.positions", "embeddings.position_embeddings"),
    ("embeddings.types", "embeddings.token_type_embeddings"),
    ("embeddings.norm", "embeddings.LayerNorm"),
    (
        "layers.{}.attention.query",
        "encoder.layer.{}.attention.self.query",
    ),
    (
        "layers.{}.attention.key",
        "encoder.layer.{}.attention.self.key",
    ),
    (
        "layers.{}.attention.value",
        "encoder.layer.{}.attention.self.value",
    ),
    (
        "layers.{}.attention.output",
        "encoder.layer.{}.attention.output.dense",
    ),
    (
        "layers.{}.attention_norm",
        "encoder.layer.{}.attention.output.LayerNorm",
    ),
    (
        "layers.{}.feed_forward.up",
        "encoder.layer.{}.intermediate.dense",
    ),
    (
        "layers.{}.feed_forward.down",
        "encoder.layer.{}.output.dense",
    ),
    (
        "layers.{}.feed_forward_norm",
        "encoder.layer.{}.output.LayerNorm",
    ),
];

pub(super) fn config(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    c.only("position_embedding_type", "absolute")?;
    if c.flag_or("is_decoder", false)? {
        return Err(c.error(
            "is_decoder",
            "a decoder is not supported yet: this family is read as an encoder",
        ));
    }
    Ok(TransformerConfig {
        vocabulary: c.size("vocab_size")?,
        hidden: c.size("hidden_size")?,
        layers: c.size("num_hidden_layers")?,
        heads: c.size("num_attention_heads")?,
        intermediate: c.size("intermediate_size")?,
        activation: c.activation_or("hidden_act", Activation::Gelu)?,
        norm_epsilon: c.number_or("layer_norm_eps", 1e-12)?,
        positions: c.size_or("max_position_embeddings", 512)?,
        position_offset: 0,
        sinusoidal_positions: false,
        token_types: c.size_or("type_vocab_size", 2)?,
        hidden_dropout: c.dropout_or("hidden_dropout_prob", 0.1)?,
        attention_dropout: c.dropout_or("attention_probs_dropout_prob", 0.1)?,
        initializer_range: c.number_or("initializer_range", 0.02)?,
    })
}

fn classifier(c: &ConfigReader<'_>) -> Result<ClassifierConfig> {
    let hidden = c.dropout_or("hidden_dropout_prob", 0.1)?;
    let dropout = c.dropout_or("classifier_dropout", hidden)?;
    Ok(ClassifierConfig {
        input_dropout: 0.0,
        activation: Activation::Tanh,
        dropout,
    })
}
