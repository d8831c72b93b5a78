//! One class for each row, by cross-entropy on pooled hidden states; or with `multilabel` any number of them, each yes or no.

use std::sync::Arc;

use burn::tensor::Tensor;
use engraft_component::{Component, Refusal};
use engraft_data::{Cell, Examples, Label, Labels};
use engraft_models::{Adapter, BoxedHead, Checkpoint, HeadKind, Mode, Problem};

use super::sequence_regression::Numbers;
use crate::backbone::BackboneSlot;
use crate::building::TrainingRows;
use crate::classes::{
    OwnClasses, WeighedClasses, check_count, class_loss, classes, columns, score_classes, unfit,
};
use crate::compiled::{SiteTargets, TargetKind};
use crate::error::{Error, Result};
use crate::head_loading::HeadLoading;
use crate::inputs::Inputs;
use crate::labels::LabelSpace;
use crate::learned::Learned;
use crate::loss::{binary_cross_entropy, matrix, rows_of};
use crate::metrics::{Classification, MetricError, MultiLabel};
use crate::network::Network;
use crate::objective::{Basis, Labelled, Learns, Loss, Objective, TaskArguments};
use crate::observer::{Observer, Shown};
use crate::output::{Form, Grain, RowOutput, largest, number, place};
use crate::rows::{Draws, EncodedRow};
use crate::split::{Learning, learning};
use crate::stated_head::{Activation, StatedHead};

/// Assigns one of several classes to each sequence, or with `multilabel` any number of them.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.tasks.SequenceClassification")]
#[component(alias = "keras_hub.models.TextClassifier")]
#[component(ignored(batch_size = "the data module's batch_size is used"))]
pub struct SequenceClassification {
    /// The pretrained encoder.
    pub backbone: BackboneSlot,
    /// The head, unless `use_legacy_adapter` takes the checkpoint's own; without it, a linear layer on the first token, or on the last of a decoder, which alone has seen all others.
    pub adapter: Option<Adapter>,
    /// Number of classes; without it, those of the checkpoint's own head or else those found in the training labels.
    pub n_classes: Option<usize>,
    /// Whether a row may have several classes, or none: the data has a column of 0 and 1 for each.
    #[arg(default = false)]
    pub multilabel: bool,
    /// Weigh each class as the data module's `class_weight` says, else by rows / (rows of the class x classes), counted on the training labels.
    #[arg(default = false)]
    pub weighted_loss: bool,
    /// Use the classification head of the checkpoint's own kind, with its classes and their names.
    #[arg(default = false)]
    pub use_legacy_adapter: bool,
    /// With `use_legacy_adapter`, start the head anew where a model is made of a checkpoint that has one, as KerasHub does with any `num_classes`.
    #[arg(default = false)]
    pub fresh_head: bool,
}

/// What a classifier says of a row, or of a letter or word.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassPrediction {
    /// The name of the likeliest class, or its number if the classes have no names.
    pub label: String,
    /// Its number.
    pub class: usize,
    /// The probability of each class; with `multilabel` each by itself, so that they do not add up to 1. Of a head with another activation, what
    /// that makes of the logits.
    pub probabilities: Vec<f32>,
    /// What the head gives for each class, before any activation.
    pub logits: Vec<f32>,
}

impl ClassPrediction {
    /// What outputs say of an objective's classes; of a head that gives one number, `label` is this number.
    pub(crate) fn of(outputs: &[f32], objective: &dyn Objective) -> Self {
        let class = largest(outputs);
        let Some(space) = objective.classes() else {
            return Self {
                label: outputs.first().map(f32::to_string).unwrap_or_default(),
                class,
                probabilities: Vec::new(),
                logits: outputs.to_vec(),
            };
        };
        let names = space.names_or_numbers();
        Self {
            label: names.get(class).cloned().unwrap_or_default(),
            class,
            probabilities: objective.probabilities(outputs),
            logits: outputs.to_vec(),
        }
    }

    /// The probability of the likeliest class.
    pub fn probability(&self) -> f32 {
        let probability = self.probabilities.get(self.class);
        probability.copied().unwrap_or(f32::NAN)
    }

    /// The numbers of the classes that are likelier than not.
    pub fn held(&self) -> Vec<usize> {
        let held = self.probabilities.iter().enumerate();
        held.filter(|(_, probability)| **probability > 0.5)
            .map(|(class, _)| class)
            .collect()
    }
}

/// What labels it takes, in words.
const ONE_CLASS: &str =
    "one class a row (for several columns of 0 and 1 give model.multilabel: true)";
const SEVERAL_CLASSES: &str = "several columns of 0 and 1 (data.y_col)";

impl TaskArguments for SequenceClassification {
    type Prediction = ClassPrediction;
    const DATA_MODULE: &'static str = "SequenceClassificationDataModule";

    fn on(backbone: BackboneSlot) -> Self {
        Self {
            backbone,
            adapter: None,
            n_classes: None,
            multilabel: false,
            weighted_loss: false,
            use_legacy_adapter: false,
            fresh_head: false,
        }
    }

    fn in_rust(self) -> Self {
        Self {
            use_legacy_adapter: true,
            ..self
        }
    }

    fn length_in_rust(&self) -> Option<usize> {
        Some(512)
    }

    fn rate_in_rust(family: &str) -> f64 {
        if family == "albert" { 1e-5 } else { 5e-5 }
    }

    fn objective(&self, basis: &Basis<'_>) -> Result<Arc<dyn Objective>> {
        Ok(if self.multilabel {
            Arc::new(AnyClasses::new(self, basis)?)
        } else if let Some(numbers) = self.numbers(basis)? {
            Arc::new(numbers)
        } else {
            Arc::new(OneClass::new(self, basis)?)
        })
    }

    /// A head of the checkpoint's own that is for several classes a row is used as one.
    fn settle(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let stored = checkpoint.stored_classes(HeadKind::Classification);
        let is_kept = stored.is_some() && self.n_classes.is_none_or(|count| stored == Some(count));
        if self.takes_head() && is_kept {
            let stated = StatedHead::of(checkpoint)?;
            self.multilabel |= stated.problem == Some(Problem::MultiLabel);
        }
        Ok(())
    }

    fn head(&self, loading: &HeadLoading<'_>) -> Result<BoxedHead> {
        if self.use_legacy_adapter && self.fresh_head {
            loading.fresh_classifier(HeadKind::Classification)
        } else if self.use_legacy_adapter {
            loading.classifier(HeadKind::Classification)
        } else {
            loading.adapter(self.adapter.as_ref())
        }
    }

    fn prediction(objective: &dyn Objective, output: RowOutput) -> ClassPrediction {
        ClassPrediction::of(&output.values, objective)
    }

    fn backbone(&self) -> &BackboneSlot {
        &self.backbone
    }

    fn backbone_mut(&mut self) -> &mut BackboneSlot {
        &mut self.backbone
    }

    fn set_classes(&mut self, count: Option<usize>) {
        self.n_classes = count;
    }

    fn start_head_anew(&mut self) -> bool {
        self.fresh_head = true;
        true
    }

    fn uses_checkpoint_head(&self) -> bool {
        self.use_legacy_adapter
    }

    fn use_checkpoint_head(&mut self) {
        self.use_legacy_adapter = true;
        self.adapter = None;
    }

    fn check_backbone(&self, checkpoint: &Checkpoint) -> Result<()> {
        let width = checkpoint.config().transformer.output_width();
        let adapter = self.adapter.as_ref();
        Ok(adapter.map_or(Ok(()), |adapter| adapter.check_on(width))?)
    }

    fn check(&self) -> Result<()> {
        if self.multilabel && self.weighted_loss {
            return Err(Error::refused(
                "model.weighted_loss",
                "classes are weighed only where a row has one; remove it or multilabel",
            ));
        }
        check_count(self.n_classes)?;
        Ok(self.adapter.as_ref().map_or(Ok(()), Adapter::check)?)
    }
}

impl SequenceClassification {
    /// Whether the checkpoint's own head counts, with its classes.
    fn takes_head(&self) -> bool {
        self.use_legacy_adapter && !self.fresh_head
    }

    /// What the checkpoint's own head gives if that are no classes: numbers, as its configuration says, or one number alone.
    fn numbers(&self, basis: &Basis<'_>) -> Result<Option<Numbers>> {
        let kind = HeadKind::Classification;
        let own = OwnClasses::of(basis.checkpoint, self.takes_head(), kind)?;
        let declared = basis.learned.and_then(|learned| learned.classes);
        let Some(count) = own.count.filter(|_| declared.is_none()) else {
            return Ok(None);
        };
        let stated = StatedHead::of(basis.checkpoint)?;
        if count > 1 && stated.problem != Some(Problem::Regression) {
            return Ok(None);
        }
        if basis.train.is_some() {
            return Err(Refusal::of(
                "model.use_legacy_adapter",
                "the checkpoint's own head gives numbers, not classes",
            )
            .help("Train it as a SequenceRegression, or set use_legacy_adapter to false for a new head")
            .into());
        }
        let applied = stated.applied.unwrap_or(Activation::Identity);
        Numbers::of_own_head(count, own.names, applied, basis).map(Some)
    }
}

/// The classes of rows, if they have one each.
fn of_rows(labels: &Labels) -> Option<Vec<Label>> {
    labels.classes().map(<[Label]>::to_vec)
}

/// One class a row.
#[derive(Debug)]
struct OneClass {
    classes: WeighedClasses,
    /// What is made of the head's outputs.
    applied: Activation,
}

impl OneClass {
    fn new(task: &SequenceClassification, basis: &Basis<'_>) -> Result<Self> {
        if let Some(learned) = basis.learned {
            return Ok(Self {
                classes: WeighedClasses::saved(learned, task.weighted_loss)?,
                applied: Activation::asked(task.backbone.backbone())
                    .or(learned.activation.as_deref().and_then(Activation::named))
                    .unwrap_or_default(),
            });
        }
        if let Some(labels) = basis.labels().filter(|labels| labels.classes().is_none()) {
            return Err(unfit(labels, ONE_CLASS));
        }
        let used = task.takes_head();
        let own = OwnClasses::of(basis.checkpoint, used, HeadKind::Classification)?;
        let labels = basis.train.and_then(|train| train.naming(of_rows));
        let found = classes(own, task.n_classes, labels.as_deref());
        let (space, notes) = found.map_err(|error| match basis.train {
            Some(train) => train.located(error),
            None => error,
        })?;
        let mut classes = WeighedClasses::new(space, task.weighted_loss, notes);
        let asked = Activation::asked(task.backbone.backbone());
        let mut applied = asked.unwrap_or_default();
        if let Some(train) = basis.train {
            let found = classes_of(&classes.space, train.examples)?;
            classes = classes.counted_on(train, &found, "row")?;
        } else if own.count.is_some() {
            let stated = StatedHead::of(basis.checkpoint)?;
            applied = stated.applied.unwrap_or_default();
        }
        Ok(Self { classes, applied })
    }
}

/// The class of each row; nothing where rows have no labels.
fn classes_of(space: &LabelSpace, examples: &Examples) -> Result<Vec<u32>> {
    match &examples.labels {
        Some(Labels::Classes(labels)) => space.classes(labels, &examples.origins),
        Some(other) => Err(unfit(other, ONE_CLASS)),
        None => Ok(Vec::new()),
    }
}

impl Objective for OneClass {
    fn reads_alignments(&self) -> bool {
        true
    }

    fn outputs(&self) -> usize {
        self.classes.space.count()
    }

    fn learning(self: Arc<Self>) -> Option<Arc<dyn Learning>> {
        Some(learning(self))
    }

    fn weighs_classes(&self) -> bool {
        true
    }

    fn check_weights(&self, train: TrainingRows<'_>) -> Result<()> {
        let found = classes_of(&self.classes.space, train.examples)?;
        self.classes.check_weights(train, &found)
    }

    fn informed_by(&self, train: TrainingRows<'_>) -> Result<Option<Arc<dyn Objective>>> {
        let Some(labels) = train.naming(of_rows) else {
            return Ok(None);
        };
        let classes = self.classes.informed_by(&labels)?;
        let found = classes_of(&classes.space, train.examples)?;
        Ok(Some(Arc::new(Self {
            classes: classes.counted_on(train, &found, "row")?,
            ..*self
        })))
    }

    fn learned(&self) -> Learned {
        Learned {
            activation: self.applied.learned(),
            ..self.classes.learned()
        }
    }

    fn notes(&self) -> Vec<String> {
        self.classes.notes.clone()
    }

    fn classes(&self) -> Option<&LabelSpace> {
        Some(&self.classes.space)
    }

    fn problem(&self) -> (Problem, Option<Vec<String>>) {
        let names = self.classes.space.names_or_numbers();
        (Problem::SingleLabel, Some(names))
    }

    fn probabilities(&self, outputs: &[f32]) -> Vec<f32> {
        self.applied.of(outputs)
    }

    fn grain(&self) -> Grain {
        Grain::Row
    }

    fn columns(&self, form: Form, _width: usize) -> Vec<String> {
        let label = self.classes.space.names().map(|_| "label".to_owned());
        let mut names = vec!["prediction".to_owned()];
        names.extend(label);
        match self.applied {
            _ if form != Form::Values => {}
            Activation::Identity => {
                let classes = self.classes.space.names_or_numbers().into_iter();
                names.extend(classes.map(|name| format!("output_{name}")));
            }
            _ => names.extend(self.classes.space.probability_columns()),
        }
        names
    }

    fn cells(&self, form: Form, output: &RowOutput) -> Vec<Cell> {
        let class = largest(&output.values);
        let mut cells = vec![place(class)];
        cells.extend(self.classes.space.names().map(|names| named(names, class)));
        if form == Form::Values {
            cells.extend(self.probabilities(&output.values).into_iter().map(number));
        }
        cells
    }
}

impl Learns for OneClass {
    type Targets = Vec<u32>;
    type BatchTargets = Vec<u32>;
    type Metrics = Classification;

    fn targets(&self, rows: &Labelled<'_>) -> Result<Vec<u32>> {
        rows.labels()?;
        classes_of(&self.classes.space, rows.examples)
    }

    fn digest(&self, targets: &Vec<u32>, eat: &mut dyn FnMut(&[u8])) {
        targets.iter().for_each(|class| eat(&class.to_le_bytes()));
    }

    fn collate(
        &self,
        numbers: &[usize],
        rows: Vec<EncodedRow>,
        targets: &Vec<u32>,
        _draws: Draws,
    ) -> (Inputs, Vec<u32>) {
        let inputs = Inputs::whole(EncodedRow::pack(&rows));
        (inputs, numbers.iter().map(|&row| targets[row]).collect())
    }

    fn loss(&self, network: &Network, inputs: &Inputs, targets: &Vec<u32>, mode: Mode) -> Loss {
        class_loss(
            network.outputs(inputs, mode),
            targets,
            &self.classes.weights,
        )
    }

    const KIND: TargetKind = TargetKind::Classes;

    fn sites<'t>(&'t self, targets: &'t Vec<u32>) -> Option<SiteTargets<'t>> {
        Some(self.classes.sites(targets))
    }

    fn metrics(&self) -> Classification {
        Classification::new(self.classes.space.count())
    }

    fn score(
        &self,
        metrics: &mut Classification,
        outputs: Tensor<2>,
        targets: &Vec<u32>,
        observer: &mut dyn Observer,
    ) -> std::result::Result<(), MetricError> {
        score_classes(metrics, outputs, targets, observer)
    }

    fn shown(&self) -> Shown {
        Shown::Classes {
            names: self.classes.space.names_or_numbers(),
            of: "rows",
        }
    }
}

/// Yes or no for each class of a row.
#[derive(Debug)]
struct AnyClasses {
    classes: LabelSpace,
}

impl AnyClasses {
    fn new(task: &SequenceClassification, basis: &Basis<'_>) -> Result<Self> {
        if let Some(learned) = basis.learned {
            let classes = learned.space().map_err(Error::Saved)?;
            return Ok(Self { classes });
        }
        let names = match basis.labels() {
            None => None,
            Some(Labels::MultiLabel { names, .. }) => Some(names.as_slice()),
            Some(other) => {
                let is_stated = task.use_legacy_adapter
                    && StatedHead::of(basis.checkpoint)?.problem == Some(Problem::MultiLabel);
                return Err(if is_stated {
                    Self::unfit_for_own_head(other)
                } else {
                    Self::unfit(other)
                });
            }
        };
        let used = task.takes_head();
        let own = OwnClasses::of(basis.checkpoint, used, HeadKind::Classification)?;
        Ok(Self {
            classes: columns(own, task.n_classes, names)?,
        })
    }

    fn unfit_for_own_head(labels: &Labels) -> Error {
        Refusal::of(
            "model.use_legacy_adapter",
            format!(
                "the checkpoint's own head is for several classes a row (problem_type in its config.json), but the data has {}",
                labels.kind()
            ),
        )
        .help("Name a column of 0 and 1 for each class with data.y_col, or set use_legacy_adapter to false for a new head")
        .into()
    }

    fn unfit(labels: &Labels) -> Error {
        match labels {
            Labels::Classes(_) => Error::refused(
                "model.multilabel",
                "the data has one class a row: name a column of 0 and 1 for each class with data.y_col, or remove multilabel",
            ),
            other => unfit(other, SEVERAL_CLASSES),
        }
    }
}

impl Objective for AnyClasses {
    fn reads_alignments(&self) -> bool {
        true
    }

    fn outputs(&self) -> usize {
        self.classes.count()
    }

    fn learning(self: Arc<Self>) -> Option<Arc<dyn Learning>> {
        Some(learning(self))
    }

    fn informed_by(&self, train: TrainingRows<'_>) -> Result<Option<Arc<dyn Objective>>> {
        match &train.examples.labels {
            Some(Labels::MultiLabel { names, .. }) if self.classes.names().is_none() => {
                let count = Some(self.classes.count());
                let classes = columns(OwnClasses::default(), count, Some(names))?;
                Ok(Some(Arc::new(Self { classes })))
            }
            _ => Ok(None),
        }
    }

    fn learned(&self) -> Learned {
        Learned::of_classes(&self.classes, &[])
    }

    fn classes(&self) -> Option<&LabelSpace> {
        Some(&self.classes)
    }

    fn problem(&self) -> (Problem, Option<Vec<String>>) {
        let names = self.classes.names_or_numbers();
        (Problem::MultiLabel, Some(names))
    }

    fn probabilities(&self, outputs: &[f32]) -> Vec<f32> {
        Activation::Sigmoid.of(outputs)
    }

    fn grain(&self) -> Grain {
        Grain::Row
    }

    fn columns(&self, form: Form, _width: usize) -> Vec<String> {
        let mut names = vec!["prediction".to_owned()];
        match form {
            Form::Values => names.extend(self.classes.probability_columns()),
            Form::Largest => names.extend(self.classes.names().map(|_| "label".to_owned())),
        }
        names
    }

    /// The classes likelier than not, and each one's probability; or the likeliest.
    fn cells(&self, form: Form, output: &RowOutput) -> Vec<Cell> {
        if form == Form::Largest {
            let class = largest(&output.values);
            let name = self.classes.names().map(|names| named(names, class));
            return std::iter::once(place(class)).chain(name).collect();
        }
        let probabilities = self.probabilities(&output.values);
        let names = self.classes.names_or_numbers().into_iter();
        let held = names.zip(&probabilities).filter(|(_, it)| **it > 0.5);
        let held: Vec<String> = held.map(|(name, _)| name).collect();
        let mut cells = vec![Cell::from(held)];
        cells.extend(probabilities.into_iter().map(number));
        cells
    }
}

impl Learns for AnyClasses {
    type Targets = Vec<Vec<bool>>;
    /// `[rows * classes]`.
    type BatchTargets = Vec<bool>;
    type Metrics = MultiLabel;

    fn targets(&self, rows: &Labelled<'_>) -> Result<Vec<Vec<bool>>> {
        match rows.labels()? {
            Labels::MultiLabel { names, rows } => {
                self.classes.check_columns(names)?;
                Ok(rows.clone())
            }
            other => Err(Self::unfit(other)),
        }
    }

    fn digest(&self, targets: &Vec<Vec<bool>>, eat: &mut dyn FnMut(&[u8])) {
        let flags = targets.iter().flatten();
        flags.for_each(|&flag| eat(&[u8::from(flag)]));
    }

    fn collate(
        &self,
        numbers: &[usize],
        rows: Vec<EncodedRow>,
        targets: &Vec<Vec<bool>>,
        _draws: Draws,
    ) -> (Inputs, Vec<bool>) {
        let inputs = Inputs::whole(EncodedRow::pack(&rows));
        let flags = numbers.iter().flat_map(|&row| targets[row].clone());
        (inputs, flags.collect())
    }

    fn loss(&self, network: &Network, inputs: &Inputs, targets: &Vec<bool>, mode: Mode) -> Loss {
        let outputs = network.outputs(inputs, mode);
        let flags = targets.iter().map(|&flag| f32::from(flag)).collect();
        let flags = matrix(flags, self.classes.count(), &outputs);
        Loss {
            weight: outputs.dims().iter().product::<usize>() as f64,
            sum: binary_cross_entropy(outputs.clone(), flags),
            outputs,
        }
    }

    const KIND: TargetKind = TargetKind::Flags;

    fn sites<'t>(&'t self, targets: &'t Vec<bool>) -> Option<SiteTargets<'t>> {
        let flags = targets.iter().map(|&flag| f32::from(flag)).collect();
        Some(SiteTargets::Flags { flags })
    }

    fn metrics(&self) -> MultiLabel {
        MultiLabel::new(self.classes.count())
    }

    fn score(
        &self,
        metrics: &mut MultiLabel,
        outputs: Tensor<2>,
        targets: &Vec<bool>,
        observer: &mut dyn Observer,
    ) -> std::result::Result<(), MetricError> {
        let (values, width) = rows_of(outputs);
        let rows = values.chunks_exact(width).zip(targets.chunks_exact(width));
        for (logits, flags) in rows {
            observer.flags(logits, flags);
            metrics.update(logits, flags)?;
        }
        Ok(())
    }

    fn shown(&self) -> Shown {
        Shown::Flags {
            names: self.classes.names_or_numbers(),
        }
    }
}

fn named(names: &[String], class: usize) -> Cell {
    Cell::Text(names.get(class).cloned().unwrap_or_default())
}

#[cfg(test)]
mod tests;
