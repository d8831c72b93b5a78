//! Model families: how a checkpoint's configuration and tensor names become the one transformer's.

mod bert;
mod distilbert;
mod roberta;

use serde_json::{Map, Value};

use crate::config::{Activation, ClassifierConfig, ModelConfig, TransformerConfig};
use crate::error::{Error, Result};
use crate::json::ConfigReader;

/// Deeper than any encoder there is.
const MOST_LAYERS: usize = 1024;

/// Larger than any encoder there is, and than the memory of most machines.
const MOST_WEIGHTS: f64 = 4e9;

/// A model family, as data.
pub struct Family {
    /// The name of the family.
    pub name: &'static str,
    /// Values of `model_type` in `config.json`.
    pub hugging_face: &'static [&'static str],
    /// What the names of the encoder's tensors begin with where a head stands beside it.
    pub(crate) prefix: &'static str,
    /// Reads the encoder's shape.
    pub(crate) config: fn(&ConfigReader<'_>) -> Result<TransformerConfig>,
    /// Reads the classification head.
    pub(crate) classifier: fn(&ConfigReader<'_>) -> Result<ClassifierConfig>,
    /// Our modules and theirs; `{}` stands for the layer's number.
    pub(crate) encoder: &'static [(&'static str, &'static str)],
    /// The pooler's names, inside the encoder's prefix; empty if the family has none.
    pub(crate) pooler: &'static [(&'static str, &'static str)],
    /// The masked-LM head's activation, where it is not the encoder's.
    pub(crate) masked_lm_activation: Option<Activation>,
    /// The masked-LM head's names.
    pub(crate) masked_lm: &'static [(&'static str, &'static str)],
    /// The classification head's names; a leading `^` means inside the encoder's prefix.
    pub(crate) classification: &'static [(&'static str, &'static str)],
    /// Tensors stored in some checkpoints that follow from others.
    pub(crate) derived: &'static [&'static str],
    /// The reference library's classes: encoder alone, masked LM, classification.
    pub(crate) architectures: [&'static str; 3],
}

/// Every family there is.
pub fn families() -> &'static [&'static Family] {
    &[
        &bert::FAMILY,
        &roberta::FAMILY,
        &roberta::XLM,
        &distilbert::FAMILY,
    ]
}

impl Family {
    /// Understands a `config.json`; `place` names it in messages.
    ///
    /// # Errors
    /// No or an unknown `model_type`, sizes that cannot be.
    pub(crate) fn read(
        place: &str,
        json: Map<String, Value>,
    ) -> Result<(ModelConfig, Vec<&'static str>)> {
        let reader = ConfigReader::new(place, &json);
        let known = || {
            families()
                .iter()
                .flat_map(|family| family.hugging_face)
                .copied()
                .collect::<Vec<_>>()
                .join(", ")
        };
        let model_type = reader
            .value("model_type")
            .and_then(Value::as_str)
            .ok_or_else(|| {
                reader.error(
                    "model_type",
                    format!("missing: it names the model's family, one of {}", known()),
                )
            })?;
        let family = families()
            .iter()
            .find(|family| family.hugging_face.contains(&model_type))
            .ok_or_else(|| {
                reader.error(
                    "model_type",
                    format!(
                        "the family {model_type:?} is not supported yet; supported are {}",
                        known()
                    ),
                )
            })?;
        let transformer = (family.config)(&reader)?;
        check(&reader, &transformer)?;
        let classifier = (family.classifier)(&reader)?;
        let tied = reader.flag_or("tie_word_embeddings", true)?;
        let (classes, labels) = reader.labels()?;
        let asked = reader.asked();
        Ok((
            ModelConfig {
                family,
                masked_lm_activation: family
                    .masked_lm_activation
                    .unwrap_or(transformer.activation),
                transformer,
                classifier,
                tied,
                labels,
                classes,
                json,
            },
            asked,
        ))
    }
}

/// Refuses shapes that no model can have.
fn check(reader: &ConfigReader<'_>, config: &TransformerConfig) -> Result<()> {
    let refuse = |key: &str, problem: String| Err::<(), Error>(reader.error(key, problem));
    if !config.hidden.is_multiple_of(config.heads) {
        return refuse(
            "hidden_size",
            format!(
                "{} hidden units do not divide into {} attention heads",
                config.hidden, config.heads
            ),
        );
    }
    if config.longest() == 0 {
        let problem = format!(
            "{} positions leave none, as this family counts from {}",
            config.positions, config.position_offset
        );
        return refuse("max_position_embeddings", problem);
    }
    if config.layers > MOST_LAYERS {
        return refuse(
            "num_hidden_layers",
            format!(
                "{} layers are more than the {MOST_LAYERS} that a model may have",
                config.layers
            ),
        );
    }
    // In floating point, which cannot overflow.
    let [hidden, intermediate] = [config.hidden, config.intermediate].map(|size| size as f64);
    let tables = (config.vocabulary + config.positions + config.token_types) as f64 * hidden;
    let weights = tables + config.layers as f64 * hidden * (4.0 * hidden + 2.0 * intermediate);
    if weights > MOST_WEIGHTS {
        return refuse(
            "hidden_size",
            format!(
                "this shape has {weights:.0} weights, more than the {MOST_WEIGHTS:.0} that are supported"
            ),
        );
    }
    Ok(())
}
