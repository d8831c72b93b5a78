//! How a checkpoint's tensors fitted a model.

use std::collections::BTreeMap;
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
/// `Display` gives one line per kind that somebody may have to act on, long lists shortened; [`Self::in_full`] names every tensor of every kind.
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
    /// Heads of the checkpoint that the model has no use for, such as `pooler`, each with the names of its tensors.
    pub not_needed: BTreeMap<String, Vec<String>>,
    /// Tensors of the checkpoint that are no part of such a model.
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
        for (head, tensors) in other.not_needed {
            self.not_needed.entry(head).or_default().extend(tensors);
        }
        self.unexpected.extend(other.unexpected);
        self.mismatched.extend(other.mismatched);
    }

    fn count(&self) -> String {
        if *self == Self::default() {
            "no weights to load".to_owned()
        } else {
            format!("{} tensors loaded", self.loaded)
        }
    }

    /// One line per kind that occurs, with the name of every tensor.
    pub fn in_full(&self) -> String {
        let not_needed: Vec<&String> = self.not_needed.values().flatten().collect();
        let lists = [
            line("required but missing", &self.missing_required, usize::MAX),
            line("of another shape", &self.mismatched, usize::MAX),
            line(
                "new, as the checkpoint has none",
                &self.missing_optional,
                usize::MAX,
            ),
            line("derived", &self.derived, usize::MAX),
            line("not needed here", &not_needed, usize::MAX),
            line("unexpected", &self.unexpected, usize::MAX),
        ];
        format!("{}{}", self.count(), lists.concat())
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
        f.write_str(&self.count())?;
        for list in [
            line("required but missing", &self.missing_required, SHOWN),
            line("of another shape", &self.mismatched, SHOWN),
            line(
                "new, as the checkpoint has none",
                &self.missing_optional,
                SHOWN,
            ),
        ] {
            f.write_str(&list)?;
        }
        if !self.not_needed.is_empty() {
            let heads: Vec<&str> = self.not_needed.keys().map(String::as_str).collect();
            let tensors = match self.not_needed.values().map(Vec::len).sum() {
                1 => "1 tensor".to_owned(),
                tensors => format!("{tensors} tensors"),
            };
            write!(f, "\n  not needed here: {} ({tensors})", heads.join(", "))?;
        }
        f.write_str(&line("unexpected", &self.unexpected, SHOWN))
    }
}

/// A line of what `title` says, the first `shown` of them by name; nothing where there are none.
fn line(title: &str, items: &[impl fmt::Display], shown: usize) -> String {
    if items.is_empty() {
        return String::new();
    }
    let names: Vec<String> = items.iter().take(shown).map(ToString::to_string).collect();
    let more = match items.len() - names.len() {
        0 => String::new(),
        more => format!(", ... and {more} more"),
    };
    format!("\n  {title}: {}{more}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_speaks_of_what_occurred_and_shortens_long_lists() {
        let report = LoadReport {
            loaded: 70,
            missing_optional: vec!["classifier.weight".into(), "classifier.bias".into()],
            derived: vec!["embeddings.position_ids".into()],
            not_needed: BTreeMap::from([
                (
                    "cls".to_owned(),
                    vec!["cls.a".to_owned(), "cls.b".to_owned()],
                ),
                (
                    "pooler".to_owned(),
                    vec!["bert.pooler.dense.bias".to_owned()],
                ),
            ]),
            unexpected: (0..20).map(|i| format!("extra.{i}")).collect(),
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
             new, as the checkpoint has none: classifier.weight, classifier.bias\n  not needed here: cls, pooler (3 tensors)\n  \
             unexpected: extra.0, extra.1, extra.2, extra.3, extra.4, extra.5, extra.6, extra.7, ... and 12 more"
        );
        let full = report.in_full();
        assert!(
            full.contains("\n  derived: embeddings.position_ids\n"),
            "{full}"
        );
        assert!(
            full.contains("\n  not needed here: cls.a, cls.b, bert.pooler.dense.bias\n"),
            "{full}"
        );
        assert!(full.ends_with("extra.18, extra.19"), "{full}");
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
