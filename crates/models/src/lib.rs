//! The one transformer, the families that are data for it, and the heads that stand on it.
//!
//! [`Checkpoint`] opens a preset, reads its `config.json` by the rules of its [`Family`], and builds the parts that a task asks for: the
//! [`Transformer`], the checkpoint's own heads ([`MaskedLmHead`], [`ClassifierHead`], [`Pooler`]) or an [`Adapter`]. Activations are
//! `[tokens, hidden]`, the sequences of a [`TokenBatch`] laid end to end.

mod adapters;
mod backbone;
mod batch;
mod checkpoint;
mod config;
mod error;
mod families;
mod heads;
mod initial;
mod json;
mod layers;
mod mode;
mod names;
mod transformer;

pub use adapters::{
    ActivationLayer, Adapter, AdapterHead, LinearCLSAdapter, LinearMaxPoolAdapter,
    LinearMeanPoolAdapter, MLPPoolAdapter, Pooling,
};
pub use backbone::{Backbone, BackboneSlot};
pub use batch::{PackedTokens, TokenBatch};
pub use checkpoint::{Checkpoint, NamedTensor};
pub use config::{Activation, ClassifierConfig, ModelConfig, TransformerConfig};
pub use error::{Error, Result};
pub use families::{Family, families};
pub use heads::{ClassifierHead, MaskedLmHead, Pooler};
pub use initial::Initial;
pub use layers::{Embedding, LayerNorm, Linear};
pub use mode::Mode;
pub use names::{HeadKind, parameters};
pub use transformer::Transformer;
