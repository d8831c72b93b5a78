//! From gradients to new weights.
//!
//! The step walks the module once. State is kept by the parameter's path, scalars are computed in double precision, and the gradient's norm is
//! that of all parameters together, as PyTorch has it.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor};
use engraft_component::{Choice, Component};
use engraft_kernels::{AdamWStep, adamw_step};
use engraft_models::ParameterPath;

use crate::error::{Error, Result};

mod gradients;

pub(crate) use gradients::{first_not_finite, first_weight_not_finite};

/// What turns gradients into new weights.
#[derive(Clone, Debug, PartialEq, Choice)]
#[choice(default = AdamW)]
pub enum Optimizer {
    /// Adam with decoupled weight decay.
    AdamW(AdamW),
    /// Adam without weight decay.
    Adam(Adam),
}

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
    /// Share of the learning rate by which weights shrink in each step.
    #[arg(default = 0.01)]
    pub weight_decay: f64,
    /// Only false.
    #[arg(default = false)]
    pub amsgrad: bool,
    /// Only false.
    #[arg(default = false)]
    pub maximize: bool,
}

/// Adam without weight decay.
///
/// Kingma and Ba, arXiv 1412.6980.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "torch.optim.Adam")]
#[component(ignored(
    foreach = "the step is always fused",
    fused = "the step is always fused"
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
}

impl Optimizer {
    /// The learning rate that schedules multiply.
    pub fn learning_rate(&self) -> f64 {
        match self {
            Self::AdamW(adamw) => adamw.lr,
            Self::Adam(adam) => adam.lr,
        }
    }

    /// The decay rate of the mean of gradients, and the weight decay.
    pub(crate) fn momentum_and_decay(&self) -> [f64; 2] {
        let (betas, _, decay) = self.settings();
        [betas[0], decay]
    }

    fn settings(&self) -> ([f64; 2], f64, f64) {
        match self {
            Self::AdamW(adamw) => (adamw.betas, adamw.eps, adamw.weight_decay),
            Self::Adam(adam) => (adam.betas, adam.eps, 0.0),
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let refuse = |key: &str, problem: String| {
            Err(Error::Argument(format!("model.optimizer.{key}: {problem}")))
        };
        let (betas, epsilon, decay) = self.settings();
        let rate = self.learning_rate();
        if !(rate.is_finite() && rate >= 0.0) {
            return refuse(
                "lr",
                format!("expected a finite number of at least 0, found {rate}"),
            );
        }
        if let Some(beta) = betas.iter().find(|beta| !(0.0..1.0).contains(*beta)) {
            return refuse(
                "betas",
                format!("expected two numbers from 0 to below 1, found {beta}"),
            );
        }
        // A weight that never had a gradient has moments of zero: without epsilon the step would be 0 / 0.
        if !(epsilon.is_finite() && epsilon > 0.0) {
            return refuse(
                "eps",
                format!("expected a finite number above 0, found {epsilon}"),
            );
        }
        if !(decay.is_finite() && decay >= 0.0) {
            return refuse(
                "weight_decay",
                format!("expected a finite number of at least 0, found {decay}"),
            );
        }
        match self {
            Self::AdamW(AdamW { amsgrad: true, .. }) => {
                refuse("amsgrad", "not supported; remove it or give false".into())
            }
            Self::AdamW(AdamW { maximize: true, .. }) => {
                refuse("maximize", "not supported; remove it or give false".into())
            }
            _ => Ok(()),
        }
    }
}

/// The running moments of each parameter, by its path, flattened; and how many steps were taken.
#[derive(Clone, Debug, Default)]
pub struct OptimizerState {
    /// Steps taken.
    pub step: u64,
    /// First and second moment.
    pub moments: BTreeMap<String, [Tensor<1>; 2]>,
}

/// The sum of several backward passes, by parameter path, flattened.
#[derive(Clone, Debug, Default)]
pub struct GradientSum {
    gradients: BTreeMap<String, Tensor<1>>,
    /// The sum of the weights that the losses were sums over.
    weight: f64,
}

impl GradientSum {
    /// Adds the gradients of a loss that is a sum over `weight`.
    pub fn add(&mut self, module: &impl Module, gradients: Gradients, weight: f64) {
        struct Collector<'a> {
            path: ParameterPath,
            gradients: Gradients,
            sums: &'a mut BTreeMap<String, Tensor<1>>,
        }
        impl ModuleVisitor for Collector<'_> {
            fn enter_module(&mut self, name: &str, container: &str) {
                self.path.enter(name, container);
            }
            fn exit_module(&mut self, _name: &str, container: &str) {
                self.path.leave(container);
            }
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let Some(gradient) = param.val().grad_remove(&mut self.gradients) else {
                    return;
                };
                let count = gradient.dims().iter().product::<usize>();
                let gradient = gradient.reshape([count]);
                let path = self.path.joined();
                let sum = match self.sums.remove(&path) {
                    Some(sum) => sum + gradient,
                    None => gradient,
                };
                self.sums.insert(path, sum);
            }
        }
        module.visit(&mut Collector {
            path: ParameterPath::default(),
            gradients,
            sums: &mut self.gradients,
        });
        self.weight += weight;
    }

    /// The Euclidean norm of the mean gradient of all parameters together.
    pub fn norm(&self) -> f64 {
        self.norm_under("")
    }
}

impl Optimizer {
    /// One step at `learning_rate`: the module with new weights. Parameters without a gradient stay as they are.
    ///
    /// `clip` is the largest norm that the gradient may have, beside the norm that it has.
    pub fn step<M: Module>(
        &self,
        module: M,
        sum: GradientSum,
        state: &mut OptimizerState,
        learning_rate: f64,
        clip: Option<(f64, f64)>,
    ) -> M {
        // PyTorch's definition, with its guard against division by zero.
        let clip = clip.map_or(1.0, |(limit, norm)| (limit / (norm + 1e-6)).min(1.0));
        state.step += 1;
        let (betas, epsilon, weight_decay) = self.settings();
        let step = AdamWStep {
            learning_rate,
            betas,
            epsilon,
            weight_decay,
            step: state.step,
            gradient_scale: clip / sum.weight,
        };
        let mut updater = Updater {
            path: ParameterPath::default(),
            gradients: sum.gradients,
            moments: &mut state.moments,
            step,
        };
        module.map(&mut updater)
    }
}

/// Walks a module and replaces each parameter that has a gradient.
struct Updater<'a> {
    path: ParameterPath,
    gradients: BTreeMap<String, Tensor<1>>,
    moments: &'a mut BTreeMap<String, [Tensor<1>; 2]>,
    step: AdamWStep,
}

impl ModuleMapper for Updater<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.leave(container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.joined();
        let Some(gradient) = self.gradients.remove(&path) else {
            return param;
        };
        let moments = self
            .moments
            .remove(&path)
            .unwrap_or_else(|| [gradient.zeros_like(), gradient.zeros_like()]);
        let step = self.step;
        let mut updated = None;
        let param = param.map(|tensor| {
            let shape = tensor.dims();
            let count = shape.iter().product::<usize>();
            // Out of the graph for the update, and back in as a fresh leaf.
            let flat = tensor.inner().reshape([count]);
            let (flat, moments) = adamw_step(flat, gradient, moments, step);
            updated = Some(moments);
            Tensor::from_inner(flat.reshape(shape)).require_grad()
        });
        if let Some(moments) = updated {
            self.moments.insert(path, moments);
        }
        param
    }
}

#[cfg(test)]
mod tests;
