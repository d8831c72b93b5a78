//! A backbone alone: hidden states of tokens.

use std::fmt;
use std::path::Path;

use burn::tensor::{Tensor, TensorData};
use engraft_hub::NamedPreset;
use engraft_models::{Initial, Mode, Pooler, rounded};
use engraft_tasks::{Embed, EmbedPooling, Model};

use crate::builder::{Start, builder};
use crate::core::Core;
use crate::error::Result;
use crate::input::{Question, examples_of};
use crate::summary::Summary;

/// A pretrained transformer without a task. It reads tokens, or texts, and gives hidden states.
///
/// ```
/// use engraft::prelude::*;
///
/// let backbone = Backbone::from_preset("sapiens_vh")?.build()?;
/// let states = backbone.call(vec![1, 8, 22, 2])?;
/// assert_eq!((states.sequence_output.len(), states.sequence_output[0].len()), (4, 128));
/// # Ok::<(), Error>(())
/// ```
pub struct Backbone {
    core: Core,
    pooler: Option<Pooler>,
}

/// What a backbone makes of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct HiddenStates {
    /// The last layer's state of each token, `[tokens][hidden]`; of an encoder-decoder the encoder's.
    pub sequence_output: Vec<Vec<f32>>,
    /// What BERT and its like make of the first, `[hidden]`; of a preset that was opened as a backbone, where it has a pooler.
    pub pooled_output: Option<Vec<f32>>,
}

impl fmt::Debug for Backbone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let preset = self.core.model.spec.checkpoint().preset();
        f.debug_tuple("Backbone").field(&preset.name()).finish()
    }
}

builder!(
    /// A [`Backbone`] in the making.
    BackboneBuilder
);

impl BackboneBuilder {
    /// Loads the weights.
    ///
    /// # Errors
    /// The weights do not fit.
    pub fn build(mut self) -> Result<Backbone> {
        let dtype = self.start.compute().dtype;
        if let Ok(mut embed) = Embed::try_from(self.start.arguments.clone()) {
            embed.pooling = Some(EmbedPooling::None);
            self.start.arguments = embed.into();
        }
        let core = self.start.build()?;
        let checkpoint = core.model.spec.checkpoint();
        let initial = Initial {
            device: core.model.network.device(),
            key: engraft_kernels::Key::new(0),
        };
        // Families without one, and checkpoints that left it out, have none.
        let has_pooler = checkpoint.has_pooler();
        let pooler = has_pooler
            .then(|| checkpoint.pooler(&initial))
            .transpose()?;
        let pooler = pooler.map(|pooler| rounded(pooler, dtype));
        Ok(Backbone { core, pooler })
    }
}

impl Backbone {
    /// A preset: a name (`bert_base_en`), `hf://org/repo`, `kaggle://owner/model/framework/variation`, or a folder. What is missing is fetched.
    ///
    /// # Errors
    /// There is no such preset.
    pub fn from_preset(preset: &str) -> Result<BackboneBuilder> {
        Ok(BackboneBuilder::new(Start::of::<Embed>(preset)?))
    }

    /// The presets that have a name and can be used.
    pub fn presets() -> impl Iterator<Item = &'static NamedPreset> {
        engraft_hub::usable_presets()
    }

    /// That of a model.
    pub(crate) fn of(model: &Model) -> Result<Self> {
        let alone = model.encoder_alone()?;
        Ok(Self {
            core: Core::new(alone, Default::default(), false)?,
            pooler: None,
        })
    }

    /// The hidden states of a row of tokens or a text, of many, or of [`Each`](crate::Each) of an iterator.
    ///
    /// # Errors
    /// Tokens outside the vocabulary, more than the model has positions for.
    pub fn call<'m, Q: Question + 'm>(
        &'m self,
        question: Q,
    ) -> Result<Q::Answer<'m, HiddenStates>> {
        question.answered(|before, rows| {
            let outputs = self.core.outputs(examples_of(before, rows)?)?.into_iter();
            let states = outputs.map(|output| {
                let sequence: Vec<Vec<f32>> = output.vectors().map(<[f32]>::to_vec).collect();
                HiddenStates {
                    pooled_output: self.pooled(&sequence),
                    sequence_output: sequence,
                }
            });
            Ok(states.collect())
        })
    }

    fn pooled(&self, sequence: &[Vec<f32>]) -> Option<Vec<f32>> {
        let (pooler, first) = (self.pooler.as_ref()?, sequence.first()?);
        let data = TensorData::new(first.clone(), [1, first.len()]);
        let first = Tensor::<2>::from_data(data, &self.core.model.network.device());
        let pooled = pooler.dense.forward(first, Mode::Evaluate).tanh();
        Some(pooled.into_data().iter::<f32>().collect())
    }

    /// Layers, their shapes and parameters.
    pub fn summary(&self) -> Summary {
        Summary::of(&self.core)
    }

    /// Writes a preset of the backbone alone.
    ///
    /// # Errors
    /// The folder cannot be written, or holds something else than a preset.
    pub fn save_to_preset(&self, folder: impl AsRef<Path>) -> Result<()> {
        self.core.save_to_preset(folder.as_ref())
    }

    /// The model below, for everything beyond.
    pub fn model(&self) -> &Model {
        &self.core.model
    }
}
