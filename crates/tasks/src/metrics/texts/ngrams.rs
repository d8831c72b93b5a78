//! Runs of letters or words that two texts have in common.

use std::collections::HashMap;
use std::hash::Hash;

use serde::{Deserialize, Serialize};

/// How many runs of one length there are in two texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Runs {
    /// In the written text.
    pub(super) written: u64,
    /// In the wanted text.
    pub(super) reference: u64,
    /// In both: each as often as the text has it that has it less often.
    pub(super) shared: u64,
}

impl Runs {
    /// The runs of `length` items, at least 1; a text that has fewer items has none.
    pub(super) fn of<T: Eq + Hash>(written: &[T], reference: &[T], length: usize) -> Self {
        let mut left: HashMap<&[T], u64> = HashMap::new();
        for run in reference.windows(length) {
            *left.entry(run).or_default() += 1;
        }
        let mut shared = 0;
        for run in written.windows(length) {
            if let Some(count) = left.get_mut(run).filter(|count| **count > 0) {
                *count -= 1;
                shared += 1;
            }
        }
        Self {
            written: written.windows(length).len() as u64,
            reference: reference.windows(length).len() as u64,
            shared,
        }
    }

    /// Adds those of another row.
    pub(super) fn add(&mut self, other: Self) {
        self.written += other.written;
        self.reference += other.reference;
        self.shared += other.shared;
    }
}

/// White space as Python divides texts by it: Unicode's, and the four separators of ASCII besides.
pub(super) fn is_space(letter: char) -> bool {
    letter.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_shared_as_often_as_both_have_it() {
        let letters = |text: &str| text.chars().collect::<Vec<_>>();
        let runs = |length| Runs::of(&letters("aabaa"), &letters("aaab"), length);
        let expected = |written, reference, shared| Runs {
            written,
            reference,
            shared,
        };
        assert_eq!(runs(1), expected(5, 4, 4));
        // aa, ab, ba, aa against aa, aa, ab.
        assert_eq!(runs(2), expected(4, 3, 3));
        assert_eq!(runs(5), expected(1, 0, 0));
        assert_eq!(runs(9), expected(0, 0, 0));
    }

    #[test]
    fn white_space_is_pythons() {
        assert!(
            [
                ' ', '\n', '\u{1c}', '\u{1f}', '\u{85}', '\u{a0}', '\u{3000}'
            ]
            .map(is_space)
                == [true; 7]
        );
        assert!(['\u{200b}', '\u{1b}', 'a'].map(is_space) == [false; 3]);
    }
}
