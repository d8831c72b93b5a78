//! SmolLM3.

use serde_json::{Map, Value, json};

use super::{Family, Model, keys};
use crate::Result;
use crate::keras::map::{TensorMap, nth};
use crate::keras::tokenizers::{BytePair, Division, Tokenizer};

pub(super) const SMOLLM3: Family = Family {
    stem: "SmolLM3",
    translate: smollm3,
    tokenizer: Tokenizer::BytePair(BytePair {
        division: Division::Llama3,
        start: None,
        end: "<|end_of_text|>",
        reads_pairs: false,
    }),
};

fn smollm3(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let backbone = model.backbone;
    let [
        hidden,
        heads,
        key_value_heads,
        layers,
        vocabulary,
        intermediate,
    ] = [
        backbone.size("hidden_dim")?,
        backbone.size("num_attention_heads")?,
        backbone.size("num_key_value_heads")?,
        backbone.size("num_layers")?,
        backbone.size("vocabulary_size")?,
        backbone.size("intermediate_dim")?,
    ];
    let head_dim = hidden / heads;
    for key in ["attention_bias", "mlp_bias"] {
        if backbone.flag(key, false)? {
            return Err(backbone.refuse(key, "true, which no published SmolLM3 has"));
        }
    }
    if backbone.number("partial_rotary_factor", 1.0)? != 1.0 {
        return Err(backbone.refuse("partial_rotary_factor", "expected 1"));
    }
    let mut whole = map.at("layers", "model");
    whole.table("reversible_embedding", "embed_tokens", vocabulary, hidden);
    whole.scale("rms_normalization", "norm", hidden);
    for layer in 0..layers {
        let path = format!("layers/{}", nth("smol_lm3_decoder_layer", layer));
        let mut layer = map.at(path, format!("model.layers.{layer}"));
        for (name, heads) in [("q", heads), ("k", key_value_heads), ("v", key_value_heads)] {
            let part = format!("self_attn/{name}_proj");
            let name = format!("self_attn.{name}_proj");
            layer.kernel(&part, &name, &[hidden], &[heads * head_dim]);
        }
        let output = "self_attn/o_proj";
        layer.kernel(output, "self_attn.o_proj", &[heads, head_dim], &[hidden]);
        let kernels = [
            ("gate", hidden, intermediate),
            ("up", hidden, intermediate),
            ("down", intermediate, hidden),
        ];
        for (name, input, output) in kernels {
            let part = format!("mlp/{name}_proj");
            layer.kernel(&part, &format!("mlp.{name}_proj"), &[input], &[output]);
        }
        for norm in ["input_layernorm", "post_attention_layernorm"] {
            layer.scale(norm, norm, hidden);
        }
    }
    let rotates = backbone
        .get("rope_layer_enabled_list")
        .and_then(Value::as_array);
    let rotates = rotates.map(|list| {
        let flags = list.iter().map(|flag| flag.as_bool().unwrap_or(true));
        flags.map(u8::from).collect::<Vec<_>>()
    });
    Ok(keys(json!({
        "model_type": "smollm3",
        "architectures": ["SmolLM3ForCausalLM"],
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": key_value_heads,
        "intermediate_size": intermediate,
        "hidden_act": "silu",
        "rms_norm_eps": backbone.number("layer_norm_epsilon", 1e-6)?,
        "rope_theta": backbone.number("rope_theta", 10_000.0)?,
        "max_position_embeddings": backbone.optional_size("max_position_embeddings")?,
        "no_rope_layers": rotates,
        "attention_dropout": backbone.number("attention_dropout", 0.0)?,
        "tie_word_embeddings": true,
        "initializer_range": 0.02,
    })))
}
