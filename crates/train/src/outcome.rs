//! What comes of a run.

use std::path::PathBuf;

use engraft_tasks::Model;

use crate::optimizer::OptimizerState;

/// What came of a run.
pub struct FitOutcome {
    /// The trained model, its weights those of the last step.
    pub model: Model,
    /// The run's folder.
    pub folder: Option<PathBuf>,
    /// The best checkpoint by the first monitored metric, else the newest.
    pub checkpoint: Option<PathBuf>,
    /// Optimizer steps done.
    pub steps: u64,
    /// The latest value of every metric.
    pub metrics: Vec<(String, f64)>,
    /// What each epoch that this run ended came to: `loss` and other means over its training rows, and the scores of the validation that
    /// was made in it.
    pub history: Vec<Vec<(String, f64)>>,
    /// What the optimizer keeps, for a training that goes on with the same weights.
    pub optimizer: OptimizerState,
    /// The test split's scores, by the checkpoint above; none without a test split or after an interruption.
    pub test: Option<Vec<(String, f64)>>,
    /// The report; none where none was asked for or it could not be written, which is said.
    pub report: Option<PathBuf>,
    /// Why training ended early, if it did.
    pub stopped: Option<String>,
    /// Whether it was stopped from outside.
    pub interrupted: bool,
}
