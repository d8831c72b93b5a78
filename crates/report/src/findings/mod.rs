//! What was found of the rows of a split: counts of everything, and the rows themselves while they are few.

mod classes;
mod labels;
mod numbers;

pub use classes::ClassFindings;
pub use labels::LabelFindings;
pub use numbers::NumberFindings;

pub(crate) use classes::Margin;

/// Rows that are kept whole for curves.
const ROWS: usize = 100_000;
/// Numbers that are kept for curves: 16 MB.
const VALUES: usize = 1 << 22;

/// What was found of the rows of a split.
#[derive(Clone, Debug, PartialEq)]
pub enum Findings {
    /// One class for each row or token.
    Classes(ClassFindings),
    /// Any number of labels for each row.
    Labels(LabelFindings),
    /// Numbers for each row.
    Numbers(NumberFindings),
}

impl Findings {
    /// Rows (or tokens) that were scored.
    pub fn rows(&self) -> u64 {
        match self {
            Self::Classes(found) => found.rows(),
            Self::Labels(found) => found.rows(),
            Self::Numbers(found) => found.rows(),
        }
    }

    /// The names of classes, labels or outputs.
    pub(crate) fn names(&self) -> &[String] {
        match self {
            Self::Classes(found) => found.names(),
            Self::Labels(found) => found.names(),
            Self::Numbers(found) => found.names(),
        }
    }

    /// What is said where plots are of some rows only.
    pub(crate) fn caveat(&self) -> Option<String> {
        let (kept, of, what) = match self {
            Self::Classes(found) => (found.kept(), found.rows(), found.unit()),
            Self::Labels(found) => (found.kept(), found.rows(), "rows"),
            Self::Numbers(found) => (found.kept(), found.rows(), "rows"),
        };
        (kept > 0 && (kept as u64) < of).then(|| {
            let (kept, of) = (crate::numbers::grouped(kept as u64), crate::numbers::grouped(of));
            format!("Drawn from {kept} of {of} {what}, a fair choice that is the same every time; scores, counts and calibration are of all.")
        })
    }
}

/// How many rows of `width` numbers are kept.
fn limit(width: usize) -> usize {
    (VALUES / width.max(1)).min(ROWS)
}
