//! What can go wrong, each said in one sentence.

use crate::differences::{Difference, sentences};

/// The result of this crate's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a preset is not written in another format.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A preset that cannot be read or written.
    #[error(transparent)]
    Hub(#[from] engraft_hub::Error),
    /// A model that is not understood.
    #[error(transparent)]
    Models(#[from] engraft_models::Error),
    /// A tokenizer that is not understood.
    #[error(transparent)]
    Text(#[from] engraft_text::Error),
    /// A file or folder that cannot be written.
    #[error(transparent)]
    Files(#[from] engraft_files::Error),
    /// A class that would compute something else.
    #[error("{class} computes something else than {source_name}: {}", sentences(.differences).join("; "))]
    Inexact {
        /// The other library's class.
        class: String,
        /// The preset.
        source_name: String,
        /// What differs.
        differences: Vec<Difference>,
    },
    /// A preset that the other format has no place for.
    #[error("{preset}: {reason}")]
    Unfit {
        /// The preset.
        preset: String,
        /// Why.
        reason: String,
    },
    /// A folder that holds something already.
    #[error(
        "the folder {folder} holds something already, which would be lost. Name another folder"
    )]
    Taken {
        /// The folder.
        folder: String,
    },
    /// What was written reads as something else.
    #[error("what was written does not read as {preset}: {reason}; nothing was kept")]
    Unlike {
        /// The preset.
        preset: String,
        /// Where they differ.
        reason: String,
    },
}

impl Error {
    /// Whether what was refused can be approximated.
    pub fn can_be_approximated(&self) -> bool {
        let is_shape = |difference: &Difference| matches!(difference, Difference::Shape { .. });
        matches!(self, Self::Inexact { differences, .. } if !differences.iter().any(is_shape))
    }
}
