//! ESM-2 and the models built like it: rotary positions, norms first, token dropout.
//! Paper: Lin et al., Science 379 (2023), doi 10.1126/science.ade2574. The Nucleotide Transformer (doi 10.1038/s41592-024-02523-z) is ESM on
//! 6-mers.

use super::{Family, LoraDefaults, bert, roberta};
use crate::adapters::Pooling;
use crate::config::{
    Activation, ClassifierConfig, DenseConfig, NormOrder, PositionTable, PositionVectors,
    TransformerConfig,
};
use crate::error::Result;
use crate::json::ConfigReader;
use crate::rotary::Rotary;

pub(crate) const FAMILY: Family = Family {
    name: "esm",
    hugging_face: &["esm"],
    prefix: "esm.",
    config,
    classifier,
    token_classifier,
    masked_lm_config: Some(roberta::masked_lm_config),
    encoder: &[&[
        ("embeddings.tokens", "embeddings.word_embeddings"),
        ("embeddings.positions", "embeddings.position_embeddings"),
        ("embeddings.norm", "embeddings.layer_norm"),
        (
            "layers.{}.attention_norm",
            "encoder.layer.{}.attention.LayerNorm",
        ),
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
        ("layers.{}.feed_forward_norm", "encoder.layer.{}.LayerNorm"),
        (
            "layers.{}.feed_forward.up",
            "encoder.layer.{}.intermediate.dense",
        ),
        (
            "layers.{}.feed_forward.down",
            "encoder.layer.{}.output.dense",
        ),
        ("norm", "encoder.emb_layer_norm_after"),
    ]],
    masked_lm: &[
        ("dense.linear", "lm_head.dense"),
        ("dense.norm", "lm_head.layer_norm"),
        ("decoder", "lm_head.decoder.weight"),
        ("bias", "lm_head.bias"),
    ],
    classification: &[
        ("dense.linear", "classifier.dense"),
        ("projection", "classifier.out_proj"),
    ],
    derived: &[
        "embeddings.position_ids",
        // Stored beside rotary positions too, and then without use.
        "embeddings.position_embeddings.weight",
        "rotary_embeddings.inv_freq",
        "encoder.layer.{}.attention.self.rotary_embeddings.inv_freq",
        "encoder.layer.*.attention.self.rotary_embeddings.inv_freq",
        "contact_head.regression.weight",
        "contact_head.regression.bias",
    ],
    // The last is what some versions of the reference library write, asterisk and all.
    frequencies: &[
        "rotary_embeddings.inv_freq",
        "encoder.layer.0.attention.self.rotary_embeddings.inv_freq",
        "encoder.layer.*.attention.self.rotary_embeddings.inv_freq",
    ],
    lora: LoraDefaults {
        alpha: 32.0,
        targets: &["query", "value"],
    },
    architectures: [
        "EsmModel",
        "EsmForMaskedLM",
        "EsmForSequenceClassification",
        "EsmForTokenClassification",
    ],
    ..bert::FAMILY
};

fn config(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    if c.flag_or("is_folding_model", false)? {
        return Err(c.error(
            "is_folding_model",
            "ESMFold predicts structures, which is not supported: use an ESM-2 language model",
        ));
    }
    let mut config = TransformerConfig::bert(
        c.size("vocab_size")?,
        c.size("hidden_size")?,
        c.size("num_hidden_layers")?,
        c.size("num_attention_heads")?,
    );
    config.intermediate = c.size("intermediate_size")?;
    // The reference library has it fixed, whatever hidden_act says.
    config.activation = Activation::Gelu;
    config.norm.epsilon = c.number_or("layer_norm_eps", 1e-12)?;
    config.order = NormOrder::Pre { skips_first: false };
    config.embedding.norm = c.flag_or("emb_layer_norm_before", false)?;
    config.dropout = bert::dropout(c, 0.1)?;
    config.dropout.embedding = 0.0;
    config.initializer_range = c.number_or("initializer_range", 0.02)?;
    if c.flag_or("token_dropout", false)? {
        let mask = c.id_or("mask_token_id", config.vocabulary)?;
        if mask >= config.vocabulary {
            let problem = "token_dropout needs the id of the mask token";
            return Err(c.error("mask_token_id", problem));
        }
        config.embedding.token_dropout = Some(mask as u32);
    } else {
        c.ignores(&["mask_token_id"], "with token_dropout: true");
    }
    let rows = c.size_or("max_position_embeddings", 1026)?;
    let padding = c.id_or("pad_token_id", 1)?;
    let kind = c.value("position_embedding_type");
    match kind.map_or(Some("absolute"), |kind| kind.as_str()) {
        Some("rotary") => {
            let dim = config.hidden / config.heads;
            let theta = c.number_or("rope_theta", 10_000.0)?;
            config.rotary = Some(Rotary::plain(dim, theta));
            let because = "with position_embedding_type: absolute";
            c.ignores(&["max_position_embeddings", "pad_token_id"], because);
        }
        Some("absolute") => {
            c.ignores(&["rope_theta"], "with position_embedding_type: rotary");
            config.embedding.positions = Some(PositionTable {
                rows,
                offset: padding + 1,
                vectors: PositionVectors::Drawn,
            });
        }
        _ => {
            let problem = "expected rotary or absolute";
            return Err(c.error("position_embedding_type", problem));
        }
    }
    Ok(config)
}

fn classifier(c: &ConfigReader<'_>, encoder: &TransformerConfig) -> Result<ClassifierConfig> {
    let dropout = c.dropout_or("hidden_dropout_prob", 0.1)?;
    Ok(ClassifierConfig {
        pooling: Some(Pooling::Cls),
        input_dropout: dropout,
        dense: Some(DenseConfig::plain(encoder.hidden, Activation::Tanh)),
        dropout,
        bias: true,
    })
}

fn token_classifier(c: &ConfigReader<'_>, _: &TransformerConfig) -> Result<ClassifierConfig> {
    let dropout = c.dropout_or("hidden_dropout_prob", 0.1)?;
    Ok(ClassifierConfig::tokens(dropout))
}
