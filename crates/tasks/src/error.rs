//! What can be wrong with a task.

use engraft_component::Refusal;
use engraft_data::Examples;

/// Why a task could not be built or run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The backbone.
    #[error(transparent)]
    Model(#[from] engraft_models::Error),
    /// A file of the preset.
    #[error(transparent)]
    Hub(#[from] engraft_hub::Error),
    /// A file that is written.
    #[error(transparent)]
    File(#[from] engraft_files::Error),
    /// The tokenizer.
    #[error(transparent)]
    Text(#[from] engraft_text::Error),
    /// How texts are written.
    #[error(transparent)]
    Generate(#[from] engraft_generate::Error),
    /// A metric.
    #[error(transparent)]
    Metric(#[from] crate::metrics::MetricError),
    /// An argument of the task, or the description inside a preset.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// The data.
    #[error(transparent)]
    Data(#[from] Box<engraft_data::Error>),
    /// A row of the data.
    #[error("{row}: {problem}")]
    Row {
        /// File and line.
        row: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A label of training rows that no class of the model has; whoever knows the rows says where it is.
    #[error("{refusal}")]
    Stray {
        /// The label.
        label: String,
        /// What is wrong.
        refusal: Box<Refusal>,
    },
    /// What a saved model says of itself.
    #[error("{0}")]
    Saved(String),
}

impl Error {
    /// That a key of the experiment has a value that cannot be.
    pub(crate) fn refused(key: &str, problem: impl Into<String>) -> Self {
        Refusal::of(key, problem).into()
    }

    /// That something is wrong which no single key is to blame for.
    pub(crate) fn plain(problem: impl Into<String>) -> Self {
        Refusal::plain(problem).into()
    }

    /// What is refused, where an argument is to blame rather than a file or a row.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused(refusal) => Some(Refusal::clone(refusal)),
            Self::Model(error) => error.refusal().cloned(),
            Self::Generate(error) => error.refusal().cloned(),
            Self::Data(error) => error.refusal(),
            Self::Stray { refusal, .. } => Some(Refusal::clone(refusal)),
            _ => None,
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<engraft_data::Error> for Error {
    fn from(error: engraft_data::Error) -> Self {
        Self::Data(Box::new(error))
    }
}

/// Where a row came from.
pub(crate) fn place(examples: &Examples, row: usize) -> String {
    let origin = examples.origins.get(row);
    origin.map_or_else(|| format!("row {row}"), ToString::to_string)
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
