//! Mistral: Llama with a sliding attention window. Mixtral: Mistral with experts.
//! Papers: arXiv 2310.06825, arXiv 2401.04088.

use super::{Family, NameTable, llama};
use crate::config::{Experts, TransformerConfig};
use crate::error::Result;
use crate::json::ConfigReader;

pub(crate) const FAMILY: Family = Family {
    name: "mistral",
    hugging_face: &["mistral"],
    config: |c| mistral(c, 10_000.0, Some(4096)),
    architectures: [
        "MistralModel",
        "MistralForCausalLM",
        "MistralForSequenceClassification",
        "MistralForTokenClassification",
    ],
    ..llama::FAMILY
};

pub(crate) const MIXTRAL: Family = Family {
    name: "mixtral",
    hugging_face: &["mixtral"],
    spellings: &[&["num_local_experts", "num_experts"]],
    config: mixtral,
    encoder: &[llama::ATTENTION, llama::FEED_FORWARD_NORM, EXPERTS],
    architectures: [
        "MixtralModel",
        "MixtralForCausalLM",
        "MixtralForSequenceClassification",
        "MixtralForTokenClassification",
    ],
    ..llama::FAMILY
};

/// The experts as published files name them, and as newer ones do, all of a layer in one tensor.
const EXPERTS: NameTable = &[
    (
        "layers.{}.feed_forward.router",
        "layers.{}.block_sparse_moe.gate",
    ),
    ("layers.{}.feed_forward.router", "layers.{}.mlp.gate"),
    (
        "layers.{}.feed_forward.experts.gate_up",
        "layers.{}.block_sparse_moe.experts.*.(w1,w3)",
    ),
    (
        "layers.{}.feed_forward.experts.gate_up.weight",
        "layers.{}.mlp.experts.gate_up_proj",
    ),
    (
        "layers.{}.feed_forward.experts.down",
        "layers.{}.block_sparse_moe.experts.*.w2",
    ),
    (
        "layers.{}.feed_forward.experts.down.weight",
        "layers.{}.mlp.experts.down_proj",
    ),
];

fn mistral(c: &ConfigReader<'_>, theta: f64, window: Option<usize>) -> Result<TransformerConfig> {
    let mut config = llama::decoder(c, theta)?;
    config.key_value_heads = llama::key_value_heads(c, config.heads, 8)?;
    let window = if c.is_null("sliding_window") {
        None
    } else {
        c.optional_size("sliding_window")?.or(window)
    };
    config.windows = vec![window; config.layers];
    Ok(config)
}

fn mixtral(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    let mut config = mistral(c, 1e6, None)?;
    config.norm.epsilon = c.number_or("rms_norm_eps", 1e-5)?;
    config.experts = Some(Experts {
        count: c.size_or("num_local_experts", 8)?,
        per_token: c.size_or("num_experts_per_tok", 2)?,
        intermediate: config.intermediate,
        renormalise: true,
        layers: Vec::new(),
        separate: false,
    });
    Ok(config)
}
