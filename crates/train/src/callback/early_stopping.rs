//! Ending training when a metric stops improving.

use engraft_component::{Component, Refusal};
use engraft_tasks::metrics::exact;
use serde::{Deserialize, Serialize};

use super::{Mode, Moment, Validation, no_metric, value_of};

/// Ends training when the monitored metric has stopped improving.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "lightning.pytorch.callbacks.EarlyStopping")]
#[component(ignored(log_rank_zero_only = "there is one process"))]
pub struct EarlyStopping {
    /// The metric to watch, such as `val_loss`.
    pub monitor: String,
    /// The least change that counts as an improvement.
    #[arg(default = 0.0)]
    pub min_delta: f64,
    /// How many checks in a row may pass without improvement.
    #[arg(default = 3)]
    pub patience: u64,
    /// Report each improvement.
    #[arg(default = false)]
    pub verbose: bool,
    /// Whether less (`min`) or more (`max`) is better.
    #[arg(default = Mode::Min)]
    pub mode: Mode,
    /// Refuse to train when the metric is not there, instead of never stopping.
    #[arg(default = true)]
    pub strict: bool,
    /// Stop when the metric is not a finite number.
    #[arg(default = true)]
    pub check_finite: bool,
    /// Stop as soon as the metric is better than this.
    pub stopping_threshold: Option<f64>,
    /// Stop as soon as the metric is worse than this.
    pub divergence_threshold: Option<f64>,
    /// Check at the end of training epochs (true) or of validation (false); by default where the
    /// metric is fresh.
    pub check_on_train_epoch_end: Option<bool>,
}

impl EarlyStopping {
    /// Watches a metric, such as `val_loss`, with every other argument at its default.
    pub fn on(monitor: impl Into<String>) -> Self {
        Self {
            monitor: monitor.into(),
            min_delta: 0.0,
            patience: 3,
            verbose: false,
            mode: Mode::Min,
            strict: true,
            check_finite: true,
            stopping_threshold: None,
            divergence_threshold: None,
            check_on_train_epoch_end: None,
        }
    }
}

/// What early stopping remembers from check to check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StopperState {
    /// The best score so far; NaN before the first.
    #[serde(with = "exact")]
    pub best: f64,
    /// How many checks in a row were no improvement.
    pub waited: u64,
}

/// [`EarlyStopping`] at work.
#[derive(Clone, Debug, PartialEq)]
pub struct Stopper {
    settings: EarlyStopping,
    state: StopperState,
}

impl Stopper {
    /// Starts watching; `known` are the metrics that this run will produce.
    ///
    /// # Errors
    /// The monitored metric is not among them, unless `strict` is false.
    pub fn new(settings: &EarlyStopping, known: &[&str]) -> Result<Self, Refusal> {
        if settings.strict && !known.contains(&settings.monitor.as_str()) {
            let refusal = no_metric(EarlyStopping::NAME, &settings.monitor, "monitor", known);
            return Err(refusal.within("monitor"));
        }
        Ok(Self {
            settings: settings.clone(),
            state: StopperState {
                best: f64::NAN,
                waited: 0,
            },
        })
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &EarlyStopping {
        &self.settings
    }

    /// What to save with a checkpoint.
    pub fn state(&self) -> &StopperState {
        &self.state
    }

    /// Goes on from a saved state.
    pub fn restore(&mut self, state: StopperState) {
        self.state = state;
    }

    /// Whether the metric is to be looked at now.
    pub fn due(&self, moment: Moment, validation: Validation) -> bool {
        moment == validation.moment_or(self.settings.check_on_train_epoch_end)
    }

    /// Looks at the metrics; the text says why training should end, if it should.
    ///
    /// A metric that has not been measured yet is waited for.
    pub fn observe(&mut self, metrics: &[(String, f64)]) -> Option<String> {
        let EarlyStopping {
            monitor,
            mode,
            patience,
            ..
        } = &self.settings;
        let score = value_of(metrics, monitor)?;
        let best = self.state.best;
        if self.settings.check_finite && !score.is_finite() {
            let since = if best.is_nan() {
                String::new()
            } else {
                format!("; its best was {best}")
            };
            return Some(format!("{monitor} is {score}, not a finite number{since}"));
        }
        if let Some(threshold) = self.settings.stopping_threshold
            && mode.better(score, threshold)
        {
            return Some(format!(
                "{monitor} is {score}, better than the threshold {threshold}"
            ));
        }
        if let Some(threshold) = self.settings.divergence_threshold
            && mode.better(threshold, score)
        {
            return Some(format!(
                "{monitor} is {score}, worse than the limit {threshold}"
            ));
        }
        // The change that counts makes the score worse before it is compared.
        let handicap = match mode {
            Mode::Min => self.settings.min_delta.abs(),
            Mode::Max => -self.settings.min_delta.abs(),
        };
        if mode.better(score + handicap, best) {
            self.state = StopperState {
                best: score,
                waited: 0,
            };
            return None;
        }
        self.state.waited += 1;
        (self.state.waited >= *patience).then(|| {
            let times = self.state.waited;
            let checks = if times == 1 { "check" } else { "checks" };
            format!("{monitor} has not improved on {best} in {times} {checks}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> EarlyStopping {
        EarlyStopping::on("val_loss")
    }

    /// The check, counted from 1, at which these scores end training, and why.
    fn stop(settings: EarlyStopping, scores: &[f64]) -> Option<(usize, String)> {
        let mut stopper = Stopper::new(&settings, &["val_loss"]).unwrap();
        for (index, score) in scores.iter().enumerate() {
            // A checkpoint between any two checks changes nothing.
            let saved = serde_json::to_string(stopper.state()).unwrap();
            let mut resumed = Stopper::new(&settings, &["val_loss"]).unwrap();
            resumed.restore(serde_json::from_str(&saved).unwrap());
            let reason = stopper.observe(&[("val_loss".to_owned(), *score)]);
            assert_eq!(resumed.observe(&[("val_loss".to_owned(), *score)]), reason);
            if let Some(reason) = reason {
                return Some((index + 1, reason));
            }
        }
        None
    }

    #[test]
    fn training_ends_after_as_many_checks_without_improvement_as_patience_says() {
        let (check, reason) = stop(settings(), &[0.5, 0.4, 0.4, 0.45, 0.4, 0.1]).unwrap();
        assert_eq!(check, 5);
        assert_eq!(reason, "val_loss has not improved on 0.4 in 3 checks");
        assert_eq!(stop(settings(), &[0.5, 0.6, 0.6, 0.4, 0.5, 0.5]), None);
    }

    #[test]
    fn an_improvement_below_min_delta_is_none() {
        let settings = EarlyStopping {
            min_delta: 0.1,
            patience: 1,
            ..settings()
        };
        assert_eq!(stop(settings.clone(), &[0.5, 0.45]).unwrap().0, 2);
        assert_eq!(stop(settings.clone(), &[0.5, 0.35]), None);
        let upwards = EarlyStopping {
            mode: Mode::Max,
            ..settings
        };
        assert_eq!(stop(upwards.clone(), &[0.5, 0.55]).unwrap().0, 2);
        assert_eq!(stop(upwards, &[0.5, 0.65]), None);
    }

    #[test]
    fn a_score_that_is_not_finite_ends_training_unless_it_may_be() {
        assert_eq!(stop(settings(), &[0.5, f64::NAN]).unwrap().0, 2);
        assert_eq!(stop(settings(), &[f64::INFINITY]).unwrap().0, 1);
        let lenient = EarlyStopping {
            check_finite: false,
            ..settings()
        };
        assert_eq!(
            stop(lenient.clone(), &[f64::NAN, f64::NAN, 0.5, 0.6, 0.6]),
            None
        );
        assert_eq!(stop(lenient, &[f64::NAN; 3]).unwrap().0, 3);
    }

    #[test]
    fn thresholds_end_training_at_once() {
        let settings = EarlyStopping {
            stopping_threshold: Some(0.1),
            divergence_threshold: Some(5.0),
            ..settings()
        };
        assert_eq!(stop(settings.clone(), &[0.5, 0.1, 0.05]).unwrap().0, 3);
        assert_eq!(stop(settings, &[0.5, 5.0, 5.1]).unwrap().0, 3);
    }

    #[test]
    fn a_metric_that_no_run_produces_is_refused_with_those_that_there_are() {
        let error = Stopper::new(&settings(), &["train_loss", "val_f1"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "monitor: EarlyStopping: there is no metric \"val_loss\" to monitor. This run has: train_loss, val_f1"
        );
        let lenient = EarlyStopping {
            strict: false,
            ..settings()
        };
        let mut stopper = Stopper::new(&lenient, &["train_loss"]).unwrap();
        assert_eq!(
            stopper.observe(&[("train_loss".to_owned(), f64::NAN)]),
            None
        );
    }

    #[test]
    fn the_metric_is_looked_at_where_it_is_fresh() {
        let stopper = Stopper::new(&settings(), &["val_loss"]).unwrap();
        assert!(stopper.due(Moment::TrainEpochEnd, Validation::EveryEpoch));
        assert!(!stopper.due(Moment::ValidationEnd, Validation::EveryEpoch));
        assert!(stopper.due(Moment::ValidationEnd, Validation::Otherwise));
        let asked = EarlyStopping {
            check_on_train_epoch_end: Some(false),
            ..settings()
        };
        let stopper = Stopper::new(&asked, &["val_loss"]).unwrap();
        assert!(stopper.due(Moment::ValidationEnd, Validation::EveryEpoch));
        assert!(stopper.due(Moment::TrainEpochEnd, Validation::Never));
    }
}
