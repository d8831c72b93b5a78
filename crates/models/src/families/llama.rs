//! Llama 1 to 3, and what the families built like it share.
//! Papers: arXiv 2302.13971, arXiv 2307.09288, arXiv 2407.21783.

use super::{Family, LoraDefaults, NameTable, bert, rope};
use crate::adapters::Pooling;
use crate::config::{Activation, CausalLmConfig, ClassifierConfig, TransformerConfig};
use crate::error::Result;
use crate::json::ConfigReader;

pub(crate) const FAMILY: Family = Family {
    name: "llama",
    hugging_face: &["llama"],
    prefix: "model.",
    config,
    classifier,
    token_classifier,
    masked_lm_config: None,
    causal_lm_config: Some(untied),
    encoder: &[ATTENTION, FEED_FORWARD_NORM, FEED_FORWARD],
    pooler: &[],
    masked_lm: &[],
    causal_lm: &[("decoder", "lm_head.weight")],
    classification: &[("projection", "score")],
    token_classification: &[("projection", "score")],
    derived: &[
        "rotary_emb.inv_freq",
        "layers.{}.self_attn.rotary_emb.inv_freq",
    ],
    lora: LoraDefaults {
        alpha: 16.0,
        targets: &["q_proj", "v_proj"],
    },
    architectures: [
        "LlamaModel",
        "LlamaForCausalLM",
        "LlamaForSequenceClassification",
        "LlamaForTokenClassification",
    ],
    ..bert::FAMILY
};

/// All but the feed-forward layers; a family that lacks one of these finds no tensor to look for.
pub(super) const ATTENTION: NameTable = &[
    ("embeddings.tokens", "embed_tokens"),
    ("layers.{}.attention_norm", "layers.{}.input_layernorm"),
    (
        "layers.{}.attention.inputs.query",
        "layers.{}.self_attn.q_proj",
    ),
    (
        "layers.{}.attention.inputs.key",
        "layers.{}.self_attn.k_proj",
    ),
    (
        "layers.{}.attention.inputs.value",
        "layers.{}.self_attn.v_proj",
    ),
    (
        "layers.{}.attention.query_norm",
        "layers.{}.self_attn.q_norm",
    ),
    ("layers.{}.attention.key_norm", "layers.{}.self_attn.k_norm"),
    ("layers.{}.attention.output", "layers.{}.self_attn.o_proj"),
    ("norm", "norm"),
];

/// The norm before the feed-forward layers, called after what it follows.
pub(super) const FEED_FORWARD_NORM: NameTable = &[(
    "layers.{}.feed_forward_norm",
    "layers.{}.post_attention_layernorm",
)];

/// The feed-forward layers.
pub(super) const FEED_FORWARD: NameTable = &[
    ("layers.{}.feed_forward.gate", "layers.{}.mlp.gate_proj"),
    ("layers.{}.feed_forward.up", "layers.{}.mlp.up_proj"),
    ("layers.{}.feed_forward.down", "layers.{}.mlp.down_proj"),
];

/// Sizes, heads, rotations and rates, as all families built like Llama state them.
pub(super) fn decoder(c: &ConfigReader<'_>, theta: f64) -> Result<TransformerConfig> {
    let mut config = sizes(c)?;
    config.activation = activation(c)?;
    config.rotary = Some(rope::rotary(c, config.head_dim, theta)?);
    Ok(config)
}

/// The activation as nearly all files call it.
pub(super) fn activation(c: &ConfigReader<'_>) -> Result<Activation> {
    c.activation_or("hidden_act", Activation::Silu)
}

/// [`decoder`] without the rotations and the activation.
pub(super) fn sizes(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    let mut config = shape(c)?;
    config.key_value_heads = key_value_heads(c, config.heads, config.heads)?;
    config.head_dim = c.size_or("head_dim", config.head_dim)?;
    config.intermediate = c.size("intermediate_size")?;
    config.norm.epsilon = c.number_or("rms_norm_eps", 1e-6)?;
    config.dropout.attention = c.dropout_or("attention_dropout", 0.0)?;
    config.initializer_range = c.number_or("initializer_range", 0.02)?;
    config.context = c.optional_size("max_position_embeddings")?;
    Ok(config)
}

/// Llama's shape in the sizes that nearly all files call the same.
pub(super) fn shape(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    Ok(TransformerConfig::llama(
        c.size("vocab_size")?,
        c.size("hidden_size")?,
        c.layers("num_hidden_layers")?,
        c.size("num_attention_heads")?,
    ))
}

/// Heads of keys and values: all of them where the file says null, `default` where it says nothing.
pub(super) fn key_value_heads(c: &ConfigReader<'_>, heads: usize, default: usize) -> Result<usize> {
    if c.is_null("num_key_value_heads") {
        Ok(heads)
    } else {
        c.size_or("num_key_value_heads", default)
    }
}

fn config(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    let mut config = decoder(c, 10_000.0)?;
    config.attention_bias = c.flag_or("attention_bias", false)?;
    config.attention_output_bias = config.attention_bias;
    config.feed_forward_bias = c.flag_or("mlp_bias", false)?;
    Ok(config)
}

/// A head of its own unless the file says that it is the embeddings.
pub(super) fn untied(c: &ConfigReader<'_>, _: &TransformerConfig) -> Result<CausalLmConfig> {
    causal_lm(c, false)
}

/// The embeddings as head unless the file says that it is another.
pub(super) fn tied(c: &ConfigReader<'_>, _: &TransformerConfig) -> Result<CausalLmConfig> {
    causal_lm(c, true)
}

fn causal_lm(c: &ConfigReader<'_>, tied: bool) -> Result<CausalLmConfig> {
    Ok(CausalLmConfig {
        tied: c.flag_or("tie_word_embeddings", tied)?,
        soft_cap: None,
        scale: None,
    })
}

/// A projection of the last token, which has seen all others.
pub(super) fn classifier(_: &ConfigReader<'_>, _: &TransformerConfig) -> Result<ClassifierConfig> {
    Ok(ClassifierConfig {
        pooling: Some(Pooling::Last),
        bias: false,
        ..ClassifierConfig::tokens(0.0)
    })
}

/// Dropout and a projection of every token.
pub(super) fn token_classifier(
    c: &ConfigReader<'_>,
    _: &TransformerConfig,
) -> Result<ClassifierConfig> {
    let hidden = c.dropout_or("hidden_dropout", 0.1)?;
    Ok(ClassifierConfig::tokens(
        c.dropout_or("classifier_dropout", hidden)?,
    ))
}
