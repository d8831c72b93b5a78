//! Training: the loop, and everything that steps beside it.
//!
//! [`fit`] trains a [`Model`](engraft_tasks::Model) by the plan of a [`settings::Trainer`]; [`evaluate`] scores it; [`predict`] runs it over rows.
//! A run can be killed at any moment and resumed from its newest checkpoint to the same final weights.

pub mod callback;
mod clock;
mod cross_validation;
mod error;
mod evaluate;
mod fit;
mod loader;
mod lock;
pub mod log;
pub mod optimizer;
mod outset;
pub mod progress;
mod rate;
mod rate_log;
mod record;
mod report;
mod resume;
mod run;
pub mod schedule;
pub mod settings;
mod snapshot;
mod training;
mod unfreezing;

pub use cross_validation::{CrossValidation, Spread, is_cross_validation, newest_cross_validation};
pub use error::{Error, Result};
pub use evaluate::{Evaluation, Handled, Prediction, evaluate, predict};
pub use fit::{Fit, FitOutcome, fit};
pub use optimizer::{
    Adafactor, Adagrad, Adam, AdamW, Optimizer, ParameterGroups, RMSprop, SGD, StepOptions,
};
pub use report::{Test, Tested, test};
pub use resume::Resume;
pub use settings::{Plan, Trainer};
pub use snapshot::{newest as newest_checkpoint, newest_of as newest_checkpoint_of};
pub use training::{Interval, Training};
