//! Cross-validation: which rows are in which fold, and which folds serve for what.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use engraft_component::Component;

use crate::arguments::{Source, argument};
use crate::draft::{Place, required};
use crate::error::Error;
use crate::layout::{self, Layout};
use crate::load::Splits;
use crate::module::DataModule;
use crate::reading::Reading;
use crate::shuffle::{Stream, permutation};
use crate::split::{Share, Shares, Stage, training_rows};
use crate::table::Table;

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

    /// The fold of each row.
    fn assign(&self, count: u64, table: &Table, seed: u64) -> Result<Vec<u64>, Error> {
        let rows = table.len();
        if count > rows as u64 {
            let message = format!("{count} folds of {rows} rows would leave folds without rows");
            return Err(argument("cv_num_folds", message));
        }
        match &self.cv_fold_id_col {
            Some(column) => stated(column, count, table),
            None => Ok(drawn(count, rows, seed)),
        }
    }
}

/// Random folds whose sizes differ by at most one row.
fn drawn(count: u64, rows: usize, seed: u64) -> Vec<u64> {
    let mut folds = vec![0; rows];
    let order = permutation(rows, seed, Stream::Folds, 0);
    for (row, fold) in order.into_iter().zip((0..count).cycle()) {
        if let Some(own) = folds.get_mut(row) {
            *own = fold;
        }
    }
    folds
}

/// The folds that a column states, which must be all of `0..count` and no others.
fn stated(name: &str, count: u64, table: &Table) -> Result<Vec<u64>, Error> {
    let column = required(table, name, "cv_fold_id_col")?;
    let rows: Vec<usize> = (0..table.len()).collect();
    let fold = |place: Place| {
        let cell = place.filled()?;
        let wrong = || place.wrong_label("a fold, a whole number from 0", cell);
        cell.whole().ok_or_else(wrong)
    };
    let folds: Vec<u64> = Place::each(table, column, &rows)
        .map(fold)
        .collect::<Result<_, _>>()?;
    let mut first_rows = BTreeMap::new();
    for (row, fold) in folds.iter().enumerate() {
        first_rows.entry(*fold).or_insert(row);
    }
    let missing = (0..count).filter(|fold| !first_rows.contains_key(fold));
    let missing = listed(missing.map(|fold| fold.to_string()));
    let origin = |(fold, row): (&u64, &usize)| format!("{fold} (first at {})", table.origin(*row));
    let foreign = listed(first_rows.range(count..).map(origin));
    let missing = missing.map(|folds| format!("no row is of fold {folds}"));
    let foreign = foreign.map(|folds| format!("there is fold {folds}"));
    let problems: Vec<String> = missing.into_iter().chain(foreign).collect();
    if problems.is_empty() {
        return Ok(folds);
    }
    let message = format!(
        "the column \"{name}\" must hold each of the folds 0 to {} and no other, as cv_num_folds is {count}, but {}",
        count - 1,
        problems.join(", and ")
    );
    Err(argument("cv_fold_id_col", message))
}

/// The first of some folds, if there are any.
fn listed(mut folds: impl Iterator<Item = String>) -> Option<String> {
    const SHOWN: usize = 12;
    let first: Vec<String> = folds.by_ref().take(SHOWN).collect();
    let others = folds.next().map_or("", |_| " and others");
    (!first.is_empty()).then(|| format!("{}{others}", first.join(", ")))
}

/// All rows of a cross-validation, read once, and the fold of each.
#[derive(Clone, Debug)]
pub struct FoldedRows {
    module: DataModule,
    table: Arc<Table>,
    /// `[row]`.
    folds: Vec<u64>,
    /// What the user should know, such as what is left aside.
    pub notes: Vec<String>,
}

impl FoldedRows {
    /// Reads the rows that would train, and divides them.
    pub(crate) fn read(
        module: &DataModule,
        stage: Stage,
        text_memory: usize,
    ) -> Result<FoldedRows, Error> {
        let (source, folds) = (module.source(), module.folds());
        let reading = Reading::new(module, stage, text_memory)?;
        let layout = layout::find(source, &mut vec![])?;
        let mut notes = folds.notes();
        notes.extend(left_aside(&layout));
        let table = training_rows(layout, &|files| reading.read(files))?;
        notes.extend(reading.left_over());
        let table = Arc::new(table);
        let count = folds.cv_num_folds;
        let assigned = folds.assign(count, &table, source.random_seed)?;
        notes.push(format!(
            "{}: {} rows in {count} folds, {}",
            source.path.display(),
            table.len(),
            divided_by(folds, source)
        ));
        Ok(FoldedRows {
            module: module.clone(),
            folds: assigned,
            table,
            notes,
        })
    }

    /// Refuses a filter that leaves a fold without rows, before any fold is trained.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let count = self.module.folds().cv_num_folds;
        (0..count).try_for_each(|fold| self.splits(fold).map(drop))
    }

    /// Number of rows in each fold.
    pub fn sizes(&self) -> Vec<usize> {
        let count = self.module.folds().cv_num_folds;
        let rows_of = |fold| self.folds.iter().filter(|own| **own == fold).count();
        (0..count).map(rows_of).collect()
    }

    /// The splits of the training in which fold `test` tests, labels and all.
    ///
    /// # Errors
    /// A column or a cell is wrong, or a split has no rows.
    pub fn splits(&self, test: u64) -> Result<Splits, Error> {
        self.module.splits(self.shares(test), Stage::Fit, vec![])
    }

    /// The rows of each split where fold `test` tests.
    pub(crate) fn shares(&self, test: u64) -> Shares {
        let valid = self.module.folds().validation_fold(test);
        let share = |is_wanted: &dyn Fn(u64) -> bool| {
            let rows = self.folds.iter().enumerate();
            let rows = rows.filter(|(_, fold)| is_wanted(**fold));
            Share {
                table: Arc::clone(&self.table),
                rows: rows.map(|(row, _)| row).collect(),
            }
        };
        Shares {
            train: Some(share(&|fold| fold != test && Some(fold) != valid)),
            valid: valid.map(|valid| share(&|fold| fold == valid)),
            test: Some(share(&|fold| fold == test)),
        }
    }

    /// What a stage takes where fold `test` tests.
    pub(crate) fn of_stage(mut self, test: u64, stage: Stage) -> Result<Splits, Error> {
        let folds = self.module.folds();
        let valid = folds.validation_fold(test);
        let mut shares = self.shares(test);
        let rows = |share: &Option<Share>| share.as_ref().map_or(0, |share| share.rows.len());
        let said = match stage {
            Stage::Fit => {
                let validates = valid.map(|fold| format!(", fold {fold} validates"));
                format!("fold {test} tests{}", validates.unwrap_or_default())
            }
            Stage::Validate if shares.valid.is_none() => {
                return Err(argument(
                    "cv_enable_val_fold",
                    "is false, so there are no rows to validate on; use test",
                ));
            }
            Stage::Validate => {
                (shares.train, shares.test) = (None, None);
                let rows = rows(&shares.valid);
                format!("taken are the {rows} that validate where fold {test} tests{EVERY_ROW}")
            }
            Stage::Test | Stage::Predict => {
                (shares.train, shares.valid) = (None, None);
                let rows = rows(&shares.test);
                format!("taken are the {rows} of fold {test}{EVERY_ROW}")
            }
        };
        if let Some(note) = self.notes.last_mut() {
            note.push_str("; ");
            note.push_str(&said);
        }
        self.module.splits(shares, stage, self.notes)
    }
}

/// How not to take the rows of one fold alone.
const EVERY_ROW: &str = " (data.cv_num_folds: 1 takes every row)";

fn divided_by(folds: &Folds, source: &Source) -> String {
    match &folds.cv_fold_id_col {
        Some(column) => format!("by the column \"{column}\""),
        None => format!("by seed {}", source.random_seed),
    }
}

/// The note that a folder's other splits have no part in the folds.
fn left_aside(layout: &Layout) -> Option<String> {
    let Layout::Folder(folder) = layout else {
        return None;
    };
    let others = [("validation", &folder.valid), ("test", &folder.test)];
    let there: Vec<&str> = others
        .iter()
        .filter(|(_, files)| files.is_some())
        .map(|(name, _)| *name)
        .collect();
    (!there.is_empty()).then(|| {
        format!(
            "{}: the folds are of the training split; the {} split is left aside",
            folder.path.display(),
            there.join(" and the ")
        )
    })
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

    #[test]
    fn folds_of_another_seed_are_others() {
        assert_ne!(drawn(5, 100, 1), drawn(5, 100, 2));
        assert_eq!(drawn(5, 100, 1), drawn(5, 100, 1));
    }

    proptest! {
        #[test]
        fn random_folds_cover_every_row_and_differ_by_at_most_one(
            count in 2u64..12, more in 0usize..100, seed: u64
        ) {
            let rows = count as usize + more;
            let drawn = drawn(count, rows, seed);
            let mut sizes = vec![0usize; count as usize];
            drawn.iter().for_each(|fold| sizes[*fold as usize] += 1);
            prop_assert_eq!(sizes.iter().sum::<usize>(), rows);
            let [least, most] = [sizes.iter().min(), sizes.iter().max()].map(Option::unwrap);
            prop_assert!(most - least <= 1);
        }

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
