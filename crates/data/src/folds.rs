//! Cross-validation as a user asks for it: how many folds, and which serve for what.

use std::ops::Range;

use engraft_component::Component;

use crate::error::{Error, argument};

/// Cross-validation: the rows that would train are divided into folds, each of which is the test split of one training.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct Folds {
    /// Number of folds; 1 for no cross-validation.
    #[arg(default = 1)]
    pub cv_num_folds: u64,
    /// The fold that is the test split, from 0. Without it `fit` trains on all folds in turn, and other commands take the checkpoint's.
    pub cv_test_fold_id: Option<u64>,
    /// Whether one fold is the validation split.
    #[arg(default = true)]
    pub cv_enable_val_fold: bool,
    /// Whether the test fold also validates where there is no validation fold.
    #[arg(default = false)]
    pub cv_replace_val_fold_as_test_fold: bool,
    /// A column that holds each row's fold, from 0; without it, `random_seed` divides the rows into folds of equal size.
    pub cv_fold_id_col: Option<String>,
    /// How many folds the validation fold lies after the test fold, or before it if negative; the first fold follows the last.
    #[arg(default = 1)]
    pub cv_val_offset: i64,
}

impl Folds {
    /// The number of folds, if there is cross-validation.
    pub fn count(&self) -> Option<u64> {
        Some(self.cv_num_folds).filter(|count| *count > 1)
    }

    /// The folds that `fit` trains on in turn, if it is to train on all.
    pub fn all(&self) -> Option<Range<u64>> {
        let all = self.count().map(|count| 0..count);
        all.filter(|_| self.cv_test_fold_id.is_none())
    }

    /// Whether both divide the same rows into the same folds.
    pub fn divide_as(&self, other: &Folds) -> bool {
        self.count() == other.count() && self.cv_fold_id_col == other.cv_fold_id_col
    }

    /// The fold that validates where fold `test` tests.
    pub fn validation_fold(&self, test: u64) -> Option<u64> {
        match (self.cv_enable_val_fold, self.count()) {
            (true, Some(count)) => {
                let fold = i128::from(test) + i128::from(self.cv_val_offset);
                u64::try_from(fold.rem_euclid(i128::from(count))).ok()
            }
            _ => Some(test).filter(|_| self.cv_replace_val_fold_as_test_fold),
        }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let Some(count) = self.count() else {
            return Ok(());
        };
        if let Some(fold) = self.cv_test_fold_id.filter(|fold| *fold >= count) {
            let message = format!(
                "there is no fold {fold}: {count} folds (cv_num_folds) are numbered 0 to {}",
                count - 1
            );
            return Err(argument("cv_test_fold_id", message));
        }
        if self.cv_enable_val_fold && self.validation_fold(0) == Some(0) {
            let message = format!(
                "{} would make the test fold its own validation fold; give another, or if that is meant, cv_enable_val_fold: false and cv_replace_val_fold_as_test_fold: true",
                self.cv_val_offset
            );
            return Err(argument("cv_val_offset", message));
        }
        if self.cv_enable_val_fold && count == 2 {
            return Err(argument(
                "cv_num_folds",
                "of 2 folds one tests and one validates, which leaves none to train on; give more folds, or cv_enable_val_fold: false",
            ));
        }
        Ok(())
    }

    /// What of these arguments is without effect.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = vec![];
        if let (None, Some(column)) = (self.count(), &self.cv_fold_id_col) {
            notes.push(format!(
                "cv_fold_id_col: \"{column}\" is not looked at, as cv_num_folds is {}",
                self.cv_num_folds
            ));
        }
        if let (None, Some(fold)) = (self.count(), self.cv_test_fold_id) {
            notes.push(format!(
                "cv_test_fold_id: {fold} is without effect, as cv_num_folds is {}",
                self.cv_num_folds
            ));
        }
        if self.count().is_some()
            && self.cv_enable_val_fold
            && self.cv_replace_val_fold_as_test_fold
        {
            notes.push(
                "cv_replace_val_fold_as_test_fold is without effect while cv_enable_val_fold is true"
                    .to_owned(),
            );
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn folds(count: u64) -> Folds {
        Folds {
            cv_num_folds: count,
            cv_test_fold_id: None,
            cv_enable_val_fold: true,
            cv_replace_val_fold_as_test_fold: false,
            cv_fold_id_col: None,
            cv_val_offset: 1,
        }
    }

    #[test]
    fn the_validation_fold_lies_an_offset_after_the_test_fold_in_a_circle() {
        let with = |offset| Folds {
            cv_val_offset: offset,
            ..folds(5)
        };
        assert_eq!(with(1).validation_fold(4), Some(0));
        assert_eq!(with(-1).validation_fold(0), Some(4));
        assert_eq!(with(-7).validation_fold(1), Some(4));
        assert_eq!(with(i64::MIN).validation_fold(4), Some(1));
        assert_eq!(with(i64::MAX).validation_fold(4), Some(1));
        let off = Folds {
            cv_enable_val_fold: false,
            ..folds(5)
        };
        assert_eq!(off.validation_fold(2), None);
        let replaced = Folds {
            cv_replace_val_fold_as_test_fold: true,
            ..off
        };
        assert_eq!(replaced.validation_fold(2), Some(2));
    }

    #[test]
    fn one_fold_or_none_is_no_cross_validation() {
        for count in [0, 1] {
            let off = Folds {
                cv_test_fold_id: Some(9),
                ..folds(count)
            };
            off.check().unwrap();
            assert_eq!((off.count(), off.all()), (None, None));
            let note = format!("cv_test_fold_id: 9 is without effect, as cv_num_folds is {count}");
            assert_eq!(off.notes(), [note]);
        }
        assert_eq!(folds(3).all(), Some(0..3));
        let one = Folds {
            cv_test_fold_id: Some(2),
            ..folds(3)
        };
        assert_eq!((one.count(), one.all()), (Some(3), None));
    }

    proptest! {
        #[test]
        fn test_and_validation_fold_differ_for_every_offset_that_is_accepted(
            count in 3u64..12, offset: i64, test in 0u64..12
        ) {
            let folds = Folds { cv_val_offset: offset, ..folds(count) };
            let test = test % count;
            let valid = folds.validation_fold(test).unwrap();
            prop_assert!(valid < count);
            prop_assert_eq!(folds.check().is_ok(), valid != test);
        }
    }
}
