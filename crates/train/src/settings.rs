//! The `trainer` of an experiment file.
//!
//! [`Trainer`] is what the user writes, with Lightning's keys and nearly its defaults; [`Plan`] is what
//! that means, and all the training loop reads.

mod amount;
mod compute;
mod foreign;
mod logger;
mod plan;
mod span;

use std::path::PathBuf;

use engraft_component::{Component, Words};

use crate::callback::Callback;

pub use amount::{Amount, FastDevRun};
pub use compute::{Accelerator, Precision};
pub use foreign::Foreign;
pub use logger::{CSVLogger, JSONLinesLogger, Logger, Logging, TensorBoardLogger, WandbLogger};
pub use plan::{Clip, Plan, Stages};
pub use span::TimeSpan;

/// How long to train, how often to validate, and what to keep.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "lightning.pytorch.Trainer")]
pub struct Trainer {
    /// Passes over the training rows; -1 leaves the end to `max_steps`. 1 when neither is given.
    pub max_epochs: Option<i64>,
    /// Passes before a callback may end training.
    pub min_epochs: Option<u64>,
    /// Optimizer steps; -1 leaves the end to `max_epochs`.
    #[arg(default = -1)]
    pub max_steps: i64,
    /// Optimizer steps before a callback may end training.
    pub min_steps: Option<u64>,
    /// Time after which training ends, saved: `DD:HH:MM:SS` or `{hours: 12}`; resumed runs go on counting.
    pub max_time: Option<TimeSpan>,
    /// Validate every so many training batches, or this share of an epoch: 0.25 is four times.
    pub val_check_interval: Option<Amount>,
    /// Validate in every so many epochs; null lets `val_check_interval` count across epochs.
    #[arg(default = Some(1))]
    pub check_val_every_n_epoch: Option<u64>,
    /// Training batches of each epoch: a number, or a share from 0.0 to 1.0.
    pub limit_train_batches: Option<Amount>,
    /// Batches of each validation: a number, or a share from 0.0 to 1.0.
    pub limit_val_batches: Option<Amount>,
    /// Batches to test on: a number, or a share from 0.0 to 1.0.
    pub limit_test_batches: Option<Amount>,
    /// Batches to predict: a number, or a share from 0.0 to 1.0.
    pub limit_predict_batches: Option<Amount>,
    /// Rehearse with one batch of each stage, or with so many, and keep nothing.
    #[arg(default = FastDevRun(0))]
    pub fast_dev_run: FastDevRun,
    /// Batches whose gradients make up one optimizer step.
    #[arg(default = 1)]
    pub accumulate_grad_batches: u64,
    /// Largest global norm of the gradients, or largest element of theirs; null or 0 leaves them as they are.
    pub gradient_clip_val: Option<f64>,
    /// What is clipped: the global `norm` of all gradients, or each element's `value`.
    #[arg(default = Some(ClipAlgorithm::Norm))]
    pub gradient_clip_algorithm: Option<ClipAlgorithm>,
    /// Look for the first value that is not finite, in every backward pass and behind a loss that is none, and end training with its place.
    #[arg(default = false)]
    pub detect_anomaly: bool,
    /// Optimizer steps between rows of the log, and between lines of progress without a terminal.
    #[arg(default = Some(50))]
    pub log_every_n_steps: Option<u64>,
    /// Folder that holds the folders of runs.
    #[arg(default = Some(PathBuf::from("logs")))]
    pub default_root_dir: Option<PathBuf>,
    /// Show progress.
    #[arg(default = Some(true))]
    pub enable_progress_bar: Option<bool>,
    /// Keep checkpoints, by a ModelCheckpoint of its own when none is among the callbacks.
    #[arg(default = Some(true))]
    pub enable_checkpointing: Option<bool>,
    /// End `fit` and `test` with a report: one HTML file with plots, scores and what was run.
    #[arg(default = Some(true))]
    pub enable_report: Option<bool>,
    /// What is done beside training: one callback or a list.
    pub callbacks: Option<Vec<Callback>>,
    /// Log metrics: true for a table, false, or loggers, which write theirs beside it.
    #[arg(default)]
    pub logger: Logging,
    /// What computes: `cpu`, or `auto` for the best there is, which is the CPU too. Any other word is noted and changes nothing.
    #[arg(default)]
    pub accelerator: Accelerator,
    /// What weights, activations and gradients are held in: 32-bit floats. Any other word is noted and changes nothing.
    #[arg(default)]
    pub precision: Precision,
    /// Keys that are accepted and mean nothing here.
    #[arg(flatten)]
    pub foreign: Foreign,
}

impl Trainer {
    /// The callbacks.
    pub fn callbacks(&self) -> &[Callback] {
        self.callbacks.as_deref().unwrap_or_default()
    }
}

/// What is clipped of the gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Words)]
pub enum ClipAlgorithm {
    /// The global norm of all of them.
    Norm,
    /// Each element.
    Value,
}

#[cfg(test)]
mod tests {
    use engraft_component::{FromNode, decode, read_yaml, to_yaml};

    use super::*;

    fn read(text: &str) -> Result<(Trainer, Vec<String>), String> {
        let node = read_yaml(text.as_bytes(), "experiment.yaml").unwrap();
        let (trainer, notes) = decode(&node).map_err(|error| error.to_string())?;
        Ok((trainer, notes.iter().map(ToString::to_string).collect()))
    }

    #[test]
    fn a_trainer_of_a_real_experiment_reads_and_says_what_has_no_meaning_here() {
        let text = "
accelerator: gpu
devices: auto
num_nodes: 1
precision: bf16-mixed
strategy:
  class_path: lightning.pytorch.strategies.DDPStrategy
  init_args: {find_unused_parameters: false}
profiler: null
max_epochs: 15
check_val_every_n_epoch: null
val_check_interval: 200
gradient_clip_val: 0.1
gradient_clip_algorithm: norm
accumulate_grad_batches: 2
logger:
  class_path: lightning.pytorch.loggers.WandbLogger
  init_args: {name: a, project: b, save_dir: logs, save_code: false}
callbacks:
- class_path: lightning.pytorch.callbacks.ModelCheckpoint
  init_args: {monitor: val_mcc, mode: max, every_n_epochs: 1, save_last: true}
- class_path: lightning.pytorch.callbacks.LearningRateMonitor
  dict_kwargs: {logging_interval: step}
- class_path: lightning.pytorch.callbacks.EarlyStopping
  dict_kwargs: {monitor: val_mcc, mode: max, patience: 10}
";
        let (trainer, notes) = read(text).unwrap();
        assert_eq!(trainer.val_check_interval, Some(Amount::Count(200)));
        assert_eq!(trainer.check_val_every_n_epoch, None);
        let kinds: Vec<&str> = trainer
            .callbacks()
            .iter()
            .map(engraft_component::Choice::name)
            .collect();
        assert_eq!(
            kinds,
            ["ModelCheckpoint", "LearningRateMonitor", "EarlyStopping"]
        );
        assert_eq!(
            notes,
            [
                "experiment.yaml:17: logger: WandbLogger: Weights & Biases is not available here; metrics.jsonl in the folder of the run has what to sync",
                "experiment.yaml:2: accelerator: ignored, this run computes on the CPU",
                "experiment.yaml:5: precision: ignored, everything is computed in 32-bit floats",
                "experiment.yaml:7: strategy: ignored, one process trains the whole model",
            ]
        );
    }

    #[test]
    fn every_argument_is_written_so_that_it_reads_back_the_same() {
        let text = "
max_epochs: 3
limit_val_batches: 0.5
fast_dev_run: 4
logger: [{class_path: CSVLogger, init_args: {save_dir: elsewhere}}]
callbacks: {class_path: PredictionWriter, init_args: {output_dir: out, filetype: tsv, write_cols: id}}
";
        for text in [text, "logger: false", "{}", "logger: null\nmax_steps: 5"] {
            let (trainer, _) = read(text).unwrap();
            let written = to_yaml(&trainer.to_node());
            assert_eq!(read(&written), Ok((trainer, Vec::new())), "{written}");
        }
        assert_eq!(read("{}").unwrap().0, Trainer::default());
    }

    #[test]
    fn keys_that_ask_for_what_happens_anyway_pass_in_silence() {
        let text = "{accelerator: cpu, devices: '1', precision: 32, deterministic: true, \
            num_sanity_val_steps: 0, inference_mode: false, profiler: null, logger: true}";
        assert_eq!(read(text).unwrap().1, Vec::<String>::new());
    }

    #[test]
    fn a_misspelt_key_is_refused_with_the_nearest_one() {
        let error = read("max_epoch: 3").unwrap_err();
        assert!(error.contains("Did you mean \"max_epochs\""), "{error}");
        let error = read("acelerator: cpu").unwrap_err();
        assert!(error.contains("Did you mean \"accelerator\""), "{error}");
    }

    #[test]
    fn what_is_clipped_is_a_word() {
        let error = read("gradient_clip_algorithm: vale").unwrap_err();
        assert_eq!(
            error,
            "experiment.yaml:1: gradient_clip_algorithm: expected norm or value, found \"vale\". Did you mean \"value\"?"
        );
    }
}
