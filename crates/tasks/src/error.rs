//! What can be wrong with a task.

/// Why a task could not be built or run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The backbone.
    #[error(transparent)]
    Model(#[from] engraft_models::Error),
    /// A file of the preset.
    #[error(transparent)]
    Hub(#[from] engraft_hub::Error),
    /// The tokenizer.
    #[error(transparent)]
    Text(#[from] engraft_text::Error),
    /// A metric.
    #[error(transparent)]
    Metric(#[from] crate::metrics::MetricError),
    /// The description inside a preset.
    #[error(transparent)]
    Component(#[from] engraft_component::Refusal),
    /// A row of the data.
    #[error("{row}: {problem}")]
    Row {
        /// File and line.
        row: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// An argument of the task.
    #[error("{0}")]
    Argument(String),
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
