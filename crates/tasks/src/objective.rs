//! What a task adds to Engraft: its arguments, what they become on a backbone, and how that learns.
//!
//! A task is one file of [`objectives`](crate::objectives) and one line of [`for_each_task`](crate::for_each_task). The file has
//!
//! * the arguments that users write, a struct that derives `Component`, which also says what its help text is: [`TaskArguments`];
//! * what these become once the backbone and the training rows are known: an [`Objective`], which predicts;
//! * for a task that is trained, what is predicted of rows, the loss and the metrics: [`Learns`].
//!
//! The associated types of [`Learns`] make it impossible to score one kind of output against another kind of target. They are bound to the
//! rows of a split once ([`Split`](crate::Split)), and whoever trains, scores or predicts does not know them.

use std::fmt::Debug;
use std::sync::Arc;

use burn::tensor::Tensor;
use engraft_component::Component;
use engraft_data::{Cell, Examples, Labels, Masking, TokenUnit};
use engraft_models::{BoxedHead, Checkpoint, Mode, Problem};
use engraft_text::Tokenizer;

use crate::backbone::BackboneSlot;
use crate::building::TrainingRows;
use crate::documents::Documents;
use crate::error::{Error, Result};
use crate::head_loading::HeadLoading;
use crate::inputs::Inputs;
use crate::labels::LabelSpace;
use crate::learned::Learned;
use crate::metrics::{MetricError, Metrics};
use crate::network::Network;
use crate::observer::{Observer, Shown};
use crate::output::{Form, Grain, RowOutput, softmax};
use crate::rows::{Draws, EncodedRow};
use crate::split::Learning;
use crate::task::Task;

/// The arguments of a task, as users write them.
pub trait TaskArguments:
    Component + Into<Task> + TryFrom<Task> + Clone + PartialEq + Debug + Send + Sync + 'static
{
    /// What the task says of a row, as a value of Rust.
    type Prediction;

    /// Whether it can be trained.
    const LEARNS: bool = true;

    /// Whether it can be scored; a task that learns nothing may be all the same.
    const SCORES: bool = Self::LEARNS;

    /// Whether it compares the two texts of a row, a reference and a variant of it, instead of reading them as one.
    const COMPARES: bool = false;

    /// The data module that it is mostly used with.
    const DATA_MODULE: &'static str;

    /// The task on `backbone`, with every other argument at its default in an experiment file.
    fn on(backbone: BackboneSlot) -> Self;

    /// The same with the defaults of the Rust library, which are KerasHub's, where files have ModelGenerator's.
    #[must_use]
    fn in_rust(self) -> Self {
        self
    }

    /// What is computed, given the backbone and what is known of the rows.
    ///
    /// # Errors
    /// The rows have labels of another kind, the classes contradict each other, ...
    fn objective(&self, basis: &Basis<'_>) -> Result<Arc<dyn Objective>>;

    /// The head, as stored or fresh.
    ///
    /// # Errors
    /// The checkpoint lacks a head that it must have, or a stored one has another shape.
    fn head(&self, loading: &HeadLoading<'_>) -> Result<BoxedHead>;

    /// What a prediction says.
    fn prediction(objective: &dyn Objective, output: RowOutput) -> Self::Prediction;

    /// The backbone.
    fn backbone(&self) -> &BackboneSlot;

    /// The backbone.
    fn backbone_mut(&mut self) -> &mut BackboneSlot;

    /// Sets the number of classes, where there are any.
    fn set_classes(&mut self, count: Option<usize>) {
        let _ = count;
    }

    /// Whether its head is one that a checkpoint of another program may hold.
    fn uses_checkpoint_head(&self) -> bool {
        true
    }

    /// Makes the head one of the checkpoint's own kind, where the task can have such a one.
    fn use_checkpoint_head(&mut self) {}

    /// Whether it predicts something for every token, special ones included, which fits no table; `is_saved` says whether the arguments are
    /// those of a saved model, with nothing left open.
    fn predicts_tokens(&self, is_saved: bool) -> bool {
        let _ = is_saved;
        false
    }

    /// Refuses arguments that no model can have, before anything is read.
    ///
    /// # Errors
    /// The first of them.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Refuses arguments with which no model can be trained, before anything is read.
    ///
    /// # Errors
    /// The first of them.
    fn check_training(&self) -> Result<()> {
        Ok(())
    }

    /// Refuses a backbone that the task makes no sense on, before any weight is read.
    ///
    /// # Errors
    /// It is one.
    fn check_backbone(&self, checkpoint: &Checkpoint) -> Result<()> {
        let _ = checkpoint;
        Ok(())
    }

    /// Refuses a `max_length` that leaves no room for text.
    ///
    /// # Errors
    /// It leaves none.
    fn check_length(&self, tokenizer: &Tokenizer, checkpoint: &Checkpoint) -> Result<()> {
        let _ = checkpoint;
        let specials = tokenizer.specials_added(false);
        match self.backbone().backbone().max_length {
            Some(length) if length < specials => Err(Error::refused(
                "model.backbone.max_length",
                format!(
                    "{length} leaves no room for the {specials} special tokens that the tokenizer adds"
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Takes what was left open from the arguments that a model was saved with.
    fn fill_in(&mut self, saved: &Self) {
        let _ = saved;
    }

    /// Decides what was left open and the preset states, before anything is made of the arguments.
    ///
    /// # Errors
    /// A file of the preset is damaged, or states what is not known.
    fn settle(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let _ = checkpoint;
        Ok(())
    }

    /// The tokenizer as the preset would have it for this task.
    ///
    /// # Errors
    /// A file of the preset is damaged, or asks for what this tokenizer cannot do.
    fn tokenizer(&self, tokenizer: Tokenizer, checkpoint: &Checkpoint) -> Result<Tokenizer> {
        let _ = checkpoint;
        Ok(tokenizer)
    }

    /// What a user should know of the preset, once the task is settled.
    ///
    /// # Errors
    /// A file of the preset is damaged.
    fn notes(&self, checkpoint: &Checkpoint) -> Result<Vec<String>> {
        let _ = checkpoint;
        Ok(Vec::new())
    }

    /// The files of the preset that belong to the task, to be saved with a model that needs its preset no more.
    ///
    /// # Errors
    /// One cannot be read.
    fn files(&self, checkpoint: &Checkpoint) -> Result<Vec<(String, Vec<u8>)>> {
        let _ = checkpoint;
        Ok(Vec::new())
    }
}

/// What an objective is made from.
pub struct Basis<'a> {
    /// The backbone, its weights not read yet.
    pub checkpoint: &'a Checkpoint,
    /// Its tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// What a saved model had learned of its training rows; it decides alone.
    pub learned: Option<&'a Learned>,
    /// The training rows, where there are any.
    pub train: Option<TrainingRows<'a>>,
}

impl<'a> Basis<'a> {
    /// The labels of the training rows.
    pub fn labels(&self) -> Option<&'a Labels> {
        self.train.and_then(|train| train.examples.labels.as_ref())
    }
}

/// How rows become tokens.
#[derive(Clone, Debug, Default)]
pub enum Reading {
    /// A row is a sequence, cut to the maximal length.
    #[default]
    Sequences,
    /// The same, each with this text in front.
    Prompted(String),
    /// The same, with its letters or words told apart: of which kind, if that is known.
    Units(Option<TokenUnit>),
    /// A row is a text that may be read in several windows.
    Windows(Documents),
    /// A row is two texts, a reference and a variant of it, each a sequence by itself.
    Variants(Comparison),
}

/// What two texts of a row must be, to be compared.
#[derive(Clone, Copy, Debug)]
pub struct Comparison {
    /// Says what is wrong with the tokens of a row, given its two texts, where they cannot be compared.
    pub check: fn(&EncodedRow, [&str; 2]) -> std::result::Result<(), String>,
    /// Whether every row must have the reference of the first.
    pub shares_reference: bool,
}

/// What a model computes: a task on its backbone, resolved and immutable.
pub trait Objective: Debug + Send + Sync + 'static {
    /// What the network says of each row, by one pass over whole rows or by another. `RowOutput::row` counts within `rows`.
    fn predict(&self, network: &Network, rows: Vec<EncodedRow>) -> Vec<RowOutput> {
        let inputs = Inputs::whole(EncodedRow::pack(&rows));
        network.predict(&inputs, self.grain(), self.outputs())
    }

    /// Values that the head gives for each row or token, where it is not the vocabulary's size.
    fn outputs(&self) -> usize {
        0
    }

    /// How rows become tokens.
    fn reading(&self) -> Reading {
        Reading::Sequences
    }

    /// How it learns or is scored, if it does: `Some(learning(self))`, of a type that implements [`Learns`].
    fn learning(self: Arc<Self>) -> Option<Arc<dyn Learning>> {
        None
    }

    /// Whether its loss can weigh each class.
    fn weighs_classes(&self) -> bool {
        false
    }

    /// Refuses to go on with other training rows than its weights of classes were counted on.
    ///
    /// # Errors
    /// They are others.
    fn check_weights(&self, train: TrainingRows<'_>) -> Result<()> {
        let _ = train;
        Ok(())
    }

    /// The same with what only training rows say, where it was made without any: names of classes that have none yet, and what each weighs.
    ///
    /// # Errors
    /// The rows have more or fewer names than there are classes.
    fn informed_by(&self, train: TrainingRows<'_>) -> Result<Option<Arc<dyn Objective>>> {
        let _ = train;
        Ok(None)
    }

    /// What is known of the training rows alone, to be saved.
    fn learned(&self) -> Learned {
        Learned::default()
    }

    /// What is worth saying about how it came to be.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// Its classes, if it classifies.
    fn classes(&self) -> Option<&LabelSpace> {
        None
    }

    /// What a head of the family's own kind is for, and what its outputs are called in `config.json`.
    fn problem(&self) -> (Problem, Option<Vec<String>>) {
        (Problem::SingleLabel, None)
    }

    /// What the outputs of one row or token say of each class.
    fn probabilities(&self, outputs: &[f32]) -> Vec<f32> {
        softmax(outputs).collect()
    }

    /// What there is one prediction of.
    fn grain(&self) -> Grain;

    /// The next part of a row that was read in several windows.
    fn join(&self, whole: &mut RowOutput, next: RowOutput) {
        whole.values.extend(next.values);
    }

    /// The columns of a table of predictions, where outputs are of `width` values.
    fn columns(&self, form: Form, width: usize) -> Vec<String>;

    /// A row's cells, one for each column.
    fn cells(&self, form: Form, output: &RowOutput) -> Vec<Cell>;

    /// Whether the place of the largest value says something of a row.
    fn has_largest(&self) -> bool {
        true
    }
}

/// How an [`Objective`] is trained and scored; one that is scored alone has losses of weight 0, of which nothing is said.
pub trait Learns: Objective + Sized {
    /// What the rows of a split are to be predicted as.
    type Targets: Send + Sync + 'static;
    /// What the sites of a batch are to be predicted as.
    type BatchTargets: Send + 'static;
    /// Its scores.
    type Metrics: Metrics;

    /// What rows are to be predicted as.
    ///
    /// # Errors
    /// Labels are missing, of another kind, out of range or unknown; the tokenizer cannot mask.
    fn targets(&self, rows: &Labelled<'_>) -> Result<Self::Targets>;

    /// Gives every byte that tells these targets from others to `eat`.
    fn digest(&self, targets: &Self::Targets, eat: &mut dyn FnMut(&[u8]));

    /// What has a target each, where letters or words have.
    fn unit(&self, targets: &Self::Targets) -> Option<TokenUnit> {
        let _ = targets;
        None
    }

    /// What the network is fed for some rows, and what is to be predicted at the sites of these inputs; `numbers` are those of the rows in
    /// their split, and what is drawn for them is drawn by `draws`.
    fn collate(
        &self,
        numbers: &[usize],
        rows: Vec<EncodedRow>,
        targets: &Self::Targets,
        draws: Draws,
    ) -> (Inputs, Self::BatchTargets);

    /// The loss of a batch that has sites.
    fn loss(
        &self,
        network: &Network,
        inputs: &Inputs,
        targets: &Self::BatchTargets,
        mode: Mode,
    ) -> Loss;

    /// Scores of rows none of which was seen yet.
    fn metrics(&self) -> Self::Metrics;

    /// Takes what a loss was computed from into the scores; the observer is shown each row or token.
    ///
    /// # Errors
    /// A row cannot be scored.
    fn score(
        &self,
        metrics: &mut Self::Metrics,
        outputs: Tensor<2>,
        targets: &Self::BatchTargets,
        observer: &mut dyn Observer,
    ) -> std::result::Result<(), MetricError>;

    /// What observers are shown.
    fn shown(&self) -> Shown {
        Shown::Nothing
    }

    /// Whether `exp` of the loss is a perplexity that the metrics do not have.
    fn has_perplexity(&self) -> bool {
        false
    }
}

/// The rows of a split, with what is known of how they are learned from.
pub struct Labelled<'a> {
    /// The rows.
    pub examples: &'a Examples,
    /// The backbone's tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// How tokens are masked, if not by default.
    pub masking: Option<Masking>,
}

impl<'a> Labelled<'a> {
    /// The labels.
    ///
    /// # Errors
    /// There are none.
    pub fn labels(&self) -> Result<&'a Labels> {
        self.examples.labels.as_ref().ok_or_else(|| {
            Error::plain(
                "the data has no labels, which this stage needs; name their column with data.y_col",
            )
        })
    }
}

/// The loss of one batch: divide the sums of all batches of a step by the sums of their weights.
pub struct Loss {
    /// The weighted sum over rows, or over tokens that are scored, `[1]`.
    pub sum: Tensor<1>,
    /// The sum of their weights.
    pub weight: f64,
    /// What is scored of each, `[sites, values]`.
    pub outputs: Tensor<2>,
}
