//! Learning-rate schedules: the rate of each optimizer step.
//!
//! A schedule is a function of the step alone, so it has no state to save and a resumed run needs
//! nothing but its step count. The torch schedules are their closed forms; the three with warm-up are
//! ModelGenerator's. [`ReduceLROnPlateau`] alone looks at a metric: its memory is a [`Plateau`].

mod composed;
mod cyclic;
mod decay;
mod plateau;
mod warmup;

use engraft_component::{Choice, Component};

pub use composed::{ChainedScheduler, SequentialLR};
pub use cyclic::{
    AnnealStrategy, CosineAnnealingLR, CosineAnnealingWarmRestarts, CyclicLR, CyclicMode,
    OneCycleLR,
};
pub use decay::{ConstantLR, ExponentialLR, LinearLR, MultiStepLR, PolynomialLR, StepLR};
pub use plateau::{Plateau, PlateauState, ReduceLROnPlateau, ThresholdMode};
pub use warmup::{ConstantWithWarmup, CosineWithWarmup, LinearWithWarmup, Warmup};

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
    /// The schedule has an end, and training goes on after it.
    #[error(
        "{schedule} ends after {steps} steps, but training goes on; give the number of all steps, or none, which means the whole run"
    )]
    Ended {
        /// The schedule's name.
        schedule: &'static str,
        /// Its length.
        steps: u64,
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
    /// Arguments that do not go together, or cannot be had.
    #[error("{schedule}: {reason}")]
    Arguments {
        /// The schedule's name.
        schedule: &'static str,
        /// Which, and what to do.
        reason: String,
    },
}

/// How the learning rate changes from step to step.
#[derive(Clone, Debug, PartialEq, Choice)]
#[choice(absent(
    LambdaLR = "its factor is a Python function, which an experiment cannot hold; SequentialLR puts other schedules together",
    MultiplicativeLR = "its factor is a Python function, which an experiment cannot hold; SequentialLR puts other schedules together"
))]
pub enum LrScheduler {
    /// Warm-up, then constant.
    ConstantWithWarmup(ConstantWithWarmup),
    /// Warm-up, then a straight line to zero.
    LinearWithWarmup(LinearWithWarmup),
    /// Warm-up, then half a cosine to zero.
    CosineWithWarmup(CosineWithWarmup),
    /// A fall by a factor every few steps.
    StepLR(StepLR),
    /// A fall by a factor at given steps.
    MultiStepLR(MultiStepLR),
    /// A smaller rate for some steps.
    ConstantLR(ConstantLR),
    /// A straight line between two factors.
    LinearLR(LinearLR),
    /// A fall by a factor at every step.
    ExponentialLR(ExponentialLR),
    /// A power of what is left.
    PolynomialLR(PolynomialLR),
    /// A cosine down, and up again.
    CosineAnnealingLR(CosineAnnealingLR),
    /// A cosine down, again and again.
    CosineAnnealingWarmRestarts(CosineAnnealingWarmRestarts),
    /// One rise and a long fall.
    OneCycleLR(OneCycleLR),
    /// Up and down, again and again.
    CyclicLR(CyclicLR),
    /// One schedule after another.
    SequentialLR(SequentialLR),
    /// Several factors at once.
    ChainedScheduler(ChainedScheduler),
    /// A fall when a metric stops improving.
    ReduceLROnPlateau(ReduceLROnPlateau),
}

/// What a rate depends on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The optimizer step, or the epoch if the schedule counts epochs; from 0.
    pub step: u64,
    /// The number of all of them, when training has an end.
    pub total: Option<u64>,
    /// The optimizer's rate.
    pub base: f64,
}

/// What the classes of schedules have in common.
trait Schedule {
    /// Refuses arguments outside their range.
    fn check(&self) -> Result<(), ScheduleError>;

    /// The rate; the arguments are checked.
    fn rate(&self, at: Point) -> Result<f64, ScheduleError>;

    /// The momentum, or the first of Adam's betas, where the schedule moves it.
    fn momentum(&self, _: Point) -> Result<Option<f64>, ScheduleError> {
        Ok(None)
    }

    /// Whether the schedule moves the momentum.
    fn moves_momentum(&self) -> bool {
        false
    }

    /// Whether the rate is the optimizer's times a factor that the optimizer's does not decide.
    fn is_factor(&self) -> bool {
        false
    }

    /// Whether the rate all but vanishes because the user wants it to.
    fn vanishes_by_design(&self) -> bool {
        false
    }

    /// The step before the first.
    fn last_epoch(&self) -> i64;
}

impl LrScheduler {
    /// The learning rate; of [`ReduceLROnPlateau`] that without any fall.
    ///
    /// # Errors
    /// Those of [`check`](Self::check); [`ScheduleError::Endless`] when the number of steps is needed and missing;
    /// [`ScheduleError::Ended`] when the schedule is over.
    pub fn rate(&self, at: Point) -> Result<f64, ScheduleError> {
        self.check()?;
        self.rate_at(at)
    }

    /// The momentum, or the first of Adam's betas, where the schedule moves it.
    ///
    /// # Errors
    /// As [`rate`](Self::rate).
    pub fn momentum(&self, at: Point) -> Result<Option<f64>, ScheduleError> {
        self.check()?;
        self.momentum_at(at)
    }

    /// Whether the schedule moves the momentum, or the first of Adam's betas.
    pub fn moves_momentum(&self) -> bool {
        self.schedule().moves_momentum()
    }

    /// Checks the arguments, before anything is trained.
    ///
    /// # Errors
    /// Warm-up is not given, or an argument is outside its range.
    pub fn check(&self) -> Result<(), ScheduleError> {
        let first = self.schedule().last_epoch();
        if first < -1 {
            return Err(ScheduleError::Range {
                schedule: self.name(),
                argument: "last_epoch",
                value: first.to_string(),
                range: "-1 or a step",
            });
        }
        self.schedule().check()
    }

    /// The step within the first `steps` at which the rate has all but vanished: below a ten
    /// thousandth of the highest before it.
    ///
    /// This is what happens to a schedule meant to be stepped once an epoch. The schedules that end at
    /// zero by design are not asked.
    ///
    /// # Errors
    /// Those of [`rate`](Self::rate).
    pub fn vanishes_within(
        &self,
        steps: u64,
        total: Option<u64>,
    ) -> Result<Option<u64>, ScheduleError> {
        self.check()?;
        if self.schedule().vanishes_by_design() {
            return Ok(None);
        }
        let mut highest = 0.0_f64;
        for step in 0..steps {
            let base = 1.0;
            let rate = self.rate_at(Point { step, total, base })?;
            if rate < highest * 1e-4 {
                return Ok(Some(step));
            }
            highest = highest.max(rate);
        }
        Ok(None)
    }

    fn rate_at(&self, at: Point) -> Result<f64, ScheduleError> {
        self.schedule().rate(self.started(at))
    }

    fn momentum_at(&self, at: Point) -> Result<Option<f64>, ScheduleError> {
        self.schedule().momentum(self.started(at))
    }

    /// A schedule that starts later is further on at every step.
    fn started(&self, at: Point) -> Point {
        let ahead = self.schedule().last_epoch().saturating_add(1);
        Point {
            step: at.step.saturating_add_signed(ahead),
            ..at
        }
    }

    fn schedule(&self) -> &dyn Schedule {
        match self {
            Self::ConstantWithWarmup(it) => it,
            Self::LinearWithWarmup(it) => it,
            Self::CosineWithWarmup(it) => it,
            Self::StepLR(it) => it,
            Self::MultiStepLR(it) => it,
            Self::ConstantLR(it) => it,
            Self::LinearLR(it) => it,
            Self::ExponentialLR(it) => it,
            Self::PolynomialLR(it) => it,
            Self::CosineAnnealingLR(it) => it,
            Self::CosineAnnealingWarmRestarts(it) => it,
            Self::OneCycleLR(it) => it,
            Self::CyclicLR(it) => it,
            Self::SequentialLR(it) => it,
            Self::ChainedScheduler(it) => it,
            Self::ReduceLROnPlateau(it) => it,
        }
    }
}

/// Refuses an argument of `S` that is outside its range.
fn within<S: Component>(
    fits: bool,
    argument: &'static str,
    value: impl ToString,
    range: &'static str,
) -> Result<(), ScheduleError> {
    match fits {
        true => Ok(()),
        false => Err(ScheduleError::Range {
            schedule: S::NAME,
            argument,
            value: value.to_string(),
            range,
        }),
    }
}

/// Refuses a rate of `S` that is none.
fn is_rate<S: Component>(argument: &'static str, rate: f64) -> Result<(), ScheduleError> {
    let fits = rate.is_finite() && rate >= 0.0;
    within::<S>(fits, argument, rate, "a number from 0")
}

/// Refuses a share of `S` that is none.
fn is_share<S: Component>(argument: &'static str, share: f64) -> Result<(), ScheduleError> {
    within::<S>((0.0..=1.0).contains(&share), argument, share, "from 0 to 1")
}

/// Refuses a count of `S` that is 0.
fn is_count<S: Component>(argument: &'static str, count: u64) -> Result<(), ScheduleError> {
    within::<S>(count > 0, argument, count, "at least 1")
}

/// Refuses a combination of arguments of `S`.
fn refuse<S: Component>(reason: impl Into<String>) -> Result<(), ScheduleError> {
    Err(ScheduleError::Arguments {
        schedule: S::NAME,
        reason: reason.into(),
    })
}

#[cfg(test)]
mod tests;
