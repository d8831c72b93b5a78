//! One error for the whole library.

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
    /// A table.
    #[error(transparent)]
    Data(#[from] engraft_data::Error),
    /// An argument.
    #[error("{0}")]
    Argument(String),
}

/// A result of this library.
pub type Result<T> = std::result::Result<T, Error>;
