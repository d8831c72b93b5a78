//! What a report is made of.

use crate::curve::Curves;
use crate::findings::Findings;

/// A run as it is predicted at its end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// The heading, as `Training report`.
    pub title: String,
    /// One line on what was run.
    pub subtitle: String,
    /// What was scored and how well, if anything was.
    pub scored: Option<Scored>,
    /// Whether something was trained, so that there should be curves.
    pub trains: bool,
    /// Metrics over the steps of the run.
    pub curves: Curves,
    /// What else is known of the run, in groups.
    pub facts: Vec<Facts>,
    /// The experiment that repeats it, as YAML; empty where there is none.
    pub config: String,
}

/// What was scored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scored {
    /// The rows in words, as `462 test rows`.
    pub rows: String,
    /// Prefix of the scores' names: `test` or `val`.
    pub stage: String,
    /// The scores by name: `test_loss`, ..., and those of single classes, labels or outputs: `test_f1_0`, ...
    pub scores: Vec<(String, f64)>,
    /// What is behind them; none of masked language models.
    pub findings: Option<Findings>,
}

/// A group of facts with its heading.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The heading.
    pub title: String,
    /// Names and values.
    pub rows: Vec<(String, String)>,
}

impl Facts {
    /// No facts yet under a heading.
    pub fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            rows: Vec::new(),
        }
    }

    /// The same with one fact more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.rows.push((name.to_owned(), value.into()));
        self
    }
}

impl Report {
    /// Rows (or tokens) of which something was found.
    pub(crate) fn rows(&self) -> u64 {
        let findings = self
            .scored
            .as_ref()
            .and_then(|scored| scored.findings.as_ref());
        findings.map_or(0, Findings::rows)
    }
}

impl Scored {
    /// The scores over all classes, labels and outputs: those whose name does not end in the number of one.
    pub(crate) fn overall(&self) -> impl Iterator<Item = (&str, f64)> {
        let named = self.scores.iter();
        named
            .filter(|(name, _)| {
                let single = name.rsplit_once('_').is_some_and(|(whole, number)| {
                    !number.is_empty()
                        && number.bytes().all(|digit| digit.is_ascii_digit())
                        && self.scores.iter().any(|(other, _)| other == whole)
                });
                !single
            })
            .map(|(name, value)| (name.as_str(), *value))
    }

    /// The score of one class, label or output, as `f1` of number 2.
    pub(crate) fn of(&self, score: &str, number: usize) -> Option<f64> {
        let name = format!("{}_{score}_{number}", self.stage);
        let found = self.scores.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_single_classes_are_told_from_those_of_all() {
        let names = [
            "test_loss",
            "test_f1",
            "test_f1_0",
            "test_f1_10",
            "test_top_5",
        ];
        let scored = Scored {
            stage: "test".into(),
            scores: names.map(|name| (name.to_owned(), 0.5)).to_vec(),
            ..Scored::default()
        };
        let overall: Vec<&str> = scored.overall().map(|(name, _)| name).collect();
        assert_eq!(overall, ["test_loss", "test_f1", "test_top_5"]);
        assert_eq!(scored.of("f1", 10), Some(0.5));
        assert_eq!(scored.of("f1", 1), None);
    }
}
