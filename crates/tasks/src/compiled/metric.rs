//! Metrics that users choose beside a task's own: each a mean over sites.

use std::fmt;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};

use super::loss::NamedLoss;
use super::our_name;
use super::targets::{SiteTargets, TargetKind};
use crate::output::largest;

/// What a metric of the user's makes of the outputs of a site and its target: the number of its class, flags, or numbers.
pub type MetricFunction = dyn Fn(&[f32], &[f32]) -> f64 + Send + Sync;

/// A metric that is a mean over sites.
#[derive(Clone)]
pub struct SiteMetric {
    /// What it is called in scores.
    pub name: String,
    of: Measure,
}

#[derive(Clone)]
enum Measure {
    Accuracy,
    Loss(NamedLoss),
    Own(Arc<MetricFunction>),
}

impl fmt::Debug for SiteMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl SiteMetric {
    /// The user's own.
    pub fn own(
        name: impl Into<String>,
        of: impl Fn(&[f32], &[f32]) -> f64 + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            of: Measure::Own(Arc::new(of)),
        }
    }

    /// The same as one that weighs sites, by the name that tells so.
    pub(super) fn weighted(self) -> Self {
        Self {
            name: format!("weighted_{}", self.name),
            ..self
        }
    }

    /// The metric of a name, on targets of a kind; none if no mean over sites has it.
    pub(super) fn named(name: &str, kind: TargetKind) -> Option<Self> {
        let of = match name {
            "accuracy" | "acc" => Some(Measure::Accuracy).filter(|_| kind != TargetKind::Numbers),
            "sparse_categorical_accuracy" => {
                Some(Measure::Accuracy).filter(|_| kind == TargetKind::Classes)
            }
            "binary_accuracy" => Some(Measure::Accuracy).filter(|_| kind == TargetKind::Flags),
            _ => {
                let loss = NamedLoss::named(name).ok();
                loss.filter(|it| it.kinds().contains(&kind))
                    .map(Measure::Loss)
            }
        };
        Some(Self {
            name: our_name(name).to_owned(),
            of: of?,
        })
    }

    /// Its value at each site, whose outputs are `[sites, width]`, row by row.
    pub(super) fn values(
        &self,
        outputs: &[f32],
        width: usize,
        targets: &SiteTargets<'_>,
    ) -> Vec<f64> {
        let rows = outputs.chunks_exact(width.max(1));
        let sites = rows.len();
        match &self.of {
            Measure::Loss(loss) => {
                let device = Device::flex();
                let all = Tensor::<2>::from_data(
                    TensorData::new(outputs.to_vec(), [sites, width]),
                    &device,
                );
                let in_data = match targets {
                    SiteTargets::Numbers { in_data, .. } => SiteTargets::Numbers {
                        numbers: in_data.clone(),
                        in_data: in_data.clone(),
                        loss: None,
                    },
                    other => other.clone(),
                };
                let values = loss.of(all, &in_data).into_data();
                // The mean of a loss falls; Keras's metric of the name rises with the cosine.
                let sign = if *loss == NamedLoss::CosineSimilarity {
                    -1.0
                } else {
                    1.0
                };
                values
                    .iter::<f32>()
                    .map(|value| sign * f64::from(value))
                    .collect()
            }
            Measure::Own(function) => {
                let targets = targets.of_sites(sites);
                let pairs = rows.zip(&targets);
                pairs.map(|(row, target)| function(row, target)).collect()
            }
            Measure::Accuracy => {
                let targets = targets.of_sites(sites);
                let hit = |(row, target): (&[f32], &Vec<f32>)| match target.as_slice() {
                    [class] if row.len() > 1 => f64::from(largest(row) == *class as usize),
                    flags => {
                        let pairs = row.iter().zip(flags);
                        let right = pairs.filter(|(logit, flag)| (**logit > 0.0) == (**flag > 0.5));
                        right.count() as f64 / flags.len().max(1) as f64
                    }
                };
                rows.zip(&targets).map(hit).collect()
            }
        }
    }
}
