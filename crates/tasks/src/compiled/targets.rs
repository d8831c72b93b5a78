//! What is to be predicted at sites, and the task's own loss of it site by site.

use burn::tensor::{Device, Tensor, TensorData};

use super::loss::{NamedLoss, binary_elements, cross_entropies};
use crate::loss::{LossFunc, matrix};

/// What is to be predicted at the sites of a batch.
#[derive(Clone, Debug)]
pub enum SiteTargets<'a> {
    /// One class each.
    Classes {
        /// `[sites]`.
        classes: &'a [u32],
        /// What each class weighs in the task's own loss; empty where all weigh 1.
        weights: &'a [f32],
    },
    /// Yes or no for each of several classes.
    Flags {
        /// `[sites, classes]`, of 0 and 1.
        flags: Vec<f32>,
    },
    /// Numbers each.
    Numbers {
        /// `[sites, numbers]`, as the head gives them.
        numbers: Vec<f32>,
        /// The same in the units of the data.
        in_data: Vec<f32>,
        /// What the task's own loss makes of the differences, if it has one.
        loss: Option<&'a LossFunc>,
    },
}

/// The kinds of targets that sites have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// One class each.
    Classes,
    /// Yes or no for each of several classes.
    Flags,
    /// Numbers.
    Numbers,
    /// Tokens of a language model, of which each weighs the same.
    Tokens,
    /// Something else, of which the task alone makes a loss.
    Other,
}

impl TargetKind {
    /// Whether any loss can be computed from them, and sites may weigh differently.
    pub fn weighs(self) -> bool {
        matches!(self, Self::Classes | Self::Flags | Self::Numbers)
    }

    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::Classes => "one class a row",
            Self::Flags => "several classes a row",
            Self::Numbers => "numbers",
            Self::Tokens => "tokens",
            Self::Other => "something of its own",
        }
    }

    /// Which losses there are.
    pub(super) fn help(self) -> String {
        let fits = |(_, loss): &(&str, NamedLoss)| loss.kinds().contains(&self);
        let names = NamedLoss::NAMES.into_iter().filter(fits);
        let names: Vec<&str> = names.map(|(name, _)| name).collect();
        match names.as_slice() {
            [] => "Leave it at Auto".to_owned(),
            names => format!("Leave it at Auto, or give {}", names.join(", ")),
        }
    }
}

impl SiteTargets<'_> {
    /// The sums over the values of each site that the task's own loss adds up, `[sites]`.
    pub(crate) fn own_losses(&self, outputs: Tensor<2>) -> Tensor<1> {
        let [sites, width] = outputs.dims();
        match self {
            Self::Classes { classes, weights } => {
                let losses = cross_entropies(outputs, classes);
                if weights.is_empty() {
                    return losses;
                }
                let weight = |class: &u32| weights.get(*class as usize).copied().unwrap_or(1.0);
                let weights = classes.iter().map(weight).collect();
                let weights = vector(weights, &losses.device());
                losses * weights
            }
            Self::Flags { flags } => {
                let flags = matrix(flags.clone(), width, &outputs);
                binary_elements(outputs, flags).sum_dim(1).reshape([sites])
            }
            Self::Numbers { numbers, loss, .. } => {
                let targets = matrix(numbers.clone(), width, &outputs);
                let elements = match loss {
                    Some(loss) => loss.elements(outputs, targets),
                    None => LossFunc::default().elements(outputs, targets),
                };
                elements.sum_dim(1).reshape([sites])
            }
        }
    }

    /// The targets of each of so many sites as numbers: of a class its own.
    pub(super) fn of_sites(&self, sites: usize) -> Vec<Vec<f32>> {
        let chunks = |values: &[f32]| {
            let width = values.len().checked_div(sites).unwrap_or(0).max(1);
            values.chunks_exact(width).map(<[f32]>::to_vec).collect()
        };
        match self {
            Self::Classes { classes, .. } => classes.iter().map(|&it| vec![it as f32]).collect(),
            Self::Flags { flags } => chunks(flags),
            Self::Numbers { in_data, .. } => chunks(in_data),
        }
    }
}

/// `[values]` on a device.
pub(crate) fn vector(values: Vec<f32>, device: &Device) -> Tensor<1> {
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}
