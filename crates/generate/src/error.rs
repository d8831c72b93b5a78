//! What can go wrong in generation, each said in one sentence.

/// The result of the operations of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in generation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting that no generation can have, or settings that contradict each other.
    #[error("{0}")]
    Argument(String),

    /// A file of the preset whose content is not what it should be.
    #[error("{file}: {key}: {reason}")]
    Preset {
        /// The file.
        file: String,
        /// The key in it; the line, where it is no valid JSON.
        key: String,
        /// What was expected and what was found.
        reason: String,
    },

    /// Logits among which no token can be chosen.
    #[error("no token can be chosen, because the model's output {0}")]
    Logits(&'static str),

    /// A model that cannot be loaded.
    #[error(transparent)]
    Model(#[from] engraft_models::Error),

    /// The tokenizer failed.
    #[error(transparent)]
    Text(#[from] engraft_text::Error),
}

impl Error {
    /// Whether the user's input is at fault, rather than the model or its weights.
    pub fn is_users(&self) -> bool {
        matches!(self, Self::Argument(_) | Self::Preset { .. })
    }

    /// `name` should be `expected`, and is `found`.
    pub(crate) fn expected(name: &str, expected: &str, found: impl std::fmt::Display) -> Self {
        Self::Argument(format!("{name}: expected {expected}, found {found}"))
    }
}
