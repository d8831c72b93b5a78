//! How a model is trained, as users write it beside the task.

use engraft_component::{Choice, Component, Refusal, Words};

use crate::optimizer::Optimizer;
use crate::schedule::LrScheduler;

/// How a model is trained.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(ignored(data_module = "the data module of the experiment is used"))]
pub struct Training {
    /// What turns gradients into new weights.
    #[arg(default = Optimizer::default())]
    pub optimizer: Optimizer,
    /// How the learning rate changes; constant without one.
    pub lr_scheduler: Option<LrScheduler>,
    /// Whether the schedule counts optimizer steps (as ModelGenerator does) or epochs.
    #[arg(default = Interval::Step)]
    pub lr_scheduler_interval: Interval,
    /// Whether the model of a checkpoint must be the one that the experiment describes; if not, the experiment's is built, and takes what fits
    /// of the checkpoint's weights.
    #[arg(default = true)]
    pub strict_loading: bool,
    /// Resume with a fresh optimizer and schedule; epochs and steps are counted on.
    #[arg(default = false)]
    pub reset_optimizer_states: bool,
    /// Log the norms of all gradients (`total_norm`), of the head's weights (`adaptor_param_norm`) and of their gradients
    /// (`adaptor_grad_norm`) every so many optimizer steps; 0 for never.
    #[arg(default = 0)]
    pub log_grad_norm_step: u64,
}

/// What a schedule counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Words)]
pub enum Interval {
    /// Optimizer steps.
    Step,
    /// Epochs.
    Epoch,
}

impl Training {
    /// Refuses settings that no run can have, before anything is read.
    ///
    /// # Errors
    /// The first of them.
    pub fn check(&self) -> Result<(), Refusal> {
        self.optimizer.check()?;
        let Some(schedule) = &self.lr_scheduler else {
            return Ok(());
        };
        schedule.check()?;
        if schedule.moves_momentum() && self.optimizer.momentum().is_none() {
            let problem = format!(
                "{} moves the momentum, which {} does not have; give cycle_momentum: false",
                schedule.name(),
                self.optimizer.name()
            );
            return Err(Refusal::of("model.lr_scheduler", problem));
        }
        Ok(())
    }
}
