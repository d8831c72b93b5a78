//! Presets in the format of another library.
//!
//! [`convert`] writes a preset as Hugging Face's `transformers` or as KerasHub has it. What the other library's class cannot hold is refused by the key
//! that says it, unless an approximation is asked for. What was written is read again and compared before it takes its place.

mod deviation;
mod differences;
mod error;
mod hugging_face;
mod keras;
mod tokens;

use std::fmt;
use std::path::Path;

use engraft_files::atomic::Folder;
use engraft_hub::Preset;
use engraft_models::Checkpoint;
use serde_json::Map;

pub use differences::{Difference, sentences};
pub use error::{Error, Result};

/// A library's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The layout of Hugging Face.
    HuggingFace,
    /// KerasHub's presets.
    Keras,
}

impl Format {
    /// Both, by the words that name them.
    pub const ALL: [(&'static str, Self); 2] = [("hf", Self::HuggingFace), ("keras", Self::Keras)];

    /// The format that a word names.
    pub fn named(word: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find_map(|(name, format)| (name == word).then_some(format))
    }
}

/// How a preset is written.
#[derive(Clone, Copy, Debug)]
pub struct Conversion {
    /// The format.
    pub to: Format,
    /// Whether one that computes something else than the source is written too.
    pub approximate: bool,
    /// Tokens that KerasHub's preprocessor cuts a text to; what its class has, if it is none.
    pub max_length: Option<usize>,
    /// Bytes of a file of weights at most, where one tensor does not take more; as much is held in memory.
    pub shard: usize,
}

/// Bytes of a file of weights, where nobody says how many.
pub const SHARD: usize = 4 << 30;

/// What became of a preset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Converted {
    /// The other library's class.
    pub class: String,
    /// How many tensors were written.
    pub tensors: usize,
    /// Those of the source that the other library's class has no place for.
    pub left_out: Vec<String>,
    /// What is written otherwise than it was, and means the same.
    pub notes: Vec<String>,
    /// What the class computes otherwise, where an approximation was asked for and needed.
    pub differences: Vec<Difference>,
    /// By how much its outputs then differ, on a few texts of random tokens.
    pub deviation: Option<Deviation>,
}

/// By how much the outputs of two models differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Deviation {
    /// Whether they are logits; else the hidden states of the last layer.
    pub of_logits: bool,
    /// The largest difference of two numbers.
    pub largest: f32,
    /// The largest number, without its sign.
    pub scale: f32,
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.of_logits {
            "logits"
        } else {
            "hidden states"
        };
        let Self { largest, scale, .. } = self;
        write!(
            f,
            "{what} differ by {largest:.2e} at most, the largest being {scale:.3}"
        )
    }
}

/// Writes the preset `source` into the folder `target`, which appears once it is complete and was read again.
///
/// # Errors
/// The other library has no class for the model, or one that would compute something else; its tokenizer cannot be what this one is; a file cannot be
/// read or written, or reads as something else than was written.
pub fn convert(source: &Preset, target: &Path, conversion: Conversion) -> Result<Converted> {
    may_write(target)?;
    let folder = Folder::create(target)?;
    let converted = match conversion.to {
        Format::HuggingFace => hugging_face::write(source, folder.path(), conversion),
        Format::Keras => keras::write(source, folder.path(), conversion),
    }?;
    folder.commit()?;
    Ok(converted)
}

/// The file that says which steps of sentence-transformers follow a model.
const MODULES: &str = "modules.json";

/// What is said of a preset without a tokenizer.
const NO_TOKENIZER: &str = "it has no tokenizer, so that none was written";

/// What is said of a preset of KerasHub whose task has no weights.
fn without_head(source: &Preset) -> Option<String> {
    let class = source.bare_task()?;
    Some(format!(
        "its task is a {class}, of whose head there is no task.weights.h5: it is written without one"
    ))
}

/// A preset as a model that another library may have.
///
/// # Errors
/// It is not understood, or its head is one of engraft's own.
fn opened(source: &Preset) -> Result<Checkpoint> {
    let checkpoint = Checkpoint::open(source.clone(), &Map::new(), false)?;
    match checkpoint.own_head_name() {
        None => Ok(checkpoint),
        Some(head) => Err(Error::Unfit {
            preset: source.name().to_owned(),
            reason: format!(
                "its head is engraft's own ({head}), which other libraries have no class for. A model trained with `use_legacy_adapter: true` has its family's"
            ),
        }),
    }
}

/// Refuses a folder that is there and holds something, which would be lost.
///
/// # Errors
/// It is neither absent nor empty.
pub fn may_write(target: &Path) -> Result<()> {
    let entries = std::fs::read_dir(target);
    if entries.is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::Taken {
            folder: target.display().to_string(),
        });
    }
    Ok(())
}
