//! What can be wrong with a model.

use engraft_component::Refusal;

/// Why a model could not be built, loaded or saved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The preset's files.
    #[error(transparent)]
    Hub(#[from] engraft_hub::Error),
    /// `config.json` says something that cannot be.
    #[error("{place}: {problem}")]
    Config {
        /// The file, and the key where there is one.
        place: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// The weights do not fit the configuration.
    #[error("the weights of {preset} do not fit its config.json: {report}")]
    Weights {
        /// The preset's name.
        preset: String,
        /// Which tensors are missing or have other shapes.
        report: String,
    },
    /// A weight is infinite or not a number.
    #[error(
        "{file}: tensor {tensor:?} holds {count} values that are not finite: the file is damaged or its training diverged"
    )]
    NotFinite {
        /// The weights file.
        file: String,
        /// The tensor's name.
        tensor: String,
        /// How many values are not finite.
        count: usize,
    },
    /// An argument of a component, by its key in an experiment such as `model.backbone.max_length`, or a preset or adapter
    /// that cannot do what is asked of it.
    #[error(transparent)]
    Refused(#[from] Box<Refusal>),
}

impl Error {
    /// What is refused, where an argument is to blame rather than a file.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Hub(_) | Self::Config { .. } | Self::Weights { .. } | Self::NotFinite { .. } => {
                None
            }
        }
    }
}

/// That an argument of the backbone has a value that cannot be.
pub fn refuse(argument: &str, problem: impl Into<String>) -> Refusal {
    Refusal::of(argument, problem).within("model.backbone")
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
