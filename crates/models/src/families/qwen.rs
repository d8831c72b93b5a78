//! Qwen 2 and 3: Llama with a bias on queries, keys and values, or with norms of queries and keys; some with experts.
//! Papers: arXiv 2407.10671, arXiv 2505.09388.

use serde_json::Value;

use super::{Family, NameTable, layer_types, llama};
use crate::config::{Experts, NormConfig, TransformerConfig};
use crate::error::Result;
use crate::json::ConfigReader;

pub(crate) const QWEN2: Family = Family {
    name: "qwen2",
    hugging_face: &["qwen2"],
    config: qwen2,
    architectures: [
        "Qwen2Model",
        "Qwen2ForCausalLM",
        "Qwen2ForSequenceClassification",
        "Qwen2ForTokenClassification",
    ],
    ..llama::FAMILY
};

pub(crate) const QWEN3: Family = Family {
    name: "qwen3",
    hugging_face: &["qwen3"],
    config: qwen3,
    architectures: [
        "Qwen3Model",
        "Qwen3ForCausalLM",
        "Qwen3ForSequenceClassification",
        "Qwen3ForTokenClassification",
    ],
    ..llama::FAMILY
};

pub(crate) const QWEN3_MOE: Family = Family {
    name: "qwen3_moe",
    hugging_face: &["qwen3_moe"],
    spellings: &[&["num_local_experts", "num_experts"]],
    config: qwen3_moe,
    encoder: &[
        llama::ATTENTION,
        llama::FEED_FORWARD_NORM,
        llama::FEED_FORWARD,
        EXPERTS,
    ],
    architectures: [
        "Qwen3MoeModel",
        "Qwen3MoeForCausalLM",
        "Qwen3MoeForSequenceClassification",
        "Qwen3MoeForTokenClassification",
    ],
    ..llama::FAMILY
};

/// The experts as published files name them, and as newer ones do, all of a layer in one tensor.
const EXPERTS: NameTable = &[
    ("layers.{}.feed_forward.router", "layers.{}.mlp.gate"),
    (
        "layers.{}.feed_forward.experts.gate_up",
        "layers.{}.mlp.experts.*.(gate_proj,up_proj)",
    ),
    (
        "layers.{}.feed_forward.experts.gate_up.weight",
        "layers.{}.mlp.experts.gate_up_proj",
    ),
    (
        "layers.{}.feed_forward.experts.down",
        "layers.{}.mlp.experts.*.down_proj",
    ),
    (
        "layers.{}.feed_forward.experts.down.weight",
        "layers.{}.mlp.experts.down_proj",
    ),
];

fn qwen2(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    let mut config = llama::decoder(c, 10_000.0)?;
    config.key_value_heads = llama::key_value_heads(c, config.heads, 32)?;
    config.attention_bias = true;
    config.windows = windows(c, config.layers)?;
    Ok(config)
}

/// The first `max_window_layers` layers see everything, unless `layer_types` says otherwise; without `use_sliding_window` all do.
fn windows(c: &ConfigReader<'_>, layers: usize) -> Result<Vec<Option<usize>>> {
    let whole = c.id_or("max_window_layers", 28)?;
    match layer_types::switched_window(c, 4096)? {
        Some(window) => layer_types::windows(c, layers, window, &["max_window_layers"], |layer| {
            layer >= whole
        }),
        None => {
            c.ignores(&["max_window_layers", "layer_types"], layer_types::SWITCH);
            Ok(Vec::new())
        }
    }
}

fn qwen3(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    let mut config = with_query_key_norm(c, 32, Some(128))?;
    config.windows = windows(c, config.layers)?;
    Ok(config)
}

fn with_query_key_norm(
    c: &ConfigReader<'_>,
    key_value_heads: usize,
    head_dim: Option<usize>,
) -> Result<TransformerConfig> {
    let mut config = llama::sizes(c)?;
    config.activation = llama::activation(c)?;
    config.key_value_heads = llama::key_value_heads(c, config.heads, key_value_heads)?;
    config.head_dim = c.size_or("head_dim", head_dim.unwrap_or(config.head_dim))?;
    config.rotary = Some(super::rope::rotary(c, config.head_dim, 10_000.0)?);
    config.attention_bias = c.flag_or("attention_bias", false)?;
    config.attention_output_bias = config.attention_bias;
    config.query_key_norm = Some(NormConfig::root_mean_square(config.norm.epsilon));
    Ok(config)
}

fn qwen3_moe(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    let mut config = with_query_key_norm(c, 4, None)?;
    if let Some(window) = layer_types::switched_window(c, 4096)? {
        config.windows = vec![Some(window); config.layers];
    }
    let step = c.size_or("decoder_sparse_step", 1)?;
    let dense: Vec<u64> = match c.value("mlp_only_layers") {
        None => Vec::new(),
        Some(list) => list
            .as_array()
            .and_then(|list| list.iter().map(Value::as_u64).collect())
            .ok_or_else(|| {
                let problem = format!("expected a list of layer numbers, found {list}");
                c.error("mlp_only_layers", problem)
            })?,
    };
    if let Some(outside) = dense.iter().find(|layer| **layer >= config.layers as u64) {
        let problem = format!(
            "there is no layer {outside}: the {} layers count from 0",
            config.layers
        );
        return Err(c.error("mlp_only_layers", problem));
    }
    let is_dense = |layer: usize| dense.contains(&(layer as u64));
    let has = |layer: usize| !is_dense(layer) && (layer + 1).is_multiple_of(step);
    config.experts = Some(Experts {
        count: c.size_or("num_experts", 128)?,
        per_token: c.size_or("num_experts_per_tok", 8)?,
        intermediate: c.size_or("moe_intermediate_size", 768)?,
        renormalise: c.flag_or("norm_topk_prob", false)?,
        layers: (0..config.layers).map(has).collect(),
        separate: false,
    });
    Ok(config)
}
