//! What can go wrong in a run.

use std::path::Path;

use engraft_component::Refusal;

/// Why a run did not start or did not finish.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The model or a row of its data.
    #[error(transparent)]
    Task(#[from] Box<engraft_tasks::Error>),
    /// The rows.
    #[error(transparent)]
    Data(#[from] Box<engraft_data::Error>),
    /// A file of a checkpoint.
    #[error(transparent)]
    Hub(#[from] engraft_hub::Error),
    /// A file that is written.
    #[error(transparent)]
    File(#[from] engraft_files::Error),
    /// The log.
    #[error(transparent)]
    Log(#[from] crate::log::LogError),
    /// An argument of the trainer, a callback, the optimizer or the schedule, by its key in an experiment.
    #[error(transparent)]
    Refused(#[from] Box<Refusal>),
    /// A checkpoint that cannot be resumed from.
    #[error("{checkpoint}: {problem}")]
    Checkpoint {
        /// The checkpoint's folder.
        checkpoint: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A run that another process is writing.
    #[error(
        "{run}: {holder} is writing this run; wait until it has ended, or begin a run of its own without ckpt_path"
    )]
    Held {
        /// The run's folder.
        run: String,
        /// The process, as far as it has said who it is.
        holder: String,
    },
    /// It was asked from outside to stop.
    #[error("stopped before the end")]
    Interrupted,
    /// The loss is no longer a number.
    #[error(
        "the {what} became {value} at step {step} (epoch {epoch}){place}; nothing was saved from there on: try a lower learning rate, gradient_clip_val, or look at the rows of that batch: {rows}"
    )]
    Diverged {
        /// The loss, the norm of its gradient, or the gradient of a parameter.
        what: String,
        /// What it is.
        value: f64,
        /// Where it came from, if that was looked for: `, first in ...`.
        place: String,
        /// The optimizer step, from 1.
        step: u64,
        /// The epoch, from 0.
        epoch: u64,
        /// The first rows of the batch.
        rows: String,
    },
}

impl Error {
    /// That a key of the experiment has a value that cannot be.
    pub(crate) fn refused(key: &str, problem: impl Into<String>) -> Self {
        Self::from(Refusal::of(key, problem))
    }

    /// That a checkpoint cannot be used.
    pub(crate) fn checkpoint(checkpoint: &Path, problem: impl Into<String>) -> Self {
        Self::Checkpoint {
            checkpoint: checkpoint.display().to_string(),
            problem: problem.into(),
        }
    }

    /// What is refused, where an argument is to blame rather than a file or a row.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Task(error) => error.refusal(),
            Self::Data(error) => error.refusal(),
            Self::Refused(refusal) => Some(Refusal::clone(refusal)),
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

impl From<engraft_tasks::Error> for Error {
    fn from(error: engraft_tasks::Error) -> Self {
        Self::Task(Box::new(error))
    }
}

impl From<engraft_models::Error> for Error {
    fn from(error: engraft_models::Error) -> Self {
        engraft_tasks::Error::from(error).into()
    }
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
