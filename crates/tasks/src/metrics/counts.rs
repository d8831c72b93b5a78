//! What accuracy, F1 and MCC need to know: three whole numbers per class.

use serde::{Deserialize, Serialize};

/// How often each class was right, predicted and true.
///
/// These are the diagonal and the two margins of the confusion matrix; no score here needs the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts(Vec<Class>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Class {
    hits: u64,
    predicted: u64,
    actual: u64,
}

impl Class {
    /// `2 tp / (2 tp + fp + fn)`; none for a class that neither occurs nor is predicted.
    fn f1(self) -> Option<f64> {
        let involved = self.predicted + self.actual;
        (involved > 0).then(|| 2.0 * self.hits as f64 / involved as f64)
    }
}

impl Counts {
    pub(super) fn new(classes: usize) -> Self {
        Self(vec![Class::default(); classes])
    }

    pub(super) fn classes(&self) -> usize {
        self.0.len()
    }

    /// Counts one row; classes out of range are not counted.
    pub(super) fn add(&mut self, predicted: usize, actual: usize) {
        if let Some(class) = self.0.get_mut(predicted) {
            class.predicted += 1;
            class.hits += u64::from(predicted == actual);
        }
        if let Some(class) = self.0.get_mut(actual) {
            class.actual += 1;
        }
    }

    /// Both counts together, of as many classes as the first has.
    pub(super) fn plus(mut self, other: &Self) -> Self {
        for (sum, class) in self.0.iter_mut().zip(&other.0) {
            sum.hits += class.hits;
            sum.predicted += class.predicted;
            sum.actual += class.actual;
        }
        self
    }

    /// The share of the class's rows that were found; 0 without any.
    pub(super) fn found(&self, class: usize) -> f64 {
        let class = self.class(class);
        class.hits as f64 / class.actual.max(1) as f64
    }

    /// F1 of one class against the rest; 0 for one that neither occurs nor is predicted.
    pub(super) fn class_f1(&self, class: usize) -> f64 {
        self.class(class).f1().unwrap_or(0.0)
    }

    /// The share of rows that are right.
    pub(super) fn accuracy(&self) -> f64 {
        self.sum(|class| class.hits) / self.sum(|class| class.actual)
    }

    /// F1 of class 1 when there are two classes (0 if it is nowhere), else the mean over the classes
    /// that occur or are predicted.
    pub(super) fn f1(&self) -> f64 {
        if let [_, positive] = self.0.as_slice() {
            return positive.f1().unwrap_or(0.0);
        }
        let scores: Vec<f64> = self.0.iter().filter_map(|class| class.f1()).collect();
        scores.iter().sum::<f64>() / scores.len() as f64
    }

    /// The Matthews correlation, of two classes or (Gorodkin's) of more.
    pub(super) fn mcc(&self) -> f64 {
        if let [negative, positive] = self.0.as_slice()
            && let Some(limit) = degenerate(*negative, *positive)
        {
            return limit;
        }
        let rows = self.sum(|class| class.actual);
        let hits = self.sum(|class| class.hits);
        let margin = |one: fn(&Class) -> u64, other: fn(&Class) -> u64| -> f64 {
            let product = |class: &Class| one(class) as f64 * other(class) as f64;
            self.0.iter().map(product).sum()
        };
        let both = hits * rows - margin(|class| class.actual, |class| class.predicted);
        let predicted = rows * rows - margin(|class| class.predicted, |class| class.predicted);
        let actual = rows * rows - margin(|class| class.actual, |class| class.actual);
        let scale = predicted * actual;
        if scale == 0.0 {
            0.0
        } else {
            both / scale.sqrt()
        }
    }

    fn class(&self, class: usize) -> Class {
        self.0.get(class).copied().unwrap_or_default()
    }

    fn sum(&self, count: impl Fn(&Class) -> u64) -> f64 {
        self.0.iter().map(count).sum::<u64>() as f64
    }
}

/// MCC of two classes where the formula is 0 / 0, in torchmetrics' way: 1 when all rows are right, -1
/// when all are wrong, and with an empty margin the limit of the formula as one count goes to zero.
///
/// A model that always says the same class therefore does not score exactly 0 unless the classes are
/// balanced. Published scores contain this, so it is kept.
fn degenerate(negative: Class, positive: Class) -> Option<f64> {
    let (tn, tp) = (negative.hits as f64, positive.hits as f64);
    let fp = (positive.predicted - positive.hits) as f64;
    let fn_ = (positive.actual - positive.hits) as f64;
    if fp + fn_ == 0.0 {
        return Some(1.0);
    }
    if tp + tn == 0.0 {
        return Some(-1.0);
    }
    let margins = [tp + fp, tp + fn_, tn + fp, tn + fn_];
    if !margins.contains(&0.0) {
        return None;
    }
    // One margin is empty, so the two counts beside each other there are zero, and the two left over
    // are `right` rows that are right and `wrong` ones that are wrong.
    let (right, wrong) = (tp.max(tn), fp.max(fn_));
    Some((right - wrong) / ((right + wrong) * right * wrong).sqrt())
}
