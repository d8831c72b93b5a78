//! Falcon in its three forms: one key and value for all heads, some for groups of heads, or ALiBi with one for each.
//! Paper: arXiv 2311.16867.

use super::{Family, LoraDefaults, bloom, llama, rope};
use crate::config::{
    Activation, Alibi, DistanceBias, FeedForwardKind, Fusion, NormConfig, NormOrder,
    TransformerConfig,
};
use crate::error::Result;
use crate::json::ConfigReader;

pub(crate) const FAMILY: Family = Family {
    name: "falcon",
    hugging_face: &["falcon"],
    prefix: "transformer.",
    variant,
    spellings: &[&["n_embed", "hidden_size"]],
    config,
    causal_lm_config: Some(llama::tied),
    encoder: &[bloom::LAYERS, bloom::NORMS],
    token_classification: &[("projection", "classifier")],
    derived: &[],
    lora: LoraDefaults {
        alpha: 16.0,
        targets: &["query_key_value"],
    },
    architectures: [
        "FalconModel",
        "FalconForCausalLM",
        "FalconForSequenceClassification",
        "FalconForTokenClassification",
    ],
    ..llama::FAMILY
};

/// Where attention and feed-forward have a norm each, side by side, these have other names.
const TWO_NORMS: Family = Family {
    encoder: &[
        bloom::LAYERS,
        &[
            ("layers.{}.attention_norm", "h.{}.ln_attn"),
            ("layers.{}.feed_forward_norm", "h.{}.ln_mlp"),
        ],
    ],
    ..FAMILY
};

fn variant(_: &ConfigReader<'_>, config: &TransformerConfig) -> Option<&'static Family> {
    (config.order == NormOrder::Parallel { shared: false }).then_some(&TWO_NORMS)
}

fn config(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    let hidden = c.size("hidden_size")?;
    let mut config = TransformerConfig::llama(
        c.size("vocab_size")?,
        hidden,
        c.layers("num_hidden_layers")?,
        c.size("num_attention_heads")?,
    );
    config.context = c.optional_size("max_position_embeddings")?;
    let grouped = c.flag_or("new_decoder_architecture", false)?;
    let one_key = c.flag_or("multi_query", true)?;
    let parallel = c.flag_or("parallel_attn", true)?;
    let norms = c.size_or("num_ln_in_parallel_attn", if grouped { 2 } else { 1 })?;
    let key_value_heads = c.size_or("num_kv_heads", config.heads)?;
    config.key_value_heads = if one_key && !grouped {
        c.ignores(
            &["num_kv_heads"],
            "with multi_query: false or new_decoder_architecture: true",
        );
        1
    } else {
        key_value_heads
    };
    if grouped {
        c.ignores(
            &["multi_query", "parallel_attn"],
            "with new_decoder_architecture: false",
        );
    } else {
        c.ignores(
            &["num_ln_in_parallel_attn"],
            "with new_decoder_architecture: true",
        );
    }
    config.fused_attention = Some(Fusion::Groups);
    config.order = if grouped || parallel {
        NormOrder::Parallel {
            shared: !grouped || norms == 1,
        }
    } else {
        NormOrder::Pre { skips_first: false }
    };
    if c.flag_or("alibi", false)? {
        config.distance_bias = Some(DistanceBias::Alibi(Alibi::BeforeScale));
        c.ignores(rope::KEYS, "with alibi: false");
    } else {
        config.rotary = Some(rope::rotary(c, config.head_dim, 10_000.0)?);
    }
    let bias = c.flag_or("bias", false)?;
    (config.attention_bias, config.attention_output_bias) = (bias, bias);
    config.intermediate = c.size_or("ffn_hidden_size", 4 * hidden)?;
    config.feed_forward = FeedForwardKind::Plain;
    config.feed_forward_bias = bias;
    config.activation = c.activation_or("activation", Activation::Gelu)?;
    config.norm = NormConfig::layer(c.number_or("layer_norm_epsilon", 1e-5)?);
    config.dropout = bloom::dropout(c)?;
    config.initializer_range = c.number_or("initializer_range", 0.02)?;
    Ok(config)
}
