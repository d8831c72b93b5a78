//! chrF2 (Popović 2015, 2016), as sacreBLEU computes it: runs of one to six letters without white space, recall twice as important as precision.

use serde::{Deserialize, Serialize};

use super::ngrams::{Runs, is_space};

/// The longest runs of letters that are compared.
const ORDER: usize = 6;

/// `beta^2`: recall counts `beta` times as much as precision.
const BETA_SQUARED: f64 = 4.0;

/// Runs of letters of all rows, of one letter first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Chrf([Runs; ORDER]);

impl Chrf {
    pub(super) fn update(&mut self, written: &str, reference: &str) {
        let [written, reference] = [written, reference].map(letters);
        for (length, sum) in (1..).zip(&mut self.0) {
            let runs = Runs::of(&written, &reference, length);
            // A row whose wanted text is too short says nothing of this length, whatever was written.
            if runs.reference > 0 {
                sum.add(runs);
            }
        }
    }

    /// From 0 to 100: F of the mean precision and the mean recall over those lengths of which both sides have runs.
    pub(super) fn value(&self) -> f64 {
        let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0.0);
        let both = |runs: &&Runs| runs.written > 0 && runs.reference > 0;
        for runs in self.0.iter().filter(both) {
            let shared = runs.shared as f64;
            precision += shared / runs.written as f64;
            recall += shared / runs.reference as f64;
            orders += 1.0;
        }
        if precision + recall == 0.0 {
            return 0.0;
        }
        let (precision, recall) = (precision / orders, recall / orders);
        let f = (1.0 + BETA_SQUARED) * precision * recall / (BETA_SQUARED * precision + recall);
        100.0 * f
    }
}

fn letters(text: &str) -> Vec<char> {
    text.chars().filter(|letter| !is_space(*letter)).collect()
}
