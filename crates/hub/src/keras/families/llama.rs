//! Llama, and models of its layout.

use serde_json::{Map, Value, json};

use super::{Family, Model, Tasks, keys};
use crate::Result;
use crate::keras::map::{Scope, TensorMap, nth};
use crate::keras::object::Object;
use crate::keras::stated::{Arguments, Stated};
use crate::keras::tokenizers::{BytePair, Division, Tokenizer};

pub(super) const LLAMA: Family = Family {
    stem: "Llama",
    module: "llama",
    model_types: &["llama"],
    tasks: Tasks::Decoder,
    arguments: llama_arguments,
    translate: llama,
    tokenizer: Tokenizer::framed_pieces("LlamaTokenizer", ["<s>", "</s>"]),
};

pub(super) const LLAMA3: Family = Family {
    stem: "Llama3",
    module: "llama3",
    model_types: &["llama"],
    tasks: Tasks::Decoder,
    arguments: llama_arguments,
    translate: llama,
    tokenizer: Tokenizer::BytePair(BytePair::between(
        Division::Llama3,
        "<|begin_of_text|>",
        "<|end_of_text|>",
    )),
};

pub(super) const MISTRAL: Family = Family {
    stem: "Mistral",
    module: "mistral",
    model_types: &["mistral"],
    tasks: Tasks::Decoder,
    arguments: mistral_arguments,
    translate: mistral,
    tokenizer: Tokenizer::framed_pieces("LlamaTokenizer", ["<s>", "</s>"]),
};

/// A model of Llama's layout.
pub(super) struct LlamaLike<'a> {
    /// What its layers are called.
    pub(super) layer: &'a str,
    /// What the names of attention's four linear layers begin with.
    pub(super) attention: &'a str,
    /// What the norm behind them is called.
    pub(super) norm: &'a str,
    /// Channels of a head, where they are not the hidden states' share of it.
    pub(super) head_dim: Option<usize>,
    /// Whether queries, keys and values have biases.
    pub(super) has_bias: bool,
    /// Whether each head's queries and keys are normalised.
    pub(super) normalizes_heads: bool,
}

/// The sizes of a model of Llama's layout.
#[derive(Clone, Copy)]
pub(super) struct LlamaSizes {
    pub(super) hidden: usize,
    pub(super) heads: usize,
    pub(super) key_value_heads: usize,
    pub(super) head_dim: usize,
    pub(super) layers: usize,
    pub(super) vocabulary: usize,
}

impl LlamaSizes {
    pub(super) fn of(backbone: &Object, head_dim: Option<usize>) -> Result<Self> {
        Self::with_heads(backbone, "num_query_heads", head_dim)
    }

    /// The same, with the key of the number of heads.
    pub(super) fn with_heads(
        backbone: &Object,
        key: &str,
        head_dim: Option<usize>,
    ) -> Result<Self> {
        let [hidden, heads] = [backbone.size("hidden_dim")?, backbone.size(key)?];
        let key_value_heads = backbone.size("num_key_value_heads")?;
        if !heads.is_multiple_of(key_value_heads) {
            let reason = format!("{key_value_heads} does not divide {key}, which is {heads}");
            return Err(backbone.refuse("num_key_value_heads", &reason));
        }
        Ok(Self {
            hidden,
            heads,
            key_value_heads,
            head_dim: head_dim.unwrap_or(hidden / heads),
            layers: backbone.layers("num_layers")?,
            vocabulary: backbone.size("vocabulary_size")?,
        })
    }

    /// What `config.json` says of them, in each family.
    pub(super) fn keys(&self) -> Map<String, Value> {
        keys(json!({
            "vocab_size": self.vocabulary,
            "hidden_size": self.hidden,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.key_value_heads,
            "head_dim": self.head_dim,
            "initializer_range": 0.02,
        }))
    }
}

/// All of it but what stands in the place of feed-forward layers; gives what `config.json` says of it.
pub(super) fn llama_like(
    model: &Model<'_>,
    map: &mut TensorMap,
    like: &LlamaLike<'_>,
    is_tied: bool,
) -> Result<Map<String, Value>> {
    let backbone = model.backbone;
    let sizes = LlamaSizes::of(backbone, like.head_dim)?;
    let LlamaSizes {
        hidden,
        head_dim,
        vocabulary,
        ..
    } = sizes;
    let embedding = "reversible_embedding";
    let mut whole = map.at("layers", "model");
    whole.table(embedding, "embed_tokens", vocabulary, hidden);
    whole.scale(like.norm, "norm", hidden);
    if !is_tied {
        whole.untied_head(vocabulary, hidden, "embed_tokens");
    }
    map.layers(like.layer, "model.layers", sizes.layers, |_, layer| {
        let parts = [
            ("query", "q", sizes.heads),
            ("key", "k", sizes.key_value_heads),
            ("value", "v", sizes.key_value_heads),
        ];
        for (part, name, heads) in parts {
            let part = format!("{}{part}_dense", like.attention);
            let name = format!("self_attn.{name}_proj");
            layer.kernel(&part, &name, &[hidden], &[heads, head_dim]);
            if like.has_bias {
                layer.bias(&part, &name, &[heads, head_dim]);
            }
        }
        let output = format!("{}output_dense", like.attention);
        layer.kernel(
            &output,
            "self_attn.o_proj",
            &[sizes.heads, head_dim],
            &[hidden],
        );
        if like.normalizes_heads {
            for (part, name) in [("query", "q"), ("key", "k")] {
                let part = format!("{}{part}_dense_layer_norm", like.attention);
                layer.scale(&part, &format!("self_attn.{name}_norm"), head_dim);
            }
        }
        layer.scale("_self_attention_layernorm", "input_layernorm", hidden);
        layer.scale("_feedforward_layernorm", "post_attention_layernorm", hidden);
    });
    let mut config = sizes.keys();
    config.extend(keys(json!({
        "hidden_act": "silu",
        "rms_norm_eps": backbone.number("layer_norm_epsilon", 1e-6)?,
        "rope_theta": backbone.number("rope_max_wavelength", 10_000.0)?,
        "attention_dropout": backbone.number("dropout", 0.0)?,
        "tie_word_embeddings": is_tied,
    })));
    Ok(config)
}

/// The gated feed-forward layers of a model of Llama's layout.
pub(super) fn gated_layers(
    model: &Model<'_>,
    map: &mut TensorMap,
    layer: &str,
    config: &mut Map<String, Value>,
) -> Result<()> {
    let backbone = model.backbone;
    let [hidden, intermediate] = [
        backbone.size("hidden_dim")?,
        backbone.size("intermediate_dim")?,
    ];
    for number in 0..backbone.layers("num_layers")? {
        let path = format!("layers/{}", nth(layer, number));
        let mut scope = map.at(path, format!("model.layers.{number}.mlp"));
        gated(&mut scope, "_feedforward", [hidden, intermediate]);
    }
    config.insert("intermediate_size".to_owned(), json!(intermediate));
    Ok(())
}

/// A gated feed-forward layer.
pub(super) fn gated(scope: &mut Scope<'_>, layer: &str, [hidden, intermediate]: [usize; 2]) {
    let [hidden, intermediate] = [&[hidden], &[intermediate]];
    let kernels = [
        ("gate", "gate_proj", hidden, intermediate),
        ("intermediate", "up_proj", hidden, intermediate),
        ("output", "down_proj", intermediate, hidden),
    ];
    for (part, name, inputs, outputs) in kernels {
        scope.kernel(&format!("{layer}_{part}_dense"), name, inputs, outputs);
    }
}

/// The same by the names that Hugging Face has too.
pub(super) fn projections(scope: &mut Scope<'_>, [hidden, intermediate]: [usize; 2]) {
    let kernels = [
        ("gate", hidden, intermediate),
        ("up", hidden, intermediate),
        ("down", intermediate, hidden),
    ];
    for (part, input, output) in kernels {
        let name = format!("mlp.{part}_proj");
        scope.kernel(&format!("mlp/{part}_proj"), &name, &[input], &[output]);
    }
}

/// Says what a linear scaling of positions is called.
pub(super) fn scale_positions(
    backbone: &Object,
    key: &str,
    config: &mut Map<String, Value>,
) -> Result<()> {
    let factor = backbone.number(key, 1.0)?;
    if factor != 1.0 {
        let scaling = json!({"rope_type": "linear", "factor": factor});
        config.insert("rope_scaling".to_owned(), scaling);
    }
    Ok(())
}

/// The arguments that most classes of Llama's layout begin with.
pub(super) fn sizes_of(stated: &Stated<'_>) -> Arguments {
    vec![
        ("vocabulary_size", stated.get("vocab_size")),
        ("num_layers", stated.get("num_hidden_layers")),
        ("num_query_heads", stated.get("num_attention_heads")),
        ("hidden_dim", stated.get("hidden_size")),
        ("intermediate_dim", stated.get("intermediate_size")),
    ]
}

/// The number of heads of keys and values, which is that of all heads where it is not stated.
pub(super) fn key_value_heads(stated: &Stated<'_>) -> (&'static str, Value) {
    let all = stated.get("num_attention_heads");
    ("num_key_value_heads", stated.or("num_key_value_heads", all))
}

/// Where rotations are slowest.
pub(super) fn longest_wave(stated: &Stated<'_>) -> (&'static str, Value) {
    (
        "rope_max_wavelength",
        stated.rotations("rope_theta", 10_000),
    )
}

/// What norms and dropout of Llama's layout are given.
pub(super) fn norm_and_dropout(stated: &Stated<'_>) -> Arguments {
    vec![
        ("layer_norm_epsilon", stated.or("rms_norm_eps", 1e-6)),
        ("dropout", stated.or("attention_dropout", 0)),
    ]
}

fn llama_arguments(stated: &Stated<'_>) -> Arguments {
    let of_third = |key: &str| match stated.scaling().as_str() {
        Some("llama3") => stated.rotations(key, Value::Null),
        _ => Value::Null,
    };
    let mut arguments = sizes_of(stated);
    arguments.extend([
        longest_wave(stated),
        ("rope_position_scaling_factor", stated.linear_factor()),
        ("rope_frequency_adjustment_factor", of_third("factor")),
        ("rope_low_freq_factor", of_third("low_freq_factor")),
        ("rope_high_freq_factor", of_third("high_freq_factor")),
        (
            "rope_pretraining_sequence_length",
            of_third("original_max_position_embeddings"),
        ),
        key_value_heads(stated),
    ]);
    arguments.extend(norm_and_dropout(stated));
    arguments
}

fn mistral_arguments(stated: &Stated<'_>) -> Arguments {
    let mut arguments = sizes_of(stated);
    arguments.extend([
        longest_wave(stated),
        ("rope_scaling_factor", stated.linear_factor()),
        key_value_heads(stated),
        ("sliding_window", stated.get("sliding_window")),
        ("head_dim", stated.get("head_dim")),
    ]);
    arguments.extend(norm_and_dropout(stated));
    arguments
}

fn llama(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let backbone = model.backbone;
    // Their configuration does not say it.
    let is_tied = match backbone.get("tie_word_embeddings") {
        Some(_) => backbone.flag("tie_word_embeddings", false)?,
        None => !(model.has)("layers/reversible_embedding/vars/1"),
    };
    let like = LlamaLike {
        layer: "llama_transformer_decoder",
        attention: "_self_attention_layer/_",
        norm: "llama_layer_norm",
        head_dim: None,
        has_bias: false,
        normalizes_heads: false,
    };
    let mut config = llama_like(model, map, &like, is_tied)?;
    gated_layers(model, map, like.layer, &mut config)?;
    let former = backbone.get("rope_scaling_factor").is_some();
    let scaling = ["rope_position_scaling_factor", "rope_scaling_factor"][usize::from(former)];
    scale_positions(backbone, scaling, &mut config)?;
    if backbone.get("rope_frequency_adjustment_factor").is_some() {
        let number = |key: &str| backbone.number(key, 1.0);
        let scaling = json!({
            "rope_type": "llama3",
            "factor": number("rope_frequency_adjustment_factor")?,
            "low_freq_factor": number("rope_low_freq_factor")?,
            "high_freq_factor": number("rope_high_freq_factor")?,
            "original_max_position_embeddings": backbone.size("rope_pretraining_sequence_length")?,
        });
        config.insert("rope_scaling".to_owned(), scaling);
    }
    config.extend(keys(json!({
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
    })));
    Ok(config)
}

fn mistral(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let backbone = model.backbone;
    let like = LlamaLike {
        layer: "mistral_transformer_decoder",
        attention: "_self_attention_layer/_",
        norm: "mistral_layer_normalization",
        head_dim: backbone.optional_size("head_dim")?,
        has_bias: false,
        normalizes_heads: false,
    };
    let mut config = llama_like(model, map, &like, false)?;
    gated_layers(model, map, like.layer, &mut config)?;
    scale_positions(backbone, "rope_scaling_factor", &mut config)?;
    config.extend(keys(json!({
        "model_type": "mistral",
        "architectures": ["MistralForCausalLM"],
        "sliding_window": backbone.optional_size("sliding_window")?,
    })));
    Ok(config)
}
