//! BLOOM: scores that fall with distance instead of positions, and a norm of the embeddings.
//! Paper: arXiv 2211.05100.

use super::{Family, LoraDefaults, NameTable, llama};
use crate::config::{
    Activation, Alibi, DistanceBias, DropoutConfig, FeedForwardKind, Fusion, NormConfig, NormOrder,
    TransformerConfig,
};
use crate::error::Result;
use crate::json::ConfigReader;

pub(crate) const FAMILY: Family = Family {
    name: "bloom",
    hugging_face: &["bloom"],
    prefix: "transformer.",
    spellings: &[
        &["n_embed", "hidden_size"],
        &["n_layer", "num_hidden_layers"],
        &["n_head", "num_attention_heads"],
    ],
    config,
    causal_lm_config: Some(llama::tied),
    encoder: &[
        LAYERS,
        NORMS,
        &[("embeddings.norm", "word_embeddings_layernorm")],
    ],
    token_classification: &[("projection", "classifier")],
    derived: &[],
    lora: LoraDefaults {
        alpha: 16.0,
        targets: &["query_key_value"],
    },
    architectures: [
        "BloomModel",
        "BloomForCausalLM",
        "BloomForSequenceClassification",
        "BloomForTokenClassification",
    ],
    ..llama::FAMILY
};

/// Embeddings, linear layers and the last norm, as BLOOM and Falcon call them.
pub(super) const LAYERS: NameTable = &[
    ("embeddings.tokens", "word_embeddings"),
    (
        "layers.{}.attention.inputs",
        "h.{}.self_attention.query_key_value",
    ),
    ("layers.{}.attention.output", "h.{}.self_attention.dense"),
    ("layers.{}.feed_forward.up", "h.{}.mlp.dense_h_to_4h"),
    ("layers.{}.feed_forward.down", "h.{}.mlp.dense_4h_to_h"),
    ("norm", "ln_f"),
];

/// Their norms where one follows the other.
pub(super) const NORMS: NameTable = &[
    ("layers.{}.attention_norm", "h.{}.input_layernorm"),
    (
        "layers.{}.feed_forward_norm",
        "h.{}.post_attention_layernorm",
    ),
];

fn config(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    let hidden = c.size("hidden_size")?;
    let mut config = TransformerConfig::llama(
        c.size("vocab_size")?,
        hidden,
        c.layers("n_layer")?,
        c.size("n_head")?,
    );
    config.context = c.optional_size("seq_length")?;
    config.embedding.norm = true;
    config.distance_bias = Some(DistanceBias::Alibi(Alibi::AfterScale));
    config.fused_attention = Some(Fusion::Groups);
    (config.attention_bias, config.attention_output_bias) = (true, true);
    config.intermediate = 4 * hidden;
    config.feed_forward = FeedForwardKind::Plain;
    config.feed_forward_bias = true;
    config.activation = Activation::GeluTanh;
    config.norm = NormConfig::layer(c.number_or("layer_norm_epsilon", 1e-5)?);
    if c.flag_or("apply_residual_connection_post_layernorm", false)? {
        config.order = NormOrder::PreResidual;
    }
    config.dropout = dropout(c)?;
    config.initializer_range = c.number_or("initializer_range", 0.02)?;
    Ok(config)
}

/// The rates as BLOOM and Falcon state them.
pub(super) fn dropout(c: &ConfigReader<'_>) -> Result<DropoutConfig> {
    let hidden = c.dropout_or("hidden_dropout", 0.0)?;
    Ok(DropoutConfig {
        embedding: 0.0,
        attention: c.dropout_or("attention_dropout", 0.0)?,
        attention_output: hidden,
        feed_forward: 0.0,
        feed_forward_output: hidden,
        output: 0.0,
    })
}
