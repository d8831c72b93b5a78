//! One error for the whole library.

use engraft_component::Refusal;

/// Why something did not work; the sentence says where and what would fix it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Training, scoring or predicting.
    #[error(transparent)]
    Train(#[from] engraft_train::Error),
    /// A task or its rows.
    #[error(transparent)]
    Task(#[from] engraft_tasks::Error),
    /// A model.
    #[error(transparent)]
    Model(#[from] engraft_models::Error),
    /// Generation.
    #[error(transparent)]
    Generate(#[from] engraft_generate::Error),
    /// A tokenizer.
    #[error(transparent)]
    Text(#[from] engraft_text::Error),
    /// A preset.
    #[error(transparent)]
    Hub(#[from] engraft_hub::Error),
    /// A file that is written.
    #[error(transparent)]
    File(#[from] engraft_files::Error),
    /// A table.
    #[error(transparent)]
    Data(#[from] engraft_data::Error),
    /// An argument.
    #[error("{0}")]
    Argument(String),
    /// An argument, by its name, or a text that cannot be read.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// One of several prompts.
    #[error("prompt {number}: {error}")]
    Prompt {
        /// Its number, from 1.
        number: usize,
        /// What is wrong with it.
        error: Box<Error>,
    },
}

impl Error {
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
            Self::Text(_) | Self::Hub(_) | Self::File(_) | Self::Argument(_) => None,
        }
    }
}

/// A result of this library.
pub type Result<T> = std::result::Result<T, Error>;
