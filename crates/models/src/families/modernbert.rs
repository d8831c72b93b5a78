//! ModernBERT: rotary positions, gated feed-forward layers, norms first, and local attention in most layers.
//! Paper: arXiv 2412.13663.

use serde_json::Value;

use super::{Family, LoraDefaults, bert, layer_types};
use crate::adapters::Pooling;
use crate::config::{
    Activation, ClassifierConfig, DenseConfig, DropoutConfig, FeedForwardKind, Fusion,
    MaskedLmConfig, NormConfig, NormKind, NormOrder, TransformerConfig,
};
use crate::error::Result;
use crate::json::ConfigReader;
use crate::rotary::{Rotary, RotaryScaling};

pub(crate) const FAMILY: Family = Family {
    name: "modernbert",
    hugging_face: &["modernbert"],
    prefix: "model.",
    config,
    classifier,
    token_classifier,
    masked_lm_config: Some(masked_lm_config),
    encoder: &[&[
        ("embeddings.tokens", "embeddings.tok_embeddings"),
        ("embeddings.norm", "embeddings.norm"),
        ("layers.{}.attention_norm", "layers.{}.attn_norm"),
        ("layers.{}.attention.inputs", "layers.{}.attn.Wqkv"),
        ("layers.{}.attention.output", "layers.{}.attn.Wo"),
        ("layers.{}.feed_forward_norm", "layers.{}.mlp_norm"),
        ("layers.{}.feed_forward.up", "layers.{}.mlp.Wi"),
        ("layers.{}.feed_forward.down", "layers.{}.mlp.Wo"),
        ("norm", "final_norm"),
    ]],
    pooler: &[],
    masked_lm: &[
        ("dense.linear", "head.dense"),
        ("dense.norm", "head.norm"),
        ("decoder", "decoder.weight"),
        ("bias", "decoder.bias"),
    ],
    classification: HEAD,
    token_classification: HEAD,
    derived: &[],
    lora: LoraDefaults {
        alpha: 16.0,
        targets: &["Wqkv"],
    },
    architectures: [
        "ModernBertModel",
        "ModernBertForMaskedLM",
        "ModernBertForSequenceClassification",
        "ModernBertForTokenClassification",
    ],
    ..bert::FAMILY
};

const HEAD: &[(&str, &str)] = &[
    ("dense.linear", "head.dense"),
    ("dense.norm", "head.norm"),
    ("projection", "classifier"),
];

/// The two kinds of layers, as `layer_types` calls them.
const EVERYWHERE: &str = "full_attention";
const LOCAL: &str = "sliding_attention";

fn config(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    let mut config = TransformerConfig::bert(
        c.size("vocab_size")?,
        c.size("hidden_size")?,
        c.size("num_hidden_layers")?,
        c.size("num_attention_heads")?,
    );
    config.intermediate = c.size("intermediate_size")?;
    config.activation = c.activation_or("hidden_activation", Activation::Gelu)?;
    config.feed_forward = FeedForwardKind::GatedFused;
    config.feed_forward_bias = c.flag_or("mlp_bias", false)?;
    config.fused_attention = Some(Fusion::Blocks);
    config.attention_bias = c.flag_or("attention_bias", false)?;
    config.attention_output_bias = config.attention_bias;
    config.norm = norm(c)?;
    config.order = NormOrder::Pre { skips_first: true };
    config.rotary = Some(Rotary {
        dim: config.hidden / config.heads,
        theta: theta(c, EVERYWHERE, "global_rope_theta", 160_000.0)?,
        local_theta: Some(theta(c, LOCAL, "local_rope_theta", 10_000.0)?),
        scaling: RotaryScaling::None,
        aligned: false,
    });
    // The reference looks half of local_attention to either side, its end included.
    let window = c.size_or("local_attention", 128)? / 2 + 1;
    let every = c.size_or("global_attn_every_n_layers", 3)?;
    let local = |layer: usize| !layer.is_multiple_of(every);
    config.windows = layer_types::windows(
        c,
        config.layers,
        window,
        &["global_attn_every_n_layers"],
        local,
    )?;
    let attention = c.dropout_or("attention_dropout", 0.0)?;
    config.dropout = DropoutConfig {
        embedding: c.dropout_or("embedding_dropout", 0.0)?,
        attention,
        attention_output: attention,
        feed_forward: c.dropout_or("mlp_dropout", 0.0)?,
        feed_forward_output: 0.0,
        output: 0.0,
    };
    config.initializer_range = c.number_or("initializer_range", 0.02)?;
    Ok(config)
}

/// The rotation's base in one kind of layers: by `rope_parameters`, else by the key that earlier files have.
fn theta(
    c: &ConfigReader<'_>,
    layers: &str,
    earlier_key: &'static str,
    default: f64,
) -> Result<f64> {
    // Where the base of local layers is stored as null, it is that of the others.
    let default = if c.is_null(earlier_key) {
        c.number_or("global_rope_theta", default)?
    } else {
        default
    };
    let earlier = c.number_or(earlier_key, default)?;
    let Some(parameters) = c.value("rope_parameters").and_then(|all| all.get(layers)) else {
        return Ok(earlier);
    };
    let kind = parameters.get("rope_type").and_then(Value::as_str);
    match (kind, parameters.get("rope_theta").map(Value::as_f64)) {
        (None | Some("default"), None) => Ok(earlier),
        (None | Some("default"), Some(Some(theta))) if theta.is_finite() && theta > 0.0 => {
            Ok(theta)
        }
        _ => Err(c.error(
            "rope_parameters",
            format!("{layers}: expected rope_type \"default\" and a positive rope_theta, found {parameters}"),
        )),
    }
}

fn norm(c: &ConfigReader<'_>) -> Result<NormConfig> {
    Ok(NormConfig {
        kind: NormKind::Layer,
        weight: true,
        bias: c.flag_or("norm_bias", false)?,
        epsilon: c.number_or("norm_eps", 1e-5)?,
        unit_offset: false,
    })
}

/// The layer that all heads begin with.
fn dense(c: &ConfigReader<'_>, encoder: &TransformerConfig) -> Result<DenseConfig> {
    Ok(DenseConfig {
        width: encoder.hidden,
        bias: c.flag_or("classifier_bias", false)?,
        activation: c.activation_or("classifier_activation", Activation::Gelu)?,
        norm: Some(norm(c)?),
    })
}

fn classifier(c: &ConfigReader<'_>, encoder: &TransformerConfig) -> Result<ClassifierConfig> {
    let pooling = match c.value("classifier_pooling").and_then(Value::as_str) {
        None | Some("cls") => Pooling::Cls,
        Some("mean") => Pooling::Mean,
        Some(other) => {
            let problem = format!("expected cls or mean, found {other:?}");
            return Err(c.error("classifier_pooling", problem));
        }
    };
    Ok(ClassifierConfig {
        pooling: Some(pooling),
        ..token_classifier(c, encoder)?
    })
}

fn token_classifier(c: &ConfigReader<'_>, encoder: &TransformerConfig) -> Result<ClassifierConfig> {
    Ok(ClassifierConfig {
        pooling: None,
        input_dropout: 0.0,
        dense: Some(dense(c, encoder)?),
        dropout: c.dropout_or("classifier_dropout", 0.0)?,
        bias: true,
    })
}

fn masked_lm_config(c: &ConfigReader<'_>, encoder: &TransformerConfig) -> Result<MaskedLmConfig> {
    Ok(MaskedLmConfig {
        dense: Some(dense(c, encoder)?),
        bias: c.flag_or("decoder_bias", true)?,
        tied: c.flag_or("tie_word_embeddings", true)?,
        outputs: None,
    })
}
