//! Qwen 2 and 3.

use serde_json::{Map, Value, json};

use super::llama::{
    LlamaLike, gated_layers, key_value_heads, llama_like, longest_wave, norm_and_dropout,
    scale_positions, sizes_of,
};
use super::{Family, Model, Tasks, keys, otherwise};
use crate::Result;
use crate::keras::map::TensorMap;
use crate::keras::object::Object;
use crate::keras::stated::{Arguments, Stated};
use crate::keras::tokenizers::{BytePair, Division, Tokenizer};

pub(super) const QWEN: Family = Family {
    stem: "Qwen",
    module: "qwen",
    model_types: &["qwen2"],
    tasks: Tasks::Decoder,
    arguments: qwen_arguments,
    translate: qwen,
    tokenizer: Tokenizer::BytePair(BytePair::before(Division::Qwen, "<|endoftext|>")),
};

pub(super) const QWEN3: Family = Family {
    stem: "Qwen3",
    module: "qwen3",
    model_types: &["qwen3"],
    tasks: Tasks::Decoder,
    arguments: qwen3_arguments,
    translate: qwen3,
    tokenizer: Tokenizer::BytePair(BytePair::before(Division::Qwen, "<|im_end|>")),
};

/// How far attention reaches, if it does not reach all.
pub(super) fn window_of(stated: &Stated<'_>) -> Value {
    if stated.flag("use_sliding_window", false) {
        stated.or("sliding_window", 4096)
    } else {
        Value::Null
    }
}

fn qwen_arguments(stated: &Stated<'_>) -> Arguments {
    let mut arguments = sizes_of(stated);
    arguments.extend([
        longest_wave(stated),
        ("rope_scaling_factor", stated.linear_factor()),
        key_value_heads(stated),
    ]);
    arguments.extend(norm_and_dropout(stated));
    arguments.extend([
        (
            "tie_word_embeddings",
            stated.or("tie_word_embeddings", false),
        ),
        (
            "use_sliding_window_attention",
            stated.or("use_sliding_window", false),
        ),
        ("sliding_window_size", stated.or("sliding_window", 32_768)),
    ]);
    arguments
}

fn qwen3_arguments(stated: &Stated<'_>) -> Arguments {
    let mut arguments = vec![
        ("vocabulary_size", stated.get("vocab_size")),
        ("num_layers", stated.get("num_hidden_layers")),
        ("num_query_heads", stated.get("num_attention_heads")),
        ("hidden_dim", stated.get("hidden_size")),
        ("head_dim", stated.or("head_dim", 128)),
        ("intermediate_dim", stated.get("intermediate_size")),
        longest_wave(stated),
        ("rope_scaling_factor", stated.linear_factor()),
        key_value_heads(stated),
    ];
    arguments.extend(norm_and_dropout(stated));
    arguments.extend([
        (
            "tie_word_embeddings",
            stated.or("tie_word_embeddings", false),
        ),
        ("sliding_window_size", window_of(stated)),
    ]);
    arguments
}

fn qwen(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let backbone = model.backbone;
    let like = LlamaLike {
        layer: "qwen_transformer_decoder",
        attention: "_self_attention_layer/_",
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
        attention: "_self_attention_layer/_",
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
