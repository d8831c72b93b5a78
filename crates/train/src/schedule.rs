//! Learning-rate schedules: what the base rate is multiplied with at each optimizer step.
//!
//! A schedule is a function of the step alone, so it has no state to save and a resumed run needs
//! nothing but its step count. The torch schedules are their closed forms; the three with warm-up are
//! ModelGenerator's.

use std::f64::consts::PI;

use engraft_component::{Choice, Component};

/// Why a schedule gives no rate.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScheduleError {
    /// Neither a share nor a number of warm-up steps was given.
    #[error("{schedule} needs warmup_ratio or num_warmup_steps; 0 means no warm-up")]
    NoWarmup {
        /// The schedule's name.
        schedule: &'static str,
    },
    /// The schedule is relative to a length of training that is not known.
    #[error(
        "{schedule} needs to know how long training is; set trainer.max_epochs or trainer.max_steps"
    )]
    Endless {
        /// The schedule's name.
        schedule: &'static str,
    },
    /// An argument is outside its range.
    #[error("{schedule}: {argument} is {value}, but must be {range}")]
    Range {
        /// The schedule's name.
        schedule: &'static str,
        /// The argument's key.
        argument: &'static str,
        /// What was given.
        value: String,
        /// What is allowed.
        range: &'static str,
    },
}

/// How the learning rate changes from step to step.
#[derive(Clone, Debug, PartialEq, Choice)]
pub enum LrScheduler {
    /// Warm-up, then constant.
    ConstantWithWarmup(ConstantWithWarmup),
    /// Warm-up, then a straight line to zero.
    LinearWithWarmup(LinearWithWarmup),
    /// Warm-up, then half a cosine to zero.
    CosineWithWarmup(CosineWithWarmup),
    /// A fall by a factor every few steps.
    StepLR(StepLR),
    /// A straight line between two factors.
    LinearLR(LinearLR),
}

/// A rise of the rate from 0 to its full value at the start of training, in equal steps.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct Warmup {
    /// Share of all optimizer steps that is warm-up, from 0 to 1; rounded down to whole steps.
    pub warmup_ratio: Option<f64>,
    /// Number of warm-up steps; wins over `warmup_ratio`. One of the two is required.
    pub num_warmup_steps: Option<u64>,
    /// The step before the first one; -1 starts the schedule at its beginning.
    #[arg(default = -1)]
    pub last_epoch: i64,
}

/// Warm-up from 0, then the full rate.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.lr_schedulers.ConstantWithWarmup")]
#[component(ignored(verbose = "the learning rate is in the log"))]
pub struct ConstantWithWarmup {
    /// The warm-up.
    #[arg(flatten)]
    pub warmup: Warmup,
}

/// Warm-up from 0, then a straight line to 0 at the last step.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.lr_schedulers.LinearWithWarmup")]
#[component(ignored(verbose = "the learning rate is in the log"))]
pub struct LinearWithWarmup {
    /// The warm-up.
    #[arg(flatten)]
    pub warmup: Warmup,
}

/// Warm-up from 0, then half a cosine to 0 at the last step.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.lr_schedulers.CosineWithWarmup")]
#[component(ignored(verbose = "the learning rate is in the log"))]
pub struct CosineWithWarmup {
    /// The warm-up.
    #[arg(flatten)]
    pub warmup: Warmup,
}

/// The rate falls by the factor `gamma` every `step_size` optimizer steps.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "torch.optim.lr_scheduler.StepLR")]
#[component(ignored(verbose = "the learning rate is in the log"))]
pub struct StepLR {
    /// Number of steps between falls.
    pub step_size: u64,
    /// The factor.
    #[arg(default = 0.1)]
    pub gamma: f64,
    /// The step before the first one; -1 starts the schedule at its beginning.
    #[arg(default = -1)]
    pub last_epoch: i64,
}

/// The rate goes in a straight line from `start_factor` to `end_factor`, and stays there.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "torch.optim.lr_scheduler.LinearLR")]
#[component(ignored(verbose = "the learning rate is in the log"))]
pub struct LinearLR {
    /// Factor at the first step, above 0 and up to 1.
    #[arg(default = 1.0 / 3.0)]
    pub start_factor: f64,
    /// Factor after `total_iters` steps, from 0 to 1.
    #[arg(default = 1.0)]
    pub end_factor: f64,
    /// Number of steps from one to the other.
    #[arg(default = 5)]
    pub total_iters: u64,
    /// The step before the first one; -1 starts the schedule at its beginning.
    #[arg(default = -1)]
    pub last_epoch: i64,
}

impl LrScheduler {
    /// What the base rate is multiplied with at optimizer step `step`, counted from 0.
    ///
    /// `total` is the number of optimizer steps of the whole training, when it has an end.
    ///
    /// # Errors
    /// Those of [`check`](Self::check), and [`ScheduleError::Endless`] when `total` is needed and
    /// missing.
    pub fn multiplier(&self, step: u64, total: Option<u64>) -> Result<f64, ScheduleError> {
        self.check()?;
        let step = step.saturating_add_signed(self.last_epoch().saturating_add(1));
        let schedule = self.label();
        let endless = ScheduleError::Endless { schedule };
        match self {
            Self::ConstantWithWarmup(it) => it.warmup.then(schedule, step, total, |_| Ok(1.0)),
            Self::LinearWithWarmup(it) => it.warmup.then(schedule, step, total, |warmup| {
                let total = total.ok_or(endless)?;
                let left = total.saturating_sub(step) as f64;
                Ok(left / total.saturating_sub(warmup).max(1) as f64)
            }),
            Self::CosineWithWarmup(it) => it.warmup.then(schedule, step, total, |warmup| {
                let total = total.ok_or(endless)?;
                let past = step.saturating_sub(warmup) as f64;
                let progress = past / total.saturating_sub(warmup).max(1) as f64;
                Ok((0.5 * (1.0 + (PI * progress).cos())).max(0.0))
            }),
            Self::StepLR(it) => Ok(it.gamma.powf((step / it.step_size) as f64)),
            Self::LinearLR(it) => {
                let progress = step.min(it.total_iters) as f64 / it.total_iters as f64;
                Ok(it.start_factor + (it.end_factor - it.start_factor) * progress)
            }
        }
    }

    /// Checks the arguments, before anything is trained.
    ///
    /// # Errors
    /// Warm-up is not given, or an argument is outside its range.
    pub fn check(&self) -> Result<(), ScheduleError> {
        let schedule = self.label();
        let within = |fits: bool, argument, value: &dyn ToString, range| match fits {
            true => Ok(()),
            false => Err(ScheduleError::Range {
                schedule,
                argument,
                value: value.to_string(),
                range,
            }),
        };
        let first = self.last_epoch();
        within(first >= -1, "last_epoch", &first, "-1 or a step")?;
        match self {
            Self::ConstantWithWarmup(ConstantWithWarmup { warmup })
            | Self::LinearWithWarmup(LinearWithWarmup { warmup })
            | Self::CosineWithWarmup(CosineWithWarmup { warmup }) => {
                match (warmup.num_warmup_steps, warmup.warmup_ratio) {
                    (Some(_), _) => Ok(()),
                    (None, Some(ratio)) => {
                        let fits = (0.0..=1.0).contains(&ratio);
                        within(fits, "warmup_ratio", &ratio, "from 0 to 1")
                    }
                    (None, None) => Err(ScheduleError::NoWarmup { schedule }),
                }
            }
            Self::StepLR(it) => {
                within(it.step_size > 0, "step_size", &it.step_size, "at least 1")?;
                let fits = it.gamma.is_finite() && it.gamma >= 0.0;
                within(fits, "gamma", &it.gamma, "a number from 0")
            }
            Self::LinearLR(it) => {
                let (start, end) = (it.start_factor, it.end_factor);
                let fits = start > 0.0 && start <= 1.0;
                within(fits, "start_factor", &start, "above 0 and up to 1")?;
                let fits = (0.0..=1.0).contains(&end);
                within(fits, "end_factor", &end, "from 0 to 1")?;
                within(
                    it.total_iters > 0,
                    "total_iters",
                    &it.total_iters,
                    "at least 1",
                )
            }
        }
    }

    /// The step within the first `steps` at which the rate has all but vanished: below a ten
    /// thousandth of the highest before it.
    ///
    /// This is what happens to a schedule meant to be stepped once an epoch. The schedules that end at
    /// zero by design are not asked.
    ///
    /// # Errors
    /// Those of [`multiplier`](Self::multiplier).
    pub fn vanishes_within(
        &self,
        steps: u64,
        total: Option<u64>,
    ) -> Result<Option<u64>, ScheduleError> {
        if matches!(self, Self::LinearWithWarmup(_) | Self::CosineWithWarmup(_)) {
            return Ok(None);
        }
        let mut highest = 0.0_f64;
        for step in 0..steps {
            let multiplier = self.multiplier(step, total)?;
            if multiplier < highest * 1e-4 {
                return Ok(Some(step));
            }
            highest = highest.max(multiplier);
        }
        Ok(None)
    }

    fn label(&self) -> &'static str {
        match self {
            Self::ConstantWithWarmup(_) => "ConstantWithWarmup",
            Self::LinearWithWarmup(_) => "LinearWithWarmup",
            Self::CosineWithWarmup(_) => "CosineWithWarmup",
            Self::StepLR(_) => "StepLR",
            Self::LinearLR(_) => "LinearLR",
        }
    }

    fn last_epoch(&self) -> i64 {
        match self {
            Self::ConstantWithWarmup(it) => it.warmup.last_epoch,
            Self::LinearWithWarmup(it) => it.warmup.last_epoch,
            Self::CosineWithWarmup(it) => it.warmup.last_epoch,
            Self::StepLR(it) => it.last_epoch,
            Self::LinearLR(it) => it.last_epoch,
        }
    }
}

impl Warmup {
    /// The warm-up's own multiplier while it lasts, then that of `after`, which gets the number of
    /// warm-up steps.
    fn then(
        &self,
        schedule: &'static str,
        step: u64,
        total: Option<u64>,
        after: impl FnOnce(u64) -> Result<f64, ScheduleError>,
    ) -> Result<f64, ScheduleError> {
        let steps = match (self.num_warmup_steps, self.warmup_ratio) {
            (Some(steps), _) => steps,
            (None, Some(ratio)) => {
                let total = total.ok_or(ScheduleError::Endless { schedule })?;
                (ratio * total as f64) as u64
            }
            (None, None) => return Err(ScheduleError::NoWarmup { schedule }),
        };
        if step < steps {
            Ok(step as f64 / steps as f64)
        } else {
            after(steps)
        }
    }
}

#[cfg(test)]
mod tests;
