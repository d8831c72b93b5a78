//! What a trainer's settings mean, with every default filled in.

use std::path::PathBuf;
use std::time::Duration;

use engraft_component::Refusal;
use engraft_models::Compute;

use super::{Amount, ClipAlgorithm, FastDevRun, Logging, TimeSpan, Trainer, compute};
use crate::callback::Validation;
use crate::layout::LOGS;
use crate::log::LogFormat;

/// One value for each stage of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stages<T> {
    /// For training.
    pub train: T,
    /// For validation.
    pub val: T,
    /// For testing.
    pub test: T,
    /// For prediction.
    pub predict: T,
}

/// What gradients are held in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clip {
    /// The global norm of all of them is at most this.
    Norm(f64),
    /// Each element is at most this in size.
    Value(f64),
}

/// What a run does, when and how long. At least one of `max_epochs`, `max_steps` and `max_time` is set.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Passes over the training rows.
    pub max_epochs: Option<u64>,
    /// Optimizer steps.
    pub max_steps: Option<u64>,
    /// Passes before a callback may end training.
    pub min_epochs: u64,
    /// Optimizer steps before a callback may end training.
    pub min_steps: u64,
    /// Time after which training ends, over all its resumed parts.
    pub max_time: Option<Duration>,
    /// How many batches of each stage are used.
    pub limits: Stages<Amount>,
    /// How many training batches lie between validations.
    pub val_check_interval: Amount,
    /// In which epochs validation happens; none if the interval counts across epochs.
    pub check_val_every_n_epoch: Option<u64>,
    /// Batches of one optimizer step, at least 1.
    pub accumulate: u64,
    /// What gradients are held in.
    pub clip: Option<Clip>,
    /// Whether to look for the first value that is not finite.
    pub detect_anomaly: bool,
    /// Optimizer steps between rows of the log, at least 1.
    pub log_every_n_steps: u64,
    /// Folder that holds the folders of runs.
    pub root: PathBuf,
    /// Whether to show progress.
    pub progress: bool,
    /// Whether to keep checkpoints.
    pub checkpoints: bool,
    /// Whether to write logs.
    pub log: bool,
    /// Whether to end with a report.
    pub report: bool,
    /// The logs beside the table, each once.
    pub log_formats: Vec<LogFormat>,
    /// The name of the run's folder, if it has one of its own.
    pub version: Option<String>,
    /// Whether this is only a rehearsal, which leaves no files.
    pub rehearsal: bool,
    /// Where work is done, and in what.
    pub compute: Compute,
}

impl Trainer {
    /// Fills in defaults; the second part are notes on what the user may not expect.
    ///
    /// # Errors
    /// A setting that is out of range.
    pub fn plan(&self) -> Result<(Plan, Vec<String>), Refusal> {
        let mut notes = Vec::new();
        let max_steps = limit("max_steps", self.max_steps)?;
        let mut max_epochs = limit("max_epochs", self.max_epochs.unwrap_or(-1))?;
        let FastDevRun(batches) = self.fast_dev_run;
        let endless = max_epochs.is_none() && max_steps.is_none() && self.max_time.is_none();
        if endless && batches == 0 {
            max_epochs = Some(1);
            let unset = match self.max_epochs {
                None => "neither trainer.max_epochs nor trainer.max_steps is set",
                Some(_) => "trainer.max_epochs and trainer.max_steps set no end",
            };
            notes.push(format!("{unset}: training ends after 1 epoch"));
        }
        for (key, limit) in [("max_steps", max_steps), ("max_epochs", max_epochs)] {
            if limit == Some(0) {
                notes.push(format!(
                    "trainer.{key}: 0: nothing is trained, and the weights that are kept are those that training would begin with"
                ));
            }
        }
        let log_every_n_steps = self.log_every_n_steps.unwrap_or(50);
        at_least_one("log_every_n_steps", log_every_n_steps)?;
        at_least_one("accumulate_grad_batches", self.accumulate_grad_batches)?;
        at_least_one(
            "check_val_every_n_epoch",
            self.check_val_every_n_epoch.unwrap_or(1),
        )?;
        let val_check_interval = self.val_check_interval.unwrap_or(Amount::ALL);
        if matches!(val_check_interval, Amount::Count(0))
            || val_check_interval == Amount::Fraction(0.0)
        {
            return Err(refuse(
                "val_check_interval",
                "0 would never validate; use limit_val_batches: 0 for that",
            ));
        }

        let mut plan = Plan {
            max_epochs,
            max_steps,
            min_epochs: self.min_epochs.unwrap_or(0),
            min_steps: self.min_steps.unwrap_or(0),
            max_time: self.max_time.map(|TimeSpan(limit)| limit),
            limits: Stages {
                train: self.limit_train_batches.unwrap_or(Amount::ALL),
                val: self.limit_val_batches.unwrap_or(Amount::ALL),
                test: self.limit_test_batches.unwrap_or(Amount::ALL),
                predict: self.limit_predict_batches.unwrap_or(Amount::ALL),
            },
            val_check_interval,
            check_val_every_n_epoch: self.check_val_every_n_epoch,
            accumulate: self.accumulate_grad_batches,
            clip: clip(self.gradient_clip_val, self.gradient_clip_algorithm)?,
            detect_anomaly: self.detect_anomaly,
            log_every_n_steps,
            root: self.root(),
            progress: self.enable_progress_bar.unwrap_or(true),
            checkpoints: self.enable_checkpointing.unwrap_or(true),
            log: self.logger != Logging::Off,
            report: self.enable_report.unwrap_or(true),
            log_formats: self.logger.formats(),
            version: self.logger.version()?,
            rehearsal: false,
            compute: compute::compute(self.accelerator, self.precision),
        };
        if batches > 0 {
            plan.rehearse(batches);
            let batches = match batches {
                1 => "1 batch".to_owned(),
                more => format!("{more} batches"),
            };
            notes.push(format!(
                "trainer.fast_dev_run: {batches} of each stage, and nothing is kept"
            ));
        }
        Ok((plan, notes))
    }

    fn root(&self) -> PathBuf {
        let default = || {
            self.default_root_dir
                .clone()
                .unwrap_or_else(|| PathBuf::from(LOGS))
        };
        let place = self.logger.place();
        let root = place.save_dir.cloned().unwrap_or_else(default);
        place.name.iter().fold(root, |root, name| root.join(name))
    }
}

impl Plan {
    fn rehearse(&mut self, batches: u64) {
        let few = Amount::Count(batches);
        self.max_epochs = Some(1);
        self.max_steps = Some(batches);
        self.min_epochs = 0;
        self.min_steps = 0;
        self.max_time = None;
        self.limits = Stages {
            train: few,
            val: few,
            test: few,
            predict: few,
        };
        self.val_check_interval = Amount::ALL;
        self.check_val_every_n_epoch = Some(1);
        self.checkpoints = false;
        self.log = false;
        self.report = false;
        self.rehearsal = true;
    }

    /// Optimizer steps of one epoch of `batches` batches; the last of them may be of fewer batches.
    pub fn steps_in_epoch(&self, batches: u64) -> u64 {
        self.limits
            .train
            .of(batches)
            .div_ceil(self.accumulate.max(1))
    }

    /// Optimizer steps of the whole training, with epochs of `batches` batches: what schedules are
    /// relative to. None if the training has no end.
    pub fn total_steps(&self, batches: u64) -> Option<u64> {
        let by_epochs = self
            .max_epochs
            .map(|epochs| epochs.saturating_mul(self.steps_in_epoch(batches)));
        match (by_epochs, self.max_steps) {
            (Some(by_epochs), Some(steps)) => Some(by_epochs.min(steps)),
            (by_epochs, steps) => by_epochs.or(steps),
        }
    }

    /// Training batches between validations, in epochs of `batches` batches.
    ///
    /// # Errors
    /// An epoch ends before the first validation in it.
    pub fn validation_interval(&self, batches: u64) -> Result<u64, Refusal> {
        let epoch = self.limits.train.of(batches);
        match self.val_check_interval {
            Amount::Fraction(_) => Ok(self.val_check_interval.of(epoch).max(1)),
            Amount::Count(count) if count > epoch && self.check_val_every_n_epoch.is_some() => {
                Err(refuse(
                    "val_check_interval",
                    &format!(
                        "{count} is more than the {epoch} batches of an epoch; \
                     set check_val_every_n_epoch to null to count across epochs"
                    ),
                ))
            }
            Amount::Count(count) => Ok(count),
        }
    }

    /// Whether validation comes after a batch: number `batch` of `epoch`, both counted from 0, with
    /// `seen` training batches done in all and `interval` from
    /// [`validation_interval`](Self::validation_interval).
    pub fn validates_after(&self, epoch: u64, batch: u64, seen: u64, interval: u64) -> bool {
        let interval = interval.max(1);
        match self.check_val_every_n_epoch {
            None => seen > 0 && seen.is_multiple_of(interval),
            Some(every) => {
                (epoch + 1).is_multiple_of(every.max(1)) && (batch + 1).is_multiple_of(interval)
            }
        }
    }

    /// The rhythm of validation as callbacks need to know it; `batches` are those to validate on.
    pub fn validation(&self, batches: u64) -> Validation {
        if self.limits.val.of(batches) == 0 {
            Validation::Never
        } else if self.check_val_every_n_epoch == Some(1) && self.val_check_interval == Amount::ALL
        {
            Validation::EveryEpoch
        } else {
            Validation::Otherwise
        }
    }
}

/// -1 for no limit, else a number.
fn limit(key: &str, value: i64) -> Result<Option<u64>, Refusal> {
    match u64::try_from(value) {
        Ok(value) => Ok(Some(value)),
        Err(_) if value == -1 => Ok(None),
        Err(_) => Err(refuse(
            key,
            &format!("{value} is no limit; use a number, or -1 for none"),
        )),
    }
}

fn at_least_one(key: &str, value: u64) -> Result<(), Refusal> {
    match value {
        0 => Err(refuse(key, "0 is too small; it must be at least 1")),
        _ => Ok(()),
    }
}

fn clip(value: Option<f64>, algorithm: Option<ClipAlgorithm>) -> Result<Option<Clip>, Refusal> {
    match value {
        None | Some(0.0) => Ok(None),
        Some(limit) if limit > 0.0 => Ok(Some(match algorithm {
            None | Some(ClipAlgorithm::Norm) => Clip::Norm(limit),
            Some(ClipAlgorithm::Value) => Clip::Value(limit),
        })),
        Some(other) => {
            let problem =
                format!("{other} is no limit; use a number above 0, or null to clip nothing");
            Err(refuse("gradient_clip_val", &problem))
        }
    }
}

/// That a setting makes no run.
pub(super) fn refuse(key: &str, problem: &str) -> Refusal {
    Refusal::of(key, problem).within("trainer")
}

#[cfg(test)]
mod tests;
