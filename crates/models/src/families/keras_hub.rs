//! What classes of KerasHub compute otherwise than the families that they are of, as presets of KerasHub are seen to state it under `keras_hub`.

use engraft_hub::KERAS_HUB;

use crate::config::{ClassifierConfig, MaskedLmConfig, TransformerConfig};
use crate::error::Result;
use crate::json::ConfigReader;

/// Makes of an encoder or decoder and its heads what the file says.
pub(super) fn apply(
    reader: &ConfigReader<'_>,
    family: &str,
    transformer: &mut TransformerConfig,
    classifier: &mut ClassifierConfig,
    masked_lm: Option<&mut MaskedLmConfig>,
) -> Result<()> {
    if !reader.states(KERAS_HUB) {
        return Ok(());
    }
    reader.inside(KERAS_HUB, |said| {
        if let Some(width) = said.optional_size("intermediate_dim")? {
            transformer.intermediate = width;
        }
        if said.states("last_norm_eps") {
            transformer.last_norm_epsilon = Some(said.number_or("last_norm_eps", 0.0)?);
        }
        if let Some(norm) = &mut transformer.query_key_norm {
            norm.epsilon = said.number_or("query_key_norm_eps", norm.epsilon)?;
        }
        if let (Some(dense), Some(width)) = (
            &mut classifier.dense,
            said.optional_size("classifier_hidden_dim")?,
        ) {
            dense.width = width;
        }
        if said.states("classifier_dropout") {
            let rate = said.dropout_or("classifier_dropout", 0.0)?;
            // Where a family drops out of what its head computes: before a dense layer, behind it, or both with one rate.
            let [before, behind] = match family {
                "deberta-v2" => [true, false],
                "distilbert" | "modernbert" => [false, true],
                _ => [true, true],
            };
            if before {
                classifier.input_dropout = rate;
            }
            if behind {
                classifier.dropout = rate;
            }
        }
        if let Some(dense) = masked_lm.and_then(|head| head.dense.as_mut()) {
            dense.activation = said.activation_or("masked_lm_activation", dense.activation)?;
            if let Some(norm) = &mut dense.norm {
                norm.epsilon = said.number_or("masked_lm_norm_eps", norm.epsilon)?;
            }
        }
        Ok(())
    })
}
