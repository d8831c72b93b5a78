//! RMSprop and Adagrad: gradients divided by the root of their squares, averaged or summed.

use burn::tensor::Tensor;
use engraft_component::{Component, Refusal};

use super::StepOptions;
use super::rule::{
    Parts, Rule, Settings, Update, above_zero, below_one, from_zero, part, penalised,
};

/// Gradients divided by the root of the running mean of their squares; weight decay is a penalty of the weights' squares.
///
/// Hinton's lecture 6e; definitions and defaults are PyTorch's.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "torch.optim.RMSprop")]
#[component(ignored(
    foreach = "all parameters are stepped the same way",
    capturable = "there is no graph capture",
    differentiable = "the step is not differentiated"
))]
pub struct RMSprop {
    /// Learning rate.
    #[arg(default = 1e-2)]
    pub lr: f64,
    /// Decay rate of the mean.
    #[arg(default = 0.99)]
    pub alpha: f64,
    /// Added to its root.
    #[arg(default = 1e-8)]
    pub eps: f64,
    /// Place `eps` as Keras does: under the root.
    #[arg(default = false)]
    pub keras_eps: bool,
    /// Times the weight is added to its gradient.
    #[arg(default = 0.0)]
    pub weight_decay: f64,
    /// Share of the previous step's direction that is kept.
    #[arg(default = 0.0)]
    pub momentum: f64,
    /// Divide by the standard deviation, not by the root of the mean square.
    #[arg(default = false)]
    pub centered: bool,
    /// What it takes like every other optimizer.
    #[arg(flatten)]
    pub options: StepOptions,
}

/// Gradients divided by the root of the sum of all their squares so far; weight decay is a penalty of the weights' squares.
///
/// Duchi et al., JMLR 12 (2011); definitions and defaults are PyTorch's.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "torch.optim.Adagrad")]
#[component(ignored(
    foreach = "all parameters are stepped the same way",
    fused = "all parameters are stepped the same way",
    differentiable = "the step is not differentiated"
))]
pub struct Adagrad {
    /// Learning rate.
    #[arg(default = 1e-2)]
    pub lr: f64,
    /// How fast the rate falls: it is divided by 1 + `lr_decay` times the steps before.
    #[arg(default = 0.0)]
    pub lr_decay: f64,
    /// Times the weight is added to its gradient.
    #[arg(default = 0.0)]
    pub weight_decay: f64,
    /// What the sums begin with.
    #[arg(default = 0.0)]
    pub initial_accumulator_value: f64,
    /// Added to the root of the sum.
    #[arg(default = 1e-10)]
    pub eps: f64,
    /// Place `eps` as Keras does: under the root.
    #[arg(default = false)]
    pub keras_eps: bool,
    /// What it takes like every other optimizer.
    #[arg(flatten)]
    pub options: StepOptions,
}

/// Running mean or sum of the gradient's squares.
const SQUARES: &str = "square";
/// Running mean of the gradient.
const MEAN: &str = "mean";
/// The direction so far.
const DIRECTION: &str = "momentum";

/// The root of squares, with `eps` under it or beside it.
fn root(squares: Tensor<1>, eps: f64, is_under: bool) -> Tensor<1> {
    if is_under {
        squares.add_scalar(eps).sqrt()
    } else {
        squares.sqrt().add_scalar(eps)
    }
}

impl Rule for RMSprop {
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
        below_one("alpha", self.alpha)?;
        // A weight that never had a gradient has a mean of zero: without epsilon the step would be 0 / 0.
        above_zero("eps", self.eps)?;
        below_one("momentum", self.momentum)
    }

    fn parts(&self, shape: &[usize]) -> Vec<(&'static str, usize)> {
        let kept = [
            (SQUARES, true),
            (MEAN, self.centered),
            (DIRECTION, self.momentum > 0.0),
        ];
        let kept = kept.into_iter().filter(|(_, is_kept)| *is_kept);
        kept.map(|(name, _)| (name, shape.iter().product()))
            .collect()
    }

    fn update(
        &self,
        parameter: Tensor<1>,
        gradient: Tensor<1>,
        parts: &mut Parts,
        update: &Update,
    ) -> Tensor<1> {
        let gradient = penalised(&parameter, gradient, update);
        let rest = 1.0 - self.alpha;
        let squared = gradient.clone() * gradient.clone();
        let squares =
            part(parts, SQUARES, &gradient).mul_scalar(self.alpha) + squared.mul_scalar(rest);
        parts.insert(SQUARES, squares.clone());
        let variance = if !self.centered {
            squares
        } else {
            let old = part(parts, MEAN, &gradient);
            let mean = old.clone() + (gradient.clone() - old).mul_scalar(rest);
            parts.insert(MEAN, mean.clone());
            // Rounding may take it below zero where the gradient hardly changes.
            (squares - mean.clone() * mean).clamp_min(0.0)
        };
        let mut change = gradient / root(variance, self.eps, self.keras_eps);
        if self.momentum > 0.0 {
            let kept = part(parts, DIRECTION, &change);
            change = kept.mul_scalar(self.momentum) + change;
            parts.insert(DIRECTION, change.clone());
        }
        parameter - change.mul_scalar(update.rate)
    }
}

impl Rule for Adagrad {
    fn settings(&self) -> Settings<'_> {
        Settings {
            lr: self.lr,
            weight_decay: self.weight_decay,
            options: &self.options,
        }
    }

    fn check(&self) -> Result<(), Refusal> {
        from_zero("lr_decay", self.lr_decay)?;
        from_zero("initial_accumulator_value", self.initial_accumulator_value)?;
        // A weight that never had a gradient has a sum of zero: without epsilon the step would be 0 / 0.
        above_zero("eps", self.eps)
    }

    fn parts(&self, shape: &[usize]) -> Vec<(&'static str, usize)> {
        vec![(SQUARES, shape.iter().product())]
    }

    fn update(
        &self,
        parameter: Tensor<1>,
        gradient: Tensor<1>,
        parts: &mut Parts,
        update: &Update,
    ) -> Tensor<1> {
        let gradient = penalised(&parameter, gradient, update);
        let rate = update.rate / (1.0 + (update.step - 1) as f64 * self.lr_decay);
        let old = parts.remove(SQUARES);
        let initial = self.initial_accumulator_value;
        let old = old.unwrap_or_else(|| gradient.zeros_like().add_scalar(initial));
        let squares = old + gradient.clone() * gradient.clone();
        parts.insert(SQUARES, squares.clone());
        let change = gradient / root(squares, self.eps, self.keras_eps);
        parameter - change.mul_scalar(rate)
    }
}
