//! One-hot sequences: no weights at all, a baseline for heads that learn from letters alone.

use super::{Family, LoraDefaults, bert};
use crate::config::{ClassifierConfig, DropoutConfig, TransformerConfig};
use crate::error::Result;
use crate::json::ConfigReader;

pub(crate) const FAMILY: Family = Family {
    name: "onehot",
    hugging_face: &["onehot"],
    prefix: "onehot.",
    config,
    classifier,
    token_classifier,
    encoder: &[&[("embeddings.tokens", "embeddings.word_embeddings")]],
    pooler: &[],
    masked_lm: &[],
    classification: &[],
    token_classification: &[],
    derived: &[],
    lora: LoraDefaults {
        alpha: 16.0,
        targets: &[],
    },
    architectures: ["OneHotModel"; 4],
    ..bert::FAMILY
};

fn config(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    let letters = c.size("vocab_size")?;
    let mut config = TransformerConfig::bert(letters, letters, 0, 1);
    config.embedding.norm = false;
    config.embedding.one_hot = true;
    config.dropout = DropoutConfig::uniform(0.0, 0.0);
    Ok(config)
}

fn classifier(_: &ConfigReader<'_>, _: &TransformerConfig) -> Result<ClassifierConfig> {
    Ok(ClassifierConfig::tokens(0.0))
}

fn token_classifier(_: &ConfigReader<'_>, _: &TransformerConfig) -> Result<ClassifierConfig> {
    Ok(ClassifierConfig::tokens(0.0))
}
