//! How a checkpoint's tensors fitted a model.

use std::fmt;

/// How many names a line of the report spells out.
const SHOWN: usize = 8;

/// A tensor that has another shape than the model needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The tensor's name in the checkpoint.
    pub name: String,
    /// The shape that the model needs.
    pub expected: Vec<usize>,
    /// The shape that the checkpoint has.
    pub found: Vec<usize>,
}

/// What became of each tensor when a model was loaded. Every tensor of a family is required, optional or derived.
///
/// `Display` gives one line per kind that occurs, long lists shortened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct LoadReport {
    /// How many tensors were taken from the checkpoint.
    pub loaded: usize,
    /// Tensors that the model cannot do without and the checkpoint lacks.
    pub missing_required: Vec<String>,
    /// Tensors that the checkpoint lacks and that were newly initialised or left out.
    pub missing_optional: Vec<String>,
    /// Tensors computed from others or from the configuration (tied heads, buffers), whether stored or not.
    pub derived: Vec<String>,
    /// Tensors of the checkpoint that the model has no use for.
    pub unexpected: Vec<String>,
    /// Tensors whose shapes disagree.
    pub mismatched: Vec<Mismatch>,
}

impl LoadReport {
    /// Whether nothing required is missing and no shape disagrees.
    pub fn is_complete(&self) -> bool {
        self.missing_required.is_empty() && self.mismatched.is_empty()
    }

    /// Adds what another part of the same model reports.
    pub fn merge(&mut self, other: LoadReport) {
        self.loaded += other.loaded;
        self.missing_required.extend(other.missing_required);
        self.missing_optional.extend(other.missing_optional);
        self.derived.extend(other.derived);
        self.unexpected.extend(other.unexpected);
        self.mismatched.extend(other.mismatched);
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (expected {:?}, found {:?})",
            self.name, self.expected, self.found
        )
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tensors loaded", self.loaded)?;
        list(f, "required but missing", &self.missing_required)?;
        list(f, "of another shape", &self.mismatched)?;
        list(f, "optional and missing", &self.missing_optional)?;
        list(f, "derived", &self.derived)?;
        list(f, "unexpected", &self.unexpected)
    }
}

fn list(f: &mut fmt::Formatter<'_>, title: &str, items: &[impl fmt::Display]) -> fmt::Result {
    if items.is_empty() {
        return Ok(());
    }
    write!(f, "\n  {title}: ")?;
    for (position, item) in items.iter().take(SHOWN).enumerate() {
        let comma = if position == 0 { "" } else { ", " };
        write!(f, "{comma}{item}")?;
    }
    match items.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => write!(f, ", ... and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_speaks_of_what_occurred_and_shortens_long_lists() {
        let report = LoadReport {
            loaded: 70,
            missing_optional: vec!["pooler.dense.weight".into(), "pooler.dense.bias".into()],
            unexpected: (0..20).map(|i| format!("cls.{i}")).collect(),
            mismatched: vec![Mismatch {
                name: "classifier.weight".into(),
                expected: vec![8, 384],
                found: vec![2, 384],
            }],
            ..LoadReport::default()
        };
        assert_eq!(
            report.to_string(),
            "70 tensors loaded\n  of another shape: classifier.weight (expected [8, 384], found [2, 384])\n  \
             optional and missing: pooler.dense.weight, pooler.dense.bias\n  \
             unexpected: cls.0, cls.1, cls.2, cls.3, cls.4, cls.5, cls.6, cls.7, ... and 12 more"
        );
    }

    #[test]
    fn only_missing_required_tensors_and_wrong_shapes_make_a_report_incomplete() {
        let mut report = LoadReport {
            missing_optional: vec!["a".into()],
            unexpected: vec!["b".into()],
            derived: vec!["c".into()],
            ..LoadReport::default()
        };
        assert!(report.is_complete());
        report.merge(LoadReport {
            loaded: 1,
            missing_required: vec!["d".into()],
            ..LoadReport::default()
        });
        assert!(!report.is_complete());
        assert_eq!(report.loaded, 1);
    }
}
