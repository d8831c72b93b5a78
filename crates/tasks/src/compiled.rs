//! What a model is trained and scored by where its task's own loss and scores do not do: KerasHub's `compile`.
//!
//! A loss is a number for each site, and so is a metric: a site is what has a target of its own, a row or one of its letters. What weighs
//! rows differently weighs these numbers.

mod loss;
mod metric;
mod targets;

use std::collections::BTreeSet;
use std::sync::Arc;

use engraft_component::{Refusal, did_you_mean};

pub use self::loss::{LossFunction, NamedLoss, SiteLoss};
pub use self::metric::{MetricFunction, SiteMetric};
pub(crate) use self::targets::vector;
pub use self::targets::{SiteTargets, TargetKind};
use crate::metrics::Mean;

/// What a model is trained and scored by.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    /// Instead of the task's own loss.
    pub loss: Option<SiteLoss>,
    /// The task's own scores that are reported; all of them if it is not said.
    pub scores: Option<Vec<String>>,
    /// Scores beside them.
    pub metrics: Vec<SiteMetric>,
    /// Those that weigh sites as the loss does.
    pub weighted_metrics: Vec<SiteMetric>,
}

/// Names that Keras has for scores of ours, and what their targets must be, if not any.
const SCORES: [(&str, &str, &[TargetKind]); 8] = [
    (
        "sparse_categorical_accuracy",
        "accuracy",
        &[TargetKind::Classes, TargetKind::Tokens],
    ),
    ("binary_accuracy", "accuracy", &[TargetKind::Flags]),
    ("acc", "accuracy", &[]),
    ("mean_squared_error", "mse", &[TargetKind::Numbers]),
    ("mean_absolute_error", "mae", &[TargetKind::Numbers]),
    ("r2_score", "r2", &[]),
    ("f1_score", "f1", &[]),
    ("auc", "auroc", &[]),
];

/// What a metric is called here that Keras may call otherwise.
fn our_name(name: &str) -> &str {
    let found = SCORES.iter().find(|(theirs, ..)| *theirs == name);
    found.map_or(name, |(_, ours, _)| ours)
}

/// A metric as users say it.
#[derive(Clone, Debug)]
pub enum MetricWish {
    /// By the name that it has here or in Keras.
    Named(String),
    /// The user's own.
    Own(SiteMetric),
}

impl Compiled {
    /// The metrics that are wished for, of a task with scores `own` on targets of a kind; without a wish the task's own.
    ///
    /// # Errors
    /// There is no metric of a name, or it cannot be weighed.
    pub fn with_metrics(
        mut self,
        own: &[String],
        kind: TargetKind,
        metrics: Option<&[MetricWish]>,
        weighted: Option<&[MetricWish]>,
    ) -> Result<Self, Refusal> {
        let means = kind.weighs();
        let mut scores = Vec::new();
        // Of a language model each token weighs the same, so that both lists are one.
        let tokens = weighted.filter(|_| !means).unwrap_or_default();
        for wish in metrics.unwrap_or_default().iter().chain(tokens) {
            match wish {
                MetricWish::Own(metric) if means => self.metrics.push(metric.clone()),
                MetricWish::Own(metric) => {
                    let problem = format!(
                        "{}: this task is scored by its own scores alone",
                        metric.name
                    );
                    return Err(Refusal::of("metrics", problem).help(these(own)));
                }
                MetricWish::Named(name) => {
                    let found = SCORES.iter().find(|(theirs, ..)| theirs == name);
                    let fits = |(.., kinds): &(&str, &str, &[TargetKind])| {
                        kinds.is_empty() || kinds.contains(&kind)
                    };
                    if found.is_some_and(|found| !fits(found)) {
                        return Err(unknown("metrics", name, &known(own, kind)));
                    }
                    let ours = our_name(name);
                    if own.iter().any(|own| own == ours) {
                        scores.push(ours.to_owned());
                    } else if let Some(metric) = SiteMetric::named(name, kind).filter(|_| means) {
                        self.metrics.push(metric);
                    } else {
                        return Err(unknown("metrics", name, &known(own, kind)));
                    }
                }
            }
        }
        if metrics.is_some() {
            self.scores = Some(scores);
        }
        for wish in weighted.filter(|_| means).unwrap_or_default() {
            let metric = match wish {
                MetricWish::Own(metric) => metric.clone(),
                MetricWish::Named(name) => SiteMetric::named(name, kind).ok_or_else(|| {
                    let known = known(&[], kind);
                    if own.iter().any(|own| own == name) {
                        let problem =
                            format!("{name} is no mean over rows, which could be weighed");
                        Refusal::of("weighted_metrics", problem)
                    } else {
                        unknown("weighted_metrics", name, &known)
                    }
                })?,
            };
            self.weighted_metrics.push(metric.weighted());
        }
        let names = self.names(own.to_vec());
        let mut seen = BTreeSet::from(["loss"]);
        match names.iter().find(|name| !seen.insert(name.as_str())) {
            Some(twice) => {
                let problem = format!("two values would be called \"{twice}\"");
                Err(Refusal::of("metrics", problem))
            }
            None => Ok(self),
        }
    }

    /// The scores that are reported, of which the task's own are `own`.
    pub(crate) fn reported(
        &self,
        own: Vec<(String, f64)>,
        means: &[(String, Mean)],
    ) -> Vec<(String, f64)> {
        let mut all = match &self.scores {
            None => own,
            Some(names) => {
                let named = |name: &String| own.iter().find(|(own, _)| own == name).cloned();
                names.iter().filter_map(named).collect()
            }
        };
        all.extend(
            means
                .iter()
                .map(|(name, mean)| (name.clone(), mean.value())),
        );
        all
    }

    /// What a value of a history is called here that Keras may call otherwise: `val_accuracy` of `val_sparse_categorical_accuracy`.
    pub fn our_name(name: &str) -> String {
        let (mut begins, mut rest) = (String::new(), name);
        for prefix in ["val_", "test_", "weighted_"] {
            if let Some(inner) = rest.strip_prefix(prefix) {
                begins.push_str(prefix);
                rest = inner;
            }
        }
        begins + our_name(rest)
    }

    /// All names that metrics may have, of whichever tasks: Keras's and ours.
    pub fn metric_names() -> Vec<&'static str> {
        let scores = SCORES.iter().flat_map(|(theirs, ours, _)| [*theirs, *ours]);
        let means = NamedLoss::NAMES.into_iter().map(|(name, _)| name);
        let mut names: Vec<&str> = scores.chain(means).collect();
        names.extend(["mcc", "pearson", "perplexity", "spearman"]);
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The names of the scores of a task that has `own`.
    pub(crate) fn names(&self, own: Vec<String>) -> Vec<String> {
        let mut names = match &self.scores {
            Some(scores) => scores.clone(),
            None => own,
        };
        let beside = self.metrics.iter().chain(&self.weighted_metrics);
        names.extend(beside.map(|metric| metric.name.clone()));
        names
    }
}

/// What a pass has seen of metrics beside the task's own.
#[derive(Debug)]
pub(crate) struct Seen {
    compiled: Arc<Compiled>,
    means: Vec<Mean>,
}

impl Seen {
    pub(crate) fn new(compiled: Arc<Compiled>) -> Self {
        let count = compiled.metrics.len() + compiled.weighted_metrics.len();
        Self {
            compiled,
            means: vec![Mean::default(); count],
        }
    }

    /// Whether there is anything to see.
    pub(crate) fn looks(&self) -> bool {
        !self.means.is_empty()
    }

    /// Takes in sites with outputs of `width` values; `weights` are theirs, if they have some.
    pub(crate) fn add(
        &mut self,
        outputs: &[f32],
        width: usize,
        targets: &SiteTargets<'_>,
        weights: Option<&[f32]>,
    ) {
        let plain = self.compiled.metrics.iter().map(|it| (it, None));
        let weighted = self.compiled.weighted_metrics.iter();
        let weighted = weighted.map(|it| (it, weights));
        for ((metric, weights), mean) in plain.chain(weighted).zip(&mut self.means) {
            let values = metric.values(outputs, width, targets);
            for (site, value) in values.into_iter().enumerate() {
                let weight = weights.and_then(|weights| weights.get(site));
                let weight = f64::from(weight.copied().unwrap_or(1.0));
                mean.add(value * weight, weight);
            }
        }
    }

    /// The means so far, by name, which then begin anew.
    pub(crate) fn take(&mut self) -> Vec<(String, Mean)> {
        let metrics = self.compiled.metrics.iter();
        let metrics = metrics.chain(&self.compiled.weighted_metrics);
        let means = metrics.zip(&self.means);
        let means = means.map(|(metric, mean)| (metric.name.clone(), *mean));
        let means = means.collect();
        self.means.fill(Mean::default());
        means
    }
}

/// The names of metrics that there are.
fn known(own: &[String], kind: TargetKind) -> Vec<String> {
    let mut names = own.to_vec();
    let theirs = SCORES.iter().filter(|(_, ours, kinds)| {
        let fits = kinds.is_empty() || kinds.contains(&kind);
        fits && own.iter().any(|own| own == ours)
    });
    names.extend(theirs.map(|(theirs, ..)| (*theirs).to_owned()));
    let means = NamedLoss::NAMES.into_iter().map(|(name, _)| name);
    let means = means.chain(["accuracy", "sparse_categorical_accuracy", "binary_accuracy"]);
    names.extend(
        means
            .filter(|name| SiteMetric::named(name, kind).is_some())
            .map(str::to_owned),
    );
    names.sort();
    names.dedup();
    names
}

fn these(names: &[String]) -> String {
    match names {
        [] => "There are none".to_owned(),
        names => format!("There are: {}", names.join(", ")),
    }
}

fn unknown<N: AsRef<str>>(key: &str, name: &str, known: &[N]) -> Refusal {
    let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
    let help = did_you_mean(name, &known, "There are");
    let problem = format!("there is none called \"{name}\"");
    Refusal::of(key, problem).help(help.unwrap_or_default())
}
