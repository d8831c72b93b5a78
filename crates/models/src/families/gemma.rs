//! Gemma 1, 2 and 3 (text): Llama with norms that add 1 to their weight, embeddings scaled by the root of their width, and, since Gemma 2,
//! norms on both sides and windows in most layers.
//! Papers: arXiv 2403.08295, arXiv 2408.00118, arXiv 2503.19786.

use serde_json::Value;

use super::{Family, NameTable, layer_types, llama, rope};
use crate::config::{Activation, CausalLmConfig, NormConfig, NormOrder, TransformerConfig};
use crate::error::Result;
use crate::json::ConfigReader;

pub(crate) const GEMMA: Family = Family {
    name: "gemma",
    hugging_face: &["gemma"],
    spellings: &[&["hidden_act", "hidden_activation"]],
    config: gemma,
    causal_lm_config: Some(llama::tied),
    architectures: [
        "GemmaModel",
        "GemmaForCausalLM",
        "GemmaForSequenceClassification",
        "GemmaForTokenClassification",
    ],
    ..llama::FAMILY
};

pub(crate) const GEMMA2: Family = Family {
    name: "gemma2",
    hugging_face: &["gemma2"],
    config: gemma2,
    causal_lm_config: Some(|c, _| capped(c, Some(30.0))),
    encoder: &[llama::ATTENTION, NORMS, llama::FEED_FORWARD],
    architectures: [
        "Gemma2Model",
        "Gemma2ForCausalLM",
        "Gemma2ForSequenceClassification",
        "Gemma2ForTokenClassification",
    ],
    ..llama::FAMILY
};

pub(crate) const GEMMA3: Family = Family {
    name: "gemma3",
    hugging_face: &["gemma3_text"],
    config: gemma3,
    causal_lm_config: Some(|c, _| capped(c, None)),
    token_classification: &[],
    encoder: &[llama::ATTENTION, NORMS, llama::FEED_FORWARD],
    architectures: [
        "Gemma3TextModel",
        "Gemma3ForCausalLM",
        "Gemma3TextForSequenceClassification",
        "Gemma3TextModel",
    ],
    ..llama::FAMILY
};

/// Three norms beside the one before attention.
const NORMS: NameTable = &[
    (
        "layers.{}.attention_output_norm",
        "layers.{}.post_attention_layernorm",
    ),
    (
        "layers.{}.feed_forward_norm",
        "layers.{}.pre_feedforward_layernorm",
    ),
    (
        "layers.{}.feed_forward_output_norm",
        "layers.{}.post_feedforward_layernorm",
    ),
];

/// What all three share.
fn shared(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    let mut config = llama::sizes(c)?;
    config.head_dim = c.size_or("head_dim", 256)?;
    config.activation = c.activation_or("hidden_activation", Activation::GeluTanh)?;
    config.attention_bias = c.flag_or("attention_bias", false)?;
    config.attention_output_bias = config.attention_bias;
    config.norm = NormConfig {
        unit_offset: true,
        ..config.norm
    };
    config.embedding.scale = Some((config.hidden as f64).sqrt());
    Ok(config)
}

fn gemma(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    let mut config = shared(c)?;
    // The first files say "gelu" and mean the approximation.
    if c.value("hidden_act").and_then(Value::as_str) == Some("gelu") {
        config.activation = Activation::GeluTanh;
    }
    config.key_value_heads = llama::key_value_heads(c, config.heads, 16)?;
    config.rotary = Some(rope::rotary(c, config.head_dim, 10_000.0)?);
    Ok(config)
}

/// What Gemma 2 and 3 share; `every` of so many layers sees everything.
fn both_norms(c: &ConfigReader<'_>, every: usize) -> Result<TransformerConfig> {
    let mut config = shared(c)?;
    config.order = NormOrder::Both;
    config.key_value_heads = llama::key_value_heads(c, config.heads, 4)?;
    let scalar = c.number_or("query_pre_attn_scalar", 256.0)?;
    if scalar <= 0.0 {
        return Err(c.error("query_pre_attn_scalar", "expected a positive number"));
    }
    config.attention_scale = Some(scalar.sqrt().recip());
    let window = c.size_or("sliding_window", 4096)?;
    let local = |layer: usize| !(layer + 1).is_multiple_of(every);
    let pattern = &["sliding_window_pattern"];
    config.windows = layer_types::windows(c, config.layers, window, pattern, local)?;
    Ok(config)
}

/// Gemma 2's shape.
pub(super) fn gemma2(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    let mut config = both_norms(c, 2)?;
    config.rotary = Some(rope::rotary(c, config.head_dim, 10_000.0)?);
    config.attention_soft_cap = soft_cap(c, "attn_logit_softcapping", Some(50.0))?;
    Ok(config)
}

fn gemma3(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    if c.flag_or("use_bidirectional_attention", false)? {
        let problem = "only attention that looks back is supported";
        return Err(c.error("use_bidirectional_attention", problem));
    }
    let every = c.size_or("sliding_window_pattern", 6)?;
    let mut config = both_norms(c, every)?;
    config.rotary = Some(rope::rotary_by_layer(c, config.head_dim, 1e6, 10_000.0)?);
    config.query_key_norm = Some(config.norm);
    Ok(config)
}

fn capped(c: &ConfigReader<'_>, default: Option<f64>) -> Result<CausalLmConfig> {
    Ok(CausalLmConfig {
        tied: c.flag_or("tie_word_embeddings", true)?,
        soft_cap: soft_cap(c, "final_logit_softcapping", default)?,
        scale: None,
    })
}

/// A positive cap; none where the file says null.
pub(super) fn soft_cap(
    c: &ConfigReader<'_>,
    key: &'static str,
    default: Option<f64>,
) -> Result<Option<f64>> {
    if c.is_null(key) {
        return Ok(None);
    }
    match c.number_or(key, default.unwrap_or(0.0))? {
        cap if cap > 0.0 => Ok(Some(cap)),
        _ if default.is_none() => Ok(None),
        _ => Err(c.error(key, "expected a positive number or null")),
    }
}
