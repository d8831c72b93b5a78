//! What can go wrong in generation, each said in one sentence.

use std::fmt;

use engraft_component::Refusal;

/// The result of the operations of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in generation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument that no generation can have, by its name, or a prompt that cannot be gone on from.
    #[error(transparent)]
    Refused(#[from] Refusal),

    /// Arguments that contradict each other, or that a prompt leaves no room for.
    #[error(transparent)]
    Conflict(#[from] Box<Conflict>),

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
    /// What is refused, where an argument or a prompt is to blame. Its key is the argument's name, or empty.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Conflict(conflict) => Some(&conflict.refusal),
            Self::Preset { .. } | Self::Logits(_) | Self::Model(_) | Self::Text(_) => None,
        }
    }

    /// The argument `name` should be `expected`, and is `found`.
    pub(crate) fn expected(name: &str, expected: &str, found: impl fmt::Display) -> Self {
        Refusal::of(name, format!("expected {expected}, found {found}")).into()
    }

    /// Arguments that contradict each other, of which `key` is the one to change first.
    pub(crate) fn conflict(
        key: &'static str,
        say: impl Fn(Names<'_>) -> String + Send + Sync + 'static,
    ) -> Self {
        Self::from(Box::new(Conflict {
            refusal: Refusal::of(key, say(&str::to_owned)),
            say: Box::new(say),
        }))
    }
}

/// What an argument is called where an error is shown.
pub(crate) type Names<'a> = &'a dyn Fn(&str) -> String;

/// Arguments that contradict each other: a sentence that names several, by whatever its reader writes for them.
pub struct Conflict {
    /// By the arguments' own names.
    refusal: Refusal,
    say: Box<dyn Fn(Names<'_>) -> String + Send + Sync>,
}

impl Conflict {
    /// The sentence where an argument is called what `name` makes of its own name, such as `--max-length` of `max_length`.
    pub fn say(&self, name: impl Fn(&str) -> String) -> String {
        (self.say)(&name)
    }
}

/// The sentence by the arguments' own names.
impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.refusal.problem)
    }
}

impl fmt::Debug for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Conflict").field(&self.refusal).finish()
    }
}

impl std::error::Error for Conflict {}
