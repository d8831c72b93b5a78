//! GPT-2, OPT and GPT-NeoX.

use serde_json::{Map, Value, json};

use super::{FAIRSEQ_LAYER, Family, Model, Sizes, Tasks, block, keys};
use crate::Result;
use crate::keras::map::{Rows, Scope, TensorMap};
use crate::keras::stated::{Arguments, Stated};
use crate::keras::tokenizers::{BytePair, Division, Tokenizer};
use crate::pieces::View;

/// Rows before the first position in OPT's table.
const OPT_OFFSET: usize = 2;

pub(super) const GPT2: Family = Family {
    stem: "GPT2",
    module: "gpt2",
    model_types: &["gpt2"],
    tasks: Tasks::Decoder,
    arguments: gpt2_arguments,
    translate: gpt2,
    tokenizer: Tokenizer::BytePair(BytePair::between(
        Division::Gpt2,
        "<|endoftext|>",
        "<|endoftext|>",
    )),
};

pub(super) const OPT: Family = Family {
    stem: "OPT",
    module: "opt",
    model_types: &["opt"],
    tasks: Tasks::Decoder,
    arguments: opt_arguments,
    translate: opt,
    tokenizer: Tokenizer::BytePair(BytePair::between(Division::Gpt2, "</s>", "</s>")),
};

pub(super) const GPT_NEO_X: Family = Family {
    stem: "GPTNeoX",
    module: "gpt_neo_x",
    model_types: &["gpt_neox"],
    tasks: Tasks::Decoder,
    arguments: gpt_neo_x_arguments,
    translate: gpt_neo_x,
    tokenizer: Tokenizer::BytePair(BytePair::between(
        Division::Gpt2,
        "<|endoftext|>",
        "<|endoftext|>",
    )),
};

fn gpt2_arguments(stated: &Stated<'_>) -> Arguments {
    let usual = stated.size("n_embd").map(|hidden| 4 * hidden);
    vec![
        ("vocabulary_size", stated.get("vocab_size")),
        ("num_layers", stated.get("n_layer")),
        ("num_heads", stated.get("n_head")),
        ("hidden_dim", stated.get("n_embd")),
        ("intermediate_dim", stated.or("n_inner", json!(usual))),
        ("dropout", stated.or("resid_pdrop", 0.1)),
        ("max_sequence_length", stated.or("n_positions", 1024)),
    ]
}

fn opt_arguments(stated: &Stated<'_>) -> Arguments {
    vec![
        ("vocabulary_size", stated.get("vocab_size")),
        ("num_layers", stated.get("num_hidden_layers")),
        ("num_heads", stated.get("num_attention_heads")),
        ("hidden_dim", stated.get("hidden_size")),
        ("intermediate_dim", stated.get("ffn_dim")),
        ("dropout", stated.or("dropout", 0.1)),
        (
            "max_sequence_length",
            stated.or("max_position_embeddings", 2048),
        ),
    ]
}

fn gpt_neo_x_arguments(stated: &Stated<'_>) -> Arguments {
    let share = stated.rotations("partial_rotary_factor", stated.or("rotary_pct", 0.25));
    let longest = stated.rotations("rope_theta", stated.or("rotary_emb_base", 10_000));
    vec![
        ("vocabulary_size", stated.get("vocab_size")),
        ("num_layers", stated.get("num_hidden_layers")),
        ("num_heads", stated.get("num_attention_heads")),
        ("hidden_dim", stated.get("hidden_size")),
        ("intermediate_dim", stated.get("intermediate_size")),
        ("dropout", stated.or("hidden_dropout", 0.0)),
        ("rotary_percentage", share),
        ("rotary_max_wavelength", longest),
        (
            "max_sequence_length",
            stated.or("max_position_embeddings", 2048),
        ),
        ("layer_norm_epsilon", stated.or("layer_norm_eps", 1e-5)),
    ]
}

fn gpt2(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let backbone = model.backbone;
    let sizes = Sizes::of(backbone)?;
    let Sizes {
        hidden,
        heads,
        head_dim,
        intermediate,
    } = sizes;
    let vocabulary = backbone.size("vocabulary_size")?;
    let positions = backbone.size_or("max_sequence_length", 1024)?;
    let layers = backbone.layers("num_layers")?;
    let dropout = backbone.number("dropout", 0.1)?;
    let mut whole = map.at("layers", "transformer");
    whole.table("reversible_embedding", "wte", vocabulary, hidden);
    whole.table("position_embedding", "wpe", positions, hidden);
    whole.norm("layer_normalization", "ln_f", hidden);
    map.layers(
        "transformer_decoder",
        "transformer.h",
        layers,
        |_, layer| {
            layer.norm("_self_attention_layer_norm", "ln_1", hidden);
            layer.norm("_feedforward_layer_norm", "ln_2", hidden);
            // Queries, keys and values are columns of one matrix, which is not turned.
            for (at, part) in ["query", "key", "value"].into_iter().enumerate() {
                let part = format!("_self_attention_layer/{part}_dense");
                let rows = Rows {
                    first: at * hidden,
                    of: 3 * hidden,
                };
                columns(
                    layer,
                    &part,
                    "attn.c_attn",
                    &[hidden],
                    &[heads, head_dim],
                    rows,
                );
            }
            let output = "_self_attention_layer/output_dense";
            straight(layer, output, "attn.c_proj", &[heads, head_dim], &[hidden]);
            let inner = "_feedforward_intermediate_dense";
            straight(layer, inner, "mlp.c_fc", &[hidden], &[intermediate]);
            let outer = "_feedforward_output_dense";
            straight(layer, outer, "mlp.c_proj", &[intermediate], &[hidden]);
        },
    );
    Ok(keys(json!({
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "vocab_size": vocabulary,
        "n_embd": hidden,
        "n_layer": layers,
        "n_head": heads,
        "n_inner": intermediate,
        "n_positions": positions,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
        "resid_pdrop": dropout,
        "embd_pdrop": dropout,
        "attn_pdrop": dropout,
        "initializer_range": 0.02,
    })))
}

/// A linear layer whose matrix Hugging Face has from inputs to outputs too.
fn straight(scope: &mut Scope<'_>, layer: &str, module: &str, inputs: &[usize], outputs: &[usize]) {
    let rows = Rows::all(outputs.iter().product());
    columns(scope, layer, module, inputs, outputs, rows);
}

/// The same as some columns of a matrix.
fn columns(
    scope: &mut Scope<'_>,
    layer: &str,
    module: &str,
    inputs: &[usize],
    outputs: &[usize],
    columns: Rows,
) {
    let [input, output] = [inputs, outputs].map(|sizes| sizes.iter().product());
    let name = scope.named(module, "weight");
    let to = View {
        start: columns.first,
        strides: vec![columns.of, 1],
    };
    let stored = [inputs, outputs].concat();
    let whole = vec![input, columns.of];
    scope.part(layer, 0, &stored, name, whole, &[input, output], to);
    scope.bias_in(layer, module, outputs, columns);
}

fn opt(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let backbone = model.backbone;
    let sizes = Sizes::of(backbone)?;
    let vocabulary = backbone.size("vocabulary_size")?;
    let positions = backbone.size_or("max_sequence_length", 2048)?;
    let layers = backbone.layers("num_layers")?;
    let dropout = backbone.number("dropout", 0.1)?;
    let mut whole = map.at("layers", "model.decoder");
    let both = "token_and_position_embedding";
    let tokens = format!("{both}/token_embedding");
    whole.table(&tokens, "embed_tokens", vocabulary, sizes.hidden);
    whole.rows_of_table(
        &format!("{both}/position_embedding"),
        "embed_positions",
        OPT_OFFSET,
        positions,
        sizes.hidden,
    );
    whole.norm("layer_normalization", "final_layer_norm", sizes.hidden);
    map.layers(
        "transformer_decoder",
        "model.decoder.layers",
        layers,
        |_, layer| {
            block(layer, sizes, &FAIRSEQ_LAYER);
        },
    );
    Ok(keys(json!({
        "model_type": "opt",
        "architectures": ["OPTForCausalLM"],
        "vocab_size": vocabulary,
        "hidden_size": sizes.hidden,
        "word_embed_proj_dim": sizes.hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": sizes.heads,
        "ffn_dim": sizes.intermediate,
        "max_position_embeddings": positions,
        "activation_function": "relu",
        "do_layer_norm_before": true,
        "dropout": dropout,
        "attention_dropout": dropout,
        "init_std": 0.02,
    })))
}

fn gpt_neo_x(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let backbone = model.backbone;
    let sizes = Sizes::of(backbone)?;
    let Sizes {
        hidden,
        heads,
        head_dim,
        intermediate,
    } = sizes;
    let vocabulary = backbone.size("vocabulary_size")?;
    let layers = backbone.layers("num_layers")?;
    let dropout = backbone.number("dropout", 0.0)?;
    let mut whole = map.at("layers", "gpt_neox");
    whole.table("reversible_embedding", "embed_in", vocabulary, hidden);
    whole.norm("layer_normalization", "final_layer_norm", hidden);
    map.layers(
        "gpt_neo_x_decoder",
        "gpt_neox.layers",
        layers,
        |_, layer| {
            layer.norm("_self_attention_layer_norm", "input_layernorm", hidden);
            layer.norm(
                "_feedforward_layer_norm",
                "post_attention_layernorm",
                hidden,
            );
            layer.linear(
                "_self_attention_layer/_qkv_dense",
                "attention.query_key_value",
                &[hidden],
                &[heads, 3 * head_dim],
            );
            let output = "_self_attention_layer/_output_dense";
            layer.linear(output, "attention.dense", &[hidden], &[hidden]);
            let inner = "_feedforward_intermediate_dense";
            layer.linear(inner, "mlp.dense_h_to_4h", &[hidden], &[intermediate]);
            let outer = "_feedforward_output_dense";
            layer.linear(outer, "mlp.dense_4h_to_h", &[intermediate], &[hidden]);
        },
    );
    Ok(keys(json!({
        "model_type": "gpt_neox",
        "architectures": ["GPTNeoXForCausalLM"],
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": intermediate,
        "hidden_act": "gelu_new",
        "rotary_pct": backbone.number("rotary_percentage", 0.25)?,
        "rotary_emb_base": backbone.number("rotary_max_wavelength", 10_000.0)?,
        "max_position_embeddings": backbone.size_or("max_sequence_length", 512)?,
        "layer_norm_eps": backbone.number("layer_norm_epsilon", 1e-5)?,
        "use_parallel_residual": true,
        "tie_word_embeddings": true,
        "hidden_dropout": dropout,
        "attention_dropout": dropout,
        "initializer_range": 0.02,
    })))
}
