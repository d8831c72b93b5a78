//! Adam, and Adam with decoupled weight decay.

use burn::tensor::Tensor;
use engraft_component::{Component, Refusal};
use engraft_kernels::{AdamWStep, adamw_step};

use super::StepOptions;
use super::rule::{Parts, Rule, Settings, Update, above_zero, part, penalised, refuse};

/// Adam with decoupled weight decay.
///
/// Loshchilov and Hutter, arXiv 1711.05101; definitions and defaults are PyTorch's.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "torch.optim.AdamW")]
#[component(ignored(
    foreach = "the step is always fused",
    fused = "the step is always fused",
    capturable = "there is no graph capture",
    differentiable = "the step is not differentiated"
))]
pub struct AdamW {
    /// Learning rate.
    #[arg(default = 1e-3)]
    pub lr: f64,
    /// Decay rates of the two moments.
    #[arg(default = [0.9, 0.999])]
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    #[arg(default = 1e-8)]
    pub eps: f64,
    /// Place `eps` as Keras does: beside the root before its bias is corrected.
    #[arg(default = false)]
    pub keras_eps: bool,
    /// Share of the learning rate by which weights shrink in each step.
    #[arg(default = 0.01)]
    pub weight_decay: f64,
    /// Divide by the highest second moment so far (AMSGrad, Reddi et al., arXiv 1904.09237).
    #[arg(default = false)]
    pub amsgrad: bool,
    /// What it takes like every other optimizer.
    #[arg(flatten)]
    pub options: StepOptions,
}

/// Adam; weight decay is a penalty of the weights' squares.
///
/// Kingma and Ba, arXiv 1412.6980; definitions and defaults are PyTorch's.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "torch.optim.Adam")]
#[component(ignored(
    foreach = "the step is always fused",
    fused = "the step is always fused",
    capturable = "there is no graph capture",
    differentiable = "the step is not differentiated"
))]
pub struct Adam {
    /// Learning rate.
    #[arg(default = 1e-3)]
    pub lr: f64,
    /// Decay rates of the two moments.
    #[arg(default = [0.9, 0.999])]
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    #[arg(default = 1e-8)]
    pub eps: f64,
    /// Place `eps` as Keras does: beside the root before its bias is corrected.
    #[arg(default = false)]
    pub keras_eps: bool,
    /// Times the weight is added to its gradient.
    #[arg(default = 0.0)]
    pub weight_decay: f64,
    /// Divide by the highest second moment so far (AMSGrad, Reddi et al., arXiv 1904.09237).
    #[arg(default = false)]
    pub amsgrad: bool,
    /// Take weight decay as AdamW does.
    #[arg(default = false)]
    pub decoupled_weight_decay: bool,
    /// What it takes like every other optimizer.
    #[arg(flatten)]
    pub options: StepOptions,
}

/// The first moment, the second, and with AMSGrad the highest second.
const PARTS: [&str; 3] = ["first", "second", "highest"];

impl Rule for AdamW {
    fn settings(&self) -> Settings<'_> {
        Settings {
            lr: self.lr,
            weight_decay: self.weight_decay,
            options: &self.options,
        }
    }

    fn momentum(&self) -> Option<f64> {
        Some(self.betas[0])
    }

    fn check(&self) -> Result<(), Refusal> {
        if let Some(beta) = self.betas.iter().find(|beta| !(0.0..1.0).contains(*beta)) {
            let problem = format!("expected two numbers from 0 to below 1, found {beta}");
            return Err(refuse("betas", problem));
        }
        // A weight that never had a gradient has moments of zero: without epsilon the step would be 0 / 0.
        above_zero("eps", self.eps)
    }

    fn parts(&self, shape: &[usize]) -> Vec<(&'static str, usize)> {
        let count = shape.iter().product();
        let kept = if self.amsgrad { 3 } else { 2 };
        PARTS.iter().take(kept).map(|&name| (name, count)).collect()
    }

    fn update(
        &self,
        parameter: Tensor<1>,
        gradient: Tensor<1>,
        parts: &mut Parts,
        update: &Update,
    ) -> Tensor<1> {
        let step = AdamWStep {
            learning_rate: update.rate,
            betas: self.betas,
            epsilon: self.epsilon(update.step),
            weight_decay: update.weight_decay,
            step: update.step,
            gradient_scale: update.scale,
        };
        let moments = [PARTS[0], PARTS[1]].map(|name| part(parts, name, &gradient));
        let (parameter, [first, second]) = if !self.amsgrad {
            adamw_step(parameter, gradient, moments, step)
        } else {
            let highest = part(parts, PARTS[2], &gradient);
            let (parameter, moments, highest) =
                amsgrad(parameter, gradient, moments, highest, step);
            parts.insert(PARTS[2], highest);
            (parameter, moments)
        };
        parts.extend([(PARTS[0], first), (PARTS[1], second)]);
        parameter
    }
}

impl AdamW {
    /// What is added to the corrected root of the second moment in a step, counted from 1.
    fn epsilon(&self, step: u64) -> f64 {
        if !self.keras_eps {
            return self.eps;
        }
        let exponent = i32::try_from(step).unwrap_or(i32::MAX);
        self.eps / (1.0 - self.betas[1].powi(exponent)).sqrt()
    }
}

/// As [`adamw_step`], but divided by the root of the highest second moment so far.
fn amsgrad(
    parameter: Tensor<1>,
    gradient: Tensor<1>,
    [first, second]: [Tensor<1>; 2],
    highest: Tensor<1>,
    step: AdamWStep,
) -> (Tensor<1>, [Tensor<1>; 2], Tensor<1>) {
    let [beta1, beta2] = step.betas;
    let gradient = gradient.mul_scalar(step.gradient_scale);
    let first = first.mul_scalar(beta1) + gradient.clone().mul_scalar(1.0 - beta1);
    let second = second.mul_scalar(beta2) + (gradient.clone() * gradient).mul_scalar(1.0 - beta2);
    let highest = highest.max_pair(second.clone());
    let exponent = i32::try_from(step.step).unwrap_or(i32::MAX);
    let corrections = [beta1, beta2].map(|beta| 1.0 - beta.powi(exponent));
    let root = highest.clone().sqrt().div_scalar(corrections[1].sqrt());
    let change = first.clone() / root.add_scalar(step.epsilon);
    let decayed = parameter.mul_scalar(1.0 - step.learning_rate * step.weight_decay);
    let parameter = decayed - change.mul_scalar(step.learning_rate / corrections[0]);
    (parameter, [first, second], highest)
}

impl Adam {
    /// The same with decoupled decay, which is what remains once the penalty is part of the gradient.
    fn decoupled(&self) -> AdamW {
        AdamW {
            lr: self.lr,
            betas: self.betas,
            eps: self.eps,
            keras_eps: self.keras_eps,
            weight_decay: self.weight_decay,
            amsgrad: self.amsgrad,
            options: self.options.clone(),
        }
    }
}

impl Rule for Adam {
    fn settings(&self) -> Settings<'_> {
        Settings {
            lr: self.lr,
            weight_decay: self.weight_decay,
            options: &self.options,
        }
    }

    fn momentum(&self) -> Option<f64> {
        Some(self.betas[0])
    }

    fn check(&self) -> Result<(), Refusal> {
        self.decoupled().check()
    }

    fn parts(&self, shape: &[usize]) -> Vec<(&'static str, usize)> {
        self.decoupled().parts(shape)
    }

    fn update(
        &self,
        parameter: Tensor<1>,
        gradient: Tensor<1>,
        parts: &mut Parts,
        update: &Update,
    ) -> Tensor<1> {
        let decoupled = self.decoupled();
        if self.decoupled_weight_decay || update.weight_decay == 0.0 {
            return decoupled.update(parameter, gradient, parts, update);
        }
        let gradient = penalised(&parameter, gradient, update);
        let update = Update {
            weight_decay: 0.0,
            scale: 1.0,
            ..update.clone()
        };
        decoupled.update(parameter, gradient, parts, &update)
    }
}
