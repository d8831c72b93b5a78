//! DistilBERT: BERT without token types and pooler, under other names.
//! Paper: arXiv 1910.01108.

use super::Family;
use crate::config::{Activation, ClassifierConfig, TransformerConfig};
use crate::error::Result;
use crate::json::ConfigReader;

pub(crate) const FAMILY: Family = Family {
    name: "distilbert",
    hugging_face: &["distilbert"],
    prefix: "distilbert.",
    config,
    classifier,
    encoder: &[
        ("embeddings.tokens", "embeddings.word_embeddings"),
        ("embeddings.positions", "embeddings.position_embeddings"),
        ("embeddings.norm", "embeddings.LayerNorm"),
        (
            "layers.{}.attention.query",
            "transformer.layer.{}.attention.q_lin",
        ),
        (
            "layers.{}.attention.key",
            "transformer.layer.{}.attention.k_lin",
        ),
        (
            "layers.{}.attention.value",
            "transformer.layer.{}.attention.v_lin",
        ),
        (
            "layers.{}.attention.output",
            "transformer.layer.{}.attention.out_lin",
        ),
        (
            "layers.{}.attention_norm",
            "transformer.layer.{}.sa_layer_norm",
        ),
        ("layers.{}.feed_forward.up", "transformer.layer.{}.ffn.lin1"),
        (
            "layers.{}.feed_forward.down",
            "transformer.layer.{}.ffn.lin2",
        ),
        (
            "layers.{}.feed_forward_norm",
            "transformer.layer.{}.output_layer_norm",
        ),
    ],
    pooler: &[],
    masked_lm_activation: None,
    masked_lm: &[
        ("dense", "vocab_transform"),
        ("norm", "vocab_layer_norm"),
        ("decoder", "vocab_projector.weight"),
        ("bias", "vocab_projector.bias"),
    ],
    classification: &[("dense", "pre_classifier"), ("projection", "classifier")],
    derived: &["embeddings.position_ids"],
    architectures: [
        "DistilBertModel",
        "DistilBertForMaskedLM",
        "DistilBertForSequenceClassification",
    ],
};

fn config(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    Ok(TransformerConfig {
        vocabulary: c.size("vocab_size")?,
        hidden: c.size("dim")?,
        layers: c.size("n_layers")?,
        heads: c.size("n_heads")?,
        intermediate: c.size("hidden_dim")?,
        activation: c.activation_or("activation", Activation::Gelu)?,
        norm_epsilon: 1e-12,
        positions: c.size_or("max_position_embeddings", 512)?,
        position_offset: 0,
        sinusoidal_positions: c.flag_or("sinusoidal_pos_embds", false)?,
        token_types: 0,
        hidden_dropout: c.dropout_or("dropout", 0.1)?,
        attention_dropout: c.dropout_or("attention_dropout", 0.1)?,
        initializer_range: c.number_or("initializer_range", 0.02)?,
    })
}

fn classifier(c: &ConfigReader<'_>) -> Result<ClassifierConfig> {
    let dropout = c.dropout_or("seq_classif_dropout", 0.2)?;
    Ok(ClassifierConfig {
        input_dropout: 0.0,
        activation: Activation::Relu,
        dropout,
    })
}
