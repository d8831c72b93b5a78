//! One class for each letter of a sequence, or each word of a text, by cross-entropy on a head over its first token.

use std::sync::Arc;

use burn::tensor::Tensor;
use engraft_component::{Component, Refusal};
use engraft_data::{Cell, Examples, Label, Labels, TokenUnit};
use engraft_models::{BoxedHead, HeadKind, Mode, Problem, TokenAdapter};

use super::ClassPrediction;
use crate::backbone::BackboneSlot;
use crate::building::TrainingRows;
use crate::classes::{
    OwnClasses, WeighedClasses, check_count, class_loss, classes, score_classes, unfit,
};
use crate::compiled::{SiteTargets, TargetKind};
use crate::error::Result;
use crate::head_loading::HeadLoading;
use crate::inputs::Inputs;
use crate::labels::LabelSpace;
use crate::learned::Learned;
use crate::metrics::{Classification, MetricError};
use crate::network::Network;
use crate::objective::{Basis, Labelled, Learns, Loss, Objective, Reading, TaskArguments};
use crate::observer::{Observer, Shown};
use crate::output::{Form, Grain, RowOutput, largest};
use crate::rows::{Draws, EncodedRow};
use crate::split::{Learning, learning};

/// Assigns one of several classes to each letter of a sequence, or each word of a text.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.tasks.TokenClassification")]
#[component(ignored(batch_size = "the data module's batch_size is used"))]
pub struct TokenClassification {
    /// The pretrained encoder.
    pub backbone: BackboneSlot,
    /// The head, unless `use_legacy_adapter` takes the checkpoint's own.
    #[arg(default = TokenAdapter::default())]
    pub adapter: TokenAdapter,
    /// Number of classes; without it, those of the checkpoint's own head or else those found in the training labels.
    pub n_classes: Option<usize>,
    /// Weigh each class as the data module's `class_weight` says, else by tokens / (tokens of the class x classes), counted on the training labels.
    #[arg(default = false)]
    pub weighted_loss: bool,
    /// Use the token classification head of the checkpoint's own kind, with its classes and their names.
    #[arg(default = false)]
    pub use_legacy_adapter: bool,
}

/// What labels it takes, in words.
const TOKEN_CLASSES: &str = "one class a letter or word (TokenClassificationDataModule)";

impl TaskArguments for TokenClassification {
    /// Of each letter or word. That of a word without a token has an empty label and no probability that is a number.
    type Prediction = Vec<ClassPrediction>;
    const DATA_MODULE: &'static str = "TokenClassificationDataModule";

    fn on(backbone: BackboneSlot) -> Self {
        Self {
            backbone,
            adapter: TokenAdapter::default(),
            n_classes: None,
            weighted_loss: false,
            use_legacy_adapter: false,
        }
    }

    fn objective(&self, basis: &Basis<'_>) -> Result<Arc<dyn Objective>> {
        Ok(Arc::new(TokenClasses::new(self, basis)?))
    }

    fn head(&self, loading: &HeadLoading<'_>) -> Result<BoxedHead> {
        if self.use_legacy_adapter {
            loading.classifier(HeadKind::TokenClassification)
        } else {
            loading.token_adapter(&self.adapter)
        }
    }

    fn prediction(objective: &dyn Objective, output: RowOutput) -> Vec<ClassPrediction> {
        let of = |logits: &[f32]| {
            let prediction = ClassPrediction::of(logits, objective);
            if is_unsaid(logits) {
                ClassPrediction {
                    label: String::new(),
                    ..prediction
                }
            } else {
                prediction
            }
        };
        output.vectors().map(of).collect()
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

    fn uses_checkpoint_head(&self) -> bool {
        self.use_legacy_adapter
    }

    fn use_checkpoint_head(&mut self) {
        self.use_legacy_adapter = true;
        self.adapter = TokenAdapter::default();
    }

    fn check(&self) -> Result<()> {
        check_count(self.n_classes)?;
        Ok(self.adapter.check()?)
    }
}

/// One class for each letter or word.
#[derive(Debug)]
struct TokenClasses {
    classes: WeighedClasses,
    /// Whichever it was trained on.
    unit: Option<TokenUnit>,
}

/// What the letters or words of rows are to be predicted as.
struct UnitClasses {
    unit: TokenUnit,
    /// `[row][unit]`, none for those that are not scored.
    rows: Vec<Vec<Option<u32>>>,
}

impl TokenClasses {
    fn new(task: &TokenClassification, basis: &Basis<'_>) -> Result<Self> {
        if let Some(learned) = basis.learned {
            return Ok(Self {
                classes: WeighedClasses::saved(learned, task.weighted_loss)?,
                unit: learned.unit(),
            });
        }
        let unit = match basis.labels() {
            None => None,
            Some(Labels::Tokens { unit, .. }) => Some(*unit),
            Some(other) => return Err(unfit(other, TOKEN_CLASSES)),
        };
        let kind = HeadKind::TokenClassification;
        let own = OwnClasses::of(basis.checkpoint, task.use_legacy_adapter, kind)?;
        if own.count == Some(1) {
            return Err(Refusal::of(
                "model.use_legacy_adapter",
                "the checkpoint's own head gives one number for each token, which tells no classes apart",
            )
            .help("Set it to false for a new head")
            .into());
        }
        let labels = basis.train.and_then(|train| train.naming(of_units));
        let found = classes(own, task.n_classes, labels.as_deref());
        let (space, notes) = found.map_err(|error| match basis.train {
            Some(train) => train.located(error),
            None => error,
        })?;
        let objective = Self {
            classes: WeighedClasses::new(space, task.weighted_loss, notes),
            unit,
        };
        match basis.train {
            Some(train) => objective.counted_on(train),
            None => Ok(objective),
        }
    }

    fn counted_on(self, train: TrainingRows<'_>) -> Result<Self> {
        let found = self.all_classes_of(train.examples)?;
        let what = match self.unit {
            Some(TokenUnit::Word) => "word",
            _ => "letter",
        };
        Ok(Self {
            classes: self.classes.counted_on(train, &found, what)?,
            ..self
        })
    }

    /// The classes of all letters or words that are scored, one after the other.
    fn all_classes_of(&self, examples: &Examples) -> Result<Vec<u32>> {
        let Some(labels) = &examples.labels else {
            return Ok(Vec::new());
        };
        let targets = self.classes_of(labels, examples)?;
        Ok(targets.rows.into_iter().flatten().flatten().collect())
    }

    fn classes_of(&self, labels: &Labels, examples: &Examples) -> Result<UnitClasses> {
        match labels {
            Labels::Tokens { unit, rows } => Ok(UnitClasses {
                unit: *unit,
                rows: self.classes.space.token_classes(rows, &examples.origins)?,
            }),
            other => Err(unfit(other, TOKEN_CLASSES)),
        }
    }
}

/// Puts values that are no numbers where a row has words without a token, so that its other predictions stay beside their words.
fn make_room(output: &mut RowOutput, row: &EncodedRow, classes: usize) {
    for (unit, _) in &row.unsaid {
        let at = (unit * classes).min(output.values.len());
        let nothing = std::iter::repeat_n(f32::NAN, classes);
        output.values.splice(at..at, nothing);
    }
    if let Some(units) = output.shape.first_mut() {
        *units += row.unsaid.len();
    }
}

/// Whether these are the values of a word without a token.
fn is_unsaid(logits: &[f32]) -> bool {
    logits.iter().all(|logit| logit.is_nan())
}

/// The classes of all letters or words, one after the other.
fn of_units(labels: &Labels) -> Option<Vec<Label>> {
    let rows = labels.tokens()?;
    Some(rows.iter().flatten().flatten().cloned().collect())
}

impl Objective for TokenClasses {
    fn reads_alignments(&self) -> bool {
        true
    }

    fn predict(&self, network: &Network, rows: Vec<EncodedRow>) -> Vec<RowOutput> {
        let inputs = Inputs::at(rows.iter().map(|row| {
            let units = row.units.iter().flatten();
            (units.map(|unit| unit.token).collect(), row.tokens())
        }));
        let mut outputs = network.predict(&inputs, Grain::Unit, self.outputs());
        for output in &mut outputs {
            if let Some(row) = rows.get(output.row) {
                make_room(output, row, self.outputs());
            }
        }
        outputs
    }

    fn outputs(&self) -> usize {
        self.classes.space.count()
    }

    fn reading(&self) -> Reading {
        Reading::Units(self.unit)
    }

    fn learning(self: Arc<Self>) -> Option<Arc<dyn Learning>> {
        Some(learning(self))
    }

    fn weighs_classes(&self) -> bool {
        true
    }

    fn check_weights(&self, train: TrainingRows<'_>) -> Result<()> {
        let found = self.all_classes_of(train.examples)?;
        self.classes.check_weights(train, &found)
    }

    fn informed_by(&self, train: TrainingRows<'_>) -> Result<Option<Arc<dyn Objective>>> {
        let (Some(labels), Some(Labels::Tokens { unit, .. })) =
            (train.naming(of_units), &train.examples.labels)
        else {
            return Ok(None);
        };
        let informed = Self {
            classes: self.classes.informed_by(&labels)?,
            unit: Some(*unit),
        };
        Ok(Some(Arc::new(informed.counted_on(train)?)))
    }

    fn learned(&self) -> Learned {
        Learned {
            words: self.unit.map(|unit| unit == TokenUnit::Word),
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

    fn grain(&self) -> Grain {
        Grain::Unit
    }

    fn columns(&self, _form: Form, _width: usize) -> Vec<String> {
        vec!["prediction".to_owned()]
    }

    /// Classes as such labels are read: one character each for letters if all names are one, else a list.
    fn cells(&self, _form: Form, output: &RowOutput) -> Vec<Cell> {
        let names = self.classes.space.names_or_numbers();
        let name = |logits| names.get(largest(logits)).cloned().unwrap_or_default();
        if output.vectors().any(is_unsaid) {
            let cell = |logits| {
                if is_unsaid(logits) {
                    Cell::Missing
                } else {
                    Cell::Text(name(logits))
                }
            };
            return vec![Cell::List(output.vectors().map(cell).collect())];
        }
        let predicted = output.vectors().map(name);
        let is_short = |name: &String| name.chars().count() == 1;
        let of_letters = self.unit != Some(TokenUnit::Word);
        vec![if of_letters && names.iter().all(is_short) {
            Cell::Text(predicted.collect())
        } else {
            Cell::from(predicted.collect::<Vec<_>>())
        }]
    }
}

impl Learns for TokenClasses {
    type Targets = UnitClasses;
    /// Of each letter or word that is scored.
    type BatchTargets = Vec<u32>;
    type Metrics = Classification;

    fn targets(&self, rows: &Labelled<'_>) -> Result<UnitClasses> {
        self.classes_of(rows.labels()?, rows.examples)
    }

    fn digest(&self, targets: &UnitClasses, eat: &mut dyn FnMut(&[u8])) {
        for row in &targets.rows {
            for class in row {
                eat(&class.unwrap_or(u32::MAX).to_le_bytes());
            }
            eat(&[0xff]);
        }
    }

    fn unit(&self, targets: &UnitClasses) -> Option<TokenUnit> {
        Some(targets.unit)
    }

    fn collate(
        &self,
        numbers: &[usize],
        rows: Vec<EncodedRow>,
        targets: &UnitClasses,
        _draws: Draws,
    ) -> (Inputs, Vec<u32>) {
        let mut classes = Vec::new();
        let rows = rows.iter().zip(numbers).map(|(row, &number)| {
            let mut sites = Vec::new();
            for unit in row.units.iter().flatten() {
                if let Some(Some(class)) = targets.rows[number].get(unit.unit) {
                    sites.push(unit.token);
                    classes.push(*class);
                }
            }
            (sites, row.tokens())
        });
        let inputs = Inputs::at(rows);
        (inputs, classes)
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
            of: "tokens",
        }
    }
}

#[cfg(test)]
mod tests;
