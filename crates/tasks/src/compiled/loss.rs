//! Losses that users choose: by Keras's names, or their own.

use std::fmt;
use std::sync::Arc;

use burn::tensor::{Int, Tensor, TensorData, activation};
use engraft_component::Refusal;

use super::targets::{SiteTargets, TargetKind};
use super::unknown;
use crate::loss::{LossFunc, matrix};

/// A loss by the name that Keras has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedLoss {
    /// The negative logarithm of the probability of the class; logits are given.
    SparseCategoricalCrossentropy,
    /// Of each class yes or no, the mean over classes; logits are given.
    BinaryCrossentropy,
    /// The mean of squared differences.
    MeanSquaredError,
    /// The mean of absolute differences.
    MeanAbsoluteError,
    /// Squared up to a difference of 1, straight beyond.
    Huber,
    /// The negative cosine of the angle between what is predicted and its target.
    CosineSimilarity,
}

/// A loss of the user's: of outputs, `[sites, values]`, and their targets it makes `[sites]`.
pub type LossFunction = dyn Fn(Tensor<2>, &SiteTargets<'_>) -> Tensor<1> + Send + Sync;

/// What is minimised instead of the task's own loss.
#[derive(Clone)]
pub enum SiteLoss {
    /// By its name.
    Named(NamedLoss),
    /// The user's own.
    Own(Arc<LossFunction>),
}

impl NamedLoss {
    /// All names, Keras's short ones behind.
    pub const NAMES: [(&'static str, NamedLoss); 8] = [
        (
            "sparse_categorical_crossentropy",
            Self::SparseCategoricalCrossentropy,
        ),
        ("binary_crossentropy", Self::BinaryCrossentropy),
        ("mean_squared_error", Self::MeanSquaredError),
        ("mean_absolute_error", Self::MeanAbsoluteError),
        ("huber", Self::Huber),
        ("cosine_similarity", Self::CosineSimilarity),
        ("mse", Self::MeanSquaredError),
        ("mae", Self::MeanAbsoluteError),
    ];

    /// The loss of a name.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn named(name: &str) -> Result<Self, Refusal> {
        let found = Self::NAMES.into_iter().find(|(own, _)| *own == name);
        found.map(|(_, loss)| loss).ok_or_else(|| {
            let names = Self::NAMES.map(|(name, _)| name);
            unknown("loss", name, &names)
        })
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        let found = Self::NAMES.into_iter().find(|(_, loss)| *loss == self);
        found.map_or("", |(name, _)| name)
    }

    /// What it is computed from.
    pub(super) fn kinds(self) -> &'static [TargetKind] {
        match self {
            Self::SparseCategoricalCrossentropy => &[TargetKind::Classes, TargetKind::Tokens],
            Self::BinaryCrossentropy => &[TargetKind::Flags],
            _ => &[TargetKind::Numbers],
        }
    }

    /// `[sites]` of outputs `[sites, values]`; 0 for targets of another kind, which [`SiteLoss::check`] refuses.
    pub(super) fn of(self, outputs: Tensor<2>, targets: &SiteTargets<'_>) -> Tensor<1> {
        let [sites, width] = outputs.dims();
        let row_means = |elements: Tensor<2>| elements.mean_dim(1).reshape([sites]);
        match (self, targets) {
            (Self::SparseCategoricalCrossentropy, SiteTargets::Classes { classes, .. }) => {
                cross_entropies(outputs, classes)
            }
            (Self::BinaryCrossentropy, SiteTargets::Flags { flags }) => {
                let flags = matrix(flags.clone(), width, &outputs);
                row_means(binary_elements(outputs, flags))
            }
            (Self::CosineSimilarity, SiteTargets::Numbers { numbers, .. }) => {
                let targets = matrix(numbers.clone(), width, &outputs);
                let unit = |vectors: Tensor<2>| {
                    let squares = vectors.clone().powi_scalar(2).sum_dim(1);
                    // Keras's floor.
                    vectors / squares.clamp_min(1e-12).sqrt()
                };
                (unit(outputs) * unit(targets))
                    .sum_dim(1)
                    .neg()
                    .reshape([sites])
            }
            (_, SiteTargets::Numbers { numbers, .. }) => {
                let targets = matrix(numbers.clone(), width, &outputs);
                let function = match self {
                    Self::MeanAbsoluteError => LossFunc::from(crate::loss::L1Loss {}),
                    Self::Huber => crate::loss::HuberLoss { delta: 1.0 }.into(),
                    _ => LossFunc::default(),
                };
                row_means(function.elements(outputs, targets))
            }
            _ => Tensor::zeros([sites], &outputs.device()),
        }
    }
}

impl fmt::Debug for SiteLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Named(loss) => loss.name(),
            Self::Own(_) => "a function",
        })
    }
}

impl SiteLoss {
    /// Refuses a loss of other targets than a task has.
    ///
    /// # Errors
    /// It is one.
    pub fn check(&self, kind: TargetKind, task: &str) -> Result<(), Refusal> {
        let problem = match self {
            Self::Named(loss) if !loss.kinds().contains(&kind) => {
                format!(
                    "{} is no loss of {}, which {task} predicts",
                    loss.name(),
                    kind.in_words()
                )
            }
            Self::Own(_) if matches!(kind, TargetKind::Tokens | TargetKind::Other) => {
                format!("{task} is trained by its own loss alone")
            }
            _ => return Ok(()),
        };
        Err(Refusal::of("loss", problem).help(kind.help()))
    }

    /// `[sites]`.
    pub(crate) fn of(&self, outputs: Tensor<2>, targets: &SiteTargets<'_>) -> Tensor<1> {
        match self {
            Self::Named(loss) => loss.of(outputs, targets),
            Self::Own(function) => function(outputs, targets),
        }
    }
}

/// `-log softmax(outputs)[class]` of each site, `[sites]`.
pub(super) fn cross_entropies(outputs: Tensor<2>, classes: &[u32]) -> Tensor<1> {
    let classes: Vec<i32> = classes.iter().map(|&class| class as i32).collect();
    let sites = classes.len();
    let index = TensorData::new(classes, [sites, 1]);
    let index = Tensor::<2, Int>::from_data(index, &outputs.device());
    let logarithms = activation::log_softmax(outputs, 1);
    logarithms.gather(1, index).neg().reshape([sites])
}

/// The binary cross-entropy of logits with flags, of each element.
pub(super) fn binary_elements(logits: Tensor<2>, flags: Tensor<2>) -> Tensor<2> {
    let rest = flags.neg().add_scalar(1.0) * logits.clone();
    rest - activation::log_sigmoid(logits)
}
