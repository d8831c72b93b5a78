//! RoBERTa and XLM-R: BERT's layers, positions counted after the padding id, a classification head of their own.
//! Papers: arXiv 1907.11692, arXiv 1911.02116.

use super::{Family, bert};
use crate::adapters::Pooling;
use crate::config::{
    Activation, ClassifierConfig, DenseConfig, MaskedLmConfig, PositionTable, PositionVectors,
    TransformerConfig,
};
use crate::error::Result;
use crate::json::ConfigReader;

pub(crate) const FAMILY: Family = Family {
    name: "roberta",
    hugging_face: &["roberta"],
    prefix: "roberta.",
    config,
    classifier,
    masked_lm_config: Some(masked_lm_config),
    masked_lm: &[
        ("dense.linear", "lm_head.dense"),
        ("dense.norm", "lm_head.layer_norm"),
        ("decoder", "lm_head.decoder.weight"),
        ("bias", "lm_head.bias"),
        ("bias", "!lm_head.decoder.bias"),
    ],
    classification: &[
        ("dense.linear", "classifier.dense"),
        ("projection", "classifier.out_proj"),
    ],
    architectures: [
        "RobertaModel",
        "RobertaForMaskedLM",
        "RobertaForSequenceClassification",
        "RobertaForTokenClassification",
    ],
    ..bert::FAMILY
};

pub(crate) const XLM: Family = Family {
    name: "xlm-roberta",
    hugging_face: &["xlm-roberta"],
    architectures: [
        "XLMRobertaModel",
        "XLMRobertaForMaskedLM",
        "XLMRobertaForSequenceClassification",
        "XLMRobertaForTokenClassification",
    ],
    ..FAMILY
};

fn config(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    let mut config = bert::config(c)?;
    config.embedding.positions = Some(PositionTable {
        rows: c.size_or("max_position_embeddings", 512)?,
        offset: c.id_or("pad_token_id", 1)? + 1,
        vectors: PositionVectors::Drawn,
    });
    config.embedding.token_types = c.size_or("type_vocab_size", 1)?;
    Ok(config)
}

fn classifier(c: &ConfigReader<'_>, encoder: &TransformerConfig) -> Result<ClassifierConfig> {
    let dropout = bert::head_dropout(c)?;
    Ok(ClassifierConfig {
        pooling: Some(Pooling::Cls),
        input_dropout: dropout,
        dense: Some(DenseConfig::plain(encoder.hidden, Activation::Tanh)),
        dropout,
        bias: true,
    })
}

/// The reference library has the activation fixed, whatever `hidden_act` says.
pub(super) fn masked_lm_config(
    c: &ConfigReader<'_>,
    encoder: &TransformerConfig,
) -> Result<MaskedLmConfig> {
    let mut head = bert::masked_lm_config(c, encoder)?;
    head.dense = head.dense.map(|dense| dense.activated(Activation::Gelu));
    Ok(head)
}
