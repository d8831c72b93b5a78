//! What the same scores are of a model that has learned nothing: it always gives the one answer that fits most rows best.

use crate::escape::name;
use crate::findings::{ClassFindings, Findings, LabelFindings, NumberFindings};
use crate::numbers::percent;

/// The scores of one answer for every row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Baseline {
    /// The answer in words.
    pub(crate) answer: String,
    /// By the names of metrics, as `accuracy`.
    scores: Vec<(&'static str, f64)>,
}

impl Baseline {
    /// Of the rows that were scored; none without rows.
    pub(crate) fn of(findings: &Findings) -> Option<Self> {
        if findings.rows() == 0 {
            return None;
        }
        match findings {
            Findings::Classes(found) => of_classes(found),
            Findings::Labels(found) => Some(of_labels(found)),
            Findings::Numbers(found) => Some(of_numbers(found)),
        }
    }

    /// The score of a metric, where one answer has one.
    pub(crate) fn score(&self, metric: &str) -> Option<f64> {
        let found = self.scores.iter().find(|(known, _)| *known == metric);
        found.map(|(_, score)| *score)
    }
}

/// F1 of what is said of every row and true of a share of them.
fn f1(share: f64) -> f64 {
    2.0 * share / (1.0 + share)
}

/// Always the most frequent class. Averages are those of the metrics: F1 of class 1 of two, else the mean over the classes that occur.
fn of_classes(found: &ClassFindings) -> Option<Baseline> {
    let rows = found.rows() as f64;
    let counts = (0..found.names().len()).map(|class| found.confusion().margin(class).actual);
    let counts: Vec<u64> = counts.collect();
    let (class, most) = counts
        .iter()
        .enumerate()
        .rev()
        .max_by_key(|(_, count)| **count)?;
    let share = *most as f64 / rows;
    let f1 = match counts.len() {
        2 if class == 0 => 0.0,
        2 => f1(share),
        _ => f1(share) / counts.iter().filter(|count| **count > 0).count() as f64,
    };
    let label = name(&found.names()[class]);
    Some(Baseline {
        answer: format!(
            "always answering {label}, the most frequent class ({})",
            percent(share)
        ),
        scores: vec![("accuracy", share), ("f1", f1), ("auroc", 0.5)],
    })
}

/// Of each label what is true of most rows; scores are the means over the labels.
fn of_labels(found: &LabelFindings) -> Baseline {
    let (rows, labels) = (found.rows() as f64, found.names().len());
    let shares = || (0..labels).map(|label| found.margin(label).actual as f64 / rows);
    let mean = |of: fn(f64) -> f64| shares().map(of).sum::<f64>() / labels as f64;
    Baseline {
        answer: "answering of each label what is true of most rows".to_owned(),
        scores: vec![
            ("accuracy", mean(|share| share.max(1.0 - share))),
            (
                "f1",
                mean(|share| if share > 0.5 { f1(share) } else { 0.0 }),
            ),
            ("auroc", 0.5),
        ],
    }
}

/// Always the mean of what is true; scores are the means over the outputs.
fn of_numbers(found: &NumberFindings) -> Baseline {
    let outputs = found.names().len();
    let errors = |output: usize| {
        let pairs = found.pairs(output);
        let count = pairs.len() as f64;
        let mean = pairs.iter().map(|(truth, _)| truth).sum::<f64>() / count;
        let errors = pairs
            .into_iter()
            .map(move |(truth, _)| (truth - mean).abs());
        (errors, count)
    };
    let mean = |power: i32| {
        let each = (0..outputs).map(|output| {
            let (errors, count) = errors(output);
            errors.map(|error| error.powi(power)).sum::<f64>() / count
        });
        each.sum::<f64>() / outputs as f64
    };
    Baseline {
        answer: "always answering the mean of what is true".to_owned(),
        scores: vec![("mae", mean(1)), ("r2", 0.0), ("mse", mean(2))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(names: &[&str], truths: &[usize]) -> Baseline {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut found = ClassFindings::new(names.clone(), "rows");
        let probabilities = vec![0.5; names.len()];
        truths
            .iter()
            .for_each(|&truth| found.add(&probabilities, 0, truth));
        Baseline::of(&Findings::Classes(found)).unwrap()
    }

    #[test]
    fn the_most_frequent_class_is_right_as_often_as_it_occurs() {
        let found = classes(&["no", "yes"], &[1, 1, 1, 0]);
        assert_eq!(found.score("accuracy"), Some(0.75));
        assert_eq!(found.score("f1"), Some(1.5 / 1.75));
        assert!(found.answer.contains("answering yes") && found.answer.contains("75.0 %"));
        assert_eq!(classes(&["no", "yes"], &[1, 0, 0]).score("f1"), Some(0.0));
        let three = classes(&["a", "b", "c", "never"], &[2, 2, 0, 1]);
        assert!((three.score("f1").unwrap() - 2.0 / 9.0).abs() < 1e-12);
        assert_eq!((three.score("mcc"), three.score("loss")), (None, None));
    }

    #[test]
    fn each_label_is_answered_by_what_is_true_of_most_rows() {
        let mut found = LabelFindings::new(vec!["a".into(), "b".into()]);
        for flags in [[true, false], [true, false], [true, true], [false, false]] {
            found.add(&[0.5, 0.5], &flags);
        }
        let found = Baseline::of(&Findings::Labels(found)).unwrap();
        assert_eq!(found.score("accuracy"), Some(0.75));
        assert_eq!(found.score("f1"), Some(0.75 / 1.75));
    }

    #[test]
    fn the_mean_is_off_by_the_deviation() {
        let mut found = NumberFindings::new(vec!["a".into(), "b".into()]);
        for truth in [[0.0, 1.0], [4.0, 1.0]] {
            found.add(&[9.0, 9.0], &truth);
        }
        let found = Baseline::of(&Findings::Numbers(found)).unwrap();
        assert_eq!(
            (found.score("mae"), found.score("mse")),
            (Some(1.0), Some(2.0))
        );
    }

    #[test]
    fn without_rows_there_is_none() {
        let none = ClassFindings::new(vec!["a".into()], "rows");
        assert_eq!(Baseline::of(&Findings::Classes(none)), None);
    }
}
