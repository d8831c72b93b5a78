//! Any task in a few lines of Rust: a pretrained backbone, trained, scored, asked and saved.

use std::fmt;
use std::marker::PhantomData;

use engraft_component::Component;
use engraft_data::Examples;
use engraft_hub::NamedPreset;
use engraft_tasks::{
    CausalLM, ConditionalDiffusion, ConditionalMLM, Diffusion, Embed, Grain, Inference, MLM,
    MMSequenceRegression, Model, PairwiseTokenClassification, RNASSPairwiseTokenClassification,
    Seq2SeqLM, SequenceClassification, SequenceRegression, SequenceRegressionWithScaling,
    TaskArguments, TokenClassification, ZeroshotPredictionDiff, ZeroshotPredictionDistance,
};

use crate::builder::{Start, TaskBuilder};
use crate::core::Core;
use crate::error::{Error, Result};
use crate::face::task_methods;
use crate::input::{Question, examples_of};

/// Assigns a class to each text: KerasHub's `TextClassifier`.
pub type TextClassifier = TaskModel<SequenceClassification>;
/// Assigns a class to each letter of a sequence or each word of a text.
pub type TokenClassifier = TaskModel<TokenClassification>;
/// Says of each pair of letters of a sequence, or words of a text, how likely they belong together.
pub type PairClassifier = TaskModel<PairwiseTokenClassification>;
/// Predicts the secondary structure of RNA: which bases pair.
pub type StructurePredictor = TaskModel<RNASSPairwiseTokenClassification>;
/// Assigns one or several numbers to each text.
pub type Regressor = TaskModel<SequenceRegression>;
/// Assigns numbers from 0 on, which are learned scaled.
pub type ScaledRegressor = TaskModel<SequenceRegressionWithScaling>;
/// Assigns numbers to rows of several sequences, each with a backbone of its own.
pub type MultimodalRegressor = TaskModel<MMSequenceRegression>;
/// Predicts masked tokens: KerasHub's `MaskedLM`.
pub type MaskedLm = TaskModel<MLM>;
/// Predicts masked tokens of rows that numbers stand beside.
pub type ConditionalMaskedLm = TaskModel<ConditionalMLM>;
/// Writes sequences by taking noise from them.
pub type DiffusionModel = TaskModel<Diffusion>;
/// Writes sequences by taking noise from them, told numbers of each.
pub type ConditionalDiffusionModel = TaskModel<ConditionalDiffusion>;
/// Turns texts into vectors: KerasHub's `TextEmbedder`.
pub type TextEmbedder = TaskModel<Embed>;
/// Gives the outputs of a checkpoint's own head.
pub type HeadOutputs = TaskModel<Inference>;
/// Scores variants of sequences by the likelihood that they lose.
pub type VariantScorer = TaskModel<ZeroshotPredictionDiff>;
/// Scores variants of sequences by how far hidden states move.
pub type VariantDistance = TaskModel<ZeroshotPredictionDistance>;

/// What a task is called here that experiments call `name`.
pub(crate) fn rust_name(name: &str) -> &str {
    let names = [
        (SequenceClassification::NAME, "TextClassifier"),
        (TokenClassification::NAME, "TokenClassifier"),
        (PairwiseTokenClassification::NAME, "PairClassifier"),
        (RNASSPairwiseTokenClassification::NAME, "StructurePredictor"),
        (SequenceRegression::NAME, "Regressor"),
        (SequenceRegressionWithScaling::NAME, "ScaledRegressor"),
        (MMSequenceRegression::NAME, "MultimodalRegressor"),
        (MLM::NAME, "MaskedLm"),
        (ConditionalMLM::NAME, "ConditionalMaskedLm"),
        (Diffusion::NAME, "DiffusionModel"),
        (ConditionalDiffusion::NAME, "ConditionalDiffusionModel"),
        (CausalLM::NAME, "CausalLm"),
        (Seq2SeqLM::NAME, "Seq2SeqLm"),
        (Embed::NAME, "TextEmbedder"),
        (Inference::NAME, "HeadOutputs"),
        (ZeroshotPredictionDiff::NAME, "VariantScorer"),
        (ZeroshotPredictionDistance::NAME, "VariantDistance"),
    ];
    let found = names.iter().find(|(own, _)| *own == name);
    found.map_or(name, |(_, ours)| ours)
}

/// A task on a pretrained backbone. `A` are the task's arguments, which say what is predicted.
///
/// ```no_run
/// use engraft::prelude::*;
///
/// let mut regressor = Regressor::from_preset("./esm")?.sequence_length(512).lora(8).build()?;
/// regressor.fit(File::new("train.tsv").x("sequence").y("fitness"), Fit::default())?;
/// let fitness: Vec<f32> = regressor.predict("MKTAYIAK")?;
/// println!("{fitness:?}");
/// # Ok::<(), engraft::Error>(())
/// ```
pub struct TaskModel<A> {
    core: Core,
    start: Start,
    arguments: PhantomData<A>,
}

impl<A> fmt::Debug for TaskModel<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = self.core.model.spec.task();
        f.debug_struct("TaskModel")
            .field("task", task)
            .finish_non_exhaustive()
    }
}

task_methods!([A: TaskArguments] TaskModel<A>);

impl<A: TaskArguments> TaskModel<A> {
    pub(crate) fn new(core: Core, start: Start) -> Self {
        Self {
            core,
            start,
            arguments: PhantomData,
        }
    }

    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    pub(crate) fn parts(&mut self) -> (&mut Core, &Start) {
        (&mut self.core, &self.start)
    }

    /// Nothing follows what is trained.
    #[expect(clippy::unnecessary_wraps, clippy::unused_self)]
    fn renew(&self) -> Result<()> {
        Ok(())
    }

    /// A preset: a name (`bert_base_en`), `hf://org/repo`, `kaggle://owner/model/framework/variation`, or a folder, among them one that
    /// [`Self::save_to_preset`] wrote. What is missing is fetched.
    ///
    /// # Errors
    /// There is no such preset.
    pub fn from_preset(preset: &str) -> Result<TaskBuilder<A>> {
        Ok(TaskBuilder::new(Start::of::<A>(preset)?))
    }

    /// The presets that have a name and can be used.
    pub fn presets() -> impl Iterator<Item = &'static NamedPreset> {
        engraft_hub::usable_presets()
    }

    /// What the model predicts of a text, of many, or of [`Each`](crate::Each) of an iterator.
    ///
    /// # Errors
    /// A text is too long or cannot be read.
    pub fn predict<'m, Q: Question + 'm>(
        &'m self,
        question: Q,
    ) -> Result<Q::Answer<'m, A::Prediction>>
    where
        A::Prediction: 'm,
    {
        question.answered(|before, rows| self.predict_examples(examples_of(before, rows)?))
    }

    /// What the model predicts of each row.
    ///
    /// # Errors
    /// A row is too long or cannot be read.
    pub fn predict_examples(&self, examples: Examples) -> Result<Vec<A::Prediction>> {
        let objective = self.core.model.spec.objective();
        let outputs = self.core.outputs(examples)?.into_iter();
        Ok(outputs
            .map(|row| A::prediction(&**objective, row))
            .collect())
    }

    /// Names of the classes, numbers standing in for missing ones; none if the task has no classes.
    pub fn class_names(&self) -> Vec<String> {
        let classes = self.core.model.spec.classes();
        classes
            .map(|classes| classes.names_or_numbers())
            .unwrap_or_default()
    }

    /// The model, for everything beyond.
    pub fn model(&self) -> &Model {
        &self.core.model
    }
}

impl TextEmbedder {
    /// The vector of a text, or of each of many: KerasHub's `encode_text`.
    ///
    /// # Errors
    /// The model gives a vector for each token and is told no pooling; a text is too long.
    pub fn encode_text<'m, Q: Question + 'm>(
        &'m self,
        question: Q,
    ) -> Result<Q::Answer<'m, Vec<f32>>> {
        if self.core.model.spec.objective().grain() != Grain::Row {
            let problem = "the model gives a vector for each token: call pooling on the builder for one vector a text";
            return Err(Error::Argument(problem.into()));
        }
        question.answered(|before, rows| {
            let vectors = self.predict_examples(examples_of(before, rows)?)?;
            Ok(vectors.into_iter().flatten().collect())
        })
    }

    /// The similarity of each query to each document, `[queries][documents]`: the product of their vectors.
    ///
    /// # Errors
    /// Vectors of different lengths.
    pub fn similarity(queries: &[Vec<f32>], documents: &[Vec<f32>]) -> Result<Vec<Vec<f32>>> {
        let mut widths = queries.iter().chain(documents).map(Vec::len);
        let width = widths.next().unwrap_or_default();
        if let Some(other) = widths.find(|other| *other != width) {
            let problem = format!("vectors of {width} and of {other} numbers are not comparable");
            return Err(Error::Argument(problem));
        }
        let product =
            |query: &[f32], document: &[f32]| query.iter().zip(document).map(|(a, b)| a * b).sum();
        let of = |query: &Vec<f32>| {
            documents
                .iter()
                .map(|document| product(query, document))
                .collect()
        };
        Ok(queries.iter().map(of).collect())
    }
}
