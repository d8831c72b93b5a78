//! T5Gemma: an encoder and a decoder in the shape of Gemma 2, each with sizes, a width and embeddings of its own.
//! Paper: arXiv 2504.06225.

use super::{Family, NameTable, bart, check, check_start, gemma, llama};
use crate::config::{
    CausalLmConfig, DecoderConfig, DecoderStart, DropoutConfig, TransformerConfig,
};
use crate::error::Result;
use crate::json::ConfigReader;

pub(crate) const FAMILY: Family = Family {
    name: "t5gemma",
    hugging_face: &["t5gemma"],
    variant: |_, _| None,
    spellings: &[],
    config: encoder,
    decoder_config: Some(decoder),
    classifier: llama::classifier,
    encoder: &[ENCODER],
    decoder: &[DECODER],
    seq2seq_lm: &[("decoder", "lm_head.out_proj.weight")],
    logits_bias: None,
    classification: &[],
    beside: &["decoder."],
    derived: &[],
    architectures: [
        "T5GemmaEncoderModel",
        "T5GemmaForConditionalGeneration",
        "T5GemmaEncoderModel",
        "T5GemmaEncoderModel",
    ],
    ..bart::FAMILY
};

macro_rules! stack {
    ($side:literal) => {
        &[
            ("embeddings.tokens", concat!($side, ".embed_tokens")),
            (
                "layers.{}.attention.inputs.query",
                concat!($side, ".layers.{}.self_attn.q_proj"),
            ),
            (
                "layers.{}.attention.inputs.key",
                concat!($side, ".layers.{}.self_attn.k_proj"),
            ),
            (
                "layers.{}.attention.inputs.value",
                concat!($side, ".layers.{}.self_attn.v_proj"),
            ),
            (
                "layers.{}.attention.output",
                concat!($side, ".layers.{}.self_attn.o_proj"),
            ),
            (
                "layers.{}.attention_norm",
                concat!($side, ".layers.{}.pre_self_attn_layernorm"),
            ),
            (
                "layers.{}.attention_output_norm",
                concat!($side, ".layers.{}.post_self_attn_layernorm"),
            ),
            (
                "layers.{}.encoder_attention.query",
                concat!($side, ".layers.{}.cross_attn.q_proj"),
            ),
            (
                "layers.{}.encoder_attention.key",
                concat!($side, ".layers.{}.cross_attn.k_proj"),
            ),
            (
                "layers.{}.encoder_attention.value",
                concat!($side, ".layers.{}.cross_attn.v_proj"),
            ),
            (
                "layers.{}.encoder_attention.output",
                concat!($side, ".layers.{}.cross_attn.o_proj"),
            ),
            (
                "layers.{}.encoder_attention_norm",
                concat!($side, ".layers.{}.pre_cross_attn_layernorm"),
            ),
            (
                "layers.{}.encoder_attention_output_norm",
                concat!($side, ".layers.{}.post_cross_attn_layernorm"),
            ),
            (
                "layers.{}.feed_forward.gate",
                concat!($side, ".layers.{}.mlp.gate_proj"),
            ),
            (
                "layers.{}.feed_forward.up",
                concat!($side, ".layers.{}.mlp.up_proj"),
            ),
            (
                "layers.{}.feed_forward.down",
                concat!($side, ".layers.{}.mlp.down_proj"),
            ),
            (
                "layers.{}.feed_forward_norm",
                concat!($side, ".layers.{}.pre_feedforward_layernorm"),
            ),
            (
                "layers.{}.feed_forward_output_norm",
                concat!($side, ".layers.{}.post_feedforward_layernorm"),
            ),
            ("norm", concat!($side, ".norm")),
        ]
    };
}

const ENCODER: NameTable = stack!("encoder");

const DECODER: NameTable = stack!("decoder");

fn encoder(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    c.inside("encoder", |inner| {
        let mut config = stack(c, inner)?;
        config.causal = false;
        // A window holds so many keys on either side of a query's own: these are less than one more position away.
        for window in config.windows.iter_mut().flatten() {
            *window += 1;
        }
        Ok(config)
    })
}

fn decoder(c: &ConfigReader<'_>, encoder: &TransformerConfig) -> Result<DecoderConfig> {
    let tied = c.flag_or("tie_word_embeddings", true)?;
    c.inside("decoder", |inner| {
        let mut transformer = stack(c, inner)?;
        transformer.cross_attention = Some(encoder.hidden);
        let decoder = DecoderConfig {
            transformer,
            head: CausalLmConfig {
                tied,
                soft_cap: gemma::soft_cap(inner, "final_logit_softcapping", Some(30.0))?,
                scale: None,
            },
            start: DecoderStart::Token(inner.id_or("bos_token_id", 2)? as u32),
        };
        check_start(inner, "bos_token_id", &decoder)?;
        Ok(decoder)
    })
}

/// The shape that the object of a stack states; both drop out at the rates beside these objects.
fn stack(c: &ConfigReader<'_>, inner: &ConfigReader<'_>) -> Result<TransformerConfig> {
    let mut config = gemma::gemma2(inner)?;
    inner.ignores(
        &["dropout_rate", "attention_dropout"],
        "beside encoder and decoder",
    );
    let rate = c.dropout_or("dropout_rate", 0.0)?;
    config.dropout = DropoutConfig {
        embedding: rate,
        attention: c.dropout_or("attention_dropout", 0.0)?,
        attention_output: rate,
        feed_forward: rate,
        feed_forward_output: rate,
        output: rate,
    };
    check(inner, &config)?;
    Ok(config)
}
