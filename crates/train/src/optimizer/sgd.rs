//! Stochastic gradient descent.

use burn::tensor::Tensor;
use engraft_component::{Component, Refusal};

use super::StepOptions;
use super::rule::{Parts, Rule, Settings, Update, below_one, penalised, refuse};

/// Gradient descent, with momentum if wanted; weight decay is a penalty of the weights' squares.
///
/// Definitions and defaults are PyTorch's; Nesterov's momentum is that of Sutskever et al., ICML 2013.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "torch.optim.SGD")]
#[component(ignored(
    foreach = "all parameters are stepped the same way",
    fused = "all parameters are stepped the same way",
    differentiable = "the step is not differentiated"
))]
pub struct SGD {
    /// Learning rate.
    #[arg(default = 1e-3)]
    pub lr: f64,
    /// Share of the previous step's direction that is kept.
    #[arg(default = 0.0)]
    pub momentum: f64,
    /// Share of the gradient that is left out of the momentum.
    #[arg(default = 0.0)]
    pub dampening: f64,
    /// Times the weight is added to its gradient.
    #[arg(default = 0.0)]
    pub weight_decay: f64,
    /// Look ahead along the momentum.
    #[arg(default = false)]
    pub nesterov: bool,
    /// What it takes like every other optimizer.
    #[arg(flatten)]
    pub options: StepOptions,
}

/// The direction so far.
const DIRECTION: &str = "momentum";

impl Rule for SGD {
    fn settings(&self) -> Settings<'_> {
        Settings {
            lr: self.lr,
            weight_decay: self.weight_decay,
            options: &self.options,
        }
    }

    fn momentum(&self) -> Option<f64> {
        Some(self.momentum)
    }

    fn check(&self) -> Result<(), Refusal> {
        below_one("momentum", self.momentum)?;
        if !(0.0..=1.0).contains(&self.dampening) {
            let problem = format!("expected a number from 0 to 1, found {}", self.dampening);
            return Err(refuse("dampening", problem));
        }
        if self.nesterov && (self.momentum == 0.0 || self.dampening != 0.0) {
            return Err(refuse(
                "nesterov",
                "needs a momentum above 0 and no dampening",
            ));
        }
        Ok(())
    }

    fn parts(&self, shape: &[usize]) -> Vec<(&'static str, usize)> {
        match self.momentum {
            0.0 => Vec::new(),
            _ => vec![(DIRECTION, shape.iter().product())],
        }
    }

    fn update(
        &self,
        parameter: Tensor<1>,
        gradient: Tensor<1>,
        parts: &mut Parts,
        update: &Update,
    ) -> Tensor<1> {
        let gradient = penalised(&parameter, gradient, update);
        let direction = if self.momentum == 0.0 {
            gradient
        } else {
            let kept = match parts.remove(DIRECTION) {
                Some(kept) => {
                    kept.mul_scalar(self.momentum)
                        + gradient.clone().mul_scalar(1.0 - self.dampening)
                }
                None => gradient.clone(),
            };
            parts.insert(DIRECTION, kept.clone());
            if self.nesterov {
                gradient + kept.mul_scalar(self.momentum)
            } else {
                kept
            }
        };
        parameter - direction.mul_scalar(update.rate)
    }
}
