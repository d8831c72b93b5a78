//! A task on its backbone, as it was asked for and resolved: everything but the weights.

use std::sync::Arc;

use engraft_component::Choice;
use engraft_data::{Examples, Hiding};
use engraft_hub::LoadReport;
use engraft_models::{Checkpoint, HeadKind, NamedTensor, Transformer};
use engraft_text::Tokenizer;

use crate::building::TrainingRows;
use crate::compiled::Compiled;
use crate::error::{Error, Result};
use crate::labels::LabelSpace;
use crate::network::Network;
use crate::objective::{Basis, Labelled, Objective, Reading};
use crate::rows::{AlignmentReading, RowEncoder};
use crate::several::{OtherBackbone, argument};
use crate::split::{Learning, Predictions, Source, Split};
use crate::task::Task;

/// A task on its backbone, resolved and immutable; shared by all that use it, on any thread.
#[derive(Clone)]
pub struct TaskSpec {
    pub(crate) task: Task,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) tokenizer: Tokenizer,
    /// The backbones beside the first.
    pub(crate) others: Vec<OtherBackbone>,
    pub(crate) objective: Arc<dyn Objective>,
    pub(crate) notes: Vec<String>,
    /// What it is trained and scored by, if not as the task itself says.
    pub(crate) compiled: Option<Arc<Compiled>>,
}

/// What is computed, and with which weights.
#[derive(Clone)]
pub struct Model {
    /// What is computed.
    pub spec: Arc<TaskSpec>,
    /// The weights.
    pub network: Network,
}

impl TaskSpec {
    /// The task, with what its preset decided.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// What the task computes.
    pub fn objective(&self) -> &Arc<dyn Objective> {
        &self.objective
    }

    /// Its classes, if it classifies.
    pub fn classes(&self) -> Option<&LabelSpace> {
        self.objective.classes()
    }

    /// The backbone's tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// What a user should know of the preset's files: what they say without effect, or leave open.
    pub fn notes(&self) -> impl Iterator<Item = &str> {
        let others = self.others.iter().flat_map(|other| other.tokenizer.notes());
        let notes = self.tokenizer.notes().iter().chain(others);
        let notes = notes.chain(&self.notes);
        notes.map(String::as_str)
    }

    /// The backbone's checkpoint.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// What became of each tensor of the checkpoint when the weights were loaded.
    pub fn report(&self) -> LoadReport {
        self.checkpoint.report()
    }

    /// Tokens of a row at most, or of a window of it; none if it may have any number.
    pub fn max_length(&self) -> Option<usize> {
        match self.objective.reading() {
            Reading::Windows(documents) => documents.length(),
            _ => self.task.backbone().backbone().max_length,
        }
    }

    /// The same where rows are cut to another number of tokens.
    ///
    /// # Errors
    /// They leave no room for text, or are more than the model has positions for.
    pub fn with_max_length(&self, length: Option<usize>) -> Result<Self> {
        let mut task = self.task.clone();
        let backbone = task.backbone_mut().backbone_mut();
        backbone.max_length = length;
        backbone.check_length(&self.checkpoint)?;
        task.check_length(&self.tokenizer, &self.checkpoint)?;
        let learned = self.objective.learned();
        let objective = task.objective(&Basis {
            checkpoint: &self.checkpoint,
            tokenizer: &self.tokenizer,
            others: &self.others,
            learned: Some(&learned),
            train: None,
        })?;
        Ok(Self {
            task,
            objective,
            ..self.clone()
        })
    }

    /// Says why rows can be no tokens that something else made, where they cannot.
    pub fn reads_itself(&self) -> Option<&'static str> {
        self.objective.reading().by_itself()
    }

    /// Tokens of a text that is written at most, of a task that writes; none if it may have any number, or none are written.
    pub fn max_output_length(&self) -> Option<usize> {
        match self.objective.reading() {
            Reading::Writing(texts) => texts.max_length,
            _ => None,
        }
    }

    /// Turns rows into tokens.
    pub fn row_encoder(&self) -> RowEncoder {
        let config = self.checkpoint.config();
        let decoder = config.decoder.as_ref();
        let written = decoder.map_or(&config.transformer, |decoder| &decoder.transformer);
        RowEncoder {
            tokenizer: self.tokenizer.clone(),
            vocabularies: [config.transformer.vocabulary, written.vocabulary],
            segments: config.transformer.embedding.token_types,
            max_length: self.max_length(),
            longest: self.checkpoint.config().transformer.longest(),
            reading: self.objective.reading(),
            alignments: self.alignment_reading(),
        }
    }

    /// What is done with alignments beside rows.
    fn alignment_reading(&self) -> AlignmentReading {
        let transformer = &self.checkpoint.config().transformer;
        let refused = if !self.objective.reads_alignments() {
            Some(format!(
                "{} reads sequences alone, without what is aligned with them",
                self.task.name()
            ))
        } else if !transformer.reads_alignments() {
            Some(format!(
                "{} tells no rows of an alignment apart: that takes position_embedding_type: rope_2d in its config.json",
                self.checkpoint.preset().name()
            ))
        } else {
            None
        };
        AlignmentReading {
            refused,
            is_required: self.task.backbone().backbone().enable_rag,
            width: transformer.embedding.structures,
        }
    }

    /// Refuses rows that bring alignments which are not read, or none where some are to be.
    ///
    /// # Errors
    /// They are such.
    pub fn check_alignments(&self, examples: &Examples) -> Result<()> {
        self.alignment_reading().check(examples)
    }

    /// What a user should know of what rows bring about the structure of residues, or do not: only the model or only the rows have it.
    pub fn note_on_structures(&self, examples: &Examples) -> Option<String> {
        let alignments = examples.alignments.as_ref();
        if alignments.is_none_or(|alignments| alignments.width().is_none()) {
            return self.checkpoint.lacks_structures();
        }
        self.alignment_reading().note(alignments?)
    }

    /// How it learns.
    ///
    /// # Errors
    /// The task only predicts.
    pub fn learning(&self) -> Result<Arc<dyn Learning>> {
        let learning = Arc::clone(&self.objective).learning();
        learning.ok_or_else(|| {
            Error::plain("this task only predicts: it has no loss to train or score")
        })
    }

    /// The same, trained and scored by what `compiled` says.
    #[must_use]
    pub fn compiled(&self, compiled: Arc<Compiled>) -> Self {
        Self {
            compiled: Some(compiled),
            ..self.clone()
        }
    }

    /// The same backbone for another task, compiled for nothing yet.
    pub(crate) fn for_task(&self, task: Task, objective: Arc<dyn Objective>) -> Self {
        Self {
            task,
            objective,
            compiled: None,
            ..self.clone()
        }
    }

    /// What it is trained and scored by, if not as the task itself says.
    pub fn compiled_with(&self) -> Option<Arc<Compiled>> {
        self.compiled.clone()
    }

    /// Whether it can be trained: it has a loss, of its own or compiled.
    pub fn learns(&self) -> bool {
        let compiled = self.compiled.as_ref();
        self.task.learns() || compiled.is_some_and(|compiled| compiled.loss.is_some())
    }

    /// The names of its scores.
    ///
    /// # Errors
    /// The task only predicts.
    pub fn metrics(&self) -> Result<Vec<String>> {
        let own = self.learning()?.metrics();
        Ok(match &self.compiled {
            Some(compiled) => compiled.names(own),
            None => own,
        })
    }

    /// Binds labelled rows to the task; `masking` says how tokens are masked, if they are and not by default.
    ///
    /// # Errors
    /// The task only predicts; labels are missing, of another kind, out of range or unknown; the rows cannot be read.
    pub fn bind(&self, examples: Arc<Examples>, masking: Option<Hiding>) -> Result<Box<dyn Split>> {
        let labelled = self.labelled(&examples, masking);
        let encoder = self.row_encoder();
        self.learning()?
            .bind(&labelled, encoder, Arc::clone(&examples))
    }

    /// Refuses labels that the task cannot learn or score, before anything is computed.
    ///
    /// # Errors
    /// Those of [`Self::bind`] about labels.
    pub fn check_labels(&self, examples: &Examples, masking: Option<Hiding>) -> Result<()> {
        self.learning()?.check(&self.labelled(examples, masking))
    }

    fn labelled<'a>(&'a self, examples: &'a Examples, masking: Option<Hiding>) -> Labelled<'a> {
        Labelled {
            examples,
            tokenizer: &self.tokenizer,
            masking,
            compiled: self.compiled.as_ref(),
        }
    }

    /// Rows that are to be predicted; labels among them are not looked at.
    ///
    /// # Errors
    /// The rows cannot be read, or lack what the model is told of each.
    pub fn rows(&self, examples: Arc<Examples>) -> Result<Arc<Source>> {
        self.objective.check_rows(&examples)?;
        Ok(Arc::new(Source::new(self.row_encoder(), examples, None)?))
    }

    /// Predicts the rows of `source`, batch by batch of `plan`.
    pub fn predictions<'n>(
        self: &Arc<Self>,
        network: &'n Network,
        source: Arc<Source>,
        plan: Vec<Vec<usize>>,
    ) -> Predictions<'n> {
        Predictions::new(Arc::clone(self), network, source, plan)
    }

    /// Refuses training rows that the task cannot learn from, or whose texts the vocabulary mostly lacks, or other ones than its weights of classes were counted on.
    ///
    /// # Errors
    /// They are such.
    pub fn check_training_rows(&self, train: TrainingRows<'_>) -> Result<()> {
        train.check(&*self.objective)?;
        self.objective.check_weights(train)?;
        self.check_known(train.examples)
    }

    /// The same with what only training rows say, where it was built without any: names of classes that have none yet, and what each weighs.
    ///
    /// # Errors
    /// The rows have more or fewer names than there are classes.
    pub fn informed_by(&self, train: TrainingRows<'_>) -> Result<Self> {
        let informed = self.objective.informed_by(train)?;
        Ok(Self {
            objective: informed.unwrap_or_else(|| Arc::clone(&self.objective)),
            ..self.clone()
        })
    }

    /// LoRA updates of a network in a few words, if it has any.
    pub fn lora(&self, network: &Network) -> Option<String> {
        let others = self.others.iter().filter_map(|other| {
            let encoder = network.towers().get(other.tower())?;
            Some((&other.checkpoint, vec![encoder]))
        });
        let stacks = std::iter::once(network.encoder()).chain(network.decoder());
        let all = std::iter::once((&self.checkpoint, stacks.collect())).chain(others);
        let said: Vec<String> = all
            .filter_map(|(of, stacks)| updates(of, &stacks))
            .collect();
        (!said.is_empty()).then(|| said.join("; "))
    }

    /// The names under which users know the parameter at a path of a network whose head is of a kind: ModelGenerator's first, then the
    /// checkpoint's.
    ///
    /// `encoder.layers.0.attention.output.weight` of a BERT is `backbone.encoder.encoder.layer.0.attention.output.dense.weight` to
    /// ModelGenerator; `backbone.encoder.layer.0...` and `bert.encoder.layer.0...` do as well. What belongs to the head is under `adapter`,
    /// and a head of the family's own kind has the checkpoint's name too.
    pub fn parameter_names(&self, head: HeadKind, path: &str) -> Vec<String> {
        let (part, rest) = path.split_once('.').unwrap_or((path, ""));
        if let Some(other) = self.others.iter().find(|other| other.tower() == part) {
            let name = other.checkpoint.parameter_name(rest);
            let name = name.unwrap_or_else(|| rest.to_owned());
            let argument = argument(other.number);
            return vec![
                format!("{argument}.encoder.{name}"),
                format!("{argument}.{name}"),
            ];
        }
        if part == engraft_models::ENCODER {
            let name = self.checkpoint.parameter_name(rest);
            let name = name.unwrap_or_else(|| rest.to_owned());
            let prefix = self.checkpoint.prefix();
            return vec![
                format!("backbone.encoder.{name}"),
                format!("backbone.{name}"),
                format!("{prefix}{name}"),
            ];
        }
        match self.checkpoint.head_parameter_name(head, rest) {
            Some(name) if head.is_familys() => {
                vec![format!("adapter.{rest}"), format!("adapter.{name}"), name]
            }
            _ => vec![format!("adapter.{rest}")],
        }
    }
}

/// The LoRA updates of a backbone in a few words, if it has any.
fn updates(checkpoint: &Checkpoint, stacks: &[&Transformer]) -> Option<String> {
    let updates = stacks.iter();
    let updates = updates.flat_map(|stack| checkpoint.named_lora(stack, HeadKind::None));
    let updates: Vec<NamedTensor> = updates.collect();
    let parameters: usize = updates.iter().map(|tensor| tensor.values.len()).sum();
    (parameters > 0).then(|| {
        let fresh = if checkpoint.has_weights() {
            ""
        } else {
            ", which starts from scratch and stays as it is"
        };
        format!(
            "{} layers of {}{fresh} have updates, {parameters} parameters in all",
            updates.len() / 2,
            checkpoint.preset().name()
        )
    })
}

#[cfg(test)]
mod tests;
