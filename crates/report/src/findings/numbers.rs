//! Numbers for each row.

use super::limit;
use crate::sample::Sample;

/// What was found where numbers are predicted.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberFindings {
    names: Vec<String>,
    /// What is true of a row, then what was predicted.
    sample: Sample,
}

impl NumberFindings {
    /// Nothing seen yet, of outputs of these names.
    pub fn new(names: Vec<String>) -> Self {
        let width = 2 * names.len();
        Self {
            sample: Sample::new(width, limit(width)),
            names,
        }
    }

    /// Takes a row: what was predicted `[outputs]`, and what is true `[outputs]`.
    pub fn add(&mut self, predicted: &[f32], truth: &[f32]) {
        self.sample.add(truth.iter().chain(predicted).copied());
    }

    /// Rows seen.
    pub fn rows(&self) -> u64 {
        self.sample.seen()
    }

    pub(crate) fn kept(&self) -> usize {
        self.sample.rows()
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// `(true, predicted)` of an output, where both are numbers.
    pub(crate) fn pairs(&self, output: usize) -> Vec<(f64, f64)> {
        let outputs = self.names.len();
        let rows = self.sample.iter();
        rows.map(|row| (f64::from(row[output]), f64::from(row[outputs + output])))
            .filter(|(truth, predicted)| truth.is_finite() && predicted.is_finite())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_taken_apart_and_what_is_no_number_is_left_out() {
        let mut found = NumberFindings::new(vec!["a".into(), "b".into()]);
        found.add(&[1.0, 2.0], &[1.5, 2.5]);
        found.add(&[f32::NAN, 4.0], &[3.0, 4.5]);
        assert_eq!(found.pairs(0), [(1.5, 1.0)]);
        assert_eq!(found.pairs(1), [(2.5, 2.0), (4.5, 4.0)]);
        assert_eq!(found.rows(), 2);
    }
}
