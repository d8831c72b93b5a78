//! Components and choices to be written and refused.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use engraft_component::{Choice, Component, FromNode, Node, ReadyMade, decode, read_yaml};

/// Adam with decoupled
/// weight decay.
///
/// More about it.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "torch.optim.AdamW", alias = "bitsandbytes.optim.Adam8bit")]
#[component(ignored(
    fused = "the step is always fused",
    foreach = "the step takes all parameters at once"
))]
pub struct AdamW {
    /// Learning rate.
    #[arg(default = 1e-3)]
    pub lr: f64,
    /// Decay rates of the two moments.
    #[arg(default = [0.9, 0.999])]
    pub betas: [f64; 2],
    /// Divergence guard.
    pub eps: Option<f64>,
}

/// Gradient descent.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(name = "SGD")]
pub struct GradientDescent {
    /// Learning rate.
    pub lr: f64,
    /// Momentum.
    #[arg(default)]
    pub momentum: f64,
}

/// What turns gradients into new weights.
#[derive(Clone, Debug, PartialEq, Choice)]
#[choice(default = AdamW)]
#[choice(absent(Lamb = "it needs layers of equal size"))]
pub enum Optimizer {
    /// Adam.
    AdamW(AdamW),
    /// Gradient descent.
    Descent(GradientDescent),
}

/// Descents under names of their own.
pub const DESCENTS: &[ReadyMade] = &[ReadyMade {
    name: "Momentum",
    class: "SGD",
    summary: "Gradient descent with momentum.",
    defaults: &[("lr", "0.1"), ("momentum", "0.9")],
}];

/// Gradient descent, or one that is ready-made.
#[derive(Clone, Debug, PartialEq, Choice)]
#[choice(ready_made = DESCENTS)]
pub enum Descent {
    /// Gradient descent.
    Plain(GradientDescent),
}

/// Where rows come from.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct Source {
    /// A file.
    pub path: PathBuf,
    /// Rows together.
    #[arg(default = 128)]
    pub batch_size: usize,
}

/// Settings all with defaults.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(ignored(pin_memory = "memory is never pinned"))]
pub struct Loading {
    /// Shuffle.
    #[arg(default = true)]
    pub shuffle: bool,
}

/// Rows for training.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct Rows {
    #[arg(flatten)]
    pub source: Source,
    #[arg(flatten)]
    pub loading: Loading,
    /// Names.
    #[arg(alias = "rename_columns")]
    pub rename_cols: Option<BTreeMap<String, String>>,
    /// Columns.
    #[arg(default = vec!["sequence".to_owned()])]
    pub x_col: Vec<String>,
    /// Stepping.
    #[arg(default = Optimizer::default())]
    pub optimizer: Optimizer,
    /// All of them.
    #[arg(default = Vec::new())]
    pub optimizers: Vec<Optimizer>,
}

/// Only flattened defaults.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct Outer {
    #[arg(flatten)]
    pub loading: Loading,
}

/// A registered model.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct Registered {
    /// Length.
    pub max_length: Option<usize>,
}

/// Any preset.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct Preset {
    /// Folder or name.
    #[arg(name_slot)]
    pub preset: String,
    /// Length.
    pub max_length: Option<usize>,
}

/// What is fine-tuned.
#[derive(Clone, Debug, PartialEq, Choice)]
#[choice(otherwise = Preset, kind = "pretrained backbone")]
pub enum Backbone {
    /// Registered.
    Registered(Registered),
    /// Any.
    Preset(Preset),
}

/// Nothing to set.
#[derive(Clone, Copy, Debug, PartialEq, Component)]
#[component(alias = "torch.nn.ReLU")]
pub struct Relu;

/// A head that may hold another.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct Fusion {
    /// Inside.
    pub inner: Option<Box<Head>>,
}

/// Heads.
#[derive(Clone, Debug, PartialEq, Choice)]
pub enum Head {
    /// Rectified.
    Relu(Relu),
    /// Boxed and recursive.
    Fusion(Box<Fusion>),
}

pub fn yaml(text: &str) -> Node {
    read_yaml(text.as_bytes(), "x.yaml").unwrap()
}

pub fn read<T: FromNode>(text: &str) -> T {
    let node = yaml(text);
    decode(&node).unwrap_or_else(|error| panic!("{error}")).0
}

pub fn refusal<T: FromNode + std::fmt::Debug>(text: &str) -> String {
    decode::<T>(&yaml(text)).unwrap_err().to_string()
}

pub fn notes<T: FromNode>(node: &Node) -> Vec<String> {
    let (_, notes) = decode::<T>(node).unwrap_or_else(|error| panic!("{error}"));
    notes.iter().map(ToString::to_string).collect()
}

pub fn sgd(lr: f64, momentum: f64) -> Optimizer {
    GradientDescent { lr, momentum }.into()
}
