//! Training: the loop, and everything that steps beside it.
//!
//! [`fit`] trains a [`Model`](engraft_tasks::Model) by the plan of a [`settings::Trainer`]; [`evaluate`] scores it; [`predict`] runs it over rows. What
//! happens on the way is told to an [`Observer`] as [`Event`]s.
//! A run can be killed at any moment and resumed from its newest checkpoint to the same final weights.

pub mod callback;
mod clock;
mod cross_validation;
mod error;
mod evaluate;
mod events;
mod fit;
mod handled;
mod layout;
mod loader;
mod lock;
pub mod log;
pub mod optimizer;
mod outcome;
mod outset;
mod rate;
mod rate_log;
mod record;
mod report;
mod resume;
mod run;
pub mod schedule;
pub mod settings;
mod sight;
mod signature;
mod snapshot;
mod standing;
mod training;
mod unfreezing;
pub mod words;

pub use cross_validation::{CrossValidation, Spread};
pub use error::{Error, Result};
pub use evaluate::{Evaluation, Prediction, evaluate, predict};
pub use events::{Ahead, Event, Fold, Observer, Progress, Saved};
pub use fit::{Fit, fit};
pub use handled::Handled;
pub use layout::{
    LOGS, is_cross_validation, newest as newest_checkpoint, newest_cross_validation,
    newest_of as newest_checkpoint_of, newest_root,
};
pub use optimizer::{
    Adafactor, Adagrad, Adam, AdamW, Optimizer, ParameterGroups, RMSprop, SGD, StepOptions,
};
pub use outcome::FitOutcome;
pub use report::{Test, Tested, test};
pub use resume::Resume;
pub use settings::{Plan, Trainer};
pub use training::{Interval, Training};
