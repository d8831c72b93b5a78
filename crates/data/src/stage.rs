//! What data is loaded for.

/// What the rows are loaded for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Training, with validation on the way and a test at the end.
    Fit,
    /// Scoring the validation split.
    Validate,
    /// Scoring the test split.
    Test,
    /// Predicting the test split; labels are not needed.
    Predict,
}
