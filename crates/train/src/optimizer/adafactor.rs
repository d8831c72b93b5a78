//! Adafactor: second moments of a matrix kept as those of its rows and columns.

use burn::tensor::Tensor;
use engraft_component::{Component, Refusal};
use engraft_kernels::sum_squares;

use super::StepOptions;
use super::rule::{Parts, Rule, Settings, Update, above_zero, from_zero, part, refuse};

/// Adafactor, which keeps one number for each row and column of a matrix instead of two for each weight.
///
/// Shazeer and Stern, arXiv 1804.04235; definitions and defaults are PyTorch's. Steps are relative to the size of the weights, so that
/// `lr` is their greatest share.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "torch.optim.Adafactor")]
#[component(ignored(foreach = "all parameters are stepped the same way"))]
pub struct Adafactor {
    /// Learning rate.
    #[arg(default = 1e-2)]
    pub lr: f64,
    /// The power of the step's number by which the past is forgotten; below 0.
    #[arg(default = -0.8)]
    pub beta2_decay: f64,
    /// The least root of a second moment, null for the precision of a weight; and the least size of the weights that steps are relative to.
    #[arg(default = [None, Some(1e-3)])]
    pub eps: [Option<f64>; 2],
    /// The greatest root mean square of a step before the rate.
    #[arg(default = 1.0)]
    pub d: f64,
    /// Share of the learning rate by which weights shrink in each step.
    #[arg(default = 0.0)]
    pub weight_decay: f64,
    /// What it takes like every other optimizer.
    #[arg(flatten)]
    pub options: StepOptions,
}

/// Means of the squares of a matrix's rows and columns.
const ROWS: &str = "row";
const COLUMNS: &str = "column";
/// Mean of the squares of each element of a vector.
const SQUARES: &str = "square";

impl Adafactor {
    fn floors(&self) -> [f64; 2] {
        let [root, size] = self.eps;
        [
            root.unwrap_or(f64::from(f32::EPSILON)),
            size.unwrap_or(1e-3),
        ]
    }
}

/// The number of matrices in a parameter, with their rows and columns; none for vectors.
fn matrices(shape: &[usize]) -> Option<[usize; 3]> {
    match shape {
        [outer @ .., rows, columns] => Some([outer.iter().product(), *rows, *columns]),
        _ => None,
    }
}

/// The mean of the squares along one dimension.
fn mean_square(gradient: &Tensor<3>, dim: usize) -> Tensor<3> {
    let count = gradient.dims()[dim] as f64;
    let squares = gradient.clone() * gradient.clone();
    squares.sum_dim(dim).div_scalar(count)
}

/// `old` moved towards `new` by a share of the way.
fn towards<const D: usize>(old: Tensor<D>, new: Tensor<D>, share: f64) -> Tensor<D> {
    old.clone() + (new - old).mul_scalar(share)
}

fn root_mean_square(values: &Tensor<1>) -> f64 {
    (sum_squares(values.clone()) / values.dims()[0] as f64).sqrt()
}

impl Rule for Adafactor {
    fn settings(&self) -> Settings<'_> {
        Settings {
            lr: self.lr,
            weight_decay: self.weight_decay,
            options: &self.options,
        }
    }

    fn check(&self) -> Result<(), Refusal> {
        if !(self.beta2_decay.is_finite() && self.beta2_decay <= 0.0) {
            let problem = format!("expected a number up to 0, found {}", self.beta2_decay);
            return Err(refuse("beta2_decay", problem));
        }
        // A weight that never had a gradient has a moment of zero: without a floor the step would be 0 / 0.
        let [root, size] = self.floors();
        above_zero("eps", root)?;
        from_zero("eps", size)?;
        if !(self.d.is_finite() && self.d >= 1.0) {
            let problem = format!("expected a number from 1, found {}", self.d);
            return Err(refuse("d", problem));
        }
        Ok(())
    }

    fn parts(&self, shape: &[usize]) -> Vec<(&'static str, usize)> {
        match matrices(shape) {
            Some([count, rows, columns]) => {
                vec![(ROWS, count * rows), (COLUMNS, count * columns)]
            }
            None => vec![(SQUARES, shape.iter().product())],
        }
    }

    fn update(
        &self,
        parameter: Tensor<1>,
        gradient: Tensor<1>,
        parts: &mut Parts,
        update: &Update,
    ) -> Tensor<1> {
        let [least_root, least_size] = self.floors();
        let step = update.step as f64;
        let share = step.powf(self.beta2_decay);
        let size = root_mean_square(&parameter).max(least_size);
        let rate = size * update.rate.min(1.0 / step.sqrt());
        let gradient = gradient.mul_scalar(update.scale);
        let second = match matrices(&update.shape) {
            Some([count, rows, columns]) => {
                let gradient = gradient.clone().reshape([count, rows, columns]);
                let [row_means, column_means] = [2, 1].map(|dim| mean_square(&gradient, dim));
                let old = |parts: &mut Parts, name, like: &Tensor<3>| {
                    let found: Option<Tensor<1>> = parts.remove(name);
                    found.map_or_else(|| like.zeros_like(), |old| old.reshape(like.dims()))
                };
                let row = towards(old(parts, ROWS, &row_means), row_means, share);
                let column = towards(old(parts, COLUMNS, &column_means), column_means, share);
                parts.insert(ROWS, row.clone().reshape([count * rows]));
                parts.insert(COLUMNS, column.clone().reshape([count * columns]));
                let mean = row.clone().sum_dim(1).div_scalar(rows as f64);
                let second = row * column / mean.clamp_min(least_root);
                second.reshape([count * rows * columns])
            }
            None => {
                let squares = gradient.clone() * gradient.clone();
                let old = part(parts, SQUARES, &gradient);
                let second = towards(old, squares, share);
                parts.insert(SQUARES, second.clone());
                second
            }
        };
        let change = gradient / second.clamp_min(least_root * least_root).sqrt();
        let clip = (root_mean_square(&change) / self.d).max(1.0);
        let decayed = parameter.mul_scalar(1.0 - update.rate * update.weight_decay);
        decayed - change.mul_scalar(rate / clip)
    }
}
