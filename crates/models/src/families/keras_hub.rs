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
        if let Some(width) = said.optional_size("classifier_hidden_dim")? {
            // That of BERT and ALBERT is a layer of the encoder.
            let dense = classifier.dense.as_mut();
            let dense = dense.filter(|_| !["bert", "albert"].contains(&family));
            dense
                .ok_or_else(|| {
                    let problem = "the head of this family has no layer of its own before the last";
                    said.error("classifier_hidden_dim", problem)
                })?
                .width = width;
        }
        if said.states("classifier_dropout") {
            let rate = said.dropout_or("classifier_dropout", 0.0)?;
            // Where KerasHub drops out of what a family's head computes, of families that it has not as the reference library does: before
            // a dense layer, behind it, or both.
            let [before, behind] = match family {
                "deberta-v2" => [true, false],
                "roberta" | "xlm-roberta" | "esm" | "electra" | "bart" => [true, true],
                _ => [false, true],
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
