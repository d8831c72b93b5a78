//! What can go wrong in a run.

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
    /// A callback's arguments.
    #[error(transparent)]
    Callback(#[from] crate::callback::CallbackError),
    /// The log.
    #[error(transparent)]
    Log(#[from] crate::log::LogError),
    /// The schedule.
    #[error("model.lr_scheduler: {0}")]
    Schedule(#[from] crate::schedule::ScheduleError),
    /// The trainer's settings.
    #[error(transparent)]
    Settings(#[from] crate::settings::SettingsError),
    /// An argument of the optimizer or its like.
    #[error("{0}")]
    Argument(String),
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
        "{run}: {holder} is writing this run; wait until it has ended, or begin a run of its own without --ckpt_path"
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
