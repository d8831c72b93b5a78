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

use std::fmt::Display;

use engraft_component::{Choice, Component, Refusal};

pub use composed::{ChainedScheduler, SequentialLR};
pub use cyclic::{
    AnnealStrategy, CosineAnnealingLR, CosineAnnealingWarmRestarts, CyclicLR, CyclicMode,
    OneCycleLR,
};
pub use decay::{ConstantLR, ExponentialLR, LinearLR, MultiStepLR, PolynomialLR, StepLR};
pub use plateau::{Plateau, PlateauState, ReduceLROnPlateau, ThresholdMode};
pub use warmup::{ConstantWithWarmup, CosineWithWarmup, LinearWithWarmup, Warmup};

/// Where the schedule is in an experiment.
const PLACE: &str = "model.lr_scheduler";

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
    /// Refuses arguments outside their range; keys are those of the class.
    fn check(&self) -> Result<(), Refusal>;

    /// The rate; the arguments are checked. What is refused is about no single one of them.
    fn rate(&self, at: Point) -> Result<f64, Refusal>;

    /// The momentum, or the first of Adam's betas, where the schedule moves it.
    fn momentum(&self, _: Point) -> Result<Option<f64>, Refusal> {
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
    /// Those of [`check`](Self::check); the number of steps is needed and missing; the schedule is over.
    pub fn rate(&self, at: Point) -> Result<f64, Refusal> {
        self.check()?;
        self.rate_at(at).map_err(in_place)
    }

    /// The momentum, or the first of Adam's betas, where the schedule moves it.
    ///
    /// # Errors
    /// As [`rate`](Self::rate).
    pub fn momentum(&self, at: Point) -> Result<Option<f64>, Refusal> {
        self.check()?;
        self.momentum_at(at).map_err(in_place)
    }

    /// Whether the schedule moves the momentum, or the first of Adam's betas.
    pub fn moves_momentum(&self) -> bool {
        self.schedule().moves_momentum()
    }

    /// Checks the arguments, before anything is trained.
    ///
    /// # Errors
    /// Warm-up is not given, or an argument is outside its range.
    pub fn check(&self) -> Result<(), Refusal> {
        self.check_arguments().map_err(in_place)
    }

    /// The step within the first `steps` at which the rate has all but vanished: below a ten
    /// thousandth of the highest before it.
    ///
    /// This is what happens to a schedule meant to be stepped once an epoch. The schedules that end at
    /// zero by design are not asked.
    ///
    /// # Errors
    /// Those of [`rate`](Self::rate).
    pub fn vanishes_within(&self, steps: u64, total: Option<u64>) -> Result<Option<u64>, Refusal> {
        self.check()?;
        if self.schedule().vanishes_by_design() {
            return Ok(None);
        }
        let mut highest = 0.0_f64;
        for step in 0..steps {
            let base = 1.0;
            let rate = self.rate_at(Point { step, total, base });
            let rate = rate.map_err(in_place)?;
            if rate < highest * 1e-4 {
                return Ok(Some(step));
            }
            highest = highest.max(rate);
        }
        Ok(None)
    }

    /// [`Self::check`], with the keys of the class.
    fn check_arguments(&self) -> Result<(), Refusal> {
        let first = self.schedule().last_epoch();
        within(first >= -1, "last_epoch", first, "-1 or a step")?;
        self.schedule().check()
    }

    fn rate_at(&self, at: Point) -> Result<f64, Refusal> {
        self.schedule().rate(self.started(at))
    }

    fn momentum_at(&self, at: Point) -> Result<Option<f64>, Refusal> {
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

/// A refusal with the keys of an experiment.
fn in_place(refusal: Refusal) -> Refusal {
    refusal.within(PLACE)
}

/// Refuses an argument that is outside its range.
fn within(fits: bool, argument: &str, value: impl Display, range: &str) -> Result<(), Refusal> {
    if fits {
        return Ok(());
    }
    Err(Refusal::of(
        argument,
        format!("must be {range}, found {value}"),
    ))
}

/// Refuses a rate that is none.
fn is_rate(argument: &str, rate: f64) -> Result<(), Refusal> {
    let fits = rate.is_finite() && rate >= 0.0;
    within(fits, argument, rate, "a number from 0")
}

/// Refuses a share that is none.
fn is_share(argument: &str, share: f64) -> Result<(), Refusal> {
    within((0.0..=1.0).contains(&share), argument, share, "from 0 to 1")
}

/// Refuses a count that is 0.
fn is_count(argument: &str, count: u64) -> Result<(), Refusal> {
    within(count > 0, argument, count, "at least 1")
}

/// That arguments of `S` do not go together, or cannot be had.
fn refusal<S: Component>(problem: impl Display) -> Refusal {
    Refusal::plain(format!("{}: {problem}", S::NAME))
}

/// That `S` is relative to a length of training that is not known.
fn endless<S: Component>() -> Refusal {
    Refusal::plain(format!(
        "{} needs to know how long training is; set trainer.max_epochs or trainer.max_steps",
        S::NAME
    ))
}

#[cfg(test)]
mod tests;
