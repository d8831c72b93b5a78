//! Hidden states of the last layer: one vector a row if pooled, else one a token.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Tensor;
use engraft_component::{Component, Words};
use engraft_data::Cell;
use engraft_models::{BoxedHead, Checkpoint, Head, HeadInput, HeadKind, Mode, Pooling};

use super::inference::every_token;
use crate::backbone::BackboneSlot;
use crate::error::{Error, Result};
use crate::head_loading::HeadLoading;
use crate::objective::{Basis, Objective, TaskArguments};
use crate::output::{Form, Grain, RowOutput, largest, number, place};

/// Computes what the backbone makes of each sequence, for every token or pooled into one vector.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.tasks.Embed")]
#[component(ignored(
    batch_size = "the data module's batch_size is used",
    use_legacy_adapter = "embedding uses no head"
))]
pub struct Embed {
    /// The pretrained encoder.
    pub backbone: BackboneSlot,
    /// `none`, `cls_pooling`, `mean_pooling`, `max_pooling` or `last_pooling`; without it, what the preset's `1_Pooling/config.json` says, else `none`.
    pub pooling: Option<EmbedPooling>,
    /// Scale each pooled vector to length 1; without it, as the preset's `modules.json` says, else not.
    pub normalize: Option<bool>,
}

/// How [`Embed`] pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Words)]
pub enum EmbedPooling {
    /// Not at all: one vector a token.
    None,
    /// One vector a row.
    By(Pooling),
}

impl TaskArguments for Embed {
    /// The vectors of a row: one if pooled, else one for every token.
    type Prediction = Vec<Vec<f32>>;
    const LEARNS: bool = false;
    const DATA_MODULE: &'static str = "SequencesDataModule";

    fn on(backbone: BackboneSlot) -> Self {
        Self {
            backbone,
            pooling: None,
            normalize: None,
        }
    }

    fn settle(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let stated = states_normalize(checkpoint)?;
        let pooling = match self.pooling {
            Some(pooling) => pooling,
            None => stated_pooling(checkpoint)?,
        };
        self.pooling = Some(pooling);
        self.normalize
            .get_or_insert(stated && pooling != EmbedPooling::None);
        Ok(())
    }

    fn objective(&self, _basis: &Basis<'_>) -> Result<Arc<dyn Objective>> {
        Ok(Arc::new(Vectors {
            is_pooled: self.pooling().is_some(),
        }))
    }

    fn head(&self, _loading: &HeadLoading<'_>) -> Result<BoxedHead> {
        Ok(BoxedHead::new(VectorHead {
            pooling: self.pooling(),
            normalize: self.normalize == Some(true),
        }))
    }

    fn prediction(_objective: &dyn Objective, output: RowOutput) -> Vec<Vec<f32>> {
        output.vectors().map(<[f32]>::to_vec).collect()
    }

    fn backbone(&self) -> &BackboneSlot {
        &self.backbone
    }

    fn backbone_mut(&mut self) -> &mut BackboneSlot {
        &mut self.backbone
    }

    fn uses_checkpoint_head(&self) -> bool {
        false
    }

    /// A pooling that is left open is the preset's own, if it states one.
    fn predicts_tokens(&self, is_saved: bool) -> bool {
        match self.pooling {
            Some(pooling) => pooling == EmbedPooling::None,
            None => {
                let name = self.backbone.backbone().preset_name();
                let preset = engraft_hub::Preset::from_name(name);
                // A preset that cannot be opened is reported when it is.
                !is_saved && preset.is_ok_and(|preset| !preset.has(POOLING))
            }
        }
    }

    fn fill_in(&mut self, saved: &Self) {
        self.pooling = self.pooling.or(saved.pooling);
        self.normalize = self.normalize.or(saved.normalize);
    }
}

impl Embed {
    fn pooling(&self) -> Option<Pooling> {
        match self.pooling {
            Some(EmbedPooling::By(pooling)) => Some(pooling),
            Some(EmbedPooling::None) | None => None,
        }
    }
}

/// Where a sentence-transformers preset says how it pools.
const POOLING: &str = "1_Pooling/config.json";

/// The pooling that a sentence-transformers preset asks for; none for other presets.
fn stated_pooling(checkpoint: &Checkpoint) -> Result<EmbedPooling> {
    let preset = checkpoint.preset();
    let Some(config) = preset.json_object(POOLING)? else {
        return Ok(EmbedPooling::None);
    };
    let modes = [
        ("pooling_mode_cls_token", Pooling::Cls),
        ("pooling_mode_mean_tokens", Pooling::Mean),
        ("pooling_mode_max_tokens", Pooling::Max),
        ("pooling_mode_lasttoken", Pooling::Last),
    ];
    let is_on = |value: &serde_json::Value| value.as_bool() == Some(true);
    let asked = config
        .iter()
        .filter(|(key, value)| key.starts_with("pooling_mode_") && is_on(value));
    let known = asked.map(|(key, _)| {
        let mut modes = modes.iter();
        modes.find(|(mode, _)| mode == key).map(|(_, it)| *it)
    });
    match known.collect::<Vec<_>>().as_slice() {
        [Some(one)] => Ok(EmbedPooling::By(*one)),
        _ => Err(Error::plain(format!(
            "{}: only one of cls, mean, max and last pooling is supported; choose with model.pooling",
            preset.locate(POOLING)
        ))),
    }
}

/// Whether a sentence-transformers preset scales its embeddings to length 1.
fn states_normalize(checkpoint: &Checkpoint) -> Result<bool> {
    let modules = checkpoint.preset().read("modules.json")?;
    Ok(modules.is_some_and(|bytes| {
        let modules: Vec<serde_json::Value> = serde_json::from_slice(&bytes).unwrap_or_default();
        let is_normalize = |name: &str| name.ends_with(".Normalize");
        modules
            .iter()
            .any(|module| module["type"].as_str().is_some_and(is_normalize))
    }))
}

/// Vectors of rows, or of their tokens.
#[derive(Debug)]
struct Vectors {
    is_pooled: bool,
}

impl Objective for Vectors {
    fn grain(&self) -> Grain {
        if self.is_pooled {
            Grain::Row
        } else {
            Grain::Token
        }
    }

    fn columns(&self, form: Form, width: usize) -> Vec<String> {
        match (self.grain(), form) {
            (Grain::Row, Form::Values) => (0..width).map(|value| format!("e{value}")).collect(),
            (Grain::Row, Form::Largest) => vec!["prediction".to_owned()],
            _ => vec!["predictions".to_owned()],
        }
    }

    fn cells(&self, form: Form, output: &RowOutput) -> Vec<Cell> {
        match (self.grain(), form) {
            (Grain::Row, Form::Values) => output.values.iter().map(|&it| number(it)).collect(),
            (Grain::Row, Form::Largest) => vec![place(largest(&output.values))],
            _ => vec![every_token(form, output)],
        }
    }
}

/// A head without parameters: hidden states, pooled and of length 1 if asked for.
#[derive(Module, Debug)]
struct VectorHead {
    #[module(skip)]
    pooling: Option<Pooling>,
    #[module(skip)]
    normalize: bool,
}

impl Head for VectorHead {
    fn forward(&self, input: HeadInput<'_>, _mode: Mode) -> Tensor<2> {
        let vectors = match self.pooling {
            Some(pooling) if !input.is_pooled => pooling.apply(input.hidden, input.tokens),
            _ => input.hidden,
        };
        if !self.normalize {
            return vectors;
        }
        let squares = vectors.clone().powi_scalar(2).sum_dim(1);
        // The floor that PyTorch's normalize has.
        vectors / squares.sqrt().clamp_min(1e-12)
    }

    fn pooling(&self) -> Option<Pooling> {
        self.pooling
    }

    fn kind(&self) -> HeadKind {
        HeadKind::None
    }
}
