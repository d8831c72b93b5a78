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

    /// Takes a row: its probabilities `[classes]`, the class that was told, and the true one.
    pub fn add(&mut self, probabilities: &[f32], told: usize, truth: usize) {
        self.confusion.add(truth, told);
        let certainty = probabilities.get(told).copied().unwrap_or(f32::NAN);
        self.calibration.add(certainty, told == truth);
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

/// How often each class was told for each: only pairs that occur take space.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Confusion {
    pairs: BTreeMap<(u32, u32), u64>,
    /// By class: how often it was true, told, and both.
    margins: BTreeMap<u32, Margin>,
}

/// How often a class was true, told, and both.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Margin {
    pub(crate) actual: u64,
    pub(crate) told: u64,
    pub(crate) hits: u64,
}

impl Margin {
    /// The share of what was told that is right; none where it was never told.
    pub(crate) fn precision(&self) -> Option<f64> {
        (self.told > 0).then(|| self.hits as f64 / self.told as f64)
    }

    /// The share of what is true that was found; none where it never is.
    pub(crate) fn recall(&self) -> Option<f64> {
        (self.actual > 0).then(|| self.hits as f64 / self.actual as f64)
    }

    /// `2 tp / (2 tp + fp + fn)`; none for a class that neither occurs nor is told.
    pub(crate) fn f1(&self) -> Option<f64> {
        let involved = self.actual + self.told;
        (involved > 0).then(|| 2.0 * self.hits as f64 / involved as f64)
    }
}

impl Confusion {
    fn add(&mut self, truth: usize, told: usize) {
        let class = |class: usize| u32::try_from(class).unwrap_or(u32::MAX);
        let (truth, told) = (class(truth), class(told));
        *self.pairs.entry((truth, told)).or_default() += 1;
        self.margins.entry(truth).or_default().actual += 1;
        let margin = self.margins.entry(told).or_default();
        margin.told += 1;
        margin.hits += u64::from(truth == told);
    }

    pub(crate) fn total(&self) -> u64 {
        self.margins.values().map(|margin| margin.actual).sum()
    }

    pub(crate) fn count(&self, truth: usize, told: usize) -> u64 {
        let pair = u32::try_from(truth).ok().zip(u32::try_from(told).ok());
        pair.and_then(|pair| self.pairs.get(&pair).copied())
            .unwrap_or(0)
    }

    pub(crate) fn margin(&self, class: usize) -> Margin {
        let class = u32::try_from(class).ok();
        class
            .and_then(|class| self.margins.get(&class).copied())
            .unwrap_or_default()
    }

    /// Every pair that occurs, `(truth, told, count)`.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (usize, usize, u64)> + '_ {
        self.pairs
            .iter()
            .map(|(&(truth, told), &count)| (truth as usize, told as usize, count))
    }

    /// The pairs of different classes that occur most often.
    pub(crate) fn largest(&self, most: usize) -> Vec<(usize, usize, u64)> {
        let mut wrong: Vec<_> = self
            .pairs()
            .filter(|(truth, told, _)| truth != told)
            .collect();
        wrong.sort_by_key(|&(truth, told, count)| (std::cmp::Reverse(count), truth, told));
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
        for (told, truth) in [(0, 0), (0, 0), (1, 0), (1, 1), (0, 2), (0, 2)] {
            let mut probabilities = [0.1; 3];
            probabilities[told] = 0.8;
            found.add(&probabilities, told, truth);
        }
        found
    }

    #[test]
    fn precision_recall_and_f1_are_of_the_counts() {
        let found = three();
        let first = found.confusion().margin(0);
        assert_eq!((first.actual, first.told, first.hits), (3, 4, 2));
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
