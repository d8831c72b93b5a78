//! Gemma 1 to 3.

use serde_json::{Map, Value, json};

use super::llama::{LlamaSizes, scale_positions};
use super::{Family, Model, Tasks, keys, last_norm};
use crate::Result;
use crate::keras::map::{Scope, TensorMap};
use crate::keras::object::Object;
use crate::keras::stated::{Arguments, Stated};
use crate::keras::tokenizers::Tokenizer;
use crate::pieces::View;

pub(super) const GEMMA: Family = Family {
    stem: "Gemma",
    module: "gemma",
    model_types: &["gemma", "gemma2"],
    tasks: Tasks::Decoder,
    arguments: gemma_arguments,
    translate: gemma,
    tokenizer: Tokenizer::framed_pieces("GemmaTokenizer", ["<bos>", "<eos>"]),
};

pub(super) const GEMMA3: Family = Family {
    stem: "Gemma3",
    module: "gemma3",
    model_types: &["gemma3_text"],
    tasks: Tasks::Decoder,
    arguments: gemma3_arguments,
    translate: gemma3,
    tokenizer: Tokenizer::framed_pieces("GemmaTokenizer", ["<bos>", "<eos>"]),
};

/// A layer of Gemma: attention by head, and a feed-forward layer `inner` wide.
fn gemma_layer(scope: &mut Scope<'_>, sizes: LlamaSizes, inner: usize) {
    let LlamaSizes {
        hidden,
        heads,
        key_value_heads,
        head_dim,
        ..
    } = sizes;
    let parts = [
        ("query", "q", heads),
        ("key", "k", key_value_heads),
        ("value", "v", key_value_heads),
    ];
    for (part, name, heads) in parts {
        let stored = [heads, hidden, head_dim];
        let to = View {
            start: 0,
            strides: vec![head_dim * hidden, 1, hidden],
        };
        let name = scope.named(&format!("self_attn.{name}_proj"), "weight");
        let whole = vec![heads * head_dim, hidden];
        let part = format!("attention/{part}_dense");
        scope.part(&part, 0, &stored, name, whole, &stored, to);
    }
    let output = "attention/output_dense";
    scope.kernel(output, "self_attn.o_proj", &[heads, head_dim], &[hidden]);
    scope.kernel("gating_ffw", "mlp.gate_proj", &[hidden], &[inner]);
    scope.kernel("gating_ffw_2", "mlp.up_proj", &[hidden], &[inner]);
    scope.kernel("ffw_linear", "mlp.down_proj", &[inner], &[hidden]);
    scope.scale("pre_attention_norm", "input_layernorm", hidden);
}

/// The norms around the branches of Gemma 2 and 3.
fn norms_after(scope: &mut Scope<'_>, hidden: usize) {
    let norms = [
        ("post_attention_norm", "post_attention_layernorm"),
        ("pre_ffw_norm", "pre_feedforward_layernorm"),
        ("post_ffw_norm", "post_feedforward_layernorm"),
    ];
    for (layer, name) in norms {
        scope.scale(layer, name, hidden);
    }
}

/// What all Gemmas have beside their layers; gives what `config.json` says of it.
fn gemma_model(
    backbone: &Object,
    map: &mut TensorMap,
    sizes: LlamaSizes,
    inner: usize,
) -> Result<Map<String, Value>> {
    let mut whole = map.at("layers", "model");
    whole.table(
        "reversible_embedding",
        "embed_tokens",
        sizes.vocabulary,
        sizes.hidden,
    );
    whole.scale("rms_normalization", "norm", sizes.hidden);
    let mut config = sizes.keys();
    config.extend(keys(json!({
        "intermediate_size": inner,
        "hidden_act": "gelu_pytorch_tanh",
        "hidden_activation": "gelu_pytorch_tanh",
        // Their blocks have it whatever the backbone says.
        "rms_norm_eps": 1e-6,
        "attention_dropout": backbone.number("dropout", 0.0)?,
        "query_pre_attn_scalar": sizes.head_dim,
        "tie_word_embeddings": true,
        "pad_token_id": 0,
    })));
    last_norm(backbone, 1e-6, &mut config)?;
    Ok(config)
}

fn gemma_arguments(stated: &Stated<'_>) -> Arguments {
    let is_second = stated.word("model_type") == Some("gemma2");
    let slides = is_second
        && (stated.get("layer_types").is_null() || stated.has_layer_of("sliding_attention"));
    // Both halves of the gate together.
    let inner = stated.size("intermediate_size").map(|inner| 2 * inner);
    let of_second = |key: &str, usual: f64| match is_second {
        // One that is null has no cap.
        true if stated.0.contains_key(key) => stated.get(key),
        true => json!(usual),
        false => Value::Null,
    };
    vec![
        ("vocabulary_size", stated.get("vocab_size")),
        ("num_layers", stated.get("num_hidden_layers")),
        ("num_query_heads", stated.get("num_attention_heads")),
        ("num_key_value_heads", stated.get("num_key_value_heads")),
        ("hidden_dim", stated.get("hidden_size")),
        ("intermediate_dim", json!(inner)),
        ("head_dim", stated.or("head_dim", 256)),
        ("layer_norm_epsilon", stated.last_norm("rms_norm_eps", 1e-6)),
        ("dropout", stated.or("attention_dropout", 0)),
        ("query_head_dim_normalize", json!(true)),
        ("use_post_ffw_norm", json!(is_second)),
        ("use_post_attention_norm", json!(is_second)),
        (
            "final_logit_soft_cap",
            of_second("final_logit_softcapping", 30.0),
        ),
        (
            "attention_logit_soft_cap",
            of_second("attn_logit_softcapping", 50.0),
        ),
        ("sliding_window_size", stated.or("sliding_window", 4096)),
        ("use_sliding_window_attention", json!(slides)),
    ]
}

fn gemma3_arguments(stated: &Stated<'_>) -> Arguments {
    let rotations = stated.inside("rope_parameters");
    let of_whole = rotations.and_then(|by_kind| by_kind.inside("full_attention"));
    let scale = of_whole.unwrap_or(*stated).linear_factor();
    vec![
        ("vocabulary_size", stated.get("vocab_size")),
        ("image_size", Value::Null),
        ("num_layers", stated.get("num_hidden_layers")),
        ("num_query_heads", stated.get("num_attention_heads")),
        ("num_key_value_heads", stated.get("num_key_value_heads")),
        ("hidden_dim", stated.get("hidden_size")),
        ("intermediate_dim", stated.get("intermediate_size")),
        ("head_dim", stated.or("head_dim", 256)),
        ("query_head_dim_normalize", json!(true)),
        ("use_query_key_norm", json!(true)),
        ("use_post_ffw_norm", json!(true)),
        ("use_post_attention_norm", json!(true)),
        (
            "attention_logit_soft_cap",
            stated.get("attn_logit_softcapping"),
        ),
        (
            "final_logit_soft_cap",
            stated.get("final_logit_softcapping"),
        ),
        (
            "use_sliding_window_attention",
            json!(stated.has_layer_of("sliding_attention")),
        ),
        ("sliding_window_size", stated.or("sliding_window", 4096)),
        ("local_rope_scaling_factor", json!(1.0)),
        ("global_rope_scaling_factor", scale),
        ("vision_encoder", Value::Null),
        (
            "use_bidirectional_attention",
            stated.or("use_bidirectional_attention", false),
        ),
        ("layer_norm_epsilon", stated.last_norm("rms_norm_eps", 1e-6)),
        ("dropout", stated.or("attention_dropout", 0)),
        ("is_embedding_model", json!(false)),
        ("pooling_intermediate_dim", Value::Null),
        ("embedding_dim", Value::Null),
    ]
}

fn gemma(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let backbone = model.backbone;
    let head_dim = Some(backbone.size("head_dim")?);
    let sizes = LlamaSizes::of(backbone, head_dim)?;
    // Both halves of the gate together.
    let inner = backbone.size("intermediate_dim")? / 2;
    let has_norms = [
        backbone.flag("use_post_ffw_norm", false)?,
        backbone.flag("use_post_attention_norm", false)?,
    ];
    if has_norms[0] != has_norms[1] {
        let reason = "there is no Gemma with one of use_post_ffw_norm and use_post_attention_norm";
        return Err(backbone.refuse("use_post_ffw_norm", reason));
    }
    let is_second = has_norms[0];
    map.layers(
        "gemma_decoder_block",
        "model.layers",
        sizes.layers,
        |_, layer| {
            gemma_layer(layer, sizes, inner);
            if is_second {
                norms_after(layer, sizes.hidden);
            } else {
                layer.scale("pre_ffw_norm", "post_attention_layernorm", sizes.hidden);
            }
        },
    );
    let mut config = gemma_model(backbone, map, sizes, inner)?;
    let caps = ["attention_logit_soft_cap", "final_logit_soft_cap"];
    let slides = backbone.flag("use_sliding_window_attention", false)?;
    if is_second {
        let kind = |layer: usize| {
            if slides && layer.is_multiple_of(2) {
                "sliding_attention"
            } else {
                "full_attention"
            }
        };
        let window = backbone.optional_size("sliding_window_size")?;
        config.extend(keys(json!({
            "model_type": "gemma2",
            "architectures": ["Gemma2ForCausalLM"],
            "attn_logit_softcapping": backbone.get(caps[0]),
            "final_logit_softcapping": backbone.get(caps[1]),
            "sliding_window": window.unwrap_or(4096),
            "layer_types": (0..sizes.layers).map(kind).collect::<Vec<_>>(),
        })));
        return Ok(config);
    }
    if let Some(key) = caps.into_iter().find(|key| backbone.get(key).is_some()) {
        return Err(backbone.refuse(
            key,
            "only Gemma 2, which has norms after its branches, has it",
        ));
    }
    if slides {
        let key = "use_sliding_window_attention";
        return Err(backbone.refuse(
            key,
            "only Gemma 2, which has norms after its branches, has it",
        ));
    }
    config.extend(keys(json!({
        "model_type": "gemma",
        "architectures": ["GemmaForCausalLM"],
    })));
    Ok(config)
}

fn gemma3(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let backbone = model.backbone;
    let needs = [
        ("use_query_key_norm", true),
        ("use_post_ffw_norm", true),
        ("use_post_attention_norm", true),
        ("is_embedding_model", false),
    ];
    for (key, needed) in needs {
        backbone.needs(key, needed)?;
    }
    if backbone.get("vision_encoder").is_some() {
        let reason = "models that see images are not read; only those of text are";
        return Err(backbone.refuse("vision_encoder", reason));
    }
    if backbone.number("local_rope_scaling_factor", 1.0)? != 1.0 {
        let reason = "expected 1, as in every published Gemma 3";
        return Err(backbone.refuse("local_rope_scaling_factor", reason));
    }
    let head_dim = Some(backbone.size("head_dim")?);
    let sizes = LlamaSizes::of(backbone, head_dim)?;
    let inner = backbone.size("intermediate_dim")?;
    map.layers(
        "gemma3_decoder_block",
        "model.layers",
        sizes.layers,
        |_, layer| {
            gemma_layer(layer, sizes, inner);
            norms_after(layer, sizes.hidden);
            for (part, name) in [("query", "q"), ("key", "k")] {
                let name = format!("self_attn.{name}_norm");
                layer.scale(&format!("attention/{part}_norm"), &name, sizes.head_dim);
            }
        },
    );
    let mut config = gemma_model(backbone, map, sizes, inner)?;
    scale_positions(backbone, "global_rope_scaling_factor", &mut config)?;
    let slides = backbone.flag("use_sliding_window_attention", false)?;
    let kind = |layer: usize| {
        if slides && !(layer + 1).is_multiple_of(6) {
            "sliding_attention"
        } else {
            "full_attention"
        }
    };
    config.extend(keys(json!({
        "model_type": "gemma3_text",
        "architectures": ["Gemma3ForCausalLM"],
        "rope_theta": 1e6,
        "rope_local_base_freq": 1e4,
        "attn_logit_softcapping": backbone.get("attention_logit_soft_cap"),
        "final_logit_softcapping": backbone.get("final_logit_soft_cap"),
        "sliding_window": backbone.size_or("sliding_window_size", 1024)?,
        "layer_types": (0..sizes.layers).map(kind).collect::<Vec<_>>(),
        "use_bidirectional_attention": backbone.flag("use_bidirectional_attention", false)?,
    })));
    Ok(config)
}
