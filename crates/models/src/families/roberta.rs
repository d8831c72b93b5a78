//! RoBERTa and XLM-R: BERT's layers, positions counted after the padding id, a classification head of their own.
//! Papers: arXiv 1907.11692, arXiv 1911.02116.

use super::{Family, bert};
use crate::config::{Activation, ClassifierConfig, TransformerConfig};
use crate::error::Result;
use crate::json::ConfigReader;

pub(crate) const FAMILY: Family = Family {
    name: "roberta",
    hugging_face: &["roberta"],
    prefix: "roberta.",
    config,
    classifier,
    encoder: bert::ENCODER,
    pooler: &[("dense", "pooler.dense")],
    // The reference library has it fixed, whatever hidden_act says.
    masked_lm_activation: Some(Activation::Gelu),
    masked_lm: &[
        ("dense", "lm_head.dense"),
        ("norm", "lm_head.layer_norm"),
        ("decoder", "lm_head.decoder.weight"),
        ("bias", "lm_head.bias"),
        ("bias", "lm_head.decoder.bias"),
    ],
    classification: &[
        ("dense", "classifier.dense"),
        ("projection", "classifier.out_proj"),
    ],
    derived: &["embeddings.position_ids"],
    architectures: [
        "RobertaModel",
        "RobertaForMaskedLM",
        "RobertaForSequenceClassification",
    ],
};

pub(crate) const XLM: Family = Family {
    name: "xlm-roberta",
    hugging_face: &["xlm-roberta"],
    architectures: [
        "XLMRobertaModel",
        "XLMRobertaForMaskedLM",
        "XLMRobertaForSequenceClassification",
    ],
    ..FAMILY
};

fn config(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    let config = bert::config(c)?;
    Ok(TransformerConfig {
        position_offset: c.id_or("pad_token_id", 1)? + 1,
        token_types: c.size_or("type_vocab_size", 1)?,
        ..config
    })
}

fn classifier(c: &ConfigReader<'_>) -> Result<ClassifierConfig> {
    let hidden = c.dropout_or("hidden_dropout_prob", 0.1)?;
    let dropout = c.dropout_or("classifier_dropout", hidden)?;
    Ok(ClassifierConfig {
        input_dropout: dropout,
        activation: Activation::Tanh,
        dropout,
    })
}
