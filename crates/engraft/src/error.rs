//! One error for the whole library.

use std::fmt;

use engraft_component::Refusal;

use crate::words::in_rust;

/// Why something did not work; the sentence says where and what would fix it, in the words of the library: methods, fields and arguments.
///
/// ```
/// use engraft::prelude::*;
///
/// let error = TextClassifier::from_preset("sapiens_vh")?.build().unwrap_err();
/// assert!(matches!(error, Error::Argument(_)));
/// assert_eq!(error.to_string(), "sapiens_vh has no classification head of its own: call num_classes to start one");
/// # Ok::<(), Error>(())
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Training, scoring or predicting.
    #[error("{}", in_rust(.0))]
    Train(#[from] engraft_train::Error),
    /// A task or its rows.
    #[error("{}", in_rust(.0))]
    Task(#[from] engraft_tasks::Error),
    /// A model.
    #[error("{}", in_rust(.0))]
    Model(#[from] engraft_models::Error),
    /// Generation.
    #[error("{}", in_rust(.0))]
    Generate(#[from] engraft_generate::Error),
    /// A tokenizer.
    #[error("{}", in_rust(.0))]
    Text(#[from] engraft_text::Error),
    /// A preset.
    #[error("{}", in_rust(.0))]
    Hub(#[from] engraft_hub::Error),
    /// A file that is written.
    #[error(transparent)]
    File(#[from] engraft_files::Error),
    /// A table, or rows that do not fit together.
    #[error("{}", in_rust(.0))]
    Data(#[from] engraft_data::Error),
    /// An argument, or a call that cannot be.
    #[error("{0}")]
    Argument(String),
    /// An argument, by its name, or a text that cannot be read.
    #[error("{}", in_rust(.0))]
    Refused(#[from] Refusal),
    /// One of several prompts.
    #[error("prompt {number}: {error}")]
    Prompt {
        /// Its number, from 1.
        number: usize,
        /// What is wrong with it.
        error: Box<Error>,
    },
    /// One of the batches that an iterator gives.
    #[error("batch {number}: {error}")]
    Batch {
        /// Its number, from 1.
        number: usize,
        /// What is wrong with it: the iterator's own error, or rows that do not fit together.
        error: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The model was built with `compile(false)`, so that nothing says how it is trained and scored.
    #[error("{0} needs a compiled model: call compile first")]
    NotCompiled(&'static str),
    /// A [`Stopper`](crate::Stopper) ended the call.
    #[error("stopped before the end")]
    Stopped,
}

/// The sentence, which a `main` that returns it then ends with.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// The sentence in the words of experiments and of the program, which name keys such as `model.n_classes`.
    pub fn in_keys(&self) -> String {
        match self {
            Self::Train(error) => error.to_string(),
            Self::Task(error) => error.to_string(),
            Self::Model(error) => error.to_string(),
            Self::Generate(error) => error.to_string(),
            Self::Text(error) => error.to_string(),
            Self::Hub(error) => error.to_string(),
            Self::Data(error) => error.to_string(),
            Self::Refused(refusal) => refusal.to_string(),
            Self::Prompt { number, error } => format!("prompt {number}: {}", error.in_keys()),
            other => other.to_string(),
        }
    }

    /// What is refused, where an argument or a prompt is to blame and not a file or a row. Its key is the argument's name, or empty.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal.clone()),
            Self::Train(error) => error.refusal(),
            Self::Task(error) => error.refusal(),
            Self::Model(error) => error.refusal().cloned(),
            Self::Generate(error) => error.refusal().cloned(),
            Self::Data(error) => error.refusal(),
            Self::Prompt { error, .. } => error.refusal(),
            _ => None,
        }
    }
}

/// A result of this library.
pub type Result<T> = std::result::Result<T, Error>;
