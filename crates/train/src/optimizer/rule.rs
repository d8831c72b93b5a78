//! What the classes of optimizers have in common.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use engraft_component::{Component, Refusal};

use super::ParameterGroups;

/// The running averages and the like of one parameter, each flattened, by name.
pub type Parts = BTreeMap<&'static str, Tensor<1>>;

/// One step of one parameter.
#[derive(Clone, Debug)]
pub(crate) struct Update {
    /// The parameter's shape.
    pub(crate) shape: Vec<usize>,
    /// Its learning rate.
    pub(crate) rate: f64,
    /// Its weight decay.
    pub(crate) weight_decay: f64,
    /// How many steps it has taken with this one.
    pub(crate) step: u64,
    /// What the gradient is multiplied with: clipping, averaging over micro-batches, and -1 to climb.
    pub(crate) scale: f64,
}

/// What every optimizer takes with the same default.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct StepOptions {
    /// Let the objective rise.
    #[arg(default = false)]
    pub maximize: bool,
    /// Parameters that differ from the rest.
    #[arg(flatten)]
    pub groups: ParameterGroups,
}

/// What every optimizer has, the defaults of each aside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings<'a> {
    /// The learning rate that schedules change.
    pub(crate) lr: f64,
    /// The weight decay, of whichever kind.
    pub(crate) weight_decay: f64,
    /// The rest.
    pub(crate) options: &'a StepOptions,
}

impl Settings<'_> {
    /// Refuses what no run can have.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        from_zero("lr", self.lr)?;
        from_zero("weight_decay", self.weight_decay)?;
        match self.options.groups.layer_decay {
            Some(decay) if !(decay > 0.0 && decay <= 1.0) => Err(refuse(
                "layer_decay",
                format!("expected a number above 0 and up to 1, found {decay}"),
            )),
            _ => Ok(()),
        }
    }
}

/// How an optimizer changes a parameter.
pub(crate) trait Rule {
    /// What it has like every other.
    fn settings(&self) -> Settings<'_>;

    /// The momentum, or the first of Adam's betas, if there is one.
    fn momentum(&self) -> Option<f64> {
        None
    }

    /// Refuses arguments of its own that no run can have.
    fn check(&self) -> Result<(), Refusal>;

    /// Names and sizes of what is kept of a parameter once it has taken a step.
    fn parts(&self, shape: &[usize]) -> Vec<(&'static str, usize)>;

    /// The new parameter, flattened as its gradient; `parts` are empty before the first step.
    fn update(
        &self,
        parameter: Tensor<1>,
        gradient: Tensor<1>,
        parts: &mut Parts,
        update: &Update,
    ) -> Tensor<1>;
}

/// The gradient with what scales it, and the penalty of the weights' squares added.
pub(crate) fn penalised(parameter: &Tensor<1>, gradient: Tensor<1>, update: &Update) -> Tensor<1> {
    let gradient = gradient.mul_scalar(update.scale);
    match update.weight_decay {
        0.0 => gradient,
        decay => gradient + parameter.clone().mul_scalar(decay),
    }
}

/// A part, zeros before the first step.
pub(crate) fn part(parts: &mut Parts, name: &'static str, like: &Tensor<1>) -> Tensor<1> {
    let found = parts.remove(name);
    found.unwrap_or_else(|| like.zeros_like())
}

/// That an argument is wrong.
pub(crate) fn refuse(key: &str, problem: impl Into<String>) -> Refusal {
    Refusal::of(key, problem).within("model.optimizer")
}

/// Refuses what is no number from 0.
pub(crate) fn from_zero(key: &str, value: f64) -> Result<(), Refusal> {
    if value.is_finite() && value >= 0.0 {
        Ok(())
    } else {
        Err(refuse(
            key,
            format!("expected a finite number of at least 0, found {value}"),
        ))
    }
}

/// Refuses what is no number above 0.
pub(crate) fn above_zero(key: &str, value: f64) -> Result<(), Refusal> {
    if value.is_finite() && value > 0.0 {
        Ok(())
    } else {
        Err(refuse(
            key,
            format!("expected a finite number above 0, found {value}"),
        ))
    }
}

/// Refuses what is no number from 0 to below 1.
pub(crate) fn below_one(key: &str, value: f64) -> Result<(), Refusal> {
    if (0.0..1.0).contains(&value) {
        Ok(())
    } else {
        Err(refuse(
            key,
            format!("expected a number from 0 to below 1, found {value}"),
        ))
    }
}
