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
use engraft_data::{Cell, Compat, Examples, Hiding, Labels, Masking, Noising, PairRow, TokenUnit};
use engraft_hub::Kind;
use engraft_models::{BoxedHead, Checkpoint, Mode, Problem, RunFile};
use engraft_text::Tokenizer;

use crate::backbone::BackboneSlot;
use crate::building::TrainingRows;
use crate::compiled::{Compiled, SiteTargets, TargetKind};
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
use crate::preset::OfRun;
use crate::rows::{Draws, EncodedRow, WrittenTexts};
use crate::several::{OtherBackbone, Several};
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

    /// Whether the last output alone of its head in the file of a ModelGenerator run is what it computes.
    const TAKES_LAST_OUTPUT: bool = false;

    /// The data module that it is mostly used with.
    const DATA_MODULE: &'static str;

    /// The kinds of models that it stands on.
    const STANDS_ON: &'static [Kind] = &[Kind::Encoder, Kind::Decoder];

    /// The task on `backbone`, with every other argument at its default in an experiment file.
    fn on(backbone: BackboneSlot) -> Self;

    /// The same with the defaults of the Rust library, which are KerasHub's, where files have ModelGenerator's.
    #[must_use]
    fn in_rust(self) -> Self {
        self
    }

    /// Tokens of a text that are read where nobody says how many, in the Rust library, which has KerasHub's numbers; none for as many as the
    /// model has positions for.
    fn length_in_rust(&self) -> Option<usize> {
        None
    }

    /// Cuts what is written as the Rust library does where nobody says to how many tokens.
    fn cut_written(&mut self, checkpoint: &Checkpoint) {
        let _ = checkpoint;
    }

    /// The learning rate in the Rust library where nobody says one, for a model of a family: KerasHub's.
    fn rate_in_rust(family: &str) -> f64 {
        let _ = family;
        5e-5
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

    /// What it takes of the file of a ModelGenerator run beside the tensors of encoder and head; `labels` are those of training rows.
    ///
    /// # Errors
    /// The file lacks what the task had learned.
    fn of_run(&self, run: &RunFile, labels: Option<&Labels>) -> Result<OfRun> {
        let _ = (run, labels);
        Ok(OfRun::default())
    }

    /// What a prediction says.
    fn prediction(objective: &dyn Objective, output: RowOutput) -> Self::Prediction;

    /// The backbone.
    fn backbone(&self) -> &BackboneSlot;

    /// The backbone.
    fn backbone_mut(&mut self) -> &mut BackboneSlot;

    /// The backbones beside it, of a task that has several, in the order of their towers.
    fn others(&self) -> Vec<&BackboneSlot> {
        Vec::new()
    }

    /// The backbones beside it.
    fn others_mut(&mut self) -> Vec<&mut BackboneSlot> {
        Vec::new()
    }

    /// Whether its head stands on the decoder of an encoder-decoder.
    fn uses_decoder(&self) -> bool {
        false
    }

    /// The names of towers that are not trained, beside those of backbones that are frozen.
    fn frozen_towers(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// Sets the number of classes, where there are any.
    fn set_classes(&mut self, count: Option<usize>) {
        let _ = count;
    }

    /// Makes a model of it start with a fresh head, although a checkpoint has one; whether the task can.
    fn start_head_anew(&mut self) -> bool {
        false
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

    /// Whether what it predicts of a row is a sequence.
    fn predicts_sequences(&self) -> bool {
        false
    }

    /// Whether what it predicts of a row is the structure of its sequence, in brackets.
    fn predicts_structures(&self) -> bool {
        false
    }

    /// Whose rules count, of a task where another program's differ and may be had.
    fn compat_mut(&mut self) -> Option<&mut Option<Compat>> {
        None
    }

    /// Takes from what is asked for the arguments that only say how a model predicts, which it may do otherwise than it was saved.
    fn predict_as(&mut self, asked: &Self) {
        let _ = asked;
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

    /// The files of the preset that belong to the task, to be saved with a model that needs its preset no more and reads with `tokenizer`.
    ///
    /// # Errors
    /// One cannot be read.
    fn files(
        &self,
        checkpoint: &Checkpoint,
        tokenizer: &Tokenizer,
    ) -> Result<Vec<(String, Vec<u8>)>> {
        let _ = (checkpoint, tokenizer);
        Ok(Vec::new())
    }
}

/// What an objective is made from.
pub struct Basis<'a> {
    /// The backbone, its weights not read yet.
    pub checkpoint: &'a Checkpoint,
    /// Its tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// The backbones beside it.
    pub others: &'a [OtherBackbone],
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
    /// A row is several sequences, each for a backbone of its own.
    Several(Several),
    /// A row is two texts, a reference and a variant of it, each a sequence by itself.
    Variants(Comparison),
    /// A row is a text that is read, and one to be written for it where rows have such.
    Writing(Box<WrittenTexts>),
}

impl Reading {
    /// What only texts show, where something is: such rows can be no tokens that something else made.
    pub(crate) fn by_itself(&self) -> Option<&'static str> {
        match self {
            Self::Units(_) => Some("letters or words, which have a class each"),
            Self::Several(_) => Some("several sequences a row"),
            Self::Variants(_) => Some("a sequence and a variant of it"),
            _ => None,
        }
    }
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

    /// Whether alignments may stand beside the rows' sequences: it then sees the tokens of these sequences alone, once they have attended to
    /// what is aligned with them.
    fn reads_alignments(&self) -> bool {
        false
    }

    /// How it learns or is scored, if it does: `Some(learning(self))`, of a type that implements [`Learns`].
    fn learning(self: Arc<Self>) -> Option<Arc<dyn Learning>> {
        None
    }

    /// Whether its loss can weigh each class.
    fn weighs_classes(&self) -> bool {
        false
    }

    /// As [`Self::predict`], of rows that are known by more than their tokens.
    fn predict_asked(
        &self,
        network: &Network,
        rows: Vec<EncodedRow>,
        asked: &Asked<'_>,
    ) -> Vec<RowOutput> {
        let _ = asked;
        self.predict(network, rows)
    }

    /// Refuses rows that cannot be predicted for what stands beside their texts.
    ///
    /// # Errors
    /// They lack what the model is told of each.
    fn check_rows(&self, examples: &Examples) -> Result<()> {
        let _ = examples;
        Ok(())
    }

    /// Which letters of a row pair by a prediction, of a task that predicts structures.
    fn structure(&self, output: &RowOutput) -> Option<PairRow> {
        let _ = output;
        None
    }

    /// Whether nothing is predicted of a row, which is given back as it is.
    fn copies(&self, row: &EncodedRow) -> bool {
        let _ = row;
        false
    }

    /// How a prediction came to be, a line a step, where the task is asked to say it.
    fn steps(&self, output: &RowOutput) -> Vec<String> {
        let _ = output;
        Vec::new()
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

    /// Whether nothing is learned in an epoch of training, whose steps only count.
    fn skips_updates_in(&self, epoch: u64) -> bool {
        let _ = epoch;
        false
    }

    /// The validation rows of an epoch are about to be scored, of which something may be decided besides weights.
    fn validating(&self, epoch: u64) {
        let _ = epoch;
    }

    /// They were scored, or could not be, which leaves no scores: takes what they decide, which [`Self::learned`] has from then on.
    fn validated(&self, scores: &[(String, f64)]) {
        let _ = scores;
    }

    /// Takes what validation rows decided of other weights of the same model.
    fn relearn(&self, learned: &Learned) {
        let _ = learned;
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

    /// As [`Self::cells`], of a row of which the text is at hand.
    fn cells_of_text(&self, form: Form, output: &RowOutput, text: &dyn Fn() -> Cell) -> Vec<Cell> {
        let _ = text;
        self.cells(form, output)
    }

    /// Whether the place of the largest value says something of a row.
    fn has_largest(&self) -> bool {
        true
    }
}

/// What is known of rows that are predicted, beside their tokens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// Their numbers in their split; empty if they are counted from 0.
    pub numbers: &'a [usize],
    /// What all rows of the split are labelled as, if they are.
    pub labels: Option<&'a Labels>,
    /// What draws are made by.
    pub seed: u64,
}

impl Asked<'_> {
    /// The number of one of the rows in their split.
    pub fn number(&self, at: usize) -> usize {
        self.numbers.get(at).copied().unwrap_or(at)
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

    /// The rows that a batch of some rows is made of, as many for each of them, where these are others or come more than once: first one for
    /// each row, then the next.
    fn read(&self, numbers: &[usize], targets: &Self::Targets, draws: Draws) -> Option<Vec<usize>> {
        let _ = (numbers, targets, draws);
        None
    }

    /// What the network is fed for some rows, and what is to be predicted at the sites of these inputs; `numbers` are those of the rows in
    /// their split, what is drawn for them is drawn by `draws`, and `rows` are these or what [`Self::read`] says.
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

    /// What its sites have as targets.
    const KIND: TargetKind = TargetKind::Other;

    /// Whether it has a loss of its own; without, it must be compiled with one.
    const HAS_LOSS: bool = true;

    /// The targets of sites, one beside the other, where these are of a kind that any loss can be computed from.
    fn sites<'t>(&'t self, targets: &'t Self::BatchTargets) -> Option<SiteTargets<'t>> {
        let _ = targets;
        None
    }

    /// Outputs of sites, `[sites, values]` row by row, in the units of the data.
    fn in_data(&self, outputs: Vec<f32>) -> Vec<f32> {
        outputs
    }

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
    pub masking: Option<Hiding>,
    /// What they are learned and scored by, if not as the task itself does.
    pub compiled: Option<&'a Arc<Compiled>>,
}

impl<'a> Labelled<'a> {
    /// How tokens are masked.
    pub fn masking(&self) -> Masking {
        match self.masking {
            Some(Hiding::Masking(masking)) => masking,
            _ => Masking::default(),
        }
    }

    /// How rows are noised.
    pub fn noising(&self) -> Noising {
        match self.masking {
            Some(Hiding::Noising(noising)) => noising,
            _ => Noising::default(),
        }
    }

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
