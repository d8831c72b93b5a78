//! The encoder of AIDO.DNA and AIDO.RNA (`rnabert`): norms first, gated feed-forward layers, rotary positions.
//! Paper: doi 10.1101/2024.12.01.625444.

use serde_json::Value;

use super::{Family, LoraDefaults, NameTable, bert};
use crate::adapters::Pooling;
use crate::config::{
    Activation, ClassifierConfig, DenseConfig, FeedForwardKind, MaskedLmConfig, NormConfig,
    NormKind, NormOrder, PositionTable, PositionVectors, TransformerConfig,
};
use crate::error::Result;
use crate::json::ConfigReader;
use crate::rotary::Rotary;

pub(crate) const FAMILY: Family = Family {
    name: "rnabert",
    hugging_face: &["rnabert"],
    prefix: "bert.",
    config,
    classifier,
    token_classifier,
    masked_lm_config: Some(masked_lm_config),
    encoder: &[LAYERS, FEED_FORWARD],
    pooler: &[],
    masked_lm: &[
        ("dense.linear", "cls.predictions.transform.dense"),
        ("dense.norm", "cls.predictions.transform.LayerNorm"),
        ("decoder", "cls.predictions.decoder.weight"),
        ("bias", "cls.predictions.bias"),
        ("bias", "!cls.predictions.decoder.bias"),
    ],
    classification: &[
        ("dense.linear", "classifier.dense"),
        ("projection", "classifier.out_proj"),
    ],
    lora: LoraDefaults {
        alpha: 32.0,
        targets: &["query", "value"],
    },
    architectures: [
        "RNABertModel",
        "RNABertForMaskedLM",
        "RNABertForSequenceClassification",
        "RNABertForTokenClassification",
    ],
    ..bert::FAMILY
};

/// Shared with AIDO.Protein.
pub(super) const LAYERS: NameTable = &[
    ("embeddings.tokens", "embeddings.word_embeddings"),
    ("embeddings.positions", "embeddings.position_embeddings"),
    ("layers.{}.attention_norm", "encoder.layer.{}.attention.ln"),
    (
        "layers.{}.attention.inputs.query",
        "encoder.layer.{}.attention.self.query",
    ),
    (
        "layers.{}.attention.inputs.key",
        "encoder.layer.{}.attention.self.key",
    ),
    (
        "layers.{}.attention.inputs.value",
        "encoder.layer.{}.attention.self.value",
    ),
    (
        "layers.{}.attention.output",
        "encoder.layer.{}.attention.output.dense",
    ),
    ("layers.{}.feed_forward_norm", "encoder.layer.{}.ln"),
    ("norm", "encoder.ln"),
];

const FEED_FORWARD: NameTable = &[
    (
        "layers.{}.feed_forward.gate",
        "encoder.layer.{}.mlp.gate_proj",
    ),
    ("layers.{}.feed_forward.up", "encoder.layer.{}.mlp.up_proj"),
    (
        "layers.{}.feed_forward.down",
        "encoder.layer.{}.mlp.down_proj",
    ),
];

fn config(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    let mut config = encoder(c, 16, 512, &[ROPE, ABSOLUTE])?;
    c.only("hidden_act", "swiglu")?;
    config.activation = Activation::Silu;
    config.feed_forward = FeedForwardKind::Gated;
    Ok(config)
}

/// The ways of telling positions apart: rotations, those of places in an alignment, and a table.
pub(super) const ROPE: &str = "rope";
pub(super) const ROPE_2D: &str = "rope_2d";
pub(super) const ABSOLUTE: &str = "absolute";

/// The encoder but for its feed-forward layers, with the default sizes of its vocabulary and of its table of positions, and the kinds of
/// positions that the family has.
pub(super) fn encoder(
    c: &ConfigReader<'_>,
    vocabulary: usize,
    positions: usize,
    kinds: &[&str],
) -> Result<TransformerConfig> {
    let mut config = TransformerConfig::bert(
        c.size_or("vocab_size", vocabulary)?,
        c.size_or("hidden_size", 1024)?,
        c.size_or("num_hidden_layers", 24)?,
        c.size_or("num_attention_heads", 16)?,
    );
    config.intermediate = c.size_or("intermediate_size", 4096)?;
    let bias = c.flag_or("add_linear_bias", true)?;
    config.attention_bias = bias;
    config.attention_output_bias = bias;
    config.feed_forward_bias = bias;
    config.norm = norm(c)?;
    config.order = NormOrder::Pre { skips_first: false };
    config.embedding.norm = false;
    config.dropout = bert::dropout(c, 0.0)?;
    config.initializer_range = c.number_or("initializer_range", 0.02)?;
    let rows = c.size_or("max_position_embeddings", positions)?;
    let share = c.number_or("rotary_percent", 1.0)?;
    let kind = c.value("position_embedding_type");
    let kind = kind.map_or(Some(ROPE), Value::as_str);
    match kind.filter(|kind| kinds.contains(kind)) {
        Some(kind @ (ROPE | ROPE_2D)) => {
            let mut head = config.hidden / config.heads;
            if kind == ROPE_2D {
                // The second half of a head turns by the row of an alignment, and a sequence that stands alone is row 0.
                head /= 2;
            }
            let dim = (head as f64 * share.min(1.0)) as usize;
            if dim == 0 || dim.next_multiple_of(2) > head {
                let problem = format!("{share} of {head} channels cannot rotate in pairs");
                return Err(c.error("rotary_percent", problem));
            }
            config.rotary = Some(Rotary {
                aligned: kind == ROPE_2D,
                ..Rotary::plain(dim, 10_000.0)
            });
            let because = "with position_embedding_type: absolute";
            c.ignores(&["max_position_embeddings"], because);
        }
        Some(ABSOLUTE) => {
            c.ignores(&["rotary_percent"], "with position_embedding_type: rope");
            config.embedding.positions = Some(PositionTable {
                rows,
                offset: 0,
                vectors: PositionVectors::Drawn,
            });
        }
        _ => {
            let problem = format!("expected {}", kinds.join(" or "));
            return Err(c.error("position_embedding_type", problem));
        }
    }
    Ok(config)
}

fn norm(c: &ConfigReader<'_>) -> Result<NormConfig> {
    let (kind, bias) = match c.value("normalization_type").and_then(Value::as_str) {
        None | Some("RMSNorm") => (NormKind::RootMeanSquare, false),
        Some("LayerNorm") => (NormKind::Layer, true),
        Some(other) => {
            let problem = format!("expected RMSNorm or LayerNorm, found {other:?}");
            return Err(c.error("normalization_type", problem));
        }
    };
    Ok(NormConfig {
        kind,
        weight: true,
        bias,
        epsilon: c.number_or("layer_norm_eps", 1e-5)?,
        unit_offset: false,
    })
}

fn classifier(c: &ConfigReader<'_>, encoder: &TransformerConfig) -> Result<ClassifierConfig> {
    let hidden = encoder.hidden;
    let width = match hidden {
        2048.. => hidden / 4,
        129.. => hidden / 2,
        _ => hidden,
    };
    Ok(ClassifierConfig {
        pooling: Some(Pooling::Cls),
        input_dropout: c.dropout_or("hidden_dropout_prob", 0.0)?.min(0.1),
        dense: Some(DenseConfig::plain(width, Activation::Tanh)),
        dropout: 0.0,
        bias: true,
    })
}

fn token_classifier(c: &ConfigReader<'_>, _: &TransformerConfig) -> Result<ClassifierConfig> {
    let dropout = c.dropout_or("hidden_dropout_prob", 0.0)?;
    Ok(ClassifierConfig::tokens(dropout))
}

pub(super) fn masked_lm_config(
    c: &ConfigReader<'_>,
    encoder: &TransformerConfig,
) -> Result<MaskedLmConfig> {
    let mut head = bert::masked_lm_config(c, encoder)?;
    head.dense = head.dense.map(|dense| dense.activated(Activation::Gelu));
    Ok(head)
}
