//! Callbacks: what a user adds to the training loop.
//!
//! Each callback is split in two. The component is what the user writes; a state machine beside it
//! ([`CheckpointKeeper`], [`Stopper`]) takes the metrics and decides, without touching a file, and its
//! state is saved with each checkpoint.

mod checkpoint;
mod early_stopping;
mod ft_scheduler;
mod keeper;
mod prediction_writer;
mod template;

use std::fmt::Display;

use engraft_component::{Choice, Component, Refusal, Words, did_you_mean};

use crate::training::Interval;

pub use checkpoint::{ModelCheckpoint, SaveLast};
pub use early_stopping::{EarlyStopping, Stopper, StopperState};
pub use ft_scheduler::{FTScheduler, Release, ReleasePlan};
pub use keeper::{CheckpointKeeper, Decision, KeeperState, Kept};
pub use prediction_writer::{FileType, PredictionWriter, WriteInterval};
pub use template::Template;

/// Where callbacks are in an experiment.
pub(crate) const PLACE: &str = "trainer.callbacks";

/// Refuses callbacks that no run can have, before any weight is read.
///
/// # Errors
/// A file that one of them reads is missing or wrong.
pub fn check(callbacks: &[Callback]) -> Result<(), Refusal> {
    ReleasePlan::of(callbacks).map(|_| ())
}

/// What is done beside training.
#[derive(Clone, Debug, PartialEq, Choice)]
pub enum Callback {
    /// Keeps the best or latest checkpoints.
    ModelCheckpoint(ModelCheckpoint),
    /// Ends training when a metric stops improving.
    EarlyStopping(EarlyStopping),
    /// Trains more and more of the model.
    FTScheduler(FTScheduler),
    /// Logs the learning rate.
    LearningRateMonitor(LearningRateMonitor),
    /// Writes predictions.
    PredictionWriter(PredictionWriter),
}

/// Logs the learning rate, which is done with or without it, and other settings of the optimizer.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "lightning.pytorch.callbacks.LearningRateMonitor")]
pub struct LearningRateMonitor {
    /// `step` for the rate in every row of training metrics, which is the default, or `epoch` for that of each epoch's first step alone.
    pub logging_interval: Option<Interval>,
    /// Also log the decay rate of the mean of gradients, as `momentum`.
    #[arg(default = false)]
    pub log_momentum: bool,
    /// Also log the weight decay, as `weight_decay`.
    #[arg(default = false)]
    pub log_weight_decay: bool,
}

/// Whether less or more of a metric is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Words)]
pub enum Mode {
    /// Less is better, as of a loss.
    #[default]
    Min,
    /// More is better, as of an accuracy.
    Max,
}

impl Mode {
    /// Whether `score` is strictly better than `other`; NaN never is, and everything else is better
    /// than NaN.
    pub fn better(self, score: f64, other: f64) -> bool {
        if other.is_nan() {
            return !score.is_nan();
        }
        match self {
            Self::Min => score < other,
            Self::Max => score > other,
        }
    }
}

/// A point of the training loop at which callbacks may act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Moment {
    /// After an optimizer step, and the validation that follows it if there is one.
    Step,
    /// After a validation pass.
    ValidationEnd,
    /// After the last step of an epoch, and the validation that follows it if there is one.
    TrainEpochEnd,
}

/// How often training is interrupted to validate, which decides when callbacks look at the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validation {
    /// There is nothing to validate on.
    Never,
    /// Once, at the end of every epoch.
    EveryEpoch,
    /// At another rhythm.
    Otherwise,
}

impl Validation {
    /// Where epoch-wise callbacks act when the user does not say.
    pub(crate) fn moment(self) -> Moment {
        match self {
            Self::Never | Self::EveryEpoch => Moment::TrainEpochEnd,
            Self::Otherwise => Moment::ValidationEnd,
        }
    }

    fn moment_or(self, on_train_epoch_end: Option<bool>) -> Moment {
        match on_train_epoch_end {
            Some(true) => Moment::TrainEpochEnd,
            // Without validation its end never comes, and nothing would ever be done.
            Some(false) if self != Self::Never => Moment::ValidationEnd,
            _ => self.moment(),
        }
    }
}

/// The value of a metric by name.
fn value_of(metrics: &[(String, f64)], name: &str) -> Option<f64> {
    let found = metrics.iter().find(|(metric, _)| metric == name);
    found.map(|(_, value)| *value)
}

/// Whether a name stands for a count that every run has.
pub(crate) fn is_counter(name: &str) -> bool {
    matches!(name, "epoch" | "step")
}

/// That a callback cannot do what it was asked. Which of several it is, a callback does not know, so that it is named.
fn refusal(callback: &str, problem: impl Display) -> Refusal {
    Refusal::plain(format!("{callback}: {problem}"))
}

/// That no metric has the name that was given, and which has nearly, or else which there are.
pub(crate) fn no_metric(asking: &str, metric: &str, purpose: &str, known: &[&str]) -> Refusal {
    let problem = format!("{asking}: there is no metric \"{metric}\" to {purpose}");
    let help = did_you_mean(metric, known, "This run has");
    Refusal::plain(problem).help(help.unwrap_or_else(|| "This run has none".to_owned()))
}

#[cfg(test)]
mod tests {
    use engraft_component::{FromNode, decode, read_yaml, to_yaml};

    use super::*;

    fn read(text: &str) -> Result<(Vec<Callback>, Vec<String>), String> {
        let node = read_yaml(text.as_bytes(), "a.yaml").unwrap();
        let (callbacks, notes) = decode(&node).map_err(|error| error.to_string())?;
        Ok((callbacks, notes.iter().map(ToString::to_string).collect()))
    }

    #[test]
    fn callbacks_read_as_experiment_files_write_them_and_back() {
        let (callbacks, notes) = read(
            "
- class_path: lightning.pytorch.callbacks.LearningRateMonitor
  init_args: {logging_interval: step, log_momentum: false}
- class_path: lightning.pytorch.callbacks.ModelCheckpoint
  init_args:
    monitor: val_loss
    mode: min
    save_top_k: 1
    save_last: link
    filename: 'best_val:{step}-{val_loss:.3f}-{train_loss:.3f}'
- class_path: ModelCheckpoint
  dict_kwargs: {every_n_train_steps: 1000, save_top_k: -1, dirpath: null}
- class_path: modelgenerator.callbacks.PredictionWriter
  dict_kwargs: {output_dir: predictions, filetype: pt, write_cols: [id, predictions]}
- class_path: lightning.pytorch.callbacks.EarlyStopping
  dict_kwargs: {monitor: val_f1, mode: max, patience: 5}
",
        )
        .unwrap();
        assert_eq!(notes, Vec::<String>::new());
        let Callback::ModelCheckpoint(best) = &callbacks[1] else {
            panic!()
        };
        assert_eq!((best.save_last, best.save_top_k), (SaveLast(true), 1));
        let metrics = [
            ("val_loss".to_owned(), 0.404),
            ("train_loss".to_owned(), 0.4641),
        ];
        let mut keeper = CheckpointKeeper::new(best, &["train_loss", "val_loss"]).unwrap();
        assert_eq!(
            keeper
                .decide(&metrics, 0, 742, |_| false)
                .save_as
                .as_deref(),
            Some("best_val_step=742-val_loss=0.404-train_loss=0.464")
        );
        let written = to_yaml(&callbacks.to_node());
        assert_eq!(read(&written), Ok((callbacks, Vec::new())), "{written}");
    }

    #[test]
    fn a_word_that_is_none_of_those_allowed_is_refused_with_them() {
        let error = read("{class_path: EarlyStopping, init_args: {monitor: a, mode: mni}}");
        assert_eq!(
            error.unwrap_err(),
            "a.yaml:1: init_args.mode: expected min or max, found \"mni\". Did you mean \"min\"?"
        );
    }

    #[test]
    fn nan_is_worse_than_any_score() {
        for mode in [Mode::Min, Mode::Max] {
            assert!(mode.better(1.0, f64::NAN) && !mode.better(f64::NAN, 1.0));
            assert!(!mode.better(f64::NAN, f64::NAN) && !mode.better(1.0, 1.0));
        }
        assert!(Mode::Min.better(0.0, 1.0) && Mode::Max.better(1.0, 0.0));
    }
}
