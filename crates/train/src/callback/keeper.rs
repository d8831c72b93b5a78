//! Which checkpoints are kept: the best, the latest, or all.

use std::time::Instant;

use engraft_component::Refusal;
use engraft_tasks::metrics::exact;
use serde::{Deserialize, Serialize};

use super::{
    ModelCheckpoint, Moment, Template, Validation, is_counter, no_metric, refusal, value_of,
};
use crate::settings::TimeSpan;

/// A checkpoint that is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Its name in the folder of checkpoints.
    pub name: String,
    /// Its score; NaN without a monitored metric.
    #[serde(with = "exact")]
    pub score: f64,
    /// Its loss, which decides between equal scores: that of validation, or else of the epoch. NaN where none is known.
    #[serde(with = "exact", default = "unknown")]
    pub loss: f64,
}

fn unknown() -> f64 {
    f64::NAN
}

/// What the keeper remembers, oldest checkpoint first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KeeperState {
    /// The checkpoints kept.
    pub kept: Vec<Kept>,
    /// The step of the latest decision, so that one step is not saved twice.
    pub decided: Option<u64>,
}

/// What to do with the present state of the run.
///
/// Save first and remove after, so that a crash between them loses nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Save it under this name.
    pub save_as: Option<String>,
    /// Then remove these.
    pub remove: Vec<String>,
    /// Save it as `last` too, over the one before.
    pub last: bool,
}

/// [`ModelCheckpoint`] at work.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckpointKeeper {
    settings: ModelCheckpoint,
    template: Template,
    state: KeeperState,
    /// When it last decided, or began.
    since: Instant,
}

const NAME: &str = "ModelCheckpoint";

impl CheckpointKeeper {
    /// Starts keeping; `known` are the metrics that this run will produce.
    ///
    /// # Errors
    /// The monitored metric or one in the file name is not among them, the file name is not
    /// understood, or arguments exclude each other.
    pub fn new(settings: &ModelCheckpoint, known: &[&str]) -> Result<Self, Refusal> {
        let refuse = |problem: &str| refusal(NAME, problem);
        if settings.save_top_k < -1 {
            return Err(refuse(
                "save_top_k must be -1 (all), 0 (none) or a number to keep",
            ));
        }
        if settings.monitor.is_none() && settings.save_top_k > 1 {
            return Err(refuse(
                "save_top_k above 1 needs monitor, the metric that says which are best",
            ));
        }
        if settings.every_n_train_steps.unwrap_or(0) > 0 && settings.every_n_epochs.unwrap_or(0) > 0
        {
            return Err(refuse(
                "every_n_train_steps and every_n_epochs exclude each other; use one ModelCheckpoint for each",
            ));
        }
        let counts = settings.every_n_train_steps.is_some() || settings.every_n_epochs.is_some();
        if settings.train_time_interval.is_some() && counts {
            return Err(refuse(
                "train_time_interval excludes every_n_train_steps and every_n_epochs; use one ModelCheckpoint for each",
            ));
        }
        let check = |metric: &str, key, purpose| {
            if known.contains(&metric) {
                Ok(())
            } else {
                Err(no_metric(NAME, metric, purpose, known).within(key))
            }
        };
        if let Some(monitor) = &settings.monitor
            && !is_counter(monitor)
        {
            check(monitor, "monitor", "monitor")?;
        }
        let filename = settings.filename.as_deref().unwrap_or(Template::DEFAULT);
        let template = Template::parse(filename, settings.auto_insert_metric_name)?;
        for metric in template.metrics() {
            check(metric, "filename", "put into filename")?;
        }
        Ok(Self {
            settings: settings.clone(),
            template,
            state: KeeperState::default(),
            since: Instant::now(),
        })
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &ModelCheckpoint {
        &self.settings
    }

    /// What to save with a checkpoint: take it after [`decide`](Self::decide), so that the checkpoint
    /// knows of itself.
    pub fn state(&self) -> &KeeperState {
        &self.state
    }

    /// Goes on from a saved state.
    pub fn restore(&mut self, state: KeeperState) {
        self.state = state;
    }

    /// The best checkpoint: by score, of equals by loss, and then the earliest; or the latest without a
    /// metric. A score of NaN is never the best.
    pub fn best(&self) -> Option<&Kept> {
        if self.settings.monitor.is_none() {
            return self.state.kept.last();
        }
        let scored = self.state.kept.iter().filter(|kept| !kept.score.is_nan());
        scored.reduce(
            |best, kept| {
                if self.better(kept, best) { kept } else { best }
            },
        )
    }

    /// Whether a decision is to be made now, after `epoch` (counted from 0) and `step` optimizer steps.
    pub fn due(&self, moment: Moment, epoch: u64, step: u64, validation: Validation) -> bool {
        let ModelCheckpoint {
            every_n_train_steps,
            every_n_epochs,
            save_on_train_epoch_end,
            train_time_interval,
            ..
        } = self.settings;
        if let Some(TimeSpan(interval)) = train_time_interval {
            return moment == Moment::Step && self.since.elapsed() >= interval;
        }
        let (steps, epochs) = match (every_n_train_steps, every_n_epochs) {
            (None, None) => (0, 1),
            (steps, epochs) => (steps.unwrap_or(0), epochs.unwrap_or(0)),
        };
        let falls_on = |count: u64, every: u64| every > 0 && count.is_multiple_of(every);
        match moment {
            Moment::Step => falls_on(step, steps),
            _ => {
                moment == validation.moment_or(save_on_train_epoch_end)
                    && falls_on(epoch + 1, epochs)
            }
        }
    }

    /// Decides what to do with the present state of the run.
    ///
    /// `taken` says whether a name already exists in the folder. When the monitored metric has not been
    /// measured yet, nothing but `last` is saved.
    pub fn decide(
        &mut self,
        metrics: &[(String, f64)],
        epoch: u64,
        step: u64,
        taken: impl Fn(&str) -> bool,
    ) -> Decision {
        self.since = Instant::now();
        if self.state.decided == Some(step) {
            return Decision::default();
        }
        self.state.decided = Some(step);
        let mut decision = Decision {
            last: self.settings.save_last.0,
            ..Decision::default()
        };
        let score = match self.settings.monitor.as_deref() {
            None => f64::NAN,
            Some("epoch") => epoch as f64,
            Some("step") => step as f64,
            Some(monitor) => match value_of(metrics, monitor) {
                Some(score) => score,
                None => return decision,
            },
        };
        let loss = ["val_loss", "train_loss_epoch"]
            .iter()
            .find_map(|name| value_of(metrics, name));
        let new = Kept {
            name: String::new(),
            score,
            loss: loss.unwrap_or(f64::NAN),
        };
        let room = usize::try_from(self.settings.save_top_k).unwrap_or(usize::MAX);
        let leaving = if self.state.kept.len() < room {
            None
        } else {
            match self.worst() {
                Some(worst) if self.beats(&new, worst) => Some(worst),
                _ => return decision,
            }
        };
        let leaving = leaving.map(|index| self.state.kept.remove(index).name);
        let name = self.free_name(metrics, epoch, step, leaving.as_deref(), taken);
        decision.remove.extend(leaving.filter(|old| *old != name));
        self.state.kept.retain(|kept| kept.name != name);
        self.state.kept.push(Kept {
            name: name.clone(),
            ..new
        });
        decision.save_as = Some(name);
        decision
    }

    /// The first of the worst kept; the earliest without a metric.
    fn worst(&self) -> Option<usize> {
        let kept = self.state.kept.iter().enumerate();
        kept.reduce(|worst, other| {
            if self.better(worst.1, other.1) {
                other
            } else {
                worst
            }
        })
        .map(|(index, _)| index)
    }

    /// Whether a new one replaces the one kept; without a metric the latest always does.
    fn beats(&self, new: &Kept, kept: usize) -> bool {
        let kept = self.state.kept.get(kept);
        self.settings.monitor.is_none() || kept.is_none_or(|kept| self.better(new, kept))
    }

    /// Whether one is better than another: by its score, or of equal scores by its loss.
    fn better(&self, one: &Kept, other: &Kept) -> bool {
        if one.score == other.score {
            one.loss < other.loss
        } else {
            self.settings.mode.better(one.score, other.score)
        }
    }

    /// The name for these values that is nobody else's; `own` is about to be given up and counts as
    /// free.
    fn free_name(
        &self,
        metrics: &[(String, f64)],
        epoch: u64,
        step: u64,
        own: Option<&str>,
        taken: impl Fn(&str) -> bool,
    ) -> String {
        let plain = self.template.render(metrics, epoch, step);
        if !self.settings.enable_version_counter {
            return plain;
        }
        let mut name = plain.clone();
        let mut version = 0_u64;
        while own != Some(name.as_str()) && taken(&name) {
            version += 1;
            name = format!("{plain}-v{version}");
        }
        name
    }
}

#[cfg(test)]
mod tests;
