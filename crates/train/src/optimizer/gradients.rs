//! What is asked of gradients before they are used: their norm, their range, and whether they are numbers at all.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor};
use engraft_kernels::sum_squares;
use engraft_models::ParameterPath;

use super::GradientSum;

impl GradientSum {
    /// The Euclidean norm of the mean gradient of the parameters whose paths begin with `prefix`; of all with an empty one.
    pub fn norm_under(&self, prefix: &str) -> f64 {
        let chosen = self.gradients.iter();
        let squares: f64 = chosen
            .filter(|(path, _)| path.starts_with(prefix))
            .map(|(_, gradient)| sum_squares(gradient.clone()))
            .sum();
        squares.sqrt() / self.weight
    }

    /// Moves every element of the mean gradient into `-limit..=limit`, as PyTorch's `clip_grad_value_` does.
    pub fn clip_value(&mut self, limit: f64) {
        // The sum is divided by the weight when it is used.
        let bound = limit * self.weight;
        let gradients = std::mem::take(&mut self.gradients).into_iter();
        self.gradients = gradients
            .map(|(path, gradient)| (path, gradient.clamp(-bound, bound)))
            .collect();
    }
}

/// The parameter whose gradient is the first in the backward pass, last in the order of the module, to hold a value that is not finite.
pub(crate) fn first_not_finite(module: &impl Module, gradients: &Gradients) -> Option<String> {
    struct Finder<'a> {
        path: ParameterPath,
        gradients: &'a Gradients,
        found: Option<String>,
    }
    impl ModuleVisitor for Finder<'_> {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }
        fn exit_module(&mut self, _name: &str, container: &str) {
            self.path.leave(container);
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = param.val().grad(self.gradients);
            if gradient.is_some_and(|gradient| !sum_squares(gradient).is_finite()) {
                self.found = Some(self.path.joined());
            }
        }
    }
    let mut finder = Finder {
        path: ParameterPath::default(),
        gradients,
        found: None,
    };
    module.visit(&mut finder);
    finder.found
}

/// The first parameter of `parameters` that holds a value that is not finite.
pub(crate) fn first_weight_not_finite(
    parameters: impl IntoIterator<Item = (String, Vec<usize>, Tensor<1>)>,
) -> Option<String> {
    parameters
        .into_iter()
        .find(|(_, _, values)| !sum_squares(values.clone()).is_finite())
        .map(|(path, _, _)| path)
}
