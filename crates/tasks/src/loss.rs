//! Losses beside cross-entropy. Each is a sum, to be divided by the sum of weights once in an optimizer step.

use burn::tensor::{Tensor, TensorData, activation};
use engraft_component::{Choice, Component};

use crate::error::{Error, Result};

/// What a regression minimises.
#[derive(Clone, Debug, PartialEq, Choice)]
#[choice(default = MSELoss, kind = "loss")]
pub enum LossFunc {
    /// The squared difference.
    MSELoss(MSELoss),
    /// The absolute difference.
    L1Loss(L1Loss),
    /// Squared up to a distance, straight beyond.
    HuberLoss(HuberLoss),
    /// The same, scaled by the distance.
    SmoothL1Loss(SmoothL1Loss),
}

/// The mean of squared differences.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "torch.nn.MSELoss")]
#[component(ignored(
    reduction = "losses are means",
    size_average = "losses are means",
    reduce = "losses are means"
))]
pub struct MSELoss {}

/// The mean of absolute differences.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "torch.nn.L1Loss")]
#[component(ignored(
    reduction = "losses are means",
    size_average = "losses are means",
    reduce = "losses are means"
))]
pub struct L1Loss {}

/// The mean of `d² / 2` for differences `d` up to `delta`, and of `delta (|d| - delta / 2)` beyond.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "torch.nn.HuberLoss")]
#[component(ignored(reduction = "losses are means"))]
pub struct HuberLoss {
    /// Where the squared part ends; positive.
    #[arg(default = 1.0)]
    pub delta: f64,
}

/// The mean of `d² / (2 beta)` for differences `d` up to `beta`, and of `|d| - beta / 2` beyond.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "torch.nn.SmoothL1Loss")]
#[component(ignored(
    reduction = "losses are means",
    size_average = "losses are means",
    reduce = "losses are means"
))]
pub struct SmoothL1Loss {
    /// Where the squared part ends; 0 for none.
    #[arg(default = 1.0)]
    pub beta: f64,
}

impl LossFunc {
    /// Refuses arguments that no loss can have.
    pub(crate) fn check(&self) -> Result<()> {
        let (key, value, least) = match self {
            Self::MSELoss(_) | Self::L1Loss(_) => return Ok(()),
            Self::HuberLoss(huber) => ("delta", huber.delta, f64::MIN_POSITIVE),
            Self::SmoothL1Loss(smooth) => ("beta", smooth.beta, 0.0),
        };
        if value.is_finite() && value >= least {
            return Ok(());
        }
        let range = if least > 0.0 {
            "above 0"
        } else {
            "of at least 0"
        };
        Err(Error::refused(
            &format!("model.loss_func.{key}"),
            format!("expected a finite number {range}, found {value}"),
        ))
    }

    /// The sum over all elements of `[rows, outputs]`, `[1]`.
    pub fn sum(&self, predictions: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
        self.elements(predictions, targets).sum()
    }

    /// Each element's, `[rows, outputs]`.
    pub(crate) fn elements(&self, predictions: Tensor<2>, targets: Tensor<2>) -> Tensor<2> {
        let difference = predictions - targets;
        match self {
            Self::MSELoss(_) => difference.powi_scalar(2),
            Self::L1Loss(_) => difference.abs(),
            Self::HuberLoss(huber) => bent(difference, huber.delta).mul_scalar(huber.delta),
            Self::SmoothL1Loss(smooth) if smooth.beta == 0.0 => difference.abs(),
            Self::SmoothL1Loss(smooth) => bent(difference, smooth.beta),
        }
    }
}

/// `d² / (2 bend)` up to `bend`, `|d| - bend / 2` beyond.
///
/// With `inside = min(|d|, bend)` both are `inside (|d| - inside / 2) / bend`.
fn bent(difference: Tensor<2>, bend: f64) -> Tensor<2> {
    let size = difference.abs();
    let inside = size.clone().clamp_max(bend);
    (inside.clone() * (size - inside.div_scalar(2.0))).div_scalar(bend)
}

/// The sum over all elements of `[rows, labels]` of the binary cross-entropy of logits with flags of 0 and 1, `[1]`.
pub fn binary_cross_entropy(logits: Tensor<2>, flags: Tensor<2>) -> Tensor<1> {
    // -y log s(x) - (1 - y) log(1 - s(x)) = -log s(x) + (1 - y) x
    let rest = flags.neg().add_scalar(1.0) * logits.clone();
    (rest - activation::log_sigmoid(logits)).sum()
}

/// The values of `[rows, columns]`, row by row, and the number of columns, 1 at least.
pub(crate) fn rows_of(outputs: Tensor<2>) -> (Vec<f32>, usize) {
    let width = outputs.dims()[1].max(1);
    (outputs.into_data().iter::<f32>().collect(), width)
}

/// `[rows, columns]` on a device.
pub(crate) fn matrix(values: Vec<f32>, columns: usize, like: &Tensor<2>) -> Tensor<2> {
    let rows = values.len() / columns.max(1);
    Tensor::from_data(TensorData::new(values, [rows, columns]), &like.device())
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use serde_json::Value;

    use super::*;

    fn numbers(value: &Value) -> Vec<f32> {
        match value {
            Value::Array(list) => list.iter().flat_map(numbers).collect(),
            number => vec![number.as_f64().unwrap() as f32],
        }
    }

    #[test]
    fn losses_and_their_gradients_are_those_of_pytorch() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/golden/metrics/losses.json"
        );
        let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let device = Device::flex().autodiff();
        let mut checked = 0;
        for (name, case) in file["cases"].as_object().unwrap() {
            let settings = &case["settings"];
            let number = |key: &str| settings[key].as_f64().unwrap_or(1.0);
            let loss = match case["loss"].as_str().unwrap() {
                "mse" => Some(LossFunc::from(MSELoss {})),
                "l1" => Some(L1Loss {}.into()),
                "huber" => Some(
                    HuberLoss {
                        delta: number("delta"),
                    }
                    .into(),
                ),
                "smooth_l1" => Some(
                    SmoothL1Loss {
                        beta: number("beta"),
                    }
                    .into(),
                ),
                "bce_with_logits" if case["weights"].is_null() => None,
                _ => continue,
            };
            let columns = case["inputs"][0].as_array().unwrap().len();
            let make = |key: &str| {
                let values = numbers(&case[key]);
                let shape = [values.len() / columns, columns];
                Tensor::<2>::from_data(TensorData::new(values, shape), &device)
            };
            let inputs = make("inputs").require_grad();
            let sum = match &loss {
                Some(loss) => loss.sum(inputs.clone(), make("targets")),
                None => binary_cross_entropy(inputs.clone(), make("targets")),
            };
            let divisor = case["divisor"].as_f64().unwrap();
            let expected = case["mean"].as_f64().unwrap();
            let found = f64::from(sum.clone().into_scalar::<f32>()) / divisor;
            assert!(
                (found - expected).abs() <= 1e-6 * expected.abs().max(1.0),
                "{name}: {found} instead of {expected}"
            );
            let gradients = (sum / divisor).backward();
            let found: Vec<f32> = inputs
                .grad(&gradients)
                .unwrap()
                .into_data()
                .iter()
                .collect();
            for (found, expected) in found.iter().zip(numbers(&case["gradient"])) {
                assert!(
                    (found - expected).abs() <= 1e-6,
                    "{name}: {found} {expected}"
                );
            }
            checked += 1;
        }
        assert!(checked > 20, "{checked} cases");
    }
}
