//! SmolLM3.

use serde_json::{Map, Value, json};

use super::llama::{LlamaSizes, key_value_heads, projections};
use super::{Family, Model, Tasks, keys};
use crate::Result;
use crate::keras::map::TensorMap;
use crate::keras::stated::{Arguments, Stated};
use crate::keras::tokenizers::{BytePair, Division, Tokenizer};

pub(super) const SMOLLM3: Family = Family {
    stem: "SmolLM3",
    module: "smollm3",
    model_types: &["smollm3"],
    tasks: Tasks::Decoder,
    arguments,
    translate: smollm3,
    tokenizer: Tokenizer::BytePair(BytePair::before(Division::Llama3, "<|end_of_text|>")),
};

fn arguments(stated: &Stated<'_>) -> Arguments {
    let layers = stated.size("num_hidden_layers").unwrap_or(0);
    let interval = stated.size("no_rope_layer_interval").unwrap_or(4).max(1);
    let usual: Vec<bool> = (1..=layers)
        .map(|layer| !layer.is_multiple_of(interval))
        .collect();
    let flags = stated.get("no_rope_layers");
    let rotates = match flags.as_array() {
        Some(flags) => flags.iter().map(|flag| flag.as_u64() != Some(0)).collect(),
        None => usual,
    };
    let kinds = vec!["full_attention"; usize::try_from(layers).unwrap_or(0)];
    vec![
        ("vocabulary_size", stated.get("vocab_size")),
        ("hidden_dim", stated.get("hidden_size")),
        ("intermediate_dim", stated.get("intermediate_size")),
        ("num_layers", stated.get("num_hidden_layers")),
        ("num_attention_heads", stated.get("num_attention_heads")),
        key_value_heads(stated),
        ("attention_bias", json!(false)),
        ("attention_dropout", stated.or("attention_dropout", 0.0)),
        ("rope_layer_enabled_list", json!(rotates)),
        ("layer_types", json!(kinds)),
        ("mlp_bias", json!(false)),
        ("layer_norm_epsilon", stated.or("rms_norm_eps", 1e-6)),
        (
            "max_position_embeddings",
            stated.or("max_position_embeddings", 32_768),
        ),
        ("rope_theta", stated.rotations("rope_theta", 2_000_000.0)),
        ("partial_rotary_factor", json!(1.0)),
    ]
}

/// How far each pair of a head's channels turns from one position to the next, which KerasHub stores with each layer.
fn frequencies(theta: f64, head_dim: usize) -> Vec<f32> {
    let pairs = (0..head_dim).step_by(2);
    let turn = |channel: usize| theta.powf(-(channel as f64) / head_dim as f64);
    pairs.map(|channel| turn(channel) as f32).collect()
}

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
    let theta = backbone.number("rope_theta", 10_000.0)?;
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
            layer.constant("self_attn/rotary_embedding", frequencies(theta, head_dim));
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
        "rope_theta": theta,
        "max_position_embeddings": backbone.optional_size("max_position_embeddings")?,
        "no_rope_layers": rotates,
        "attention_dropout": backbone.number("attention_dropout", 0.0)?,
        "tie_word_embeddings": true,
        // That of the published models, without this, which may be beyond the vocabulary.
        "pad_token_id": null,
    })));
    Ok(config)
}
