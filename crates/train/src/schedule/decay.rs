//! torch's schedules that multiply the optimizer's rate with a factor.

use engraft_component::{Component, Refusal};

use super::{Point, Schedule, is_count, is_rate, is_share, within};

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

/// The rate falls by the factor `gamma` at each of some steps.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "torch.optim.lr_scheduler.MultiStepLR")]
#[component(ignored(verbose = "the learning rate is in the log"))]
pub struct MultiStepLR {
    /// The steps at which it falls; one that is given twice counts twice.
    pub milestones: Vec<u64>,
    /// The factor.
    #[arg(default = 0.1)]
    pub gamma: f64,
    /// The step before the first one; -1 starts the schedule at its beginning.
    #[arg(default = -1)]
    pub last_epoch: i64,
}

/// The rate is multiplied with `factor` for `total_iters` steps.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "torch.optim.lr_scheduler.ConstantLR")]
#[component(ignored(verbose = "the learning rate is in the log"))]
pub struct ConstantLR {
    /// The factor, from 0 to 1.
    #[arg(default = 1.0 / 3.0)]
    pub factor: f64,
    /// Number of steps with it.
    #[arg(default = 5)]
    pub total_iters: u64,
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

/// The rate falls by the factor `gamma` at every step.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "torch.optim.lr_scheduler.ExponentialLR")]
#[component(ignored(verbose = "the learning rate is in the log"))]
pub struct ExponentialLR {
    /// The factor.
    pub gamma: f64,
    /// The step before the first one; -1 starts the schedule at its beginning.
    #[arg(default = -1)]
    pub last_epoch: i64,
}

/// The rate falls to zero in `total_iters` steps, as a power of the share that is left of them.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "torch.optim.lr_scheduler.PolynomialLR")]
#[component(ignored(verbose = "the learning rate is in the log"))]
pub struct PolynomialLR {
    /// Number of steps until it is zero.
    #[arg(default = 5)]
    pub total_iters: u64,
    /// The power; 1 is a straight line.
    #[arg(default = 1.0)]
    pub power: f64,
    /// The step before the first one; -1 starts the schedule at its beginning.
    #[arg(default = -1)]
    pub last_epoch: i64,
}

impl Schedule for StepLR {
    fn check(&self) -> Result<(), Refusal> {
        is_count("step_size", self.step_size)?;
        is_rate("gamma", self.gamma)
    }

    fn rate(&self, at: Point) -> Result<f64, Refusal> {
        Ok(at.base * self.gamma.powf((at.step / self.step_size) as f64))
    }

    fn is_factor(&self) -> bool {
        true
    }

    fn last_epoch(&self) -> i64 {
        self.last_epoch
    }
}

impl Schedule for MultiStepLR {
    fn check(&self) -> Result<(), Refusal> {
        is_rate("gamma", self.gamma)
    }

    fn rate(&self, at: Point) -> Result<f64, Refusal> {
        let passed = self.milestones.iter().filter(|&&step| step <= at.step);
        Ok(at.base * self.gamma.powf(passed.count() as f64))
    }

    fn is_factor(&self) -> bool {
        true
    }

    fn last_epoch(&self) -> i64 {
        self.last_epoch
    }
}

impl Schedule for ConstantLR {
    fn check(&self) -> Result<(), Refusal> {
        is_share("factor", self.factor)
    }

    fn rate(&self, at: Point) -> Result<f64, Refusal> {
        Ok(if at.step < self.total_iters {
            at.base * self.factor
        } else {
            at.base
        })
    }

    fn is_factor(&self) -> bool {
        true
    }

    fn last_epoch(&self) -> i64 {
        self.last_epoch
    }
}

impl Schedule for LinearLR {
    fn check(&self) -> Result<(), Refusal> {
        let start = self.start_factor;
        let fits = start > 0.0 && start <= 1.0;
        within(fits, "start_factor", start, "above 0 and up to 1")?;
        is_share("end_factor", self.end_factor)?;
        is_count("total_iters", self.total_iters)
    }

    fn rate(&self, at: Point) -> Result<f64, Refusal> {
        let progress = at.step.min(self.total_iters) as f64 / self.total_iters as f64;
        let factor = self.start_factor + (self.end_factor - self.start_factor) * progress;
        Ok(at.base * factor)
    }

    fn is_factor(&self) -> bool {
        true
    }

    fn last_epoch(&self) -> i64 {
        self.last_epoch
    }
}

impl Schedule for ExponentialLR {
    fn check(&self) -> Result<(), Refusal> {
        is_rate("gamma", self.gamma)
    }

    fn rate(&self, at: Point) -> Result<f64, Refusal> {
        Ok(at.base * self.gamma.powf(at.step as f64))
    }

    fn is_factor(&self) -> bool {
        true
    }

    fn last_epoch(&self) -> i64 {
        self.last_epoch
    }
}

impl Schedule for PolynomialLR {
    fn check(&self) -> Result<(), Refusal> {
        is_count("total_iters", self.total_iters)?;
        is_rate("power", self.power)
    }

    fn rate(&self, at: Point) -> Result<f64, Refusal> {
        let past = at.step.min(self.total_iters) as f64 / self.total_iters as f64;
        Ok(at.base * (1.0 - past).powf(self.power))
    }

    fn is_factor(&self) -> bool {
        true
    }

    fn last_epoch(&self) -> i64 {
        self.last_epoch
    }
}
