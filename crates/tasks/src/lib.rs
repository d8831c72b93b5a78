//! What a model is for: the rows it is fed, its loss, its metrics and its outputs.
//!
//! A [`Task`] is the description that a user writes. [`Model::build`] puts it on a backbone; [`Model`] then turns rows into batches
//! ([`RowEncoder`], [`Batch`]), batches into a loss or outputs, and itself into a preset that [`Model::open`] reads again.

mod batch;
mod error;
mod labels;
pub mod metrics;
mod model;
mod network;
mod preset;
mod task;

pub use batch::{Batch, EncodedRow, RowEncoder};
pub use error::{Error, Result};
pub use labels::LabelSpace;
pub use model::{Loss, Model, RowOutput};
pub use network::{Network, TaskHead};
pub use preset::may_replace;
pub use task::{Embed, EmbedPooling, Inference, SequenceClassification, Task};
