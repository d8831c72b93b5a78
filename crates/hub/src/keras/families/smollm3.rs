//! SmolLM3.

use serde_json::{Map, Value, json};

use super::llama::{LlamaSizes, projections};
use super::{Family, Model, keys};
use crate::Result;
use crate::keras::map::TensorMap;
use crate::keras::tokenizers::{BytePair, Division, Tokenizer};

pub(super) const SMOLLM3: Family = Family {
    stem: "SmolLM3",
    translate: smollm3,
    tokenizer: Tokenizer::BytePair(BytePair::before(Division::Llama3, "<|end_of_text|>")),
};

fn smollm3(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let backbone = model.backbone;
    let sizes = LlamaSizes::with_heads(backbone, "num_attention_heads", None)?;
    let LlamaSizes {
        hidden,
        heads,
        key_value_heads,
        head_dim,
        layers,
        vocabulary,
    } = sizes;
    let intermediate = backbone.size("intermediate_dim")?;
    for key in ["attention_bias", "mlp_bias"] {
        backbone.needs(key, false)?;
    }
    if backbone.number("partial_rotary_factor", 1.0)? != 1.0 {
        return Err(backbone.refuse("partial_rotary_factor", "expected 1"));
    }
    let mut whole = map.at("layers", "model");
    whole.table("reversible_embedding", "embed_tokens", vocabulary, hidden);
    whole.scale("rms_normalization", "norm", hidden);
    map.layers(
        "smol_lm3_decoder_layer",
        "model.layers",
        layers,
        |_, layer| {
            for (name, heads) in [("q", heads), ("k", key_value_heads), ("v", key_value_heads)] {
                let part = format!("self_attn/{name}_proj");
                let name = format!("self_attn.{name}_proj");
                layer.kernel(&part, &name, &[hidden], &[heads * head_dim]);
            }
            let output = "self_attn/o_proj";
            layer.kernel(output, "self_attn.o_proj", &[heads, head_dim], &[hidden]);
            projections(layer, [hidden, intermediate]);
            for norm in ["input_layernorm", "post_attention_layernorm"] {
                layer.scale(norm, norm, hidden);
            }
        },
    );
    let rotates = backbone
        .get("rope_layer_enabled_list")
        .and_then(Value::as_array);
    let rotates = rotates.map(|list| {
        let flags = list.iter().map(|flag| flag.as_bool().unwrap_or(true));
        flags.map(u8::from).collect::<Vec<_>>()
    });
    let mut config = sizes.keys();
    config.extend(keys(json!({
        "model_type": "smollm3",
        "architectures": ["SmolLM3ForCausalLM"],
        "intermediate_size": intermediate,
        "hidden_act": "silu",
        "rms_norm_eps": backbone.number("layer_norm_epsilon", 1e-6)?,
        "rope_theta": backbone.number("rope_theta", 10_000.0)?,
        "max_position_embeddings": backbone.optional_size("max_position_embeddings")?,
        "no_rope_layers": rotates,
        "attention_dropout": backbone.number("attention_dropout", 0.0)?,
        "tie_word_embeddings": true,
    })));
    Ok(config)
}
