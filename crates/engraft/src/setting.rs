//! What a model is compiled with: each part left to it, by its name, or a value.

use std::fmt;
use std::sync::Arc;

use burn::tensor::Tensor;
use engraft_component::{FromNode, Kind, Node, Refusal, decode, did_you_mean};
use engraft_generate::{
    Beam, BeamKeras, Chain, Contrastive, Greedy, MinP, Random, Sampler, Speculative, TopK, TopP,
};
use engraft_tasks::{Compiled, MetricWish, NamedLoss, SiteLoss, SiteMetric, SiteTargets};
use engraft_train::optimizer::{Adafactor, Adagrad, Adam, AdamW, Optimizer, RMSprop, SGD};
use engraft_train::schedule::LrScheduler;

use crate::error::Result;

/// How a model is trained, scored and made to write: KerasHub's `compile`. What is [`Setting::Auto`] is as KerasHub has it for the task and the
/// family of its model.
///
/// ```
/// use engraft::prelude::*;
/// use engraft::train::Adam;
///
/// let mut classifier = TextClassifier::from_preset("sapiens_vh")?.num_classes(2).build()?;
/// classifier.compile(Compile {
///     optimizer: Adam { lr: 1e-4, ..Adam::default() }.into(),
///     metrics: ["accuracy", "f1"].into(),
///     ..Compile::default()
/// })?;
/// let error = classifier.compile(Compile { optimizer: "adan".into(), ..Compile::default() });
/// assert_eq!(error.unwrap_err().to_string(), "optimizer: there is none called \"adan\". Did you mean \"adam\"?");
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Compile {
    /// What turns gradients into new weights. `Auto`: Adam at 5e-5, for ALBERT's classifiers at 1e-5, for language models that write at 2e-5.
    pub optimizer: Setting<Optimizer>,
    /// How the learning rate changes; constant without one.
    pub lr_scheduler: Option<LrScheduler>,
    /// What is minimised. `Auto`: the task's own loss.
    pub loss: Setting<Loss>,
    /// What is reported beside the loss. `Auto`: the task's own scores.
    pub metrics: Setting<Vec<Metric>>,
    /// The same with each row weighing what it does in the loss; their names begin with `weighted_`. Of a language model each token that is
    /// predicted weighs the same, so that they are like `metrics`. `Auto`: none beside the task's own.
    pub weighted_metrics: Setting<Vec<Metric>>,
    /// How tokens are chosen, of models that write. `Auto`: what a preset's `generation_config.json` says; else `top_k`, or `greedy` for Gemma.
    pub sampler: Setting<Sampler>,
}

/// Something that is left to the model, said by its name, or given.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Setting<T> {
    /// As it is usual for the task and the model's family.
    #[default]
    Auto,
    /// What has this name; `engraft components` lists the names.
    Named(String),
    /// This.
    Value(T),
}

impl<T> From<&str> for Setting<T> {
    fn from(name: &str) -> Self {
        match name {
            "auto" => Self::Auto,
            name => Self::Named(name.to_owned()),
        }
    }
}

/// Values that stand for a setting by themselves.
macro_rules! values {
    ($of:ty: $($value:ty),+) => {$(
        impl From<$value> for Setting<$of> {
            fn from(value: $value) -> Self {
                Self::Value(value.into())
            }
        }
    )+};
}

values!(Optimizer: Optimizer, Adam, AdamW, SGD, Adafactor, RMSprop, Adagrad);
values!(Sampler: Sampler, Greedy, Random, TopK, TopP, MinP, Chain, Beam, BeamKeras, Contrastive, Speculative);
values!(Loss: Loss, NamedLoss);
values!(Vec<Metric>: Vec<Metric>);

/// A loss: a number for each row, of what the head gives for it and its label. The mean over rows is minimised, rows that weigh differently
/// multiplied by what they weigh, as in Keras.
#[derive(Clone, Debug)]
pub struct Loss(pub(crate) SiteLoss);

impl Loss {
    /// One of the user's own: of outputs, `[rows, values]`, and their targets it makes `[rows]`. The operations of
    /// [`Tensor`] have gradients.
    ///
    /// ```
    /// use engraft::{Loss, Targets};
    ///
    /// // The fourth power of the difference.
    /// let loss = Loss::function(|outputs, targets| {
    ///     let Targets::Numbers { numbers, .. } = targets else { panic!("of a regressor") };
    ///     let shape = outputs.dims();
    ///     let numbers = engraft::Tensor::from_data(engraft::TensorData::new(numbers.clone(), shape), &outputs.device());
    ///     (outputs - numbers).powi_scalar(4).sum_dim(1).reshape([shape[0]])
    /// });
    /// # let _ = loss;
    /// ```
    pub fn function(
        of: impl Fn(Tensor<2>, &SiteTargets<'_>) -> Tensor<1> + Send + Sync + 'static,
    ) -> Self {
        Self(SiteLoss::Own(Arc::new(of)))
    }
}

impl From<NamedLoss> for Loss {
    fn from(loss: NamedLoss) -> Self {
        Self(SiteLoss::Named(loss))
    }
}

/// A metric, by the name that it has here (`f1`) or in Keras (`sparse_categorical_accuracy`), or one of the user's own.
#[derive(Clone, Debug)]
pub struct Metric(pub(crate) MetricWish);

impl Metric {
    /// The mean over rows of what a function makes of the head's outputs for a row, in the units of the data, and its target: the number of its
    /// class, a flag for each class, or numbers.
    ///
    /// ```
    /// use engraft::Metric;
    ///
    /// let metric = Metric::function("off_by", |outputs, target| f64::from((outputs[0] - target[0]).abs()));
    /// # let _ = metric;
    /// ```
    pub fn function(
        name: impl Into<String>,
        of: impl Fn(&[f32], &[f32]) -> f64 + Send + Sync + 'static,
    ) -> Self {
        Self(MetricWish::Own(SiteMetric::own(name, of)))
    }
}

impl From<&str> for Metric {
    fn from(name: &str) -> Self {
        Self(MetricWish::Named(name.to_owned()))
    }
}

impl<M: Into<Metric>, const N: usize> From<[M; N]> for Setting<Vec<Metric>> {
    fn from(metrics: [M; N]) -> Self {
        Self::Value(metrics.into_iter().map(Into::into).collect())
    }
}

/// The optimizers that have a name, with Keras's defaults.
fn optimizers() -> [(&'static str, Optimizer); 6] {
    let (lr, eps, keras_eps) = (1e-3, 1e-7, true);
    let adam = Adam {
        lr,
        eps,
        keras_eps,
        ..Adam::default()
    };
    let adamw = AdamW {
        lr,
        eps,
        keras_eps,
        weight_decay: 0.004,
        ..AdamW::default()
    };
    let rmsprop = RMSprop {
        lr,
        eps,
        keras_eps,
        alpha: 0.9,
        ..RMSprop::default()
    };
    let adagrad = Adagrad {
        lr,
        eps,
        keras_eps,
        initial_accumulator_value: 0.1,
        ..Adagrad::default()
    };
    let sgd = SGD {
        lr: 0.01,
        ..SGD::default()
    };
    let adafactor = Adafactor {
        lr,
        eps: [Some(1e-30), Some(1e-3)],
        ..Adafactor::default()
    };
    [
        ("adam", adam.into()),
        ("adamw", adamw.into()),
        ("sgd", sgd.into()),
        ("rmsprop", rmsprop.into()),
        ("adagrad", adagrad.into()),
        ("adafactor", adafactor.into()),
    ]
}

/// The names that [`Compile`] knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Those of optimizers.
    pub optimizers: Vec<&'static str>,
    /// Those of losses.
    pub losses: Vec<&'static str>,
    /// Those of metrics, of whichever tasks.
    pub metrics: Vec<&'static str>,
    /// Those of samplers.
    pub samplers: Vec<&'static str>,
}

/// The names that [`Compile`] knows.
pub fn names() -> Names {
    let samplers = match Sampler::kind() {
        Kind::Choice(choice) => choice.variants(),
        _ => Vec::new(),
    };
    Names {
        optimizers: optimizers().map(|(name, _)| name).to_vec(),
        losses: NamedLoss::NAMES.map(|(name, _)| name).to_vec(),
        metrics: Compiled::metric_names(),
        samplers: samplers.into_iter().map(|it| it.name).collect(),
    }
}

/// That nothing has a name.
fn unknown(argument: &str, name: &str, names: &[&str]) -> Refusal {
    let problem = format!("there is none called \"{name}\"");
    let help = did_you_mean(name, names, "There are").unwrap_or_default();
    Refusal::of(argument, problem).help(help)
}

impl Setting<Optimizer> {
    /// The optimizer, or Adam at a `rate`.
    ///
    /// # Errors
    /// There is none of a name.
    pub(crate) fn optimizer(self, rate: f64) -> Result<Optimizer> {
        match self {
            Self::Auto => Ok(Adam {
                lr: rate,
                eps: 1e-7,
                keras_eps: true,
                ..Adam::default()
            }
            .into()),
            Self::Value(optimizer) => Ok(optimizer),
            Self::Named(name) => {
                let found = optimizers().into_iter().find(|(own, _)| *own == name);
                let optimizer = found.map(|(_, optimizer)| optimizer);
                Ok(optimizer.ok_or_else(|| unknown("optimizer", &name, &names().optimizers))?)
            }
        }
    }
}

impl Setting<Loss> {
    /// The loss; none for the task's own.
    ///
    /// # Errors
    /// There is none of a name.
    pub(crate) fn loss(self) -> Result<Option<SiteLoss>> {
        match self {
            Self::Auto => Ok(None),
            Self::Value(Loss(loss)) => Ok(Some(loss)),
            Self::Named(name) => Ok(Some(SiteLoss::Named(NamedLoss::named(&name)?))),
        }
    }
}

impl Setting<Vec<Metric>> {
    /// The metrics; none for the task's own.
    pub(crate) fn metrics(self) -> Option<Vec<MetricWish>> {
        match self {
            Self::Auto => None,
            Self::Named(name) => Some(vec![MetricWish::Named(name)]),
            Self::Value(metrics) => Some(metrics.into_iter().map(|Metric(wish)| wish).collect()),
        }
    }
}

impl Setting<Sampler> {
    /// The sampler; none for the preset's own.
    ///
    /// # Errors
    /// There is none of a name, or it has arguments that no sampler can have.
    pub(crate) fn sampler(self) -> Result<Option<Sampler>> {
        let sampler = match self {
            Self::Auto => return Ok(None),
            Self::Value(sampler) => sampler,
            Self::Named(name) => {
                let (read, _) = decode::<Sampler>(&Node::text(name.as_str())).map_err(|error| {
                    let names = names().samplers;
                    // One that there is needs arguments, which a name does not have.
                    if names.contains(&name.as_str()) {
                        Refusal::of("sampler", error.to_string())
                    } else {
                        unknown("sampler", &name, &names)
                    }
                })?;
                read
            }
        };
        sampler.check()?;
        Ok(Some(sampler))
    }
}

impl<T: fmt::Debug> fmt::Display for Setting<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Named(name) => f.write_str(name),
            Self::Value(value) => write!(f, "{value:?}"),
        }
    }
}
