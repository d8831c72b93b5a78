//! BERT.
//! Paper: arXiv 1810.04805.

use super::{Family, LoraDefaults};
use crate::adapters::Pooling;
use crate::config::{
    Activation, ClassifierConfig, DenseConfig, DropoutConfig, MaskedLmConfig, PositionTable,
    PositionVectors, TransformerConfig,
};
use crate::error::Result;
use crate::json::ConfigReader;

pub(crate) const FAMILY: Family = Family {
    name: "bert",
    hugging_face: &["bert"],
    prefix: "bert.",
    prefixed_beside_lm: true,
    variant: |_, _| None,
    spellings: &[],
    config,
    classifier,
    token_classifier,
    masked_lm_config: Some(masked_lm_config),
    causal_lm_config: None,
    decoder_config: None,
    encoder: &[ENCODER],
    decoder: &[],
    pooler: &[("dense", "pooler.dense")],
    masked_lm: &[
        ("dense.linear", "cls.predictions.transform.dense"),
        ("dense.norm", "cls.predictions.transform.LayerNorm"),
        ("decoder", "cls.predictions.decoder.weight"),
        // Where both are stored, the decoder's own is the one that counts.
        ("bias", "cls.predictions.decoder.bias"),
        ("bias", "cls.predictions.bias"),
    ],
    causal_lm: &[],
    seq2seq_lm: &[],
    logits_bias: None,
    classification: &[
        ("dense.linear", "^pooler.dense"),
        ("projection", "classifier"),
    ],
    token_classification: &[("projection", "classifier")],
    beside: &[],
    derived: &["embeddings.position_ids"],
    transposed: false,
    frequencies: &[],
    naming_flags: &[],
    lora: LoraDefaults {
        alpha: 16.0,
        targets: &["query", "value"],
    },
    architectures: [
        "BertModel",
        "BertForMaskedLM",
        "BertForSequenceClassification",
        "BertForTokenClassification",
    ],
};

/// Shared with the families whose layers are BERT's.
pub(super) const ENCODER: &[(&str, &str)] = &[
    ("embeddings.tokens", "embeddings.word_embeddings"),
    ("embeddings.positions", "embeddings.position_embeddings"),
    ("embeddings.types", "embeddings.token_type_embeddings"),
    ("embeddings.norm", "embeddings.LayerNorm"),
    (
        "layers.{}.attention.inputs.query",
        "encoder.layer.{}.attention.self.query",
    ),
    (
        "layers.{}.attention.inputs.key",
        "encoder.layer.{}.attention.self.key",
    ),
    (
        "layers.{}.attention.inputs.value",
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
    let mut config = TransformerConfig::bert(
        c.size("vocab_size")?,
        c.size("hidden_size")?,
        c.size("num_hidden_layers")?,
        c.size("num_attention_heads")?,
    );
    config.intermediate = c.size("intermediate_size")?;
    config.activation = c.activation_or("hidden_act", Activation::Gelu)?;
    config.norm.epsilon = c.number_or("layer_norm_eps", 1e-12)?;
    config.embedding.positions = Some(PositionTable {
        rows: c.size_or("max_position_embeddings", 512)?,
        offset: 0,
        vectors: PositionVectors::Drawn,
    });
    config.embedding.token_types = c.size_or("type_vocab_size", 2)?;
    config.dropout = dropout(c, 0.1)?;
    config.initializer_range = c.number_or("initializer_range", 0.02)?;
    Ok(config)
}

/// The rates under BERT's two keys.
pub(super) fn dropout(c: &ConfigReader<'_>, default: f64) -> Result<DropoutConfig> {
    let hidden = c.dropout_or("hidden_dropout_prob", default)?;
    let attention = c.dropout_or("attention_probs_dropout_prob", default)?;
    Ok(DropoutConfig::uniform(hidden, attention))
}

/// The dropout of heads: their own, else that of the hidden states.
pub(super) fn head_dropout(c: &ConfigReader<'_>) -> Result<f64> {
    let hidden = c.dropout_or("hidden_dropout_prob", 0.1)?;
    c.dropout_or("classifier_dropout", hidden)
}

fn classifier(c: &ConfigReader<'_>, encoder: &TransformerConfig) -> Result<ClassifierConfig> {
    Ok(ClassifierConfig {
        pooling: Some(Pooling::Cls),
        input_dropout: 0.0,
        dense: Some(DenseConfig::plain(encoder.hidden, Activation::Tanh)),
        dropout: head_dropout(c)?,
        bias: true,
    })
}

pub(super) fn token_classifier(
    c: &ConfigReader<'_>,
    _: &TransformerConfig,
) -> Result<ClassifierConfig> {
    Ok(ClassifierConfig::tokens(head_dropout(c)?))
}

pub(super) fn masked_lm_config(
    c: &ConfigReader<'_>,
    encoder: &TransformerConfig,
) -> Result<MaskedLmConfig> {
    Ok(MaskedLmConfig {
        dense: Some(DenseConfig {
            width: encoder.hidden,
            bias: true,
            activation: encoder.activation,
            norm: Some(encoder.norm),
        }),
        bias: true,
        tied: c.flag_or("tie_word_embeddings", true)?,
        outputs: None,
    })
}

/// BERT's head on the width of the embedding, where that is narrower than the hidden states.
pub(super) fn narrow_masked_lm_config(
    c: &ConfigReader<'_>,
    encoder: &TransformerConfig,
) -> Result<MaskedLmConfig> {
    let mut head = masked_lm_config(c, encoder)?;
    if let Some(dense) = &mut head.dense {
        dense.width = encoder.embedding.width;
    }
    Ok(head)
}
