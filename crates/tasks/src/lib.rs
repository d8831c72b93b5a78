//! What a model is for: the rows it is fed, its loss, its metrics and its outputs.
//!
//! A [`Task`] is the description that a user writes. [`Model::build`] puts it on a backbone; [`Model`] then turns rows into batches
//! ([`RowEncoder`], [`Batch`]), batches into a loss or outputs, and itself into a preset that [`Model::open`] reads again.

mod batch;
mod building;
mod cached;
mod class_weights;
mod documents;
mod error;
mod forward;
mod labels;
pub mod loss;
mod masking;
pub mod metrics;
mod model;
mod network;
mod observer;
pub mod output;
mod parts;
mod preset;
mod scaling;
mod targets;
mod task;
mod told;
mod units;

pub use batch::{Batch, EncodedRow, RowEncoder};
pub use building::{TrainingRows, preset_tokenizer};
pub use engraft_models::CacheSettings;
pub use error::{Error, Result};
pub use forward::Loss;
pub use labels::LabelSpace;
pub use masking::Masker;
pub use model::Model;
pub use network::{Network, TaskHead};
pub use observer::Observer;
pub use output::{OutputKind, RowOutput};
pub use preset::{PresetForm, may_replace};
pub use scaling::Scaling;
pub use targets::{BatchTargets, Draws, Targets};
pub use task::{
    CausalLM, Embed, EmbedPooling, Inference, LongDocuments, LossDenominator, MLM,
    SequenceClassification, SequenceRegression, Task, TokenClassification,
};
pub use told::Told;
pub use units::Unit;
