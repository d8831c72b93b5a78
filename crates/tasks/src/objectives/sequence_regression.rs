//! One or several numbers for each row, on a head over pooled hidden states.

use std::sync::Arc;

use burn::tensor::Tensor;
use engraft_component::Component;
use engraft_data::{Cell, Labels};
use engraft_models::{Adapter, BoxedHead, Checkpoint, HeadKind, Mode, Problem, RunFile};

use crate::backbone::BackboneSlot;
use crate::building::TrainingRows;
use crate::classes::{OwnClasses, unfit};
use crate::compiled::{SiteTargets, TargetKind};
use crate::error::{Error, Result, place};
use crate::head_loading::HeadLoading;
use crate::inputs::Inputs;
use crate::labels::MOST_CLASSES;
use crate::learned::Learned;
use crate::loss::{LossFunc, matrix, rows_of};
use crate::metrics::{MetricError, Regression};
use crate::network::Network;
use crate::objective::{Basis, Labelled, Learns, Loss, Objective, Reading, TaskArguments};
use crate::observer::{Observer, Shown};
use crate::output::{Form, Grain, RowOutput, number};
use crate::preset::OfRun;
use crate::rows::{Draws, EncodedRow};
use crate::scaling::Scaling;
use crate::several::Several;
use crate::split::{Learning, learning};
use crate::stated_head::Activation;

/// Assigns one or several numbers to each sequence.
///
/// Where the data module normalises, the head learns numbers of mean 0 and deviation 1 over the training rows; the model keeps both, and
/// predictions and metrics are in the units of the data.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.tasks.SequenceRegression")]
#[component(ignored(batch_size = "the data module's batch_size is used"))]
pub struct SequenceRegression {
    /// The pretrained encoder.
    pub backbone: BackboneSlot,
    /// The head, unless `use_legacy_adapter` takes the checkpoint's own; without it, a linear layer on the first token, or on the last of a decoder, which alone has seen all others.
    pub adapter: Option<Adapter>,
    /// Numbers of a row, each a column of the data.
    #[arg(default = 1)]
    pub num_outputs: usize,
    /// What is averaged over rows and numbers.
    #[arg(default = LossFunc::default())]
    pub loss_func: LossFunc,
    /// Use the classification head of the checkpoint's own kind.
    #[arg(default = false)]
    pub use_legacy_adapter: bool,
}

/// What labels it takes, in words.
const NUMBERS: &str = "numbers (SequenceRegressionDataModule)";

impl TaskArguments for SequenceRegression {
    /// In the units of the data, one for each output.
    type Prediction = Vec<f32>;
    const DATA_MODULE: &'static str = "SequenceRegressionDataModule";

    fn on(backbone: BackboneSlot) -> Self {
        Self {
            backbone,
            adapter: None,
            num_outputs: 1,
            loss_func: LossFunc::default(),
            use_legacy_adapter: false,
        }
    }

    fn of_run(&self, _run: &RunFile, _labels: Option<&Labels>) -> Result<OfRun> {
        let note = "what the run learned is in its own units: with data.normalize, which was the default, numbers of mean 0 and deviation 1, and the file does not say of which";
        Ok(OfRun {
            note: Some(note.to_owned()),
            ..OfRun::default()
        })
    }

    fn objective(&self, basis: &Basis<'_>) -> Result<Arc<dyn Objective>> {
        Ok(Arc::new(Numbers::new(self, basis)?))
    }

    fn head(&self, loading: &HeadLoading<'_>) -> Result<BoxedHead> {
        if self.use_legacy_adapter {
            loading.classifier(HeadKind::Classification)
        } else {
            loading.adapter(self.adapter.as_ref())
        }
    }

    fn prediction(_objective: &dyn Objective, output: RowOutput) -> Vec<f32> {
        output.values
    }

    fn backbone(&self) -> &BackboneSlot {
        &self.backbone
    }

    fn backbone_mut(&mut self) -> &mut BackboneSlot {
        &mut self.backbone
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
        check_outputs(self.num_outputs)?;
        self.loss_func.check()?;
        Ok(self.adapter.as_ref().map_or(Ok(()), Adapter::check)?)
    }
}

/// Refuses a number of outputs that no head has.
pub(super) fn check_outputs(count: usize) -> Result<()> {
    if (1..=MOST_CLASSES).contains(&count) {
        return Ok(());
    }
    let problem = format!("expected a number from 1 to {MOST_CLASSES}, found {count}");
    Err(Error::refused("model.num_outputs", problem))
}

/// Numbers for each row.
#[derive(Debug)]
pub(super) struct Numbers {
    /// `[outputs]`.
    names: Vec<String>,
    /// How the head's outputs become numbers of the data.
    scaling: Scaling,
    loss_func: LossFunc,
    /// What is made of these.
    applied: Activation,
    /// What of a row is read.
    reads: Reads,
    /// Whether no number is below 0.
    from_zero: bool,
    /// Whether the first epoch of training only counts.
    skips_first_epoch: bool,
    /// What is worth saying of the training rows.
    notes: Vec<String>,
}

/// What of a row the head sees.
#[derive(Clone, Debug)]
enum Reads {
    /// All tokens.
    Whole,
    /// Those that are no special ones.
    OwnTokens,
    /// All tokens of several sequences.
    Several(Several),
}

impl Numbers {
    fn new(task: &SequenceRegression, basis: &Basis<'_>) -> Result<Self> {
        let outputs = task.num_outputs;
        let (names, scaling) = match basis.learned {
            Some(learned) => learned.numbers(outputs).map_err(Error::Saved)?,
            None => {
                let normalizes = basis.train.is_some_and(|train| train.normalize);
                names_and_scaling(outputs, task.use_legacy_adapter, normalizes, basis)?
            }
        };
        Ok(Self {
            names,
            scaling,
            loss_func: task.loss_func.clone(),
            applied: Activation::Identity,
            reads: Reads::Whole,
            from_zero: false,
            skips_first_epoch: false,
            notes: Vec::new(),
        })
    }

    /// Numbers from 0 on, scaled by the training rows and read from tokens that are no special ones.
    pub(super) fn with_scaling(
        outputs: usize,
        skips_first_epoch: bool,
        basis: &Basis<'_>,
    ) -> Result<Self> {
        let (names, scaling) = match basis.learned {
            Some(learned) => learned.numbers(outputs).map_err(Error::Saved)?,
            None => names_and_scaling(outputs, false, true, basis)?,
        };
        let rows = match basis.labels() {
            Some(Labels::Numbers { rows, .. }) => rows.as_slice(),
            _ => &[],
        };
        let below = rows.iter().filter(|row| row.iter().any(|&it| it < 0.0));
        let below = below.count();
        let note = (below > 0).then(|| {
            format!(
                "{below} of {} training rows have a number below 0, which is never predicted here; SequenceRegression predicts such",
                rows.len()
            )
        });
        Ok(Self {
            names,
            scaling,
            loss_func: LossFunc::default(),
            applied: Activation::Identity,
            reads: Reads::OwnTokens,
            from_zero: true,
            skips_first_epoch,
            notes: note.into_iter().collect(),
        })
    }

    /// Numbers of rows of several sequences.
    pub(super) fn of_several(
        several: Several,
        outputs: usize,
        loss_func: LossFunc,
        basis: &Basis<'_>,
    ) -> Result<Self> {
        let (names, scaling) = match basis.learned {
            Some(learned) => learned.numbers(outputs).map_err(Error::Saved)?,
            None => {
                let normalizes = basis.train.is_some_and(|train| train.normalize);
                names_and_scaling(outputs, false, normalizes, basis)?
            }
        };
        Ok(Self {
            names,
            scaling,
            loss_func,
            applied: Activation::Identity,
            reads: Reads::Several(several),
            from_zero: false,
            skips_first_epoch: false,
            notes: Vec::new(),
        })
    }

    /// What the network is fed for rows.
    fn inputs(&self, rows: &[EncodedRow]) -> Inputs {
        match &self.reads {
            Reads::Whole => Inputs::whole(EncodedRow::pack(rows)),
            Reads::OwnTokens => Inputs::at(rows.iter().map(|row| (row.own_tokens(), row.tokens()))),
            Reads::Several(several) => several.inputs(rows),
        }
    }

    /// What the head gives in the units of the data.
    fn restored(&self, outputs: &[f32]) -> Vec<f32> {
        let mut numbers = self.scaling.restore(outputs);
        if self.from_zero {
            numbers.iter_mut().for_each(|it| *it = it.max(0.0));
        }
        numbers
    }

    /// What a checkpoint's own head of so many outputs gives, by their names.
    pub(super) fn of_own_head(
        count: usize,
        names: Option<&[String]>,
        applied: Activation,
        basis: &Basis<'_>,
    ) -> Result<Self> {
        let numbered = || (0..count).map(|output| output.to_string()).collect();
        let (names, scaling) = match basis.learned {
            Some(learned) => learned.numbers(count).map_err(Error::Saved)?,
            None => {
                let names = names.map_or_else(numbered, <[String]>::to_vec);
                (names, Scaling::identity(count))
            }
        };
        Ok(Self {
            names,
            scaling,
            loss_func: LossFunc::default(),
            applied,
            reads: Reads::Whole,
            from_zero: false,
            skips_first_epoch: false,
            notes: Vec::new(),
        })
    }

    /// Refuses rows of more, fewer or other numbers than the model predicts.
    fn check_columns(&self, found: &[String]) -> Result<()> {
        let names = &self.names;
        if found.len() != names.len() {
            return Err(Error::plain(format!(
                "the model predicts {} ({}), but the data has {} ({}): name as many columns with data.y_col",
                counted(names.len()),
                names.join(", "),
                counted(found.len()),
                found.join(", ")
            )));
        }
        let mut sorted = [names.clone(), found.to_vec()];
        sorted.iter_mut().for_each(|names| names.sort());
        if names != found && sorted[0] == sorted[1] {
            return Err(Error::refused(
                "data.y_col",
                format!(
                    "the model predicts {}, in this order, not {}",
                    names.join(", "),
                    found.join(", ")
                ),
            ));
        }
        Ok(())
    }
}

/// The numbers of a regression that is about to start, on the checkpoint's own head or another.
fn names_and_scaling(
    outputs: usize,
    own_head: bool,
    normalizes: bool,
    basis: &Basis<'_>,
) -> Result<(Vec<String>, Scaling)> {
    let own = OwnClasses::of(basis.checkpoint, own_head, HeadKind::Classification)?;
    if let Some(stored) = own.count.filter(|stored| *stored != outputs) {
        return Err(Error::refused(
            "model.num_outputs",
            format!(
                "{outputs} given, but the checkpoint's own head has {stored}; give {stored}, or set use_legacy_adapter to false for a new head"
            ),
        ));
    }
    let (names, rows) = match basis.labels() {
        Some(Labels::Numbers { names, rows }) => (names, rows),
        Some(other) => return Err(unfit(other, NUMBERS)),
        None => {
            let numbered = || (0..outputs).map(|output| output.to_string()).collect();
            let names = own.names.map_or_else(numbered, <[String]>::to_vec);
            return Ok((names, Scaling::identity(outputs)));
        }
    };
    own.check_columns(Some(names))?;
    if names.len() != outputs {
        return Err(Error::refused(
            "model.num_outputs",
            format!(
                "{outputs} given, but data.y_col names {}: {}",
                names.len(),
                names.join(", ")
            ),
        ));
    }
    let scaling = if normalizes {
        Scaling::of(rows, outputs)
    } else {
        Scaling::identity(outputs)
    };
    Ok((names.clone(), scaling))
}

fn counted(count: usize) -> String {
    match count {
        1 => "1 number".to_owned(),
        _ => format!("{count} numbers"),
    }
}

impl Objective for Numbers {
    fn reads_alignments(&self) -> bool {
        !matches!(self.reads, Reads::Several(_))
    }

    fn predict(&self, network: &Network, rows: Vec<EncodedRow>) -> Vec<RowOutput> {
        let mut outputs = network.predict(&self.inputs(&rows), Grain::Row, self.outputs());
        for output in &mut outputs {
            output.values = self.applied.of(&self.restored(&output.values));
        }
        outputs
    }

    fn outputs(&self) -> usize {
        self.names.len()
    }

    fn reading(&self) -> Reading {
        match &self.reads {
            Reads::Several(several) => Reading::Several(several.clone()),
            Reads::Whole | Reads::OwnTokens => Reading::Sequences,
        }
    }

    fn learning(self: Arc<Self>) -> Option<Arc<dyn Learning>> {
        Some(learning(self))
    }

    /// Numbers that are learned scaled are so by the rows that a model is first trained on.
    fn informed_by(&self, train: TrainingRows<'_>) -> Result<Option<Arc<dyn Objective>>> {
        let outputs = self.names.len();
        let is_open = self.from_zero && self.scaling == Scaling::identity(outputs);
        match &train.examples.labels {
            Some(Labels::Numbers { names, rows }) if is_open && names.len() == outputs => {
                Ok(Some(Arc::new(Self {
                    names: names.clone(),
                    scaling: Scaling::of(rows, outputs),
                    loss_func: self.loss_func.clone(),
                    reads: self.reads.clone(),
                    notes: self.notes.clone(),
                    ..*self
                })))
            }
            _ => Ok(None),
        }
    }

    fn skips_updates_in(&self, epoch: u64) -> bool {
        self.skips_first_epoch && epoch == 0
    }

    fn learned(&self) -> Learned {
        Learned {
            labels: Some(self.names.clone()),
            means: Some(self.scaling.means.clone()),
            deviations: Some(self.scaling.deviations.clone()),
            ..Learned::default()
        }
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn problem(&self) -> (Problem, Option<Vec<String>>) {
        (Problem::Regression, Some(self.names.clone()))
    }

    fn grain(&self) -> Grain {
        Grain::Row
    }

    fn columns(&self, _form: Form, _width: usize) -> Vec<String> {
        match self.names.as_slice() {
            [_] => vec!["prediction".to_owned()],
            names => names
                .iter()
                .map(|name| format!("prediction_{name}"))
                .collect(),
        }
    }

    fn cells(&self, _form: Form, output: &RowOutput) -> Vec<Cell> {
        output.values.iter().map(|&value| number(value)).collect()
    }

    fn has_largest(&self) -> bool {
        false
    }
}

impl Learns for Numbers {
    /// In the units of the data.
    type Targets = Vec<Vec<f64>>;
    /// `[rows * outputs]`.
    type BatchTargets = Vec<f64>;
    type Metrics = Regression;

    fn targets(&self, labelled: &Labelled<'_>) -> Result<Vec<Vec<f64>>> {
        let (names, rows) = match labelled.labels()? {
            Labels::Numbers { names, rows } => (names, rows),
            other => return Err(unfit(other, NUMBERS)),
        };
        self.check_columns(names)?;
        let too_large = |row: &Vec<f64>| {
            let scaled = self.scaling.scale(row);
            scaled.iter().any(|number| !number.is_finite())
        };
        match rows.iter().position(too_large) {
            Some(row) => Err(Error::Row {
                row: place(labelled.examples, row),
                problem: format!(
                    "{:?} cannot be predicted in single precision; give smaller numbers, or their logarithms",
                    rows[row]
                ),
            }),
            None => Ok(rows.clone()),
        }
    }

    fn digest(&self, targets: &Vec<Vec<f64>>, eat: &mut dyn FnMut(&[u8])) {
        let numbers = targets.iter().flatten();
        numbers.for_each(|number| eat(&number.to_le_bytes()));
    }

    fn collate(
        &self,
        numbers: &[usize],
        rows: Vec<EncodedRow>,
        targets: &Vec<Vec<f64>>,
        _draws: Draws,
    ) -> (Inputs, Vec<f64>) {
        let targets = numbers.iter().flat_map(|&row| targets[row].clone());
        (self.inputs(&rows), targets.collect())
    }

    fn loss(&self, network: &Network, inputs: &Inputs, targets: &Vec<f64>, mode: Mode) -> Loss {
        let outputs = network.outputs(inputs, mode);
        let targets = matrix(self.scaling.scale(targets), self.names.len(), &outputs);
        Loss {
            weight: outputs.dims().iter().product::<usize>() as f64,
            sum: self.loss_func.sum(outputs.clone(), targets),
            outputs,
        }
    }

    const KIND: TargetKind = TargetKind::Numbers;

    fn sites<'t>(&'t self, targets: &'t Vec<f64>) -> Option<SiteTargets<'t>> {
        Some(SiteTargets::Numbers {
            numbers: self.scaling.scale(targets),
            in_data: targets.iter().map(|&number| number as f32).collect(),
            loss: Some(&self.loss_func),
        })
    }

    fn in_data(&self, outputs: Vec<f32>) -> Vec<f32> {
        self.restored(&outputs)
    }

    fn metrics(&self) -> Regression {
        Regression::new(self.names.len())
    }

    fn score(
        &self,
        metrics: &mut Regression,
        outputs: Tensor<2>,
        targets: &Vec<f64>,
        observer: &mut dyn Observer,
    ) -> std::result::Result<(), MetricError> {
        let (values, width) = rows_of(outputs);
        let predicted = self.restored(&values);
        let truth: Vec<f32> = targets.iter().map(|&number| number as f32).collect();
        let rows = predicted.chunks_exact(width).zip(truth.chunks_exact(width));
        for (predicted, truth) in rows {
            observer.numbers(predicted, truth);
            metrics.update(predicted, truth)?;
        }
        Ok(())
    }

    fn shown(&self) -> Shown {
        Shown::Numbers {
            names: self.names.clone(),
        }
    }
}
