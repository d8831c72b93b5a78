//! GPT-2: learned positions, norms first, and linear layers stored the other way round.
//! Paper: "Language Models are Unsupervised Multitask Learners" (Radford et al., 2019).

use super::{Family, LoraDefaults, llama};
use crate::config::{
    Activation, ClassifierConfig, DropoutConfig, FeedForwardKind, Fusion, NormConfig,
    PositionTable, PositionVectors, TransformerConfig,
};
use crate::error::Result;
use crate::json::ConfigReader;

pub(crate) const FAMILY: Family = Family {
    name: "gpt2",
    hugging_face: &["gpt2"],
    prefix: "transformer.",
    spellings: &[
        &["n_embd", "hidden_size"],
        &["n_layer", "num_hidden_layers"],
        &["n_head", "num_attention_heads"],
        &["n_positions", "n_ctx", "max_position_embeddings"],
    ],
    config,
    token_classifier,
    causal_lm_config: Some(llama::tied),
    encoder: &[&[
        ("embeddings.tokens", "wte"),
        ("embeddings.positions", "wpe"),
        ("layers.{}.attention_norm", "h.{}.ln_1"),
        ("layers.{}.attention.inputs", "h.{}.attn.c_attn"),
        ("layers.{}.attention.output", "h.{}.attn.c_proj"),
        ("layers.{}.feed_forward_norm", "h.{}.ln_2"),
        ("layers.{}.feed_forward.up", "h.{}.mlp.c_fc"),
        ("layers.{}.feed_forward.down", "h.{}.mlp.c_proj"),
        ("norm", "ln_f"),
    ]],
    token_classification: &[("projection", "classifier")],
    // The causal mask, stored as if it were a weight.
    derived: &["h.{}.attn.bias", "h.{}.attn.masked_bias"],
    transposed: true,
    lora: LoraDefaults {
        alpha: 16.0,
        targets: &["c_attn"],
    },
    architectures: [
        "GPT2Model",
        "GPT2LMHeadModel",
        "GPT2ForSequenceClassification",
        "GPT2ForTokenClassification",
    ],
    ..llama::FAMILY
};

fn config(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    if c.flag_or("add_cross_attention", false)? {
        let problem = "attention to another sequence is not supported by this family";
        return Err(c.error("add_cross_attention", problem));
    }
    let hidden = c.size("n_embd")?;
    let mut config = TransformerConfig::llama(
        c.size("vocab_size")?,
        hidden,
        c.layers("n_layer")?,
        c.size("n_head")?,
    );
    let rows = c.size_or("n_positions", 1024)?;
    config.embedding.positions = Some(PositionTable {
        rows,
        offset: 0,
        vectors: PositionVectors::Drawn,
    });
    config.context = Some(rows);
    config.fused_attention = Some(Fusion::Blocks);
    (config.attention_bias, config.attention_output_bias) = (true, true);
    if !c.flag_or("scale_attn_weights", true)? {
        config.attention_scale = Some(1.0);
    }
    config.scale_by_layer = c.flag_or("scale_attn_by_inverse_layer_idx", false)?;
    config.intermediate = c.size_or("n_inner", 4 * hidden)?;
    config.feed_forward = FeedForwardKind::Plain;
    config.feed_forward_bias = true;
    config.activation = c.activation_or("activation_function", Activation::GeluTanh)?;
    config.norm = NormConfig::layer(c.number_or("layer_norm_epsilon", 1e-5)?);
    let residual = c.dropout_or("resid_pdrop", 0.1)?;
    config.dropout = DropoutConfig {
        embedding: c.dropout_or("embd_pdrop", 0.1)?,
        attention: c.dropout_or("attn_pdrop", 0.1)?,
        attention_output: residual,
        feed_forward: 0.0,
        feed_forward_output: residual,
        output: 0.0,
    };
    config.initializer_range = c.number_or("initializer_range", 0.02)?;
    Ok(config)
}

fn token_classifier(c: &ConfigReader<'_>, _: &TransformerConfig) -> Result<ClassifierConfig> {
    Ok(ClassifierConfig::tokens(
        c.dropout_or("classifier_dropout", 0.1)?,
    ))
}
