//! GPT-NeoX and Pythia: attention and feed-forward side by side, a share of each head's channels rotated.
//! Papers: arXiv 2204.06745, arXiv 2304.01373.

use super::{Family, LoraDefaults, llama, rope};
use crate::config::{
    Activation, FeedForwardKind, Fusion, NormConfig, NormOrder, TransformerConfig,
};
use crate::error::Result;
use crate::json::ConfigReader;

pub(crate) const FAMILY: Family = Family {
    name: "gpt_neox",
    hugging_face: &["gpt_neox"],
    prefix: "gpt_neox.",
    config,
    encoder: &[&[
        ("embeddings.tokens", "embed_in"),
        ("layers.{}.attention_norm", "layers.{}.input_layernorm"),
        (
            "layers.{}.attention.inputs",
            "layers.{}.attention.query_key_value",
        ),
        ("layers.{}.attention.output", "layers.{}.attention.dense"),
        (
            "layers.{}.feed_forward_norm",
            "layers.{}.post_attention_layernorm",
        ),
        ("layers.{}.feed_forward.up", "layers.{}.mlp.dense_h_to_4h"),
        ("layers.{}.feed_forward.down", "layers.{}.mlp.dense_4h_to_h"),
        ("norm", "final_layer_norm"),
    ]],
    causal_lm: &[
        ("decoder", "embed_out.weight"),
        ("decoder", "lm_head.weight"),
    ],
    token_classification: &[("projection", "classifier")],
    derived: &[
        "layers.{}.attention.bias",
        "layers.{}.attention.masked_bias",
        "layers.{}.attention.rotary_emb.inv_freq",
    ],
    lora: LoraDefaults {
        alpha: 16.0,
        targets: &["query_key_value"],
    },
    architectures: [
        "GPTNeoXModel",
        "GPTNeoXForCausalLM",
        "GPTNeoXForSequenceClassification",
        "GPTNeoXForTokenClassification",
    ],
    ..llama::FAMILY
};

fn config(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    let mut config = llama::shape(c)?;
    config.context = c.optional_size("max_position_embeddings")?;
    config.fused_attention = Some(Fusion::Groups);
    config.attention_bias = c.flag_or("attention_bias", true)?;
    config.attention_output_bias = config.attention_bias;
    let theta = c.number_or("rotary_emb_base", 10_000.0)?;
    let share = c.number_or("rotary_pct", 0.25)?;
    config.rotary = Some(rope::rotary_share(c, config.head_dim, theta, share)?);
    config.intermediate = c.size("intermediate_size")?;
    config.feed_forward = FeedForwardKind::Plain;
    config.feed_forward_bias = true;
    config.activation = c.activation_or("hidden_act", Activation::Gelu)?;
    config.norm = NormConfig::layer(c.number_or("layer_norm_eps", 1e-5)?);
    if c.flag_or("use_parallel_residual", true)? {
        config.order = NormOrder::Parallel { shared: false };
    }
    config.dropout.attention = c.dropout_or("attention_dropout", 0.0)?;
    let hidden = c.dropout_or("hidden_dropout", 0.0)?;
    config.dropout.embedding = hidden;
    config.dropout.attention_output = hidden;
    config.dropout.feed_forward_output = hidden;
    config.initializer_range = c.number_or("initializer_range", 0.02)?;
    Ok(config)
}
