//! BLOOM and Falcon, which tell distances by ALiBi.

use serde_json::{Map, Value, json};

use super::{Family, Model, Sizes, Tasks, keys, last_norm, otherwise};
use crate::Result;
use crate::keras::map::{Scope, TensorMap};
use crate::keras::stated::{Arguments, Stated};
use crate::keras::tokenizers::{BytePair, Division, Tokenizer};
use crate::pieces::View;

pub(super) const BLOOM: Family = Family {
    stem: "Bloom",
    module: "bloom",
    model_types: &["bloom"],
    tasks: Tasks::Decoder,
    arguments: bloom_arguments,
    translate: bloom,
    tokenizer: Tokenizer::BytePair(BytePair::between(Division::Bloom, "<s>", "</s>")),
};

pub(super) const FALCON: Family = Family {
    stem: "Falcon",
    module: "falcon",
    model_types: &["falcon"],
    tasks: Tasks::Decoder,
    arguments: falcon_arguments,
    translate: falcon,
    tokenizer: Tokenizer::BytePair(BytePair::between(
        Division::Falcon,
        "<|endoftext|>",
        "<|endoftext|>",
    )),
};

/// Queries, keys and values of each head, one head after the other, as rows of one matrix. What their layers are called begins with `layer`.
fn fused_by_head(scope: &mut Scope<'_>, layer: &str, module: &str, sizes: Sizes) {
    let Sizes {
        hidden,
        heads,
        head_dim,
        ..
    } = sizes;
    let rows = 3 * hidden;
    for (at, part) in ["query", "key", "value"].into_iter().enumerate() {
        let part = format!("{layer}{part}_dense");
        let to = View {
            start: at * head_dim * hidden,
            strides: vec![1, 3 * head_dim * hidden, hidden],
        };
        let stored = [hidden, heads, head_dim];
        let name = scope.named(module, "weight");
        scope.part(&part, 0, &stored, name, vec![rows, hidden], &stored, to);
        let to = View {
            start: at * head_dim,
            strides: vec![3 * head_dim, 1],
        };
        let stored = [heads, head_dim];
        let name = scope.named(module, "bias");
        scope.part(&part, 1, &stored, name, vec![rows], &stored, to);
    }
}

/// What BLOOM and Falcon have in common.
fn bloom_layer(scope: &mut Scope<'_>, attention: &str, sizes: Sizes, names: [&str; 4]) {
    let [before, after, inner, outer] = names;
    let Sizes {
        hidden,
        intermediate,
        ..
    } = sizes;
    scope.norm(before, "input_layernorm", hidden);
    scope.norm(after, "post_attention_layernorm", hidden);
    fused_by_head(scope, attention, "self_attention.query_key_value", sizes);
    let output = format!("{attention}output_dense");
    scope.linear(&output, "self_attention.dense", &[hidden], &[hidden]);
    scope.linear(inner, "mlp.dense_h_to_4h", &[hidden], &[intermediate]);
    scope.linear(outer, "mlp.dense_4h_to_h", &[intermediate], &[hidden]);
}

fn bloom_arguments(stated: &Stated<'_>) -> Arguments {
    let hidden = stated.or("hidden_size", stated.get("n_embed"));
    let inner = stated.otherwise("intermediate_dim");
    let usual = hidden.as_u64().map(|hidden| 4 * hidden);
    vec![
        ("vocabulary_size", stated.get("vocab_size")),
        (
            "num_layers",
            stated.or("n_layer", stated.get("num_hidden_layers")),
        ),
        (
            "num_heads",
            stated.or("n_head", stated.get("num_attention_heads")),
        ),
        ("hidden_dim", hidden),
        ("intermediate_dim", inner.unwrap_or_else(|| json!(usual))),
        ("dropout", stated.or("hidden_dropout", 0.0)),
        ("layer_norm_epsilon", stated.or("layer_norm_epsilon", 1e-5)),
    ]
}

fn falcon_arguments(stated: &Stated<'_>) -> Arguments {
    let usual = stated.size("hidden_size").map(|hidden| 4 * hidden);
    vec![
        ("vocabulary_size", stated.get("vocab_size")),
        ("num_layers", stated.get("num_hidden_layers")),
        ("num_attention_heads", stated.get("num_attention_heads")),
        ("hidden_dim", stated.get("hidden_size")),
        (
            "intermediate_dim",
            stated.or("ffn_hidden_size", json!(usual)),
        ),
        ("attention_dropout_rate", stated.or("attention_dropout", 0)),
        ("feedforward_dropout_rate", stated.or("hidden_dropout", 0)),
        (
            "layer_norm_epsilon",
            stated.last_norm("layer_norm_epsilon", 1e-5),
        ),
    ]
}

fn bloom(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let backbone = model.backbone;
    let sizes = Sizes::of(backbone)?;
    let vocabulary = backbone.size("vocabulary_size")?;
    let layers = backbone.layers("num_layers")?;
    let dropout = backbone.number("dropout", 0.0)?;
    let mut whole = map.at("layers", "transformer");
    whole.table(
        "reversible_embedding",
        "word_embeddings",
        vocabulary,
        sizes.hidden,
    );
    whole.norm(
        "layer_normalization",
        "word_embeddings_layernorm",
        sizes.hidden,
    );
    whole.norm("layer_normalization_1", "ln_f", sizes.hidden);
    map.layers("bloom_decoder", "transformer.h", layers, |_, layer| {
        let names = [
            "_pre_attention_layernorm",
            "_post_attention_layernorm",
            "_mlp_intermediate_dense",
            "_mlp_output_dense",
        ];
        bloom_layer(layer, "_self_attention_layer/_", sizes, names);
    });
    let mut config = Map::new();
    if sizes.intermediate != 4 * sizes.hidden {
        otherwise(&mut config, json!({"intermediate_dim": sizes.intermediate}));
    }
    config.extend(keys(json!({
        "model_type": "bloom",
        "architectures": ["BloomForCausalLM"],
        "vocab_size": vocabulary,
        "hidden_size": sizes.hidden,
        "n_layer": layers,
        "n_head": sizes.heads,
        "layer_norm_epsilon": backbone.number("layer_norm_epsilon", 1e-5)?,
        "hidden_dropout": dropout,
        "attention_dropout": dropout,
        "initializer_range": 0.02,
    })));
    Ok(config)
}

fn falcon(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let backbone = model.backbone;
    let sizes = Sizes::with_heads(backbone, "num_attention_heads")?;
    let Sizes { hidden, heads, .. } = sizes;
    let vocabulary = backbone.size("vocabulary_size")?;
    let layers = backbone.layers("num_layers")?;
    let mut whole = map.at("layers", "transformer");
    whole.table(
        "reversible_embedding",
        "word_embeddings",
        vocabulary,
        hidden,
    );
    whole.norm("layer_normalization", "ln_f", hidden);
    map.layers(
        "falcon_transformer_decoder",
        "transformer.h",
        layers,
        |_, layer| {
            let names = [
                "input_layernorm",
                "post_attention_layernorm",
                "dense_h_to_4h",
                "dense_4h_to_h",
            ];
            bloom_layer(layer, "attention_layer/", sizes, names);
        },
    );
    let mut config = keys(json!({
        "model_type": "falcon",
        "architectures": ["FalconForCausalLM"],
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "ffn_hidden_size": sizes.intermediate,
        "alibi": true,
        "bias": true,
        "multi_query": false,
        "parallel_attn": false,
        "new_decoder_architecture": false,
        "activation": "gelu",
        "layer_norm_epsilon": 1e-5,
        "hidden_dropout": backbone.number("feedforward_dropout_rate", 0.0)?,
        "attention_dropout": backbone.number("attention_dropout_rate", 0.0)?,
        "initializer_range": 0.02,
    }));
    last_norm(backbone, 1e-5, &mut config)?;
    Ok(config)
}
