//! What a model is for: the rows it is fed, its loss, its metrics and its outputs.
//!
//! A [`Task`] is the description that a user writes. [`Model::build`] puts it on a backbone: what was asked for and resolved is a [`TaskSpec`],
//! which nobody changes, and the weights are a [`Network`]. [`TaskSpec::bind`] binds rows to what the task makes of them ([`Split`]), whose
//! passes give losses and scores; [`TaskSpec::predictions`] gives outputs. [`Model::open`] reads what [`TaskSpec::write_preset`] wrote.
//!
//! What makes a task is said in [`objective`].

mod backbone;
mod building;
mod cache_settings;
mod cached;
mod classes;
mod compiled;
mod conditions;
mod diffusion;
mod documents;
mod error;
mod forward;
mod head_loading;
mod inputs;
mod labels;
mod learned;
pub mod loss;
mod masking;
pub mod metrics;
mod network;
pub mod objective;
pub mod objectives;
mod observer;
pub mod output;
mod pairs;
mod preset;
mod rows;
mod scaling;
mod several;
mod small_encoder;
mod spec;
mod split;
mod stated_head;
mod structure;
mod task;
mod units;
mod unknown;
mod variants;

pub use backbone::{Backbone, BackboneSlot, TokensOf};
pub use building::{TrainingRows, preset_tokenizer};
pub use cache_settings::{ByteSize, CacheSettings};
pub use compiled::{
    Compiled, LossFunction, MetricFunction, MetricWish, NamedLoss, SiteLoss, SiteMetric,
    SiteTargets, TargetKind,
};
pub use documents::Documents;
pub use engraft_models::RunFile;
pub use error::{Error, Result};
pub use head_loading::HeadLoading;
pub use inputs::{Inputs, RowValues, Sites, Stream};
pub use labels::{LabelForm, LabelSpace};
pub use learned::Learned;
pub use masking::Masker;
pub use network::Network;
pub use objective::{Asked, Comparison, Learns, Loss, Objective, TaskArguments};
pub use objectives::*;
pub use observer::{Observer, Shown};
pub use output::{Form, Grain, RowOutput};
pub use preset::{OfRun, PresetForm, may_replace};
pub use rows::{Draws, EncodedRow, RowEncoder};
pub use scaling::Scaling;
pub use several::{OtherBackbone, Several};
pub use small_encoder::SmallEncoder;
pub use spec::{Model, TaskSpec};
pub use split::{Handled, Learning, Pass, Predictions, Scores, Source, Split, Unsaid, learning};
pub use task::{AnyTask, Task};
pub use units::Unit;
pub use unknown::Unknown;
