//! Encoder-decoders.

use serde_json::{Map, Value, json};

use super::llama::projections;
use super::{FAIRSEQ_LAYER, Family, Model, Sizes, Tasks, attention, block, keys};
use crate::Result;
use crate::keras::map::{Scope, TensorMap, nth};
use crate::keras::object::Object;
use crate::keras::stated::{Arguments, Stated};
use crate::keras::tokenizers::{BytePair, Division, Tokenizer};

/// Rows before the first position in BART's tables.
const BART_OFFSET: usize = 2;

/// Buckets of distances that KerasHub's T5 always has, and the distance from which all are one.
const BUCKETS: usize = 32;
const FARTHEST: usize = 128;

pub(super) const BART: Family = Family {
    stem: "Bart",
    module: "bart",
    model_types: &["bart"],
    tasks: Tasks::EncoderDecoder,
    arguments: bart_arguments,
    translate: bart,
    tokenizer: Tokenizer::BytePair(BytePair {
        reads_pairs: true,
        ..BytePair::between(Division::Gpt2, "<s>", "</s>")
    }),
};

pub(super) const T5: Family = Family {
    stem: "T5",
    module: "t5",
    model_types: &["t5"],
    tasks: Tasks::EncoderDecoder,
    arguments: t5_arguments,
    translate: t5,
    tokenizer: Tokenizer::pieces("spiece.model", "T5Tokenizer"),
};

pub(super) const T5_GEMMA: Family = Family {
    stem: "T5Gemma",
    module: "t5gemma",
    model_types: &["t5gemma"],
    tasks: Tasks::EncoderDecoder,
    arguments: t5_gemma_arguments,
    translate: t5_gemma,
    tokenizer: Tokenizer::framed_pieces("GemmaTokenizer", ["<bos>", "<eos>"]),
};

fn bart(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let backbone = model.backbone;
    let sizes = Sizes::of(backbone)?;
    let vocabulary = backbone.size("vocabulary_size")?;
    let positions = backbone.size_or("max_sequence_length", 1024)?;
    let layers = backbone.layers("num_layers")?;
    let dropout = backbone.number("dropout", 0.1)?;
    let mut whole = map.at("layers", "model");
    whole.table("reversible_embedding", "shared", vocabulary, sizes.hidden);
    for (at, stack) in ["encoder", "decoder"].into_iter().enumerate() {
        whole.rows_of_table(
            &nth("position_embedding", at),
            &format!("{stack}.embed_positions"),
            BART_OFFSET,
            positions,
            sizes.hidden,
        );
        whole.norm(
            &nth("layer_normalization", at),
            &format!("{stack}.layernorm_embedding"),
            sizes.hidden,
        );
    }
    for layer in 0..layers {
        for stack in ["encoder", "decoder"] {
            let path = format!("layers/{}", nth(&format!("transformer_{stack}"), layer));
            let mut scope = map.at(path, format!("model.{stack}.layers.{layer}"));
            block(&mut scope, sizes, &FAIRSEQ_LAYER);
            if stack == "decoder" {
                let names = ["q_proj", "k_proj", "v_proj", "out_proj"];
                let names = names.map(|name| format!("encoder_attn.{name}"));
                let names = names.each_ref().map(String::as_str);
                attention(&mut scope, "_cross_attention_layer", sizes, names);
                scope.norm(
                    "_cross_attention_layer_norm",
                    "encoder_attn_layer_norm",
                    sizes.hidden,
                );
            }
        }
    }
    Ok(keys(json!({
        "model_type": "bart",
        "architectures": ["BartForConditionalGeneration"],
        "is_encoder_decoder": true,
        "vocab_size": vocabulary,
        "d_model": sizes.hidden,
        "encoder_layers": layers,
        "decoder_layers": layers,
        "encoder_attention_heads": sizes.heads,
        "decoder_attention_heads": sizes.heads,
        "encoder_ffn_dim": sizes.intermediate,
        "decoder_ffn_dim": sizes.intermediate,
        "max_position_embeddings": positions,
        "activation_function": "gelu",
        "dropout": dropout,
        "attention_dropout": dropout,
        "activation_dropout": 0.0,
        "init_std": 0.02,
        "tie_word_embeddings": true,
    })))
}

fn bart_arguments(stated: &Stated<'_>) -> Arguments {
    vec![
        ("vocabulary_size", stated.get("vocab_size")),
        ("num_layers", stated.get("encoder_layers")),
        ("num_heads", stated.get("encoder_attention_heads")),
        ("hidden_dim", stated.get("d_model")),
        ("intermediate_dim", stated.get("encoder_ffn_dim")),
        ("dropout", stated.or("dropout", 0.1)),
        (
            "max_sequence_length",
            stated.or("max_position_embeddings", 1024),
        ),
    ]
}

/// The attention of T5, without biases.
fn t5_attention(scope: &mut Scope<'_>, layer: &str, module: &str, hidden: usize, width: usize) {
    for (part, name) in [("query", "q"), ("key", "k"), ("value", "v")] {
        let part = format!("{layer}/{part}_projector");
        scope.kernel(&part, &format!("{module}.{name}"), &[hidden], &[width]);
    }
    let output = format!("{layer}/output_projector");
    scope.kernel(&output, &format!("{module}.o"), &[width], &[hidden]);
}

fn t5(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let backbone = model.backbone;
    let [hidden, heads, intermediate, layers, vocabulary] = [
        backbone.size("hidden_dim")?,
        backbone.size("num_heads")?,
        backbone.size("intermediate_dim")?,
        backbone.layers("num_layers")?,
        backbone.size("vocabulary_size")?,
    ];
    let head_dim = backbone
        .optional_size("key_value_dim")?
        .unwrap_or(hidden / heads);
    let is_gated = backbone.flag("use_gated_activation", true)?;
    let is_tied = backbone.flag("tie_embedding_weights", true)?;
    let known = ["relu", "gelu", "silu", "gelu_approximate"];
    let activation = match backbone.one_of("activation", &known)? {
        // Their own name for the one by the hyperbolic tangent.
        "gelu_approximate" => "gelu_new",
        known => known,
    };
    let mut whole = map.at("layers", "");
    whole.table("reversible_embedding", "shared", vocabulary, hidden);
    if !is_tied {
        whole.untied_head(vocabulary, hidden, "shared");
    }
    for (stack, name) in ["encoder", "decoder"].into_iter().enumerate() {
        let norm = format!("{name}.final_layer_norm");
        map.at("layers", "")
            .scale(&nth("t5_layer_norm", stack), &norm, hidden);
        for layer in 0..layers {
            let path = nth("t5_transformer_layer", stack * layers + layer);
            let mut scope = map.at(format!("layers/{path}"), format!("{name}.block.{layer}"));
            let own = "layer.0.SelfAttention";
            t5_attention(&mut scope, "self_attention", own, hidden, heads * head_dim);
            if layer == 0 {
                let bias = format!("{own}.relative_attention_bias");
                scope.table("self_attention", &bias, BUCKETS, heads);
            }
            scope.scale("self_attention_layer_norm", "layer.0.layer_norm", hidden);
            if stack == 1 {
                let other = "layer.1.EncDecAttention";
                t5_attention(
                    &mut scope,
                    "cross_attention",
                    other,
                    hidden,
                    heads * head_dim,
                );
                scope.scale("cross_attention_layer_norm", "layer.1.layer_norm", hidden);
            }
            let last = stack + 1;
            scope.scale("layer_norm", &format!("layer.{last}.layer_norm"), hidden);
            let dense = format!("layer.{last}.DenseReluDense");
            let inner = if is_gated { "wi_0" } else { "wi" };
            let mut kernels = vec![("input_projector", inner, hidden, intermediate)];
            if is_gated {
                kernels.push(("gate_projector", "wi_1", hidden, intermediate));
            }
            kernels.push(("output_projector", "wo", intermediate, hidden));
            for (part, name, inputs, outputs) in kernels {
                scope.kernel(part, &format!("{dense}.{name}"), &[inputs], &[outputs]);
            }
        }
    }
    let gated = if is_gated { "gated-" } else { "" };
    Ok(keys(json!({
        "model_type": "t5",
        "architectures": ["T5ForConditionalGeneration"],
        "is_encoder_decoder": true,
        "vocab_size": vocabulary,
        "d_model": hidden,
        "d_kv": head_dim,
        "d_ff": intermediate,
        "num_layers": layers,
        "num_decoder_layers": layers,
        "num_heads": heads,
        "relative_attention_num_buckets": BUCKETS,
        "relative_attention_max_distance": FARTHEST,
        "dropout_rate": backbone.number("dropout", 0.1)?,
        "layer_norm_epsilon": backbone.number("layer_norm_epsilon", 1e-6)?,
        "feed_forward_proj": format!("{gated}{activation}"),
        "dense_act_fn": activation,
        "is_gated_act": is_gated,
        "tie_word_embeddings": is_tied,
        "initializer_factor": 1.0,
    })))
}

fn t5_arguments(stated: &Stated<'_>) -> Arguments {
    let projection = stated.word("feed_forward_proj").unwrap_or("relu");
    let is_gated = projection.starts_with("gated-");
    let activation = match projection.trim_start_matches("gated-") {
        "gelu_new" => function("gelu_approximate"),
        // So is this, if it is gated.
        "gelu" if is_gated => function("gelu_approximate"),
        other => json!(other),
    };
    vec![
        ("vocabulary_size", stated.get("vocab_size")),
        ("hidden_dim", stated.get("d_model")),
        ("intermediate_dim", stated.get("d_ff")),
        ("num_layers", stated.get("num_layers")),
        ("num_heads", stated.get("num_heads")),
        ("activation", activation),
        ("key_value_dim", stated.or("d_kv", 64)),
        ("dropout", stated.or("dropout_rate", 0.1)),
        ("use_gated_activation", json!(is_gated)),
        ("layer_norm_epsilon", stated.or("layer_norm_epsilon", 1e-6)),
        (
            "tie_embedding_weights",
            stated.or("tie_word_embeddings", true),
        ),
    ]
}

/// A function of KerasHub, as it writes one.
fn function(name: &str) -> Value {
    json!({
        "module": "builtins",
        "class_name": "function",
        "config": format!("keras_hub>{name}"),
        "registered_name": "function",
    })
}

/// The sizes of one of T5Gemma's stacks.
struct Stack {
    hidden: usize,
    intermediate: usize,
    layers: usize,
    heads: usize,
    key_value_heads: usize,
    head_dim: usize,
}

impl Stack {
    fn of(backbone: &Object, stack: &str) -> Result<Self> {
        let size = |key: &str| backbone.size(&format!("{stack}_{key}"));
        Ok(Self {
            hidden: size("hidden_dim")?,
            intermediate: size("intermediate_dim")?,
            layers: size("num_layers")?,
            heads: size("num_attention_heads")?,
            key_value_heads: size("num_key_value_heads")?,
            head_dim: size("head_dim")?,
        })
    }

    /// Attention over states that are `read` wide.
    fn attention(&self, layer: &mut Scope<'_>, module: &str, read: usize) {
        let parts = [
            ("query", "q", self.hidden, self.heads),
            ("key", "k", read, self.key_value_heads),
            ("value", "v", read, self.key_value_heads),
        ];
        for (part, name, input, heads) in parts {
            let part = format!("{module}/{part}_dense");
            let name = format!("{module}.{name}_proj");
            layer.kernel(&part, &name, &[input], &[heads, self.head_dim]);
        }
        let output = format!("{module}/output_dense");
        let heads = [self.heads, self.head_dim];
        layer.kernel(&output, &format!("{module}.o_proj"), &heads, &[self.hidden]);
    }

    /// What `config.json` says of it. KerasHub has no windows in the encoder, and one key more than others in the decoder's.
    fn keys(&self, backbone: &Object, stack: &str, vocabulary: usize) -> Result<Value> {
        let window = backbone.size_or("sliding_window", 4096)? + 1;
        let kinds = match stack {
            "encoder" => json!(vec!["full_attention"; self.layers]),
            _ => json!(backbone.get(&format!("{stack}_layer_types"))),
        };
        Ok(json!({
            "vocab_size": vocabulary,
            "hidden_size": self.hidden,
            "intermediate_size": self.intermediate,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.key_value_heads,
            "head_dim": self.head_dim,
            "layer_types": kinds,
            "hidden_activation": "gelu_pytorch_tanh",
            "rms_norm_eps": backbone.number("rms_norm_eps", 1e-6)?,
            "rope_theta": backbone.number("rope_max_wavelength", 10_000.0)?,
            // A whole number, as transformers has it.
            "query_pre_attn_scalar": backbone.number("query_pre_attn_scalar", 256.0)?.round() as u64,
            "sliding_window": window,
            "attn_logit_softcapping": backbone.get("attn_logit_softcapping"),
            "final_logit_softcapping": backbone.get("final_logit_softcapping"),
            "attention_bias": false,
            "attention_dropout": backbone.number("attention_dropout", 0.0)?,
            "dropout_rate": backbone.number("dropout_rate", 0.0)?,
            "initializer_range": backbone.number("initializer_range", 0.02)?,
            "tie_word_embeddings": true,
            "model_type": "t5_gemma_module",
        }))
    }
}

fn t5_gemma(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let backbone = model.backbone;
    let vocabulary = backbone.size("vocabulary_size")?;
    backbone.needs("tie_word_embeddings", true)?;
    backbone.needs("attention_bias", false)?;
    backbone.one_of("hidden_activation", &["gelu_approximate"])?;
    let encoder = Stack::of(backbone, "encoder")?;
    let decoder = Stack::of(backbone, "decoder")?;
    let stacks = [
        ("encoder", "embedding", &encoder),
        ("decoder", "reversible_embedding", &decoder),
    ];
    for (at, (name, embedding, stack)) in stacks.into_iter().enumerate() {
        let mut whole = map.at("layers", format!("model.{name}"));
        whole.table(embedding, "embed_tokens", vocabulary, stack.hidden);
        whole.scale(&nth("rms_normalization", at), "norm", stack.hidden);
        for layer in 0..stack.layers {
            let path = format!("layers/{}", nth(&format!("t5_gemma_{name}_layer"), layer));
            let mut layer = map.at(path, format!("model.{name}.layers.{layer}"));
            stack.attention(&mut layer, "self_attn", stack.hidden);
            let mut norms = vec!["self_attn", "feedforward"];
            if name == "decoder" {
                stack.attention(&mut layer, "cross_attn", encoder.hidden);
                norms.push("cross_attn");
            }
            for place in ["pre", "post"] {
                for branch in &norms {
                    let norm = format!("{place}_{branch}_layernorm");
                    layer.scale(&norm, &norm, stack.hidden);
                }
            }
            projections(&mut layer, [stack.hidden, stack.intermediate]);
        }
    }
    let mut written = keys(decoder.keys(backbone, "decoder", vocabulary)?);
    written.insert(
        "cross_attention_hidden_size".to_owned(),
        json!(encoder.hidden),
    );
    Ok(keys(json!({
        "model_type": "t5gemma",
        "architectures": ["T5GemmaForConditionalGeneration"],
        "is_encoder_decoder": true,
        "vocab_size": vocabulary,
        "encoder": encoder.keys(backbone, "encoder", vocabulary)?,
        "decoder": written,
        "tie_word_embeddings": true,
    })))
}

fn t5_gemma_arguments(stated: &Stated<'_>) -> Arguments {
    let nothing = Map::new();
    let [encoder, decoder] =
        ["encoder", "decoder"].map(|stack| stated.inside(stack).unwrap_or(Stated(&nothing)));
    let window = decoder.size("sliding_window").unwrap_or(4096);
    let activation = match decoder.word("hidden_activation") {
        None | Some("gelu_pytorch_tanh") => "gelu_approximate",
        Some(other) => other,
    };
    let mut arguments = vec![("vocabulary_size", decoder.get("vocab_size"))];
    let keys = [
        ["encoder_hidden_dim", "decoder_hidden_dim", "hidden_size"],
        [
            "encoder_intermediate_dim",
            "decoder_intermediate_dim",
            "intermediate_size",
        ],
        [
            "encoder_num_layers",
            "decoder_num_layers",
            "num_hidden_layers",
        ],
        [
            "encoder_num_attention_heads",
            "decoder_num_attention_heads",
            "num_attention_heads",
        ],
        [
            "encoder_num_key_value_heads",
            "decoder_num_key_value_heads",
            "num_key_value_heads",
        ],
        ["encoder_layer_types", "decoder_layer_types", "layer_types"],
        ["encoder_head_dim", "decoder_head_dim", "head_dim"],
    ];
    arguments.extend(keys.map(|[key, _, stated]| (key, encoder.get(stated))));
    arguments.extend(keys.map(|[_, key, stated]| (key, decoder.get(stated))));
    arguments.extend([
        ("dropout_rate", decoder.or("dropout_rate", 0.0)),
        ("rms_norm_eps", decoder.or("rms_norm_eps", 1e-6)),
        (
            "tie_word_embeddings",
            stated.or("tie_word_embeddings", true),
        ),
        (
            "query_pre_attn_scalar",
            decoder.or("query_pre_attn_scalar", 256.0),
        ),
        ("attention_bias", decoder.or("attention_bias", false)),
        ("hidden_activation", json!(activation)),
        ("initializer_range", decoder.or("initializer_range", 0.02)),
        ("attention_dropout", decoder.or("attention_dropout", 0.0)),
        // Its windows are one key wider than this.
        ("sliding_window", json!(window.saturating_sub(1))),
        ("cross_attention_hidden_size", encoder.get("hidden_size")),
        (
            "attn_logit_softcapping",
            decoder.get("attn_logit_softcapping"),
        ),
        (
            "final_logit_softcapping",
            decoder.get("final_logit_softcapping"),
        ),
        (
            "rope_max_wavelength",
            decoder.rotations("rope_theta", 10_000.0),
        ),
    ]);
    arguments
}
