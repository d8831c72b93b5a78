//! DistilBERT: BERT without token types and pooler, under other names.
//! Paper: arXiv 1910.01108.

use super::{Family, LoraDefaults, bert};
use crate::adapters::Pooling;
use crate::config::{
    Activation, ClassifierConfig, DenseConfig, DropoutConfig, PositionTable, PositionVectors,
    TransformerConfig,
};
use crate::error::Result;
use crate::json::ConfigReader;

pub(crate) const FAMILY: Family = Family {
    name: "distilbert",
    hugging_face: &["distilbert"],
    prefix: "distilbert.",
    spellings: &[
        &["dim", "hidden_size"],
        &["n_layers", "num_hidden_layers"],
        &["n_heads", "num_attention_heads"],
    ],
    config,
    classifier,
    token_classifier,
    encoder: &[&[
        ("embeddings.tokens", "embeddings.word_embeddings"),
        ("embeddings.positions", "embeddings.position_embeddings"),
        ("embeddings.norm", "embeddings.LayerNorm"),
        (
            "layers.{}.attention.inputs.query",
            "transformer.layer.{}.attention.q_lin",
        ),
        (
            "layers.{}.attention.inputs.key",
            "transformer.layer.{}.attention.k_lin",
        ),
        (
            "layers.{}.attention.inputs.value",
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
    ]],
    pooler: &[],
    masked_lm: &[
        ("dense.linear", "vocab_transform"),
        ("dense.norm", "vocab_layer_norm"),
        ("decoder", "vocab_projector.weight"),
        ("bias", "vocab_projector.bias"),
    ],
    classification: &[
        ("dense.linear", "pre_classifier"),
        ("projection", "classifier"),
    ],
    lora: LoraDefaults {
        alpha: 16.0,
        targets: &["q_lin", "v_lin"],
    },
    architectures: [
        "DistilBertModel",
        "DistilBertForMaskedLM",
        "DistilBertForSequenceClassification",
        "DistilBertForTokenClassification",
    ],
    ..bert::FAMILY
};

fn config(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    let mut config = TransformerConfig::bert(
        c.size("vocab_size")?,
        c.size("dim")?,
        c.size("n_layers")?,
        c.size("n_heads")?,
    );
    config.intermediate = c.size("hidden_dim")?;
    config.activation = c.activation_or("activation", Activation::Gelu)?;
    let sinusoidal = c.flag_or("sinusoidal_pos_embds", false)?;
    config.embedding.positions = Some(PositionTable {
        rows: c.size_or("max_position_embeddings", 512)?,
        offset: 0,
        vectors: if sinusoidal {
            PositionVectors::Sinusoidal
        } else {
            PositionVectors::Drawn
        },
    });
    config.dropout = DropoutConfig::uniform(
        c.dropout_or("dropout", 0.1)?,
        c.dropout_or("attention_dropout", 0.1)?,
    );
    config.initializer_range = c.number_or("initializer_range", 0.02)?;
    Ok(config)
}

fn classifier(c: &ConfigReader<'_>, encoder: &TransformerConfig) -> Result<ClassifierConfig> {
    Ok(ClassifierConfig {
        pooling: Some(Pooling::Cls),
        input_dropout: 0.0,
        dense: Some(DenseConfig::plain(encoder.hidden, Activation::Relu)),
        dropout: c.dropout_or("seq_classif_dropout", 0.2)?,
        bias: true,
    })
}

fn token_classifier(c: &ConfigReader<'_>, _: &TransformerConfig) -> Result<ClassifierConfig> {
    Ok(ClassifierConfig::tokens(c.dropout_or("dropout", 0.1)?))
}
