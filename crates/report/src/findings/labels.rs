//! Any number of labels for each row.

use super::classes::Margin;
use super::limit;
use crate::calibration::Calibration;
use crate::ranking::{Ranking, ranking};
use crate::sample::Sample;

/// What was found where each of several labels applies to a row or not.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelFindings {
    names: Vec<String>,
    margins: Vec<Margin>,
    rows: u64,
    calibration: Calibration,
    /// The probabilities of a row, then its flags.
    sample: Sample,
}

impl LabelFindings {
    /// Nothing seen yet, of labels of these names.
    pub fn new(names: Vec<String>) -> Self {
        let width = 2 * names.len();
        Self {
            margins: vec![Margin::default(); names.len()],
            sample: Sample::new(width, limit(width)),
            names,
            rows: 0,
            calibration: Calibration::default(),
        }
    }

    /// Takes a row: the probability of each label `[labels]`, and whether it applies `[labels]`. A label is predicted above 0.5.
    pub fn add(&mut self, probabilities: &[f32], flags: &[bool]) {
        self.rows += 1;
        for ((margin, &probability), &flag) in self.margins.iter_mut().zip(probabilities).zip(flags)
        {
            let predicted = probability > 0.5;
            margin.actual += u64::from(flag);
            margin.predicted += u64::from(predicted);
            margin.hits += u64::from(predicted && flag);
            self.calibration.add(probability, flag);
        }
        let flags = flags.iter().map(|&flag| f32::from(flag));
        self.sample.add(probabilities.iter().copied().chain(flags));
    }

    /// Rows seen.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) fn kept(&self) -> usize {
        self.sample.rows()
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    pub(crate) fn margin(&self, label: usize) -> Margin {
        self.margins.get(label).copied().unwrap_or_default()
    }

    pub(crate) fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// The curves of one label.
    pub(crate) fn ranking(&self, label: usize) -> Option<Ranking> {
        let labels = self.names.len();
        let rows = self.sample.iter();
        ranking(
            rows.map(|row| (row[label], row[labels + label] == 1.0))
                .collect(),
        )
    }

    /// The curves of every pair of a row and a label together.
    pub(crate) fn micro(&self) -> Option<Ranking> {
        let labels = self.names.len();
        let pairs = self.sample.iter().flat_map(|row| {
            let (scores, flags) = row.split_at(labels);
            let pairs = scores.iter().zip(flags);
            pairs.map(|(&score, &flag)| (score, flag == 1.0))
        });
        ranking(pairs.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_label_is_counted_by_itself() {
        let mut found = LabelFindings::new(vec!["a".into(), "b".into()]);
        found.add(&[0.9, 0.2], &[true, true]);
        found.add(&[0.6, 0.7], &[false, true]);
        let (a, b) = (found.margin(0), found.margin(1));
        assert_eq!((a.actual, a.predicted, a.hits), (1, 2, 1));
        assert_eq!((b.actual, b.predicted, b.hits), (2, 1, 1));
        assert_eq!(found.ranking(0).unwrap().roc.area, 1.0);
        assert_eq!(
            found.ranking(1),
            None,
            "a label that always applies has no curve"
        );
        // Scores of 0.9, 0.7 and 0.2 apply, that of 0.6 does not.
        assert_eq!(found.micro().unwrap().roc.area, 2.0 / 3.0);
    }
}
