//! ModelGenerator's schedules: a rise from zero, then constant, a line or half a cosine.

use std::f64::consts::PI;

use engraft_component::Component;

use super::{Point, Schedule, ScheduleError, is_share};

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

impl Schedule for ConstantWithWarmup {
    fn check(&self) -> Result<(), ScheduleError> {
        self.warmup.check::<Self>()
    }

    fn rate(&self, at: Point) -> Result<f64, ScheduleError> {
        self.warmup.then::<Self>(at, |_| Ok(1.0))
    }

    fn last_epoch(&self) -> i64 {
        self.warmup.last_epoch
    }
}

impl Schedule for LinearWithWarmup {
    fn check(&self) -> Result<(), ScheduleError> {
        self.warmup.check::<Self>()
    }

    fn rate(&self, at: Point) -> Result<f64, ScheduleError> {
        self.warmup.then::<Self>(at, |warmup| {
            let total = end::<Self>(at)?;
            let left = total.saturating_sub(at.step) as f64;
            Ok(left / total.saturating_sub(warmup).max(1) as f64)
        })
    }

    fn vanishes_by_design(&self) -> bool {
        true
    }

    fn last_epoch(&self) -> i64 {
        self.warmup.last_epoch
    }
}

impl Schedule for CosineWithWarmup {
    fn check(&self) -> Result<(), ScheduleError> {
        self.warmup.check::<Self>()
    }

    fn rate(&self, at: Point) -> Result<f64, ScheduleError> {
        self.warmup.then::<Self>(at, |warmup| {
            let past = at.step.saturating_sub(warmup) as f64;
            let progress = past / end::<Self>(at)?.saturating_sub(warmup).max(1) as f64;
            Ok((0.5 * (1.0 + (PI * progress).cos())).max(0.0))
        })
    }

    fn vanishes_by_design(&self) -> bool {
        true
    }

    fn last_epoch(&self) -> i64 {
        self.warmup.last_epoch
    }
}

/// The number of all steps, which the schedule `S` needs.
fn end<S: Component>(at: Point) -> Result<u64, ScheduleError> {
    let endless = ScheduleError::Endless { schedule: S::NAME };
    at.total.ok_or(endless)
}

impl Warmup {
    fn check<S: Component>(&self) -> Result<(), ScheduleError> {
        match (self.num_warmup_steps, self.warmup_ratio) {
            (Some(_), _) => Ok(()),
            (None, Some(ratio)) => is_share::<S>("warmup_ratio", ratio),
            (None, None) => Err(ScheduleError::NoWarmup { schedule: S::NAME }),
        }
    }

    /// The rate of the warm-up while it lasts, then that by the factor of `after`, which gets the
    /// number of warm-up steps.
    fn then<S: Component>(
        &self,
        at: Point,
        after: impl FnOnce(u64) -> Result<f64, ScheduleError>,
    ) -> Result<f64, ScheduleError> {
        let steps = match (self.num_warmup_steps, self.warmup_ratio) {
            (Some(steps), _) => steps,
            (None, Some(ratio)) => (ratio * end::<S>(at)? as f64) as u64,
            (None, None) => return Err(ScheduleError::NoWarmup { schedule: S::NAME }),
        };
        let factor = match at.step < steps {
            true => at.step as f64 / steps as f64,
            false => after(steps)?,
        };
        Ok(at.base * factor)
    }
}
