//! ModelGenerator's schedules: a rise from zero, then constant, a line or half a cosine.

use std::f64::consts::PI;

use engraft_component::{Component, Refusal};

use super::{Point, Schedule, endless, is_share};

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
    fn check(&self) -> Result<(), Refusal> {
        self.warmup.check::<Self>()
    }

    fn rate(&self, at: Point) -> Result<f64, Refusal> {
        self.warmup.then::<Self>(at, |_| Ok(1.0))
    }

    fn last_epoch(&self) -> i64 {
        self.warmup.last_epoch
    }
}

impl Schedule for LinearWithWarmup {
    fn check(&self) -> Result<(), Refusal> {
        self.warmup.check::<Self>()
    }

    fn rate(&self, at: Point) -> Result<f64, Refusal> {
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
    fn check(&self) -> Result<(), Refusal> {
        self.warmup.check::<Self>()
    }

    fn rate(&self, at: Point) -> Result<f64, Refusal> {
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
fn end<S: Component>(at: Point) -> Result<u64, Refusal> {
    at.total.ok_or_else(endless::<S>)
}

/// That neither a share nor a number of warm-up steps was given.
fn no_length<S: Component>() -> Refusal {
    Refusal::plain(format!(
        "{} needs warmup_ratio or num_warmup_steps; 0 means no warm-up",
        S::NAME
    ))
}

impl Warmup {
    fn check<S: Component>(&self) -> Result<(), Refusal> {
        match (self.num_warmup_steps, self.warmup_ratio) {
            (Some(_), _) => Ok(()),
            (None, Some(ratio)) => is_share("warmup_ratio", ratio),
            (None, None) => Err(no_length::<S>()),
        }
    }

    /// The rate of the warm-up while it lasts, then that by the factor of `after`, which gets the
    /// number of warm-up steps.
    fn then<S: Component>(
        &self,
        at: Point,
        after: impl FnOnce(u64) -> Result<f64, Refusal>,
    ) -> Result<f64, Refusal> {
        let steps = match (self.num_warmup_steps, self.warmup_ratio) {
            (Some(steps), _) => steps,
            (None, Some(ratio)) => (ratio * end::<S>(at)? as f64) as u64,
            (None, None) => return Err(no_length::<S>()),
        };
        let factor = if at.step < steps {
            at.step as f64 / steps as f64
        } else {
            after(steps)?
        };
        Ok(at.base * factor)
    }
}
