//! ALBERT: narrow embeddings, and layers shared by groups.
//! Paper: arXiv 1909.11942.

use super::{Family, LoraDefaults, bert};
use crate::adapters::Pooling;
use crate::config::{
    Activation, ClassifierConfig, DenseConfig, EmbeddingProjection, Sharing, TransformerConfig,
};
use crate::error::Result;
use crate::json::ConfigReader;

pub(crate) const FAMILY: Family = Family {
    name: "albert",
    hugging_face: &["albert"],
    prefix: "albert.",
    config,
    classifier,
    token_classifier,
    masked_lm_config: Some(bert::narrow_masked_lm_config),
    encoder: &[&[
        ("embeddings.tokens", "embeddings.word_embeddings"),
        ("embeddings.positions", "embeddings.position_embeddings"),
        ("embeddings.types", "embeddings.token_type_embeddings"),
        ("embeddings.norm", "embeddings.LayerNorm"),
        (
            "embeddings.projection",
            "encoder.embedding_hidden_mapping_in",
        ),
        (
            "layers.{}.attention.inputs.query",
            "encoder.albert_layer_groups.{}.albert_layers.{}.attention.query",
        ),
        (
            "layers.{}.attention.inputs.key",
            "encoder.albert_layer_groups.{}.albert_layers.{}.attention.key",
        ),
        (
            "layers.{}.attention.inputs.value",
            "encoder.albert_layer_groups.{}.albert_layers.{}.attention.value",
        ),
        (
            "layers.{}.attention.output",
            "encoder.albert_layer_groups.{}.albert_layers.{}.attention.dense",
        ),
        (
            "layers.{}.attention_norm",
            "encoder.albert_layer_groups.{}.albert_layers.{}.attention.LayerNorm",
        ),
        (
            "layers.{}.feed_forward.up",
            "encoder.albert_layer_groups.{}.albert_layers.{}.ffn",
        ),
        (
            "layers.{}.feed_forward.down",
            "encoder.albert_layer_groups.{}.albert_layers.{}.ffn_output",
        ),
        (
            "layers.{}.feed_forward_norm",
            "encoder.albert_layer_groups.{}.albert_layers.{}.full_layer_layer_norm",
        ),
    ]],
    pooler: &[("dense", "pooler")],
    masked_lm: &[
        ("dense.linear", "predictions.dense"),
        ("dense.norm", "predictions.LayerNorm"),
        ("decoder", "predictions.decoder.weight"),
        ("bias", "predictions.bias"),
        ("bias", "!predictions.decoder.bias"),
    ],
    classification: &[("dense.linear", "^pooler"), ("projection", "classifier")],
    lora: LoraDefaults {
        alpha: 16.0,
        targets: &["query", "value"],
    },
    architectures: [
        "AlbertModel",
        "AlbertForMaskedLM",
        "AlbertForSequenceClassification",
        "AlbertForTokenClassification",
    ],
    ..bert::FAMILY
};

fn config(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    let mut config = bert::config(c)?;
    config.activation = c.activation_or("hidden_act", Activation::GeluTanh)?;
    config.embedding.width = c.size_or("embedding_size", 128)?;
    config.embedding.projection = Some(EmbeddingProjection::AfterNorm);
    config.sharing = Some(Sharing {
        groups: c.size_or("num_hidden_groups", 1)?,
        inner: c.size_or("inner_group_num", 1)?,
    });
    config.dropout = bert::dropout(c, 0.0)?;
    // The reference declares a dropout after the feed-forward layer and never applies it.
    config.dropout.feed_forward_output = 0.0;
    Ok(config)
}

fn classifier(c: &ConfigReader<'_>, encoder: &TransformerConfig) -> Result<ClassifierConfig> {
    Ok(ClassifierConfig {
        pooling: Some(Pooling::Cls),
        input_dropout: 0.0,
        dense: Some(DenseConfig::plain(encoder.hidden, Activation::Tanh)),
        dropout: c.dropout_or("classifier_dropout_prob", 0.1)?,
        bias: true,
    })
}

fn token_classifier(c: &ConfigReader<'_>, _: &TransformerConfig) -> Result<ClassifierConfig> {
    let dropout = c.dropout_or("classifier_dropout_prob", 0.1)?;
    Ok(ClassifierConfig::tokens(dropout))
}
