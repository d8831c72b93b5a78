//! ELECTRA: BERT's layers on embeddings that may be narrower; its generator is a masked language model.
//! Paper: arXiv 2003.10555.

use super::{Family, bert};
use crate::adapters::Pooling;
use crate::config::{
    Activation, ClassifierConfig, DenseConfig, EmbeddingProjection, MaskedLmConfig,
    TransformerConfig,
};
use crate::error::Result;
use crate::json::ConfigReader;

pub(crate) const FAMILY: Family = Family {
    name: "electra",
    hugging_face: &["electra"],
    prefix: "electra.",
    config,
    classifier,
    masked_lm_config: Some(masked_lm_config),
    encoder: &[
        bert::ENCODER,
        &[("embeddings.projection", "embeddings_project")],
    ],
    pooler: &[],
    masked_lm: &[
        ("dense.linear", "generator_predictions.dense"),
        ("dense.norm", "generator_predictions.LayerNorm"),
        ("decoder", "generator_lm_head.weight"),
        ("bias", "generator_lm_head.bias"),
    ],
    classification: &[
        ("dense.linear", "classifier.dense"),
        ("projection", "classifier.out_proj"),
    ],
    architectures: [
        "ElectraModel",
        "ElectraForMaskedLM",
        "ElectraForSequenceClassification",
        "ElectraForTokenClassification",
    ],
    ..bert::FAMILY
};

fn config(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    let mut config = bert::config(c)?;
    config.embedding.width = c.size_or("embedding_size", 128)?;
    config.embedding.projection =
        (config.embedding.width != config.hidden).then_some(EmbeddingProjection::AfterNorm);
    Ok(config)
}

fn classifier(c: &ConfigReader<'_>, encoder: &TransformerConfig) -> Result<ClassifierConfig> {
    let dropout = bert::head_dropout(c)?;
    Ok(ClassifierConfig {
        pooling: Some(Pooling::Cls),
        input_dropout: dropout,
        // The reference library has the activation fixed.
        dense: Some(DenseConfig::plain(encoder.hidden, Activation::Gelu)),
        dropout,
        bias: true,
    })
}

fn masked_lm_config(c: &ConfigReader<'_>, encoder: &TransformerConfig) -> Result<MaskedLmConfig> {
    let mut head = bert::narrow_masked_lm_config(c, encoder)?;
    head.dense = head.dense.map(|dense| dense.activated(Activation::Gelu));
    Ok(head)
}
