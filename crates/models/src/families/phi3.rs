//! Phi-3 and Phi-4: Llama with fused projections and a factor of rotation for each pair of channels.
//! Paper: arXiv 2404.14219.

use super::{Family, LoraDefaults, llama, rope};
use crate::config::{FeedForwardKind, Fusion, TransformerConfig};
use crate::error::Result;
use crate::json::ConfigReader;

pub(crate) const FAMILY: Family = Family {
    name: "phi3",
    hugging_face: &["phi3"],
    config,
    encoder: &[&[
        ("embeddings.tokens", "embed_tokens"),
        ("layers.{}.attention_norm", "layers.{}.input_layernorm"),
        ("layers.{}.attention.inputs", "layers.{}.self_attn.qkv_proj"),
        ("layers.{}.attention.output", "layers.{}.self_attn.o_proj"),
        (
            "layers.{}.feed_forward_norm",
            "layers.{}.post_attention_layernorm",
        ),
        ("layers.{}.feed_forward.up", "layers.{}.mlp.gate_up_proj"),
        ("layers.{}.feed_forward.down", "layers.{}.mlp.down_proj"),
        ("norm", "norm"),
    ]],
    lora: LoraDefaults {
        alpha: 16.0,
        targets: &["qkv_proj"],
    },
    architectures: [
        "Phi3Model",
        "Phi3ForCausalLM",
        "Phi3ForSequenceClassification",
        "Phi3ForTokenClassification",
    ],
    ..llama::FAMILY
};

fn config(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    let mut config = llama::sizes(c)?;
    config.activation = llama::activation(c)?;
    config.rotary = Some(rope::rotary(c, config.head_dim, 10_000.0)?);
    config.fused_attention = Some(Fusion::Blocks);
    config.feed_forward = FeedForwardKind::GatedFused;
    config.norm.epsilon = c.number_or("rms_norm_eps", 1e-5)?;
    config.windows = vec![c.optional_size("sliding_window")?; config.layers];
    config.dropout.embedding = c.dropout_or("embd_pdrop", 0.0)?;
    let residual = c.dropout_or("resid_pdrop", 0.0)?;
    config.dropout.attention_output = residual;
    config.dropout.feed_forward_output = residual;
    Ok(config)
}
