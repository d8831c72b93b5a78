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
    /// The scores over all classes, labels and outputs: those whose name does not end in the number or the name of one.
    pub(crate) fn overall(&self) -> impl Iterator<Item = (&str, f64)> {
        let named = self.scores.iter();
        named
            .filter(|(name, _)| {
                let whole = match name.strip_suffix(']').and_then(|name| name.split_once('[')) {
                    Some((whole, _)) => Some(whole),
                    None => name
                        .rsplit_once('_')
                        .filter(|(_, number)| number.parse::<usize>().is_ok())
                        .map(|(whole, _)| whole),
                };
                !whole.is_some_and(|whole| self.scores.iter().any(|(other, _)| other == whole))
            })
            .map(|(name, value)| (name.as_str(), *value))
    }

    /// The score of one class, label or output, as `f1` of number 2, or of its name.
    pub(crate) fn of(&self, score: &str, number: usize) -> Option<f64> {
        let stage = &self.stage;
        let called = self.findings.as_ref().map(Findings::names);
        let called = called
            .and_then(|names| names.get(number))
            .map(|name| format!("{stage}_{score}[{name}]"));
        let numbered = format!("{stage}_{score}_{number}");
        let found = self
            .scores
            .iter()
            .find(|(known, _)| *known == numbered || Some(known) == called.as_ref());
        found.map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::ClassFindings;

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

    #[test]
    fn scores_may_carry_the_names_of_classes() {
        let names = ["test_f1", "test_f1[a]", "test_f1[b]", "test_recall[b]"];
        let classes = ["a", "b"].map(str::to_owned).to_vec();
        let scored = Scored {
            stage: "test".into(),
            scores: names
                .iter()
                .zip([0.5, 0.25, 0.75, 0.1])
                .map(|(name, value)| ((*name).to_owned(), value))
                .collect(),
            findings: Some(Findings::Classes(ClassFindings::new(classes, "rows"))),
            ..Scored::default()
        };
        let overall: Vec<&str> = scored.overall().map(|(name, _)| name).collect();
        assert_eq!(overall, ["test_f1", "test_recall[b]"]);
        assert_eq!(scored.of("f1", 1), Some(0.75));
    }
}
