//! Decoders with experts in the place of feed-forward layers.

use serde_json::{Map, Value, json};

use super::llama::{
    LlamaLike, gated, key_value_heads, llama_like, longest_wave, norm_and_dropout, scale_positions,
    sizes_of,
};
use super::qwen::{qwen3_windows, window_of};
use super::{Family, Model, Tasks, keys, otherwise};
use crate::Result;
use crate::keras::map::{Scope, TensorMap, nth};
use crate::keras::stated::{Arguments, Stated};
use crate::keras::tokenizers::{BytePair, Division, Tokenizer};
use crate::pieces::{Move, View};

pub(super) const MIXTRAL: Family = Family {
    stem: "Mixtral",
    module: "mixtral",
    model_types: &["mixtral"],
    tasks: Tasks::Decoder,
    arguments: mixtral_arguments,
    translate: mixtral,
    tokenizer: Tokenizer::framed_pieces("LlamaTokenizer", ["<s>", "</s>"]),
};

pub(super) const QWEN3_MOE: Family = Family {
    stem: "Qwen3Moe",
    module: "qwen3_moe",
    model_types: &["qwen3_moe"],
    tasks: Tasks::Decoder,
    arguments: qwen3_moe_arguments,
    translate: qwen3_moe,
    tokenizer: Tokenizer::BytePair(BytePair::before(Division::Qwen, "<|im_end|>")),
};

/// Matrices of a layer's experts in one data set, one expert behind the other.
struct Matrices {
    /// What each is called; several lie side by side, in equal shares of the columns.
    names: &'static [&'static str],
    inputs: usize,
    outputs: usize,
}

/// A router and the experts that it chooses from, each of whose matrices is a tensor of its own.
fn experts(scope: &mut Scope<'_>, count: usize, hidden: usize, matrices: &[Matrices]) {
    scope.kernel(
        "_sparse_feedforward_gate_dense",
        "gate",
        &[hidden],
        &[count],
    );
    for (number, matrices) in matrices.iter().enumerate() {
        let Matrices {
            names,
            inputs,
            outputs,
        } = *matrices;
        let columns = outputs * names.len();
        for expert in 0..count {
            for (at, name) in names.iter().enumerate() {
                let moved = Move {
                    shape: vec![inputs, outputs],
                    from: View {
                        start: expert * inputs * columns + at * outputs,
                        strides: vec![columns, 1],
                    },
                    to: View {
                        start: 0,
                        strides: vec![1, inputs],
                    },
                };
                let name = scope.named(&format!("experts.{expert}.{name}"), "weight");
                let stored = [count, inputs, columns];
                let whole = vec![outputs, inputs];
                scope.move_part("expert_bank", number, &stored, name, whole, moved);
            }
        }
    }
}

fn mixtral_arguments(stated: &Stated<'_>) -> Arguments {
    let mut arguments = sizes_of(stated);
    arguments.extend([
        ("num_experts", stated.or("num_local_experts", 8)),
        ("top_k", stated.or("num_experts_per_tok", 2)),
        ("router_jitter_noise", stated.or("router_jitter_noise", 0.0)),
        longest_wave(stated),
        ("rope_scaling_factor", stated.linear_factor()),
        key_value_heads(stated),
        (
            "router_aux_loss_coef",
            stated.or("router_aux_loss_coef", 0.001),
        ),
        ("sliding_window", stated.get("sliding_window")),
    ]);
    arguments.extend(norm_and_dropout(stated));
    arguments
}

fn qwen3_moe_arguments(stated: &Stated<'_>) -> Arguments {
    let mut arguments = vec![
        ("vocabulary_size", stated.get("vocab_size")),
        ("num_layers", stated.get("num_hidden_layers")),
        ("num_query_heads", stated.get("num_attention_heads")),
        ("head_dim", stated.get("head_dim")),
        ("hidden_dim", stated.get("hidden_size")),
        ("intermediate_dim", stated.get("intermediate_size")),
        (
            "moe_intermediate_dim",
            stated.or("moe_intermediate_size", 768),
        ),
        longest_wave(stated),
        key_value_heads(stated),
        ("rope_scaling_factor", stated.linear_factor()),
    ];
    arguments.extend(norm_and_dropout(stated));
    arguments.extend([
        (
            "tie_word_embeddings",
            stated.or("tie_word_embeddings", false),
        ),
        ("sliding_window_size", window_of(stated)),
        (
            "num_experts",
            stated.or("num_experts", stated.or("num_local_experts", 128)),
        ),
        ("top_k", stated.or("num_experts_per_tok", 8)),
        ("norm_top_k_prob", stated.or("norm_topk_prob", false)),
        ("decoder_sparse_step", stated.or("decoder_sparse_step", 1)),
        ("mlp_only_layers", stated.or("mlp_only_layers", json!([]))),
        (
            "router_aux_loss_coefficient",
            stated.or("router_aux_loss_coef", 0.001),
        ),
    ]);
    arguments
}

fn mixtral(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let backbone = model.backbone;
    let like = LlamaLike {
        layer: "mixtral_transformer_decoder",
        attention: "_self_attention_layer/",
        norm: "mixtral_layer_normalization",
        head_dim: None,
        has_bias: false,
        normalizes_heads: false,
    };
    let mut config = llama_like(model, map, &like, false)?;
    let [hidden, intermediate, count] = [
        backbone.size("hidden_dim")?,
        backbone.size("intermediate_dim")?,
        backbone.experts("num_experts")?,
    ];
    let matrices: [(&'static [&'static str], usize, usize); 3] = [
        (&["w1"], hidden, intermediate),
        (&["w3"], hidden, intermediate),
        (&["w2"], intermediate, hidden),
    ];
    let matrices = matrices.map(|(names, inputs, outputs)| Matrices {
        names,
        inputs,
        outputs,
    });
    for layer in 0..backbone.layers("num_layers")? {
        let path = format!("layers/{}/_sparse_moe_block", nth(like.layer, layer));
        let mut scope = map.at(path, format!("model.layers.{layer}.block_sparse_moe"));
        experts(&mut scope, count, hidden, &matrices);
    }
    scale_positions(backbone, "rope_scaling_factor", &mut config)?;
    config.extend(keys(json!({
        "model_type": "mixtral",
        "architectures": ["MixtralForCausalLM"],
        "intermediate_size": intermediate,
        "num_local_experts": count,
        "num_experts_per_tok": backbone.size_or("top_k", 2)?,
        "router_aux_loss_coef": backbone.number("router_aux_loss_coef", 0.02)?,
        "router_jitter_noise": backbone.number("router_jitter_noise", 0.0)?,
        "sliding_window": backbone.optional_size("sliding_window")?,
    })));
    Ok(config)
}

fn qwen3_moe(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let backbone = model.backbone;
    let like = LlamaLike {
        layer: "qwen3_moe_transformer_decoder",
        attention: "_self_attention_layer/_",
        norm: "qwen3_moe_layer_norm",
        head_dim: backbone.optional_size("head_dim")?,
        has_bias: false,
        normalizes_heads: true,
    };
    let is_tied = backbone.flag("tie_word_embeddings", false)?;
    let mut config = llama_like(model, map, &like, is_tied)?;
    let [hidden, intermediate, inner, count] = [
        backbone.size("hidden_dim")?,
        backbone.size("intermediate_dim")?,
        backbone.size("moe_intermediate_dim")?,
        backbone.experts("num_experts")?,
    ];
    let matrices = [
        Matrices {
            names: &["gate_proj", "up_proj"],
            inputs: hidden,
            outputs: inner,
        },
        Matrices {
            names: &["down_proj"],
            inputs: inner,
            outputs: hidden,
        },
    ];
    let step = backbone.size_or("decoder_sparse_step", 1)?;
    let dense = backbone.get("mlp_only_layers").and_then(Value::as_array);
    for layer in 0..backbone.layers("num_layers")? {
        let path = format!("layers/{}/mlp", nth(like.layer, layer));
        let mut scope = map.at(path, format!("model.layers.{layer}.mlp"));
        let is_dense = dense.is_some_and(|layers| layers.contains(&json!(layer)));
        if is_dense || !(layer + 1).is_multiple_of(step) {
            gated(&mut scope, "_feedforward", [hidden, intermediate]);
            continue;
        }
        experts(&mut scope, count, hidden, &matrices);
    }
    scale_positions(backbone, "rope_scaling_factor", &mut config)?;
    config.extend(keys(json!({
        "model_type": "qwen3_moe",
        "architectures": ["Qwen3MoeForCausalLM"],
        "intermediate_size": intermediate,
        "moe_intermediate_size": inner,
        "num_experts": count,
        "num_experts_per_tok": backbone.size_or("top_k", 4)?,
        "norm_topk_prob": backbone.flag("norm_top_k_prob", false)?,
        "decoder_sparse_step": step,
        "mlp_only_layers": dense.cloned().unwrap_or_default(),
        "router_aux_loss_coef": backbone.number("router_aux_loss_coefficient", 0.001)?,
    })));
    // Those of the heads add this whatever the others do.
    otherwise(&mut config, json!({"query_key_norm_eps": 1e-6}));
    config.extend(qwen3_windows(backbone)?);
    Ok(config)
}
