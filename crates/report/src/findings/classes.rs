//! One class for each row or token.

use std::collections::BTreeMap;

use super::limit;
use crate::calibration::Calibration;
use crate::ranking::{Ranking, ranking};
use crate::sample::Sample;

/// What was found where each row, or each token, belongs to one class.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassFindings {
    names: Vec<String>,
    unit: &'static str,
    confusion: Confusion,
    calibration: Calibration,
    /// The class and the probabilities of each row: of class 1 alone where there are two.
    sample: Sample,
}

impl ClassFindings {
    /// Beyond this many classes, curves of one against the rest say nothing that can be seen.
    const MOST_RANKED: usize = 1000;

    /// Nothing seen yet, of classes of these names; `unit` says what has a class: `rows` or `tokens`.
    pub fn new(names: Vec<String>, unit: &'static str) -> Self {
        let width = 1 + match names.len() {
            2 => 1,
            classes => classes,
        };
        let limit = match names.len() {
            2..=Self::MOST_RANKED => limit(width),
            _ => 0,
        };
        Self {
            names,
            unit,
            confusion: Confusion::default(),
            calibration: Calibration::default(),
            sample: Sample::new(width, limit),
        }
    }

    /// Takes a row: its probabilities `[classes]`, the class that was predicted, and the true one.
    pub fn add(&mut self, probabilities: &[f32], predicted: usize, truth: usize) {
        self.confusion.add(truth, predicted);
        let certainty = probabilities.get(predicted).copied().unwrap_or(f32::NAN);
        self.calibration.add(certainty, predicted == truth);
        let skipped = usize::from(self.names.len() == 2);
        let ranked = probabilities.iter().skip(skipped).copied();
        self.sample.add(std::iter::once(truth as f32).chain(ranked));
    }

    /// Rows or tokens seen.
    pub fn rows(&self) -> u64 {
        self.confusion.total()
    }

    pub(crate) fn unit(&self) -> &'static str {
        self.unit
    }

    pub(crate) fn kept(&self) -> usize {
        self.sample.rows()
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    pub(crate) fn confusion(&self) -> &Confusion {
        &self.confusion
    }

    pub(crate) fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// The curves of one class against the rest.
    pub(crate) fn ranking(&self, class: usize) -> Option<Ranking> {
        let at = match self.names.len() {
            2 => 1,
            _ => 1 + class,
        };
        let rows = self.sample.iter();
        ranking(
            rows.map(|row| (row[at], row[0] as usize == class))
                .collect(),
        )
    }

    /// The curves of every pair of a row and a class together.
    pub(crate) fn micro(&self) -> Option<Ranking> {
        let pairs = self.sample.iter().flat_map(|row| {
            let truth = row[0] as usize;
            let scores = row[1..].iter().enumerate();
            scores.map(move |(class, &score)| (score, class == truth))
        });
        ranking(pairs.collect())
    }
}

/// How often each class was predicted for each: only pairs that occur take space.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Confusion {
    pairs: BTreeMap<(u32, u32), u64>,
    /// By class: how often it was true, predicted, and both.
    margins: BTreeMap<u32, Margin>,
}

/// How often a class was true, predicted, and both.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Margin {
    pub(crate) actual: u64,
    pub(crate) predicted: u64,
    pub(crate) hits: u64,
}

impl Margin {
    /// The share of what was predicted that is right; none where it was never predicted.
    pub(crate) fn precision(&self) -> Option<f64> {
        (self.predicted > 0).then(|| self.hits as f64 / self.predicted as f64)
    }

    /// The share of what is true that was found; none where it never is.
    pub(crate) fn recall(&self) -> Option<f64> {
        (self.actual > 0).then(|| self.hits as f64 / self.actual as f64)
    }

    /// `2 tp / (2 tp + fp + fn)`; none for a class that neither occurs nor is predicted.
    pub(crate) fn f1(&self) -> Option<f64> {
        let involved = self.actual + self.predicted;
        (involved > 0).then(|| 2.0 * self.hits as f64 / involved as f64)
    }
}

impl Confusion {
    fn add(&mut self, truth: usize, predicted: usize) {
        let class = |class: usize| u32::try_from(class).unwrap_or(u32::MAX);
        let (truth, predicted) = (class(truth), class(predicted));
        *self.pairs.entry((truth, predicted)).or_default() += 1;
        self.margins.entry(truth).or_default().actual += 1;
        let margin = self.margins.entry(predicted).or_default();
        margin.predicted += 1;
        margin.hits += u64::from(truth == predicted);
    }

    pub(crate) fn total(&self) -> u64 {
        self.margins.values().map(|margin| margin.actual).sum()
    }

    pub(crate) fn count(&self, truth: usize, predicted: usize) -> u64 {
        let pair = u32::try_from(truth).ok().zip(u32::try_from(predicted).ok());
        pair.and_then(|pair| self.pairs.get(&pair).copied())
            .unwrap_or(0)
    }

    pub(crate) fn margin(&self, class: usize) -> Margin {
        let class = u32::try_from(class).ok();
        class
            .and_then(|class| self.margins.get(&class).copied())
            .unwrap_or_default()
    }

    /// Every pair that occurs, `(truth, predicted, count)`.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (usize, usize, u64)> + '_ {
        self.pairs
            .iter()
            .map(|(&(truth, predicted), &count)| (truth as usize, predicted as usize, count))
    }

    /// The pairs of different classes that occur most often.
    pub(crate) fn largest(&self, most: usize) -> Vec<(usize, usize, u64)> {
        let mut wrong: Vec<_> = self
            .pairs()
            .filter(|(truth, predicted, _)| truth != predicted)
            .collect();
        wrong
            .sort_by_key(|&(truth, predicted, count)| (std::cmp::Reverse(count), truth, predicted));
        wrong.truncate(most);
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> ClassFindings {
        let names = ["a", "b", "c"].map(str::to_owned).to_vec();
        let mut found = ClassFindings::new(names, "rows");
        for (predicted, truth) in [(0, 0), (0, 0), (1, 0), (1, 1), (0, 2), (0, 2)] {
            let mut probabilities = [0.1; 3];
            probabilities[predicted] = 0.8;
            found.add(&probabilities, predicted, truth);
        }
        found
    }

    #[test]
    fn precision_recall_and_f1_are_of_the_counts() {
        let found = three();
        let first = found.confusion().margin(0);
        assert_eq!((first.actual, first.predicted, first.hits), (3, 4, 2));
        assert_eq!(first.precision(), Some(0.5));
        assert_eq!(first.recall(), Some(2.0 / 3.0));
        assert_eq!(first.f1(), Some(4.0 / 7.0));
        let last = found.confusion().margin(2);
        assert_eq!((last.precision(), last.recall()), (None, Some(0.0)));
        assert_eq!(found.confusion().margin(9).f1(), None);
    }

    #[test]
    fn the_largest_confusions_come_first_and_hits_are_none() {
        assert_eq!(three().confusion().largest(5), [(2, 0, 2), (0, 1, 1)]);
        assert_eq!(three().confusion().largest(1), [(2, 0, 2)]);
    }

    #[test]
    fn with_two_classes_the_curve_is_that_of_the_second() {
        let mut found = ClassFindings::new(vec!["no".into(), "yes".into()], "rows");
        for (yes, truth) in [(0.1, 0), (0.4, 0), (0.35, 1), (0.8, 1)] {
            found.add(&[1.0 - yes, yes], usize::from(yes > 0.5), truth);
        }
        assert_eq!(found.ranking(1).unwrap().roc.area, 0.75);
        assert_eq!(found.calibration().count(), 4);
    }
}
