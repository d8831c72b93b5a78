//! A smaller model that drafts what a language model writes.

use engraft_component::Refusal;
use engraft_generate::LanguageModel;
use engraft_models::Compute;
use engraft_tasks::{Backbone, preset_tokenizer};

use crate::error::{Error, Result};
use crate::writer::Writer;

/// A smaller model that drafts tokens.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) preset: String,
    pub(crate) model: LanguageModel,
}

impl Draft {
    /// Opens a preset that writes as `writer` does, with the same vocabulary.
    ///
    /// # Errors
    /// It writes otherwise, or has another vocabulary.
    pub(crate) fn open(preset: &str, writer: &Writer) -> Result<Self> {
        let refused = |problem: String| Error::from(Refusal::of("draft", problem));
        let backbone = Backbone::new(preset);
        let cannot = |error: String| refused(format!("{preset} cannot draft tokens: {error}"));
        let checkpoint = backbone.open().map_err(|error| cannot(error.to_string()))?;
        let config = if writer.reads() {
            checkpoint.decoder_config().map(|it| &it.transformer)
        } else {
            let head = checkpoint.causal_lm_config();
            head.map(|_| &checkpoint.config().transformer)
        };
        let config = config.map_err(|error| cannot(error.to_string()))?;
        let [own, other] = [writer.model().config(), config].map(|it| it.vocabulary);
        if own != other {
            return Err(refused(format!(
                "{preset} has another vocabulary, of {other} tokens instead of {own}; give a smaller model with the same one"
            )));
        }
        let drafts = preset_tokenizer(&checkpoint, &backbone)?;
        let tokenizer = writer.tokenizer();
        let differs =
            (0..own as u32).find(|&id| tokenizer.id_to_token(id) != drafts.id_to_token(id));
        if let Some(id) = differs {
            return Err(refused(format!(
                "{preset} has another vocabulary, in which the token {id} is not the same; give a smaller model with the same one"
            )));
        }
        let model = LanguageModel::load(&checkpoint, &Compute::cpu(), 0);
        Ok(Self {
            preset: preset.to_owned(),
            model: model.map_err(|error| cannot(error.to_string()))?,
        })
    }
}
