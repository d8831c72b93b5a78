//! Which rows serve for training, validating and testing.

use std::path::PathBuf;
use std::sync::Arc;

use crate::arguments::{Source, SplitSize};
use crate::error::Error;
use crate::layout::Layout;
use crate::shuffle::{Stream, permutation};
use crate::stage::Stage;
use crate::table::Table;

/// Some rows of a table.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    pub(crate) table: Arc<Table>,
    /// Row numbers in ascending order.
    pub(crate) rows: Vec<usize>,
}

impl Share {
    pub(crate) fn whole(table: Table) -> Share {
        Share {
            rows: (0..table.len()).collect(),
            table: Arc::new(table),
        }
    }
}

/// The rows of each split that a stage needs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shares {
    pub(crate) train: Option<Share>,
    pub(crate) valid: Option<Share>,
    pub(crate) test: Option<Share>,
}

/// Reads the files that a stage needs, those of a split as one table, and divides their rows.
///
/// # Errors
/// A file cannot be read, the stage's split is neither there nor can be held out, or holding out
/// leaves nothing to train on.
pub(crate) fn divide(
    source: &Source,
    layout: Layout,
    stage: Stage,
    read_table: &dyn Fn(&[PathBuf]) -> Result<Table, Error>,
    notes: &mut Vec<String>,
) -> Result<Shares, Error> {
    let read_files = |files: &[PathBuf]| read_table(files).map(Share::whole);
    let none = Shares::default();
    let folder = match layout {
        Layout::Folder(folder) => folder,
        Layout::Files(files) => {
            let rows = read_files(&files)?;
            return match stage {
                Stage::Fit => HeldOut {
                    test: true,
                    valid: true,
                }
                .cut(source, rows, notes),
                Stage::Validate => Ok(Shares {
                    valid: Some(rows),
                    ..none
                }),
                Stage::Test | Stage::Predict => Ok(Shares {
                    test: Some(rows),
                    ..none
                }),
            };
        }
    };
    let held_out = HeldOut {
        test: folder.test.is_none(),
        valid: folder.valid.is_none(),
    };
    let cut = |notes: &mut Vec<String>| match &folder.train {
        Some(files) => held_out.cut(source, read_files(files)?, notes),
        None => Err(folder.missing(without_train(stage), None)),
    };
    let read = |files: &Option<Vec<PathBuf>>| files.as_deref().map(read_files).transpose();
    // The rows of a split's own files, or else those held out for it.
    let one = |files: &Option<Vec<PathBuf>>,
               held_out: fn(Shares) -> Option<Share>,
               split,
               notes: &mut Vec<String>| {
        let rows = match read(files)? {
            None => held_out(cut(notes)?),
            own => own,
        };
        rows.map(Some).ok_or_else(|| switched_off(source, split))
    };
    match stage {
        Stage::Fit => {
            let held_out = cut(notes)?;
            Ok(Shares {
                train: held_out.train,
                valid: read(&folder.valid)?.or(held_out.valid),
                test: read(&folder.test)?.or(held_out.test),
            })
        }
        Stage::Validate => {
            let valid = one(&folder.valid, |held_out| held_out.valid, "valid", notes)?;
            Ok(Shares { valid, ..none })
        }
        Stage::Test | Stage::Predict => {
            let test = one(&folder.test, |held_out| held_out.test, "test", notes)?;
            Ok(Shares { test, ..none })
        }
    }
}

/// The rows that train where none is held out: those of one file, or of a folder's training split.
///
/// # Errors
/// The file cannot be read, or the folder has no training split.
pub(crate) fn training_rows(
    layout: Layout,
    read: &dyn Fn(&[PathBuf]) -> Result<Table, Error>,
) -> Result<Table, Error> {
    match layout {
        Layout::Files(files) => read(&files),
        Layout::Folder(folder) => match &folder.train {
            Some(files) => read(files),
            None => Err(folder.missing(without_train(Stage::Fit), None)),
        },
    }
}

fn without_train(stage: Stage) -> String {
    let (missing, split) = match stage {
        Stage::Fit => ("training split", "train"),
        Stage::Validate => (
            "validation split, nor a training split to hold it out of",
            "valid",
        ),
        Stage::Test | Stage::Predict => {
            ("test split, nor a training split to hold it out of", "test")
        }
    };
    format!("{missing} (name its file with {split}_split_name, or give one file as path)")
}

fn switched_off(source: &Source, split: &str) -> Error {
    Error::EmptySplit {
        path: source.path.clone(),
        message: format!(
            "there is no {split} split, and {split}_split_size is 0, so none is held out"
        ),
    }
}

/// Which splits have no files of their own.
#[derive(Clone, Copy, Debug)]
struct HeldOut {
    test: bool,
    valid: bool,
}

impl HeldOut {
    /// Divides the training rows: first the test rows are held out of all, then the validation
    /// rows of what remains, so that either is the same in every stage.
    fn cut(self, source: &Source, all: Share, notes: &mut Vec<String>) -> Result<Shares, Error> {
        let Share { table, rows } = all;
        let total = rows.len();
        let mut cut = |held_out: bool, rows: Vec<usize>, split: &str, size: SplitSize, stream| {
            let count = if held_out { size.of(rows.len()) } else { 0 };
            if count == 0 {
                return Ok((None, rows));
            }
            if count >= rows.len() {
                return Err(Error::EmptySplit {
                    path: source.path.clone(),
                    message: format!(
                        "of {total} rows, holding out {count} as {split} split leaves none to train on; lower {split}_split_size"
                    ),
                });
            }
            notes.push(format!(
                "{}: {count} of {total} rows are held out as {split} split (seed {})",
                source.path.display(),
                source.random_seed
            ));
            let (taken, left) = take(&rows, count, source.random_seed, stream);
            Ok((
                Some(Share {
                    table: Arc::clone(&table),
                    rows: taken,
                }),
                left,
            ))
        };
        let (test, rows) = cut(
            self.test,
            rows,
            "test",
            source.test_split_size,
            Stream::TestSplit,
        )?;
        let (valid, rows) = cut(
            self.valid,
            rows,
            "valid",
            source.valid_split_size,
            Stream::ValidSplit,
        )?;
        Ok(Shares {
            train: Some(Share { table, rows }),
            valid,
            test,
        })
    }
}

/// `count` random rows, and the others, both in ascending order.
fn take(rows: &[usize], count: usize, seed: u64, stream: Stream) -> (Vec<usize>, Vec<usize>) {
    let order = permutation(rows.len(), seed, stream, 0);
    let mut is_taken = vec![false; rows.len()];
    for position in order.into_iter().take(count) {
        if let Some(taken) = is_taken.get_mut(position) {
            *taken = true;
        }
    }
    let of = |wanted: bool| {
        let pairs = rows
            .iter()
            .zip(&is_taken)
            .filter(move |(_, taken)| **taken == wanted);
        pairs.map(|(row, _)| *row).collect()
    };
    (of(true), of(false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn share(rows: usize) -> Share {
        Share {
            table: Arc::new(Table::default()),
            rows: (0..rows).collect(),
        }
    }

    fn cut(source: &Source, rows: usize) -> Result<[Vec<usize>; 3], String> {
        let both = HeldOut {
            test: true,
            valid: true,
        };
        let shares = both
            .cut(source, share(rows), &mut vec![])
            .map_err(|error| error.to_string())?;
        let rows = |share: Option<Share>| share.map(|share| share.rows).unwrap_or_default();
        Ok([shares.train, shares.valid, shares.test].map(rows))
    }

    #[test]
    fn fractions_are_rounded_up_and_validation_is_of_what_remains() {
        let [train, valid, test] = cut(&Source::new("d"), 101).unwrap();
        assert_eq!((test.len(), valid.len(), train.len()), (21, 8, 72));
    }

    #[test]
    fn a_size_may_be_a_count_and_0_holds_out_nothing() {
        let mut source = Source::new("d");
        source.test_split_size = SplitSize::Rows(7);
        source.valid_split_size = SplitSize::Fraction(0.0);
        let [train, valid, test] = cut(&source, 20).unwrap();
        assert_eq!((test.len(), valid.len(), train.len()), (7, 0, 13));
    }

    #[test]
    fn the_seed_decides_which_rows_are_held_out() {
        let mut source = Source::new("d");
        let first = cut(&source, 50).unwrap();
        assert_eq!(first, cut(&source, 50).unwrap());
        source.random_seed = 43;
        assert_ne!(first, cut(&source, 50).unwrap());
    }

    #[test]
    fn something_is_left_to_train_on() {
        assert_eq!(
            cut(&Source::new("d"), 1).unwrap_err(),
            "d: of 1 rows, holding out 1 as test split leaves none to train on; lower test_split_size"
        );
    }

    proptest! {
        #[test]
        fn every_row_is_in_one_split(rows in 3usize..200, seed: u64) {
            let source = Source { random_seed: seed, ..Source::new("d") };
            let mut all = cut(&source, rows).unwrap().concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..rows).collect::<Vec<_>>());
        }
    }
}
