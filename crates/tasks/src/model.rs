//! A task on its backbone, ready to train or predict.

use std::sync::Arc;

use burn::tensor::Device;
use engraft_data::{Examples, Masking, TokenUnit};
use engraft_hub::LoadReport;
use engraft_kernels::Key;
use engraft_models::{Checkpoint, HeadKind, Initial, Transformer};
use engraft_text::Tokenizer;

use crate::batch::RowEncoder;
use crate::cached::CachedEncoder;
use crate::documents::Documents;
use crate::error::Result;
use crate::labels::LabelSpace;
use crate::masking::Masker;
use crate::metrics::Metrics;
use crate::network::Network;
use crate::output::OutputKind;
use crate::targets::Targets;
use crate::task::{EmbedPooling, Task};
use crate::told::Told;

/// A task on its backbone: parameters, tokenizer, classes, and how they are used.
///
/// A clone is cheap: the values are shared until one of the two changes them.
#[derive(Clone)]
pub struct Model {
    pub(crate) task: Task,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) tokenizer: Tokenizer,
    pub(crate) told: Told,
    pub(crate) class_weights: Vec<f32>,
    pub(crate) pooling: EmbedPooling,
    pub(crate) normalize: bool,
    /// How texts are read, by a causal language model.
    pub(crate) documents: Option<Documents>,
    /// The encoder with what it has computed before, where that is kept.
    pub(crate) cached: Option<Arc<CachedEncoder>>,
    /// The parameters. Training replaces them.
    pub network: Network,
}

impl Model {
    /// The task it was built for.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// Its classes, if it classifies.
    pub fn labels(&self) -> Option<&LabelSpace> {
        self.told.labels()
    }

    /// What it tells of a row.
    pub fn told(&self) -> &Told {
        &self.told
    }

    /// What the numbers of its outputs are.
    pub fn output_kind(&self) -> OutputKind {
        match (&self.told, &self.task) {
            (Told::Classes(_), _) => OutputKind::Classes,
            (Told::Flags(_), _) => OutputKind::Flags,
            (Told::TokenClasses(_, unit), _) => OutputKind::TokenClasses {
                words: *unit == Some(TokenUnit::Word),
            },
            (Told::Numbers { names, .. }, _) => OutputKind::Numbers(names.clone()),
            (_, Task::Embed(_)) if self.pooling != EmbedPooling::None => OutputKind::Vector,
            (Told::NextTokens, _) => OutputKind::Likelihood,
            (Told::Tokens | Told::Nothing, _) => OutputKind::Tokens,
        }
    }

    /// Its LoRA updates in a few words, if it has any.
    pub fn lora(&self) -> Option<String> {
        let updates = self
            .checkpoint
            .named_lora(&self.network.encoder, HeadKind::None);
        let parameters: usize = updates.iter().map(|tensor| tensor.values.len()).sum();
        (parameters > 0).then(|| {
            let fresh = match self.checkpoint.has_weights() {
                true => "",
                false => ", which starts from scratch and stays as it is",
            };
            format!(
                "{} layers of {}{fresh} have updates, {parameters} parameters in all",
                updates.len() / 2,
                self.checkpoint.preset().name()
            )
        })
    }

    /// What became of each tensor of the checkpoint.
    pub fn report(&self) -> LoadReport {
        self.checkpoint.report()
    }

    /// Takes the classes' names from training rows, where they have none yet.
    ///
    /// # Errors
    /// The rows have more or fewer names than the model has classes.
    pub fn name_classes(&mut self, train: &Examples) -> Result<()> {
        if let (Told::Classes(space), Some(labels)) = (&self.told, train.classes())
            && space.names().is_none()
        {
            let count = Some(space.count());
            let space = LabelSpace::from_training(labels, count, None, None)?;
            self.told = Told::Classes(space);
        }
        Ok(())
    }

    /// Which kind of head it has.
    pub fn head_kind(&self) -> HeadKind {
        self.network.head_kind()
    }

    /// The names under which users know the parameter at a path of the network's fields: ModelGenerator's first, then the checkpoint's.
    ///
    /// `encoder.layers.0.attention.output.weight` of a BERT is `backbone.encoder.encoder.layer.0.attention.output.dense.weight` to
    /// ModelGenerator; `backbone.encoder.layer.0...` and `bert.encoder.layer.0...` do as well. What belongs to the head is under `adapter`.
    pub fn parameter_names(&self, path: &str) -> Vec<String> {
        let (part, rest) = path.split_once('.').unwrap_or((path, ""));
        if part == "encoder" {
            let name = self.checkpoint.parameter_name(rest);
            let name = name.unwrap_or_else(|| rest.to_owned());
            let prefix = self.checkpoint.prefix();
            return vec![
                format!("backbone.encoder.{name}"),
                format!("backbone.{name}"),
                format!("{prefix}{name}"),
            ];
        }
        let kind = self.head_kind();
        match self.checkpoint.head_parameter_name(kind, rest) {
            Some(name) if kind.is_familys() => vec![
                format!("adapter.{name}"),
                format!("backbone.decoder.{name}"),
                name,
            ],
            _ => vec![format!("adapter.{rest}")],
        }
    }

    /// Moves the parameters out, so that whoever trains them is their only owner and changes them in place.
    ///
    /// What is left behind takes no memory and is of no use until parameters are put back.
    pub fn take_network(&mut self) -> Network {
        let config = &self.checkpoint.config().transformer;
        let initial = Initial {
            device: Device::default(),
            key: Key::new(0),
        };
        let empty = Network {
            encoder: Transformer::new(config, &initial),
            head: None,
        };
        std::mem::replace(&mut self.network, empty)
    }

    /// Tokens of a row at most, or of a window of it; none if it may have any number.
    pub fn max_length(&self) -> Option<usize> {
        match &self.documents {
            Some(documents) => documents.length(),
            None => self.task.backbone().backbone().max_length,
        }
    }

    /// Turns rows into tokens.
    pub fn row_encoder(&self) -> RowEncoder {
        RowEncoder {
            tokenizer: self.tokenizer.clone(),
            max_length: self.max_length(),
            longest: self.checkpoint.config().transformer.longest(),
            locates: matches!(self.told, Told::TokenClasses(..)),
            documents: self.documents.clone(),
        }
    }

    /// Whether letters or words have a class each, if it was trained on either.
    pub fn unit(&self) -> Option<TokenUnit> {
        match &self.told {
            Told::TokenClasses(_, unit) => *unit,
            _ => None,
        }
    }

    /// What rows are to be told as; `masking` says how a masked-language model hides tokens, if not by default.
    ///
    /// # Errors
    /// Labels are missing, of another kind, out of range or unknown; the tokenizer cannot mask.
    pub fn targets(&self, examples: &Examples, masking: Option<Masking>) -> Result<Targets> {
        if self.told == Told::NextTokens {
            return Ok(Targets::NextTokens);
        }
        let Task::MLM(task) = &self.task else {
            return self.told.targets(examples);
        };
        let masking = masking.unwrap_or_default();
        let masker = Masker::new(&self.tokenizer, masking, task.loss_on_all_tokens)?;
        Ok(Targets::Masked(masker.into()))
    }

    /// What predictions of rows are made from: nothing, but where a row itself is what is told.
    pub fn targets_of_predictions(&self) -> Targets {
        match self.told {
            Told::NextTokens => Targets::NextTokens,
            _ => Targets::None,
        }
    }

    /// Running metrics of the task; none for tasks that only predict.
    pub fn metrics(&self) -> Option<Metrics> {
        match &self.told {
            Told::Nothing => None,
            Told::Classes(space) | Told::TokenClasses(space, _) => {
                Some(Metrics::classification(space.count()))
            }
            Told::Flags(space) => Some(Metrics::multi_label(space.count())),
            Told::Numbers { names, .. } => Some(Metrics::regression(names.len())),
            Told::Tokens => Some(Metrics::masked_tokens()),
            Told::NextTokens => Some(Metrics::next_tokens()),
        }
    }
}
