//! The encoder of AIDO.Protein (`fm4bio`): as that of AIDO.DNA, with both inputs of a gate in one layer and, in the large ones, experts.
//! Paper: doi 10.1101/2024.11.29.625425.

use serde_json::Value;

use super::rnabert::{self, ABSOLUTE, ROPE, ROPE_2D};
use super::{Family, LoraDefaults, NameTable};
use crate::adapters::Pooling;
use crate::config::{
    Activation, ClassifierConfig, DenseConfig, Experts, FeedForwardKind, MaskedLmConfig, NormOrder,
    TransformerConfig,
};
use crate::error::Result;
use crate::json::ConfigReader;

pub(crate) const FAMILY: Family = Family {
    name: "fm4bio",
    hugging_face: &["fm4bio"],
    variant,
    config,
    classifier,
    token_classifier,
    masked_lm_config: Some(masked_lm_config),
    encoder: &[rnabert::LAYERS, FEED_FORWARD],
    classification: HEAD,
    token_classification: HEAD,
    lora: LoraDefaults {
        alpha: 16.0,
        targets: &["query", "value", "key", "dense", "router"],
    },
    architectures: [
        "FM4BioModel",
        "FM4BioForMaskedLM",
        "FM4BioForSequenceClassification",
        "FM4BioForTokenClassification",
    ],
    ..rnabert::FAMILY
};

/// Without the head of layers, the projection to the vocabulary stands alone and under another name.
const PROJECTED: Family = Family {
    masked_lm: &[("decoder", "output_embed.weight")],
    ..FAMILY
};

const FEED_FORWARD: NameTable = &[
    ("embeddings.structures", "embeddings.str_embeddings"),
    (
        "layers.{}.feed_forward.up",
        "encoder.layer.{}.mlp.dense_h_to_4h",
    ),
    (
        "layers.{}.feed_forward.down",
        "encoder.layer.{}.mlp.dense_4h_to_h",
    ),
    (
        "layers.{}.feed_forward.router",
        "encoder.layer.{}.mlp.router",
    ),
    (
        "layers.{}.feed_forward.experts.gate_up",
        "encoder.layer.{}.mlp.dense_h_to_4h_*",
    ),
    (
        "layers.{}.feed_forward.experts.down",
        "encoder.layer.{}.mlp.dense_4h_to_h_*",
    ),
];

const HEAD: NameTable = &[
    ("dense.linear", "classifier.ffn"),
    ("projection", "classifier.out_proj"),
];

fn variant(c: &ConfigReader<'_>, _: &TransformerConfig) -> Option<&'static Family> {
    let projected = c.value("use_lm_head").and_then(Value::as_bool) == Some(false);
    projected.then_some(&PROJECTED)
}

fn config(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    let kinds = [ROPE, ROPE_2D, ABSOLUTE];
    let mut config = rnabert::encoder(c, 128, 2048, &kinds)?;
    config.activation = match c.value("hidden_act").map_or(Some("swiglu"), Value::as_str) {
        Some("swiglu") => Activation::Silu,
        Some("geglu") => Activation::Gelu,
        _ => return Err(c.error("hidden_act", "expected swiglu or geglu")),
    };
    config.feed_forward = FeedForwardKind::GatedFusedLast;
    if c.flag_or("apply_residual_connection_post_layernorm", false)? {
        config.order = NormOrder::PreResidual;
        config.residual_scale = Some((2.0 * config.layers as f64).sqrt());
    }
    config.experts = experts(c, config.intermediate)?;
    config.embedding.structures = structures(c)?;
    Ok(config)
}

fn experts(c: &ConfigReader<'_>, intermediate: usize) -> Result<Option<Experts>> {
    if !c.flag_or("moe", false)? {
        c.ignores(&["num_experts", "experts_per_token"], "with moe: true");
        return Ok(None);
    }
    let (count, per_token) = (c.size("num_experts")?, c.size("experts_per_token")?);
    if per_token > count {
        let problem = format!("a token cannot pass {per_token} of {count} experts");
        return Err(c.error("experts_per_token", problem));
    }
    Ok(Some(Experts {
        count,
        per_token,
        intermediate,
        renormalise: true,
        layers: Vec::new(),
        separate: true,
    }))
}

/// The width of structure's vectors, which some files write as a text; 0 for none.
fn structures(c: &ConfigReader<'_>) -> Result<Option<usize>> {
    let key = "str_embedding_in";
    if let Some(text) = c.value(key).and_then(Value::as_str) {
        let width = text.trim().parse::<u16>();
        let width = width.map_err(|_| c.error(key, format!("expected a width, found {text:?}")))?;
        return Ok((width > 0).then_some(usize::from(width)));
    }
    let width = c.id_or(key, 0)?;
    Ok((width > 0).then_some(width))
}

/// On the mean of all tokens.
fn classifier(c: &ConfigReader<'_>, encoder: &TransformerConfig) -> Result<ClassifierConfig> {
    head(c, Some(Pooling::Mean), encoder.hidden / 2)
}

fn token_classifier(c: &ConfigReader<'_>, _: &TransformerConfig) -> Result<ClassifierConfig> {
    head(c, None, 128)
}

fn head(c: &ConfigReader<'_>, pooling: Option<Pooling>, width: usize) -> Result<ClassifierConfig> {
    let dropout = c.dropout_or("hidden_dropout_prob", 0.0)?;
    Ok(ClassifierConfig {
        pooling,
        input_dropout: dropout,
        dense: Some(DenseConfig::plain(width, Activation::Tanh)),
        dropout,
        bias: true,
    })
}

fn masked_lm_config(c: &ConfigReader<'_>, encoder: &TransformerConfig) -> Result<MaskedLmConfig> {
    let whole = rnabert::masked_lm_config(c, encoder)?;
    if c.flag_or("use_lm_head", true)? {
        c.ignores(&["output_vocab_size"], "with use_lm_head: false");
        return Ok(whole);
    }
    let outputs = c.optional_size("output_vocab_size")?;
    let outputs = outputs.filter(|outputs| *outputs != encoder.vocabulary);
    if let (true, Some(outputs)) = (whole.tied, outputs) {
        let problem = format!(
            "{outputs} outputs cannot share the embeddings of {} tokens",
            encoder.vocabulary
        );
        return Err(c.error("tie_word_embeddings", problem));
    }
    Ok(MaskedLmConfig {
        dense: None,
        bias: false,
        tied: whole.tied,
        outputs,
    })
}
