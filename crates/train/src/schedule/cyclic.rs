//! torch's schedules that go down and up between two rates.

use std::f64::consts::PI;

use engraft_component::{Component, Node, Refusal, Words};

use super::{Point, Schedule, endless, is_count, is_rate, is_share, refusal, within};

/// The rate follows a cosine from the optimizer's down to `eta_min` in `T_max` steps, and then up again.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "torch.optim.lr_scheduler.CosineAnnealingLR")]
#[component(ignored(verbose = "the learning rate is in the log"))]
#[allow(non_snake_case)]
pub struct CosineAnnealingLR {
    /// Number of steps from the highest to the lowest rate.
    pub T_max: u64,
    /// The lowest rate.
    #[arg(default = 0.0)]
    pub eta_min: f64,
    /// The step before the first one; -1 starts the schedule at its beginning.
    #[arg(default = -1)]
    pub last_epoch: i64,
}

/// The rate follows a cosine from the optimizer's down to `eta_min`, and starts again from the top.
///
/// Loshchilov and Hutter, arXiv 1608.03983.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "torch.optim.lr_scheduler.CosineAnnealingWarmRestarts")]
#[component(ignored(verbose = "the learning rate is in the log"))]
#[allow(non_snake_case)]
pub struct CosineAnnealingWarmRestarts {
    /// Number of steps until the first restart.
    pub T_0: u64,
    /// How many times longer each round is than the one before.
    #[arg(default = 1)]
    pub T_mult: u64,
    /// The lowest rate.
    #[arg(default = 0.0)]
    pub eta_min: f64,
    /// The step before the first one; -1 starts the schedule at its beginning.
    #[arg(default = -1)]
    pub last_epoch: i64,
}

/// The rate rises from `max_lr / div_factor` to `max_lr` and falls to nearly zero; the optimizer's own is not used.
///
/// Smith and Topin, arXiv 1708.07120.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "torch.optim.lr_scheduler.OneCycleLR")]
#[component(ignored(verbose = "the learning rate is in the log"))]
pub struct OneCycleLR {
    /// The highest rate.
    pub max_lr: f64,
    /// Number of steps of the cycle; by default `epochs` times `steps_per_epoch`, else all of the run.
    pub total_steps: Option<u64>,
    /// Number of epochs, beside `steps_per_epoch`.
    pub epochs: Option<u64>,
    /// Number of steps of an epoch, beside `epochs`.
    pub steps_per_epoch: Option<u64>,
    /// Share of the cycle in which the rate rises.
    #[arg(default = 0.3)]
    pub pct_start: f64,
    /// The form of rise and fall: `cos` or `linear`.
    #[arg(default = AnnealStrategy::Cos)]
    pub anneal_strategy: AnnealStrategy,
    /// Move the momentum, or the first of Adam's betas, against the rate.
    #[arg(default = true)]
    pub cycle_momentum: bool,
    /// The momentum where the rate is highest.
    #[arg(default = 0.85)]
    pub base_momentum: f64,
    /// The momentum where the rate is lowest.
    #[arg(default = 0.95)]
    pub max_momentum: f64,
    /// How many times less than the highest rate the first is.
    #[arg(default = 25.0)]
    pub div_factor: f64,
    /// How many times less than the first rate the last is.
    #[arg(default = 1e4)]
    pub final_div_factor: f64,
    /// Fall to the first rate as fast as it rose, and from there to the last.
    #[arg(default = false)]
    pub three_phase: bool,
    /// The step before the first one; -1 starts the schedule at its beginning.
    #[arg(default = -1)]
    pub last_epoch: i64,
}

/// The rate goes from `base_lr` to `max_lr` and back, again and again; the optimizer's own is not used.
///
/// Smith, arXiv 1506.01186.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "torch.optim.lr_scheduler.CyclicLR")]
#[component(ignored(
    verbose = "the learning rate is in the log",
    scale_mode = "the mode says what the height depends on"
))]
pub struct CyclicLR {
    /// The lowest rate.
    pub base_lr: f64,
    /// The highest rate.
    pub max_lr: f64,
    /// Number of steps upwards.
    #[arg(default = 2000)]
    pub step_size_up: u64,
    /// Number of steps downwards; by default as many as upwards.
    pub step_size_down: Option<u64>,
    /// What becomes of the height: `triangular` leaves it, `triangular2` halves it with each cycle, `exp_range` multiplies it with `gamma`
    /// at every step.
    #[arg(default = CyclicMode::Triangular)]
    pub mode: CyclicMode,
    /// The factor of `exp_range`.
    #[arg(default = 1.0)]
    pub gamma: f64,
    /// Only null: it would be Python code.
    pub scale_fn: Option<Node>,
    /// Move the momentum, or the first of Adam's betas, against the rate.
    #[arg(default = true)]
    pub cycle_momentum: bool,
    /// The momentum where the rate is highest.
    #[arg(default = 0.8)]
    pub base_momentum: f64,
    /// The momentum where the rate is lowest.
    #[arg(default = 0.9)]
    pub max_momentum: f64,
    /// The step before the first one; -1 starts the schedule at its beginning.
    #[arg(default = -1)]
    pub last_epoch: i64,
}

/// The form of a rise or fall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Words)]
pub enum AnnealStrategy {
    /// Half a cosine.
    Cos,
    /// A straight line.
    Linear,
}

/// What becomes of the height of a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Words)]
pub enum CyclicMode {
    /// It stays.
    Triangular,
    /// It is halved with each cycle.
    Triangular2,
    /// It is multiplied with a factor at every step.
    ExpRange,
}

impl AnnealStrategy {
    /// The value at the share `progress` of the way from `start` to `end`.
    fn between(self, start: f64, end: f64, progress: f64) -> f64 {
        match self {
            Self::Cos => end + (start - end) / 2.0 * (1.0 + (PI * progress).cos()),
            Self::Linear => start + (end - start) * progress,
        }
    }
}

impl Schedule for CosineAnnealingLR {
    fn check(&self) -> Result<(), Refusal> {
        is_count("T_max", self.T_max)?;
        is_rate("eta_min", self.eta_min)
    }

    fn rate(&self, at: Point) -> Result<f64, Refusal> {
        let period = self.T_max.saturating_mul(2);
        let progress = (at.step % period) as f64 / self.T_max as f64;
        Ok(AnnealStrategy::Cos.between(at.base, self.eta_min, progress))
    }

    fn is_factor(&self) -> bool {
        self.eta_min == 0.0
    }

    fn last_epoch(&self) -> i64 {
        self.last_epoch
    }
}

impl Schedule for CosineAnnealingWarmRestarts {
    fn check(&self) -> Result<(), Refusal> {
        is_count("T_0", self.T_0)?;
        is_count("T_mult", self.T_mult)?;
        is_rate("eta_min", self.eta_min)
    }

    fn rate(&self, at: Point) -> Result<f64, Refusal> {
        let (mut past, mut round) = (at.step, self.T_0);
        if self.T_mult == 1 {
            past %= round;
        }
        while past >= round {
            past -= round;
            round = round.saturating_mul(self.T_mult);
        }
        let progress = past as f64 / round as f64;
        Ok(AnnealStrategy::Cos.between(at.base, self.eta_min, progress))
    }

    fn vanishes_by_design(&self) -> bool {
        true
    }

    fn last_epoch(&self) -> i64 {
        self.last_epoch
    }
}

impl OneCycleLR {
    /// The number of steps of the cycle.
    fn steps(&self, at: Point) -> Result<u64, Refusal> {
        let product = self.epochs.zip(self.steps_per_epoch);
        let product = product.map(|(epochs, steps)| epochs.saturating_mul(steps));
        let steps = self.total_steps.or(product).or(at.total);
        let steps = steps.ok_or_else(endless::<Self>)?;
        if at.step > steps {
            return Err(Refusal::plain(format!(
                "{} ends after {steps} steps, but training goes on; give the number of all steps, or none, which means the whole run",
                Self::NAME
            )));
        }
        Ok(steps)
    }

    /// A value that follows the cycle, where `low` is that of the start, `high` that of the peak and `last` that of the end.
    fn follow(&self, at: Point, [low, high, last]: [f64; 3]) -> Result<f64, Refusal> {
        let steps = self.steps(at)? as f64;
        let rise = self.pct_start * steps - 1.0;
        let end = steps - 1.0;
        // The end of each phase, and the values that it goes between.
        let phases = if self.three_phase {
            &[
                (rise, low, high),
                (2.0 * self.pct_start * steps - 2.0, high, low),
                (end, low, last),
            ][..]
        } else {
            &[(rise, low, high), (end, high, last)][..]
        };
        let step = at.step as f64;
        let mut start = 0.0;
        for (end, from, to) in phases {
            if step <= *end && *end > start {
                let progress = (step - start) / (end - start);
                return Ok(self.anneal_strategy.between(*from, *to, progress));
            }
            start = *end;
        }
        Ok(last)
    }
}

impl Schedule for OneCycleLR {
    fn check(&self) -> Result<(), Refusal> {
        is_rate("max_lr", self.max_lr)?;
        for (key, count) in [
            ("total_steps", self.total_steps),
            ("epochs", self.epochs),
            ("steps_per_epoch", self.steps_per_epoch),
        ] {
            is_count(key, count.unwrap_or(1))?;
        }
        if self.total_steps.is_none() && self.epochs.is_some() != self.steps_per_epoch.is_some() {
            return Err(refusal::<Self>(
                "epochs and steps_per_epoch go together; give both, or total_steps, or none for the whole run",
            ));
        }
        is_share("pct_start", self.pct_start)?;
        let above = |value: f64| value.is_finite() && value > 0.0;
        let (first, last) = (self.div_factor, self.final_div_factor);
        within(above(first), "div_factor", first, "a number above 0")?;
        within(above(last), "final_div_factor", last, "a number above 0")?;
        check_momenta(self.base_momentum, self.max_momentum)
    }

    fn rate(&self, at: Point) -> Result<f64, Refusal> {
        let first = self.max_lr / self.div_factor;
        self.follow(at, [first, self.max_lr, first / self.final_div_factor])
    }

    fn momentum(&self, at: Point) -> Result<Option<f64>, Refusal> {
        let (low, high) = (self.base_momentum, self.max_momentum);
        if self.cycle_momentum {
            self.follow(at, [high, low, high]).map(Some)
        } else {
            Ok(None)
        }
    }

    fn moves_momentum(&self) -> bool {
        self.cycle_momentum
    }

    fn vanishes_by_design(&self) -> bool {
        true
    }

    fn last_epoch(&self) -> i64 {
        self.last_epoch
    }
}

impl CyclicLR {
    /// How far up the cycle is, from 0 to 1, times what the mode makes of the height.
    fn height(&self, step: u64) -> f64 {
        let up = self.step_size_up as f64;
        let length = up + self.step_size_down.unwrap_or(self.step_size_up) as f64;
        let cycle = (1.0 + step as f64 / length).floor();
        let past = 1.0 + step as f64 / length - cycle;
        let rise = up / length;
        let height = if past <= rise {
            past / rise
        } else {
            (past - 1.0) / (rise - 1.0)
        };
        height
            * match self.mode {
                CyclicMode::Triangular => 1.0,
                CyclicMode::Triangular2 => 0.5_f64.powf(cycle - 1.0),
                CyclicMode::ExpRange => self.gamma.powf(step as f64),
            }
    }
}

impl Schedule for CyclicLR {
    fn check(&self) -> Result<(), Refusal> {
        is_rate("base_lr", self.base_lr)?;
        is_rate("max_lr", self.max_lr)?;
        is_count("step_size_up", self.step_size_up)?;
        is_count("step_size_down", self.step_size_down.unwrap_or(1))?;
        is_rate("gamma", self.gamma)?;
        if self.scale_fn.as_ref().is_some_and(|it| !it.is_null()) {
            return Err(refusal::<Self>(
                "scale_fn is Python code, which an experiment cannot hold; use mode",
            ));
        }
        check_momenta(self.base_momentum, self.max_momentum)
    }

    fn rate(&self, at: Point) -> Result<f64, Refusal> {
        Ok(self.base_lr + (self.max_lr - self.base_lr) * self.height(at.step))
    }

    fn momentum(&self, at: Point) -> Result<Option<f64>, Refusal> {
        let range = self.max_momentum - self.base_momentum;
        let momentum = self.max_momentum - range * self.height(at.step);
        Ok(self.cycle_momentum.then_some(momentum))
    }

    fn moves_momentum(&self) -> bool {
        self.cycle_momentum
    }

    fn vanishes_by_design(&self) -> bool {
        true
    }

    fn last_epoch(&self) -> i64 {
        self.last_epoch
    }
}

fn check_momenta(base: f64, max: f64) -> Result<(), Refusal> {
    let range = "from 0 to below 1";
    let fits = |momentum: f64| (0.0..1.0).contains(&momentum);
    within(fits(base), "base_momentum", base, range)?;
    within(fits(max), "max_momentum", max, range)
}
