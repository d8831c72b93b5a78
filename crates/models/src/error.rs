//! What can be wrong with a model.

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
    /// An argument of a component.
    #[error("{0}")]
    Argument(String),
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
