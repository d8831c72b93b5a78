//! What a model is trained and scored by where its task's own loss and scores do not do: KerasHub's `compile`.
//!
//! A loss is a number for each site, and so is a metric: a site is what has a target of its own, a row or one of its letters. What weighs
//! rows differently weighs these numbers.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use engraft_component::{Refusal, did_you_mean};

use crate::loss::{LossFunc, matrix};
use crate::metrics::Mean;
use crate::output::largest;

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
    fn kinds(self) -> &'static [TargetKind] {
        match self {
            Self::SparseCategoricalCrossentropy => &[TargetKind::Classes, TargetKind::Tokens],
            Self::BinaryCrossentropy => &[TargetKind::Flags],
            _ => &[TargetKind::Numbers],
        }
    }

    /// `[sites]` of outputs `[sites, values]`; 0 for targets of another kind, which [`SiteLoss::check`] refuses.
    fn of(self, outputs: Tensor<2>, targets: &SiteTargets<'_>) -> Tensor<1> {
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

impl fmt::Debug for SiteMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
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

impl TargetKind {
    /// Whether any loss can be computed from them, and sites may weigh differently.
    pub fn weighs(self) -> bool {
        matches!(self, Self::Classes | Self::Flags | Self::Numbers)
    }

    fn in_words(self) -> &'static str {
        match self {
            Self::Classes => "one class a row",
            Self::Flags => "several classes a row",
            Self::Numbers => "numbers",
            Self::Tokens => "tokens",
            Self::Other => "something of its own",
        }
    }

    /// Which losses there are.
    fn help(self) -> String {
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
    fn of_sites(&self, sites: usize) -> Vec<Vec<f32>> {
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

    /// The metric of a name, on targets of a kind; none if no mean over sites has it.
    fn named(name: &str, kind: TargetKind) -> Option<Self> {
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
    fn values(&self, outputs: &[f32], width: usize, targets: &SiteTargets<'_>) -> Vec<f64> {
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
            self.weighted_metrics.push(SiteMetric {
                name: format!("weighted_{}", metric.name),
                ..metric
            });
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

/// `-log softmax(outputs)[class]` of each site, `[sites]`.
fn cross_entropies(outputs: Tensor<2>, classes: &[u32]) -> Tensor<1> {
    let classes: Vec<i32> = classes.iter().map(|&class| class as i32).collect();
    let sites = classes.len();
    let index = TensorData::new(classes, [sites, 1]);
    let index = Tensor::<2, Int>::from_data(index, &outputs.device());
    let logarithms = activation::log_softmax(outputs, 1);
    logarithms.gather(1, index).neg().reshape([sites])
}

/// The binary cross-entropy of logits with flags, of each element.
fn binary_elements(logits: Tensor<2>, flags: Tensor<2>) -> Tensor<2> {
    let rest = flags.neg().add_scalar(1.0) * logits.clone();
    rest - activation::log_sigmoid(logits)
}

/// `[values]` on a device.
pub(crate) fn vector(values: Vec<f32>, device: &Device) -> Tensor<1> {
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}
