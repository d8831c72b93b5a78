//! Qwen 2 and 3.

use serde_json::{Map, Value, json};

use super::llama::{LlamaLike, gated_layers, llama_like, scale_positions};
use super::{Family, Model, keys, otherwise};
use crate::Result;
use crate::keras::map::TensorMap;
use crate::keras::object::Object;
use crate::keras::tokenizers::{BytePair, Division, Tokenizer};

pub(super) const QWEN: Family = Family {
    stem: "Qwen",
    translate: qwen,
    tokenizer: Tokenizer::BytePair(BytePair::before(Division::Qwen, "<|endoftext|>")),
};

pub(super) const QWEN3: Family = Family {
    stem: "Qwen3",
    translate: qwen3,
    tokenizer: Tokenizer::BytePair(BytePair::before(Division::Qwen, "<|im_end|>")),
};

fn qwen(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let backbone = model.backbone;
    let like = LlamaLike {
        layer: "qwen_transformer_decoder",
        norm: "qwen_layer_norm",
        head_dim: None,
        has_bias: true,
        normalizes_heads: false,
    };
    let is_tied = backbone.flag("tie_word_embeddings", true)?;
    let mut config = llama_like(model, map, &like, is_tied)?;
    gated_layers(model, map, like.layer, &mut config)?;
    scale_positions(backbone, "rope_scaling_factor", &mut config)?;
    config.extend(keys(json!({
        "model_type": "qwen2",
        "architectures": ["Qwen2ForCausalLM"],
        "use_sliding_window": backbone.flag("use_sliding_window_attention", false)?,
        "sliding_window": backbone.optional_size("sliding_window_size")?,
        "max_window_layers": 0,
    })));
    Ok(config)
}

fn qwen3(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let backbone = model.backbone;
    let like = LlamaLike {
        layer: "qwen3_transformer_decoder",
        norm: "qwen3_layer_norm",
        head_dim: backbone.optional_size("head_dim")?,
        has_bias: false,
        normalizes_heads: true,
    };
    let is_tied = backbone.flag("tie_word_embeddings", true)?;
    let mut config = llama_like(model, map, &like, is_tied)?;
    gated_layers(model, map, like.layer, &mut config)?;
    scale_positions(backbone, "rope_scaling_factor", &mut config)?;
    config.extend(keys(json!({
        "model_type": "qwen3",
        "architectures": ["Qwen3ForCausalLM"],
    })));
    config.extend(qwen3_windows(backbone)?);
    // Those of the heads add this whatever the others do.
    otherwise(&mut config, json!({"query_key_norm_eps": 1e-5}));
    Ok(config)
}

/// How far the attention of Qwen 3 reaches, in every layer.
pub(super) fn qwen3_windows(backbone: &Object) -> Result<Map<String, Value>> {
    let window = backbone.optional_size("sliding_window_size")?;
    Ok(keys(json!({
        "use_sliding_window": window.is_some(),
        "sliding_window": window,
        "max_window_layers": 0,
    })))
}
