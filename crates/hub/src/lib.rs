//! Presets, and the files they are made of.
//!
//! A [`Handle`] names a preset (built in, a folder, a repository of Hugging Face, or a model of Kaggle), a [`Preset`] is one
//! that has been found, whose files are fetched where they are missing, and [`Weights`] are its tensors, memory-mapped, from safetensors files or
//! PyTorch's own, of which nothing is ever run. [`LoadReport`] says how they fitted a model. [`write_safetensors`] writes files that are complete or absent.
//!
//! ```
//! let preset = engraft_hub::Preset::from_name("sapiens_vh")?;
//! let weights = engraft_hub::Weights::open(&preset)?;
//! let embedding = weights.require("roberta.embeddings.word_embeddings.weight")?;
//! assert_eq!(embedding.shape(), [25, 128]);
//! assert_eq!(embedding.to_f32()?.len(), 25 * 128);
//! # Ok::<(), engraft_hub::Error>(())
//! ```

mod builtin;
mod bytes;
mod contents;
mod download;
mod elsewhere;
mod error;
mod handle;
mod header;
mod keras;
mod mirrors;
mod names;
mod needs;
mod pieces;
mod preset;
mod pytorch;
mod report;
mod shards;
mod sources;
mod tensor;
mod weights;
mod write;

pub use builtin::names as built_in_names;
pub use download::Remote;
pub use engraft_fetch as fetch;
pub use error::{Error, Result};
pub use handle::{DataSetHandle, Handle};
pub(crate) use keras::keras_modules;
pub use keras::{KERAS_HUB, KerasModel, KerasPacking, keras_families};
pub use names::{Kind, NamedPreset, named_presets, usable_presets};
pub use preset::Preset;
pub use report::{LoadReport, Mismatch};
pub use safetensors::Dtype;
pub use tensor::TensorRef;
pub use weights::{Renamed, Weights};
pub use write::{TensorData, TensorToWrite, write_safetensors};
