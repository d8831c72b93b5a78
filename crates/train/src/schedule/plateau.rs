//! The schedule that looks at a metric.

use engraft_component::{Component, Refusal, Words};
use engraft_tasks::metrics::{exact, is_of};
use serde::{Deserialize, Serialize};

use super::{Point, Schedule, in_place, is_rate, within};
use crate::callback::{Mode, Moment, Validation, no_metric};

/// The rate falls by a factor when a metric has stopped improving.
///
/// The metric is looked at where it is fresh: one of validation after each validation, any other at the end of each epoch.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "torch.optim.lr_scheduler.ReduceLROnPlateau")]
#[component(alias = "lightning.pytorch.cli.ReduceLROnPlateau")]
#[component(ignored(verbose = "the learning rate is in the log"))]
pub struct ReduceLROnPlateau {
    /// The metric; without it `val_loss`, or `train_loss_epoch` where nothing is validated.
    pub monitor: Option<String>,
    /// Whether less (`min`) or more (`max`) is better.
    #[arg(default = Mode::Min)]
    pub mode: Mode,
    /// The factor, from 0 to below 1.
    #[arg(default = 0.1)]
    pub factor: f64,
    /// How many looks in a row may pass without improvement before the rate falls at the next.
    #[arg(default = 10)]
    pub patience: u64,
    /// The least change that counts as an improvement.
    #[arg(default = 1e-4)]
    pub threshold: f64,
    /// Whether the threshold is a share of the best value (`rel`) or a difference from it (`abs`).
    #[arg(default = ThresholdMode::Rel)]
    pub threshold_mode: ThresholdMode,
    /// How many looks after a fall do not count.
    #[arg(default = 0)]
    pub cooldown: u64,
    /// The lowest rate.
    #[arg(default = 0.0)]
    pub min_lr: f64,
    /// A fall by less than this is left out.
    #[arg(default = 1e-8)]
    pub eps: f64,
}

/// What the threshold of an improvement is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Words)]
pub enum ThresholdMode {
    /// The best value.
    Rel,
    /// Nothing: it is a difference.
    Abs,
}

impl Schedule for ReduceLROnPlateau {
    fn check(&self) -> Result<(), Refusal> {
        let fits = (0.0..1.0).contains(&self.factor);
        within(fits, "factor", self.factor, "from 0 to below 1")?;
        is_rate("threshold", self.threshold)?;
        is_rate("min_lr", self.min_lr)?;
        is_rate("eps", self.eps)
    }

    fn rate(&self, at: Point) -> Result<f64, Refusal> {
        Ok(at.base)
    }

    fn last_epoch(&self) -> i64 {
        -1
    }
}

/// What [`ReduceLROnPlateau`] remembers from look to look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlateauState {
    /// The share of the optimizer's rate that is left.
    #[serde(with = "exact")]
    pub factor: f64,
    /// The best value so far; infinitely bad before the first.
    #[serde(with = "exact")]
    pub best: f64,
    /// How many looks in a row were no improvement.
    pub waited: u64,
    /// How many looks still do not count.
    pub cooldown: u64,
}

/// [`ReduceLROnPlateau`] at work.
#[derive(Clone, Debug, PartialEq)]
pub struct Plateau {
    settings: ReduceLROnPlateau,
    monitor: String,
    /// The optimizer's rate.
    base: f64,
    state: PlateauState,
}

impl Plateau {
    /// Starts at the optimizer's rate `base`; `known` are the metrics that the run will produce.
    ///
    /// # Errors
    /// The monitored metric is not among them.
    pub fn new(settings: &ReduceLROnPlateau, base: f64, known: &[&str]) -> Result<Self, Refusal> {
        let default = if known.contains(&"val_loss") {
            "val_loss"
        } else {
            "train_loss_epoch"
        };
        let monitor = settings.monitor.as_deref().unwrap_or(default);
        if !known.contains(&monitor) {
            let refusal = no_metric(ReduceLROnPlateau::NAME, monitor, "monitor", known);
            return Err(in_place(refusal));
        }
        Ok(Self {
            settings: settings.clone(),
            monitor: monitor.to_owned(),
            base,
            state: PlateauState {
                factor: 1.0,
                best: match settings.mode {
                    Mode::Min => f64::INFINITY,
                    Mode::Max => f64::NEG_INFINITY,
                },
                waited: 0,
                cooldown: 0,
            },
        })
    }

    /// What to save with a checkpoint.
    pub fn state(&self) -> &PlateauState {
        &self.state
    }

    /// Goes on from a saved state.
    pub fn restore(&mut self, state: PlateauState) {
        self.state = state;
    }

    /// The rate.
    pub fn rate(&self) -> f64 {
        self.base * self.state.factor
    }

    /// Whether the metric is to be looked at now.
    pub fn due(&self, moment: Moment, validation: Validation) -> bool {
        moment
            == if is_of("val", &self.monitor) {
                validation.moment()
            } else {
                Moment::TrainEpochEnd
            }
    }

    /// Looks at the metrics; one that has not been measured yet is waited for.
    pub fn observe(&mut self, metrics: &[(String, f64)]) {
        let found = metrics.iter().find(|(name, _)| *name == self.monitor);
        let Some(&(_, value)) = found else { return };
        if self.improves(value) {
            self.state.best = value;
            self.state.waited = 0;
        } else {
            self.state.waited += 1;
        }
        if self.state.cooldown > 0 {
            self.state.cooldown -= 1;
            self.state.waited = 0;
        }
        if self.state.waited > self.settings.patience {
            let before = self.rate();
            let after = (before * self.settings.factor).max(self.settings.min_lr);
            if before - after > self.settings.eps {
                self.state.factor = after / self.base;
            }
            self.state.cooldown = self.settings.cooldown;
            self.state.waited = 0;
        }
    }

    fn improves(&self, value: f64) -> bool {
        let (best, threshold) = (self.state.best, self.settings.threshold);
        match (self.settings.mode, self.settings.threshold_mode) {
            (Mode::Min, ThresholdMode::Rel) => value < best * (1.0 - threshold),
            (Mode::Min, ThresholdMode::Abs) => value < best - threshold,
            (Mode::Max, ThresholdMode::Rel) => value > best * (1.0 + threshold),
            (Mode::Max, ThresholdMode::Abs) => value > best + threshold,
        }
    }
}
