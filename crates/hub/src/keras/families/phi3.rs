//! Phi-3, whose queries, keys and values are one matrix, and whose gates are another.

use serde_json::{Map, Value, json};

use super::llama::{LlamaSizes, key_value_heads, longest_wave, sizes_of};
use super::{Family, Model, Tasks, keys};
use crate::Result;
use crate::keras::map::{Rows, TensorMap};
use crate::keras::stated::{Arguments, Stated};
use crate::keras::tokenizers::Tokenizer;

pub(super) const PHI3: Family = Family {
    stem: "Phi3",
    module: "phi3",
    model_types: &["phi3"],
    tasks: Tasks::Decoder,
    arguments,
    translate: phi3,
    tokenizer: Tokenizer::framed_pieces("LlamaTokenizer", ["<s>", "<|endoftext|>"]),
};

fn arguments(stated: &Stated<'_>) -> Arguments {
    let positions = stated.or("max_position_embeddings", 4096);
    let original = stated.or("original_max_position_embeddings", 4096);
    let kind = match stated.scaling().as_str() {
        Some("default") | None => Value::Null,
        Some("longrope") => json!("su"),
        Some(other) => json!(other),
    };
    let mut arguments = sizes_of(stated);
    arguments.extend([
        key_value_heads(stated),
        ("layer_norm_epsilon", stated.or("rms_norm_eps", 1e-5)),
        ("dropout", stated.or("attention_dropout", 0.0)),
        ("max_sequence_length", positions),
        (
            "pretraining_sequence_length",
            stated.rotations("original_max_position_embeddings", original),
        ),
        longest_wave(stated),
        ("rope_scaling_type", kind),
        (
            "rope_scaling_short_factor",
            stated.rotations("short_factor", Value::Null),
        ),
        (
            "rope_scaling_long_factor",
            stated.rotations("long_factor", Value::Null),
        ),
    ]);
    arguments
}

fn phi3(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let backbone = model.backbone;
    let sizes = LlamaSizes::of(backbone, None)?;
    let LlamaSizes {
        hidden,
        heads,
        key_value_heads,
        head_dim,
        layers,
        vocabulary,
    } = sizes;
    let intermediate = backbone.size("intermediate_dim")?;
    let positions = backbone.size_or("max_sequence_length", 4096)?;
    let embedding = "reversible_embedding";
    let mut whole = map.at("layers", "model");
    whole.table(embedding, "embed_tokens", vocabulary, hidden);
    whole.scale("phi3_layer_norm", "norm", hidden);
    whole.untied_head(vocabulary, hidden, "embed_tokens");
    map.layers("phi3_decoder", "model.layers", layers, |_, layer| {
        let of = (heads + 2 * key_value_heads) * head_dim;
        let parts = [
            ("query", heads, 0),
            ("key", key_value_heads, heads),
            ("value", key_value_heads, heads + key_value_heads),
        ];
        for (part, heads, before) in parts {
            layer.kernel_in(
                &format!("attention/{part}_dense"),
                "self_attn.qkv_proj",
                &[hidden],
                &[heads, head_dim],
                Rows {
                    first: before * head_dim,
                    of,
                },
            );
        }
        let output = "attention/output_dense";
        layer.kernel(output, "self_attn.o_proj", &[heads, head_dim], &[hidden]);
        for (at, part) in ["gate", "intermediate"].into_iter().enumerate() {
            layer.kernel_in(
                &format!("feedforward_{part}_dense"),
                "mlp.gate_up_proj",
                &[hidden],
                &[intermediate],
                Rows {
                    first: at * intermediate,
                    of: 2 * intermediate,
                },
            );
        }
        let outer = "feedforward_output_dense";
        layer.kernel(outer, "mlp.down_proj", &[intermediate], &[hidden]);
        layer.scale("pre_attention_layernorm", "input_layernorm", hidden);
        layer.scale(
            "post_attention_layernorm",
            "post_attention_layernorm",
            hidden,
        );
    });
    let mut config = sizes.keys();
    config.extend(keys(json!({
        "model_type": "phi3",
        "architectures": ["Phi3ForCausalLM"],
        "intermediate_size": intermediate,
        "hidden_act": "silu",
        "max_position_embeddings": positions,
        "original_max_position_embeddings": backbone.optional_size("pretraining_sequence_length")?,
        "rms_norm_eps": backbone.number("layer_norm_epsilon", 1e-6)?,
        "rope_theta": backbone.number("rope_max_wavelength", 10_000.0)?,
        "attention_dropout": backbone.number("dropout", 0.0)?,
        "tie_word_embeddings": false,
        "pad_token_id": 0,
    })));
    match backbone.word("rope_scaling_type")? {
        None => {}
        Some("su") => {
            let scaling = json!({
                "rope_type": "longrope",
                "short_factor": backbone.get("rope_scaling_short_factor"),
                "long_factor": backbone.get("rope_scaling_long_factor"),
            });
            config.insert("rope_scaling".to_owned(), scaling);
        }
        Some(other) => {
            let reason = format!("expected su, found {other}");
            return Err(backbone.refuse("rope_scaling_type", &reason));
        }
    }
    Ok(config)
}
