//! Cross-validation: all rows, read once, and which of them are in which fold.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::arguments::Source;
use crate::draft::Place;
use crate::error::{Error, argument};
use crate::folds::Folds;
use crate::layout::{self, Layout};
use crate::module::DataModule;
use crate::reading::{Found, Reading};
use crate::shares::{Share, Shares, training_rows};
use crate::shuffle::{Stream, permutation};
use crate::skipped::SkippedRow;
use crate::splits::Splits;
use crate::stage::Stage;
use crate::table::Table;

/// All rows of a cross-validation, read once, and the fold of each.
#[derive(Clone, Debug)]
pub struct FoldedRows {
    module: DataModule,
    table: Arc<Table>,
    /// `[row]`.
    folds: Vec<u64>,
    /// What the user should know, such as what is left aside.
    pub notes: Vec<String>,
    /// Rows of the files that were left out.
    skipped: Vec<SkippedRow>,
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
        let found = reading.found();
        notes.splice(..0, found.notes);
        let table = Arc::new(table);
        let count = folds.cv_num_folds;
        let assigned = assign(folds, &table, source.random_seed)?;
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
            skipped: found.skipped,
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
        let found = Found {
            notes: vec![],
            skipped: self.skipped.clone(),
        };
        Splits::of(&self.module, self.shares(test), Stage::Fit, found)
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
        let found = Found {
            notes: self.notes,
            skipped: self.skipped,
        };
        Splits::of(&self.module, shares, stage, found)
    }
}

/// The fold of each row.
fn assign(folds: &Folds, table: &Table, seed: u64) -> Result<Vec<u64>, Error> {
    let (count, rows) = (folds.cv_num_folds, table.len());
    if count > rows as u64 {
        let message = format!("{count} folds of {rows} rows would leave folds without rows");
        return Err(argument("cv_num_folds", message));
    }
    match &folds.cv_fold_id_col {
        Some(column) => stated(column, count, table),
        None => Ok(drawn(count, rows, seed)),
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
    let column = table.required(name, "cv_fold_id_col")?;
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
    }
}
