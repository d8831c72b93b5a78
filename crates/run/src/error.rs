//! Why a run did not happen, or did not end.

use engraft_component::Refusal;

/// Why a run did not happen, or did not end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something is wrong with what the user gave; nothing has run yet.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A run that had started could not go on.
    #[error(transparent)]
    Broke(Box<dyn std::error::Error + Send + Sync>),
    /// A preset that another library's format does not take.
    #[error(transparent)]
    Convert(#[from] engraft_convert::Error),
    /// It was asked from outside to stop.
    #[error("stopped before the end")]
    Interrupted,
}

impl Error {
    /// That a key has a value that cannot be.
    pub(crate) fn of(key: &str, problem: impl Into<String>) -> Self {
        Self::Refused(Refusal::of(key, problem))
    }

    /// What is wrong inside of what a key names.
    pub(crate) fn within(key: &str, error: impl Into<engraft_train::Error>) -> Self {
        let error = error.into();
        Self::Refused(match error.refusal() {
            Some(inner) => Refusal {
                problem: match inner.key.as_str() {
                    "" => inner.problem,
                    part => format!("{part}: {}", inner.problem),
                },
                help: inner.help,
                ..Refusal::of(key, "")
            },
            None => Refusal::of(key, error.to_string()),
        })
    }

    /// What was found before anything ran.
    pub(crate) fn before(error: impl Into<engraft_train::Error>) -> Self {
        let error = error.into();
        let refusal = error.refusal();
        Self::Refused(refusal.unwrap_or_else(|| Refusal::plain(error.to_string())))
    }

    /// What went wrong while it ran.
    pub(crate) fn during(error: impl Into<engraft_train::Error>) -> Self {
        match error.into() {
            engraft_train::Error::Interrupted => Self::Interrupted,
            other => Self::Broke(Box::new(other)),
        }
    }

    /// What was refused although something had run before it.
    pub(crate) fn late(self) -> Self {
        match self {
            Self::Refused(refusal) => Self::Broke(Box::new(refusal)),
            other => other,
        }
    }
}

/// What happens where rows are predicted or scored happens during a run.
impl From<engraft_train::Error> for Error {
    fn from(error: engraft_train::Error) -> Self {
        Self::during(error)
    }
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
