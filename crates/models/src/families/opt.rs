//! OPT: GPT-2's layers with ReLU; positions are counted from 2.
//! Paper: arXiv 2205.01068.

use super::{Family, LoraDefaults, llama};
use crate::config::{
    Activation, EmbeddingProjection, FeedForwardKind, NormConfig, NormOrder, PositionTable,
    PositionVectors, TransformerConfig,
};
use crate::error::Result;
use crate::json::ConfigReader;

pub(crate) const FAMILY: Family = Family {
    name: "opt",
    hugging_face: &["opt"],
    prefix: "model.",
    config,
    causal_lm_config: Some(llama::tied),
    encoder: &[&[
        ("embeddings.tokens", "decoder.embed_tokens"),
        ("embeddings.positions", "decoder.embed_positions"),
        ("embeddings.projection", "decoder.project_in"),
        (
            "layers.{}.attention_norm",
            "decoder.layers.{}.self_attn_layer_norm",
        ),
        (
            "layers.{}.attention.inputs.query",
            "decoder.layers.{}.self_attn.q_proj",
        ),
        (
            "layers.{}.attention.inputs.key",
            "decoder.layers.{}.self_attn.k_proj",
        ),
        (
            "layers.{}.attention.inputs.value",
            "decoder.layers.{}.self_attn.v_proj",
        ),
        (
            "layers.{}.attention.output",
            "decoder.layers.{}.self_attn.out_proj",
        ),
        (
            "layers.{}.feed_forward_norm",
            "decoder.layers.{}.final_layer_norm",
        ),
        ("layers.{}.feed_forward.up", "decoder.layers.{}.fc1"),
        ("layers.{}.feed_forward.down", "decoder.layers.{}.fc2"),
        ("norm", "decoder.final_layer_norm"),
        ("projection", "decoder.project_out"),
    ]],
    token_classification: &[],
    derived: &[],
    lora: LoraDefaults {
        alpha: 16.0,
        targets: &["q_proj", "v_proj"],
    },
    architectures: [
        "OPTModel",
        "OPTForCausalLM",
        "OPTForSequenceClassification",
        "OPTModel",
    ],
    ..llama::FAMILY
};

fn config(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    let mut config = llama::shape(c)?;
    if c.flag_or("_remove_final_layer_norm", false)? {
        let problem = "checkpoints without the last norm are not supported";
        return Err(c.error("_remove_final_layer_norm", problem));
    }
    let positions = c.size_or("max_position_embeddings", 2048)?;
    config.embedding.positions = Some(PositionTable {
        rows: positions + 2,
        offset: 2,
        vectors: PositionVectors::Drawn,
    });
    config.context = Some(positions);
    let width = c.size_or("word_embed_proj_dim", config.hidden)?;
    if width != config.hidden {
        config.embedding.width = width;
        config.embedding.projection = Some(EmbeddingProjection::BeforePositions);
    }
    let bias = c.flag_or("enable_bias", true)?;
    (config.attention_bias, config.attention_output_bias) = (bias, bias);
    config.intermediate = c.size("ffn_dim")?;
    config.feed_forward = FeedForwardKind::Plain;
    config.feed_forward_bias = bias;
    config.activation = c.activation_or("activation_function", Activation::Relu)?;
    let affine = c.flag_or("layer_norm_elementwise_affine", true)?;
    config.norm = NormConfig {
        bias: affine,
        weight: affine,
        ..NormConfig::layer(1e-5)
    };
    config.order = if c.flag_or("do_layer_norm_before", true)? {
        NormOrder::Pre { skips_first: false }
    } else {
        NormOrder::Post
    };
    config.dropout.attention = c.dropout_or("attention_dropout", 0.0)?;
    let dropout = c.dropout_or("dropout", 0.1)?;
    config.dropout.attention_output = dropout;
    config.dropout.feed_forward_output = dropout;
    config.initializer_range = c.number_or("init_std", 0.02)?;
    Ok(config)
}
