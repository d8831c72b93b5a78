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

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[derive(Module, Debug)]
    struct Two {
        encoder: Param<Tensor<1>>,
        head: Param<Tensor<1>>,
    }

    fn two(device: &Device) -> Two {
        let leaf = |values: [f32; 2]| {
            Param::from_tensor(Tensor::from_floats(values, device).require_grad())
        };
        Two {
            encoder: leaf([1.0, 2.0]),
            head: leaf([3.0, 4.0]),
        }
    }

    fn values(sum: &GradientSum, path: &str) -> Vec<f32> {
        sum.gradients[path]
            .clone()
            .into_data()
            .iter::<f32>()
            .collect()
    }

    #[test]
    fn each_element_of_the_mean_gradient_is_held_in_its_limit() {
        let device = Device::flex().autodiff();
        let two = two(&device);
        // The gradients are [6, 12] and [-1, -0.5] over a weight of 2: [3, 6] and [-0.5, -0.25].
        let scales = |values: [f32; 2]| Tensor::<1>::from_floats(values, &device);
        let loss = (two.encoder.val() * scales([6.0, 12.0])).sum()
            + (two.head.val() * scales([-1.0, -0.5])).sum();
        let mut sum = GradientSum::default();
        sum.add(&two, loss.backward(), 2.0);
        assert!((sum.norm_under("head") - 0.3125_f64.sqrt()).abs() < 1e-12);
        assert!((sum.norm() - (45.0_f64 + 0.3125).sqrt()).abs() < 1e-6);
        sum.clip_value(0.4);
        assert_eq!(values(&sum, "encoder"), [0.8, 0.8]);
        assert_eq!(values(&sum, "head"), [-0.8, -0.5]);
    }

    #[test]
    fn the_first_gradient_of_the_backward_pass_that_is_no_number_is_named() {
        let device = Device::flex().autodiff();
        let two = two(&device);
        let gradients = |scale: f32| {
            let loss = (two.encoder.val() * scale).sum() + (two.head.val() * scale).sum();
            loss.backward()
        };
        assert_eq!(first_not_finite(&two, &gradients(1.0)), None);
        let found = first_not_finite(&two, &gradients(f32::INFINITY));
        assert_eq!(found.as_deref(), Some("head"));
    }

    #[test]
    fn a_weight_that_is_no_number_is_named() {
        let weight = |value: f32| {
            let values = Tensor::<1>::from_floats([0.0, value], &Device::flex());
            (format!("weight {value}"), vec![2], values)
        };
        assert_eq!(first_weight_not_finite([weight(1.0)]), None);
        let found = first_weight_not_finite([weight(1.0), weight(f32::NAN), weight(2.0)]);
        assert_eq!(found.as_deref(), Some("weight NaN"));
    }
}
