//! What a checkpoint says of its own classification head beside its weights.

use engraft_component::Refusal;
use engraft_models::{Checkpoint, Problem};
use serde_json::Value;

use crate::backbone::Backbone;
use crate::error::Result;
use crate::output::{sigmoid, softmax};

/// The key of `config.json` that says what is made of a head's outputs.
const APPLIED: &str = "function_to_apply";

/// What a checkpoint says that its own classification head is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StatedHead {
    /// Its `problem_type`.
    pub(crate) problem: Option<Problem>,
    /// What is made of its outputs: transformers' `function_to_apply`, or the activation of sentence-transformers' cross-encoders.
    pub(crate) applied: Option<Activation>,
}

/// What is made of a head's outputs for those who read them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Activation {
    /// Probabilities that add up to 1.
    #[default]
    Softmax,
    /// Probabilities, each by itself.
    Sigmoid,
    /// Nothing.
    Identity,
}

impl Activation {
    /// What is asked for by an overwritten key of `config.json`, if one is known.
    pub(crate) fn asked(backbone: &Backbone) -> Option<Self> {
        let asked = backbone.config_overwrites.as_ref()?.get(APPLIED)?;
        Self::named(asked.as_text()?)
    }

    /// What a saved model has in the place of softmax.
    pub(crate) fn learned(self) -> Option<String> {
        let name = match self {
            Self::Softmax => return None,
            Self::Sigmoid => "sigmoid",
            Self::Identity => "identity",
        };
        Some(name.to_owned())
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        // A class of torch is named by its path: `torch.nn.modules.activation.Sigmoid`.
        let name = name.rsplit('.').next().unwrap_or(name).to_lowercase();
        match name.as_str() {
            "softmax" => Some(Self::Softmax),
            "sigmoid" => Some(Self::Sigmoid),
            "none" | "identity" => Some(Self::Identity),
            _ => None,
        }
    }

    pub(crate) fn of(self, outputs: &[f32]) -> Vec<f32> {
        match self {
            Self::Softmax => softmax(outputs).collect(),
            Self::Sigmoid => outputs.iter().copied().map(sigmoid).collect(),
            Self::Identity => outputs.to_vec(),
        }
    }
}

impl StatedHead {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// It says something that is not known, which would make other numbers.
    pub(crate) fn of(checkpoint: &Checkpoint) -> Result<Self> {
        let json = &checkpoint.config().json;
        let refuse = |key: &str, value: &Value, known: &str| {
            let place = checkpoint.preset().locate("config.json");
            let problem = format!("{place}: {key}: {value} is not known, only {known}");
            let overwrite = "Say another by model.backbone.config_overwrites, or set use_legacy_adapter to false for a new head";
            Refusal::plain(problem).help(overwrite)
        };
        let stated = |key: &str| json.get(key).filter(|value| !value.is_null());
        let problem = match stated("problem_type") {
            None => None,
            Some(value) => Some(match value.as_str() {
                Some("single_label_classification") => Problem::SingleLabel,
                Some("multi_label_classification") => Problem::MultiLabel,
                Some("regression") => Problem::Regression,
                _ => {
                    let known =
                        "single_label_classification, multi_label_classification and regression";
                    return Err(refuse("problem_type", value, known).into());
                }
            }),
        };
        let nested = || stated("sentence_transformers")?.get("activation_fn");
        let functions = [
            (APPLIED, stated(APPLIED)),
            ("sentence_transformers.activation_fn", nested()),
            (
                "sbert_ce_default_activation_function",
                stated("sbert_ce_default_activation_function"),
            ),
        ];
        let function = functions
            .into_iter()
            .find_map(|(key, value)| Some((key, value?)));
        let applied = match function {
            None => None,
            Some((key, value)) => {
                let named = Activation::named(value.as_str().unwrap_or_default());
                let unknown = || refuse(key, value, "softmax, sigmoid and none");
                Some(named.ok_or_else(unknown)?)
            }
        };
        Ok(Self { problem, applied })
    }
}
