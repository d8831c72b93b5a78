//! From gradients to new weights.
//!
//! The step walks the module once. State is kept by the parameter's path, scalars are computed in double precision, and the gradient's norm is
//! that of all parameters together, as PyTorch has it.

mod adafactor;
mod adam;
mod adaptive;
mod gradients;
mod groups;
mod rule;
mod sgd;

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor};
use engraft_component::{Choice, Refusal};
use engraft_models::ParameterPath;

use groups::LayerRates;
use rule::{Rule, Update};

pub use adafactor::Adafactor;
pub use adam::{Adam, AdamW};
pub use adaptive::{Adagrad, RMSprop};
pub use groups::ParameterGroups;
pub use rule::{Parts, StepOptions};
pub use sgd::SGD;

pub(crate) use gradients::{first_not_finite, first_weight_not_finite};

/// What turns gradients into new weights.
#[derive(Clone, Debug, PartialEq, Choice)]
#[choice(default = AdamW)]
pub enum Optimizer {
    /// Adam with decoupled weight decay.
    AdamW(AdamW),
    /// Adam.
    Adam(Adam),
    /// Gradient descent.
    SGD(SGD),
    /// Second moments by rows and columns.
    Adafactor(Adafactor),
    /// Gradients over the root of their mean square.
    RMSprop(RMSprop),
    /// Gradients over the root of their sum of squares.
    Adagrad(Adagrad),
}

impl Optimizer {
    /// The learning rate that schedules change.
    pub fn learning_rate(&self) -> f64 {
        self.rule().settings().lr
    }

    /// The momentum, or the first of Adam's betas, if there is one.
    pub fn momentum(&self) -> Option<f64> {
        self.rule().momentum()
    }

    /// The weight decay, of whichever kind.
    pub(crate) fn weight_decay(&self) -> f64 {
        self.rule().settings().weight_decay
    }

    /// The same with another momentum, where there is one.
    pub(crate) fn with_momentum(&self, momentum: f64) -> Self {
        let mut optimizer = self.clone();
        match &mut optimizer {
            Self::AdamW(it) => it.betas[0] = momentum,
            Self::Adam(it) => it.betas[0] = momentum,
            Self::SGD(it) => it.momentum = momentum,
            Self::RMSprop(it) => it.momentum = momentum,
            Self::Adafactor(_) | Self::Adagrad(_) => {}
        }
        optimizer
    }

    /// Names and sizes of what is kept of a parameter once it has taken a step.
    pub(crate) fn parts(&self, shape: &[usize]) -> Vec<(&'static str, usize)> {
        self.rule().parts(shape)
    }

    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let rule = self.rule();
        rule.settings().check()?;
        rule.check()
    }

    fn rule(&self) -> &dyn Rule {
        match self {
            Self::AdamW(it) => it,
            Self::Adam(it) => it,
            Self::SGD(it) => it,
            Self::Adafactor(it) => it,
            Self::RMSprop(it) => it,
            Self::Adagrad(it) => it,
        }
    }
}

/// What is kept of each parameter that has taken a step, by its path.
#[derive(Clone, Debug, Default)]
pub struct OptimizerState {
    /// By the parameter's path.
    pub parameters: BTreeMap<String, ParameterState>,
}

/// What is kept of one parameter.
#[derive(Clone, Debug, Default)]
pub struct ParameterState {
    /// Steps it has taken, which are fewer where it was frozen at first.
    pub step: u64,
    /// Its running averages and the like.
    pub parts: Parts,
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
        let rule = self.rule();
        let options = rule.settings().options;
        let sign = if options.maximize { -1.0 } else { 1.0 };
        let layers = options.groups.layer_decay;
        let mut updater = Updater {
            path: ParameterPath::default(),
            gradients: sum.gradients,
            parameters: &mut state.parameters,
            rule,
            layers: layers.map(|decay| LayerRates::new(&module, decay)),
            learning_rate,
            scale: sign * clip / sum.weight,
        };
        module.map(&mut updater)
    }
}

/// Walks a module and replaces each parameter that has a gradient.
struct Updater<'a> {
    path: ParameterPath,
    gradients: BTreeMap<String, Tensor<1>>,
    parameters: &'a mut BTreeMap<String, ParameterState>,
    rule: &'a dyn Rule,
    layers: Option<LayerRates>,
    learning_rate: f64,
    scale: f64,
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
        let share = self.layers.as_ref().map_or(1.0, |it| it.share(&path));
        let rule = self.rule;
        let settings = rule.settings();
        let decays = !settings.options.groups.excludes(&path);
        let state = self.parameters.entry(path).or_default();
        state.step += 1;
        let mut update = Update {
            shape: Vec::new(),
            rate: self.learning_rate * share,
            weight_decay: if decays { settings.weight_decay } else { 0.0 },
            step: state.step,
            scale: self.scale,
        };
        param.map(|tensor| {
            let shape = tensor.dims();
            update.shape = shape.to_vec();
            let count = shape.iter().product::<usize>();
            // Out of the graph for the update, and back in as a fresh leaf.
            let flat = tensor.inner().reshape([count]);
            let flat = rule.update(flat, gradient, &mut state.parts, &update);
            Tensor::from_inner(flat.reshape(shape)).require_grad()
        })
    }
}

#[cfg(test)]
mod tests;
