//! Rows that stand in two splits: scores on what a model was trained on say little of anything else.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;

use crate::draft::Draft;
use crate::error::Error;
use crate::examples::Examples;
use crate::module::DataModule;
use crate::reading::Reading;
use crate::shares::Share;
use crate::splits::Splits;
use crate::stage::Stage;

/// The argument that leaves such rows out of training.
const ARGUMENT: &str = "drop_shared_rows";

impl Splits {
    /// Counts the held-out rows whose texts stand in the training split too, and says so; with `drop_shared_rows` leaves the training rows out.
    ///
    /// # Errors
    /// Texts cannot be read, or no training row would be left.
    pub(crate) fn without_leaks(mut self, module: &DataModule) -> Result<Splits, Error> {
        let Some(train) = &self.train else {
            return Ok(self);
        };
        let known = Known::of(train)?;
        let mut shared = vec![false; train.len()];
        let held_out = [("validation", &self.valid), ("test", &self.test)];
        for (split, examples) in held_out {
            let Some(examples) = examples else { continue };
            let found = known.among(examples)?;
            for leak in &found {
                for row in &leak.rows {
                    shared[*row] = true;
                }
            }
            self.notes
                .extend(said(split, examples, train, &found, module));
        }
        let kept: Vec<usize> = (0..train.len()).filter(|row| !shared[*row]).collect();
        if !module.source().drop_shared_rows || kept.len() == train.len() {
            return Ok(self);
        }
        if kept.is_empty() {
            return Err(Error::EmptySplit {
                path: module.source().path.clone(),
                message: format!(
                    "every training row stands in another split too, so {ARGUMENT} leaves none to train on"
                ),
            });
        }
        self.train = Some(train.select(&kept));
        Ok(self)
    }

    /// Says which test rows stand in the files of the training split, if these can be read at all.
    pub(crate) fn compare_with_training(
        &mut self,
        module: &DataModule,
        files: &[PathBuf],
        text_memory: usize,
    ) -> Result<(), Error> {
        let Some(test) = &self.test else {
            return Ok(());
        };
        // What is wrong with training rows is no matter of a test.
        let read =
            Reading::new(module, Stage::Test, text_memory).and_then(|reading| reading.read(files));
        let Ok(share) = read.map(Share::whole) else {
            return Ok(());
        };
        let Ok(draft) = Draft::new("train", &share, &module.roles(), Some(&mut vec![])) else {
            return Ok(());
        };
        let train = &draft.examples;
        let found = Known::of(train)?.among(test)?;
        self.notes.extend(said("test", test, train, &found, module));
        Ok(())
    }
}

/// What is said of held-out rows that stand in the training split too.
fn said(
    split: &str,
    examples: &Examples,
    train: &Examples,
    found: &[Leak],
    module: &DataModule,
) -> Option<String> {
    let leak = found.first()?;
    let place = |examples: &Examples, row: usize| {
        let origin = examples.origins.get(row);
        origin.map(ToString::to_string).unwrap_or_default()
    };
    let first = leak.rows.first().copied().unwrap_or_default();
    let help = if module.source().drop_shared_rows {
        "; the training rows are left out"
    } else {
        ", so that scores on them say little of new rows; data.drop_shared_rows: true leaves the training rows out"
    };
    let stand = if found.len() == 1 { "stands" } else { "stand" };
    Some(format!(
        "{} of {} rows of the {split} split {stand} in the training split too, the first {} ({}){help}",
        found.len(),
        examples.len(),
        place(examples, leak.row),
        place(train, first),
    ))
}

/// A row of a held-out split, and the training rows of the same texts.
struct Leak {
    row: usize,
    rows: Vec<usize>,
}

/// Training rows by what their texts amount to.
struct Known<'a> {
    examples: &'a Examples,
    rows: HashMap<u64, Vec<usize>>,
}

impl<'a> Known<'a> {
    fn of(examples: &'a Examples) -> Result<Self, Error> {
        let mut rows: HashMap<u64, Vec<usize>> = HashMap::with_capacity(examples.len());
        for row in 0..examples.len() {
            rows.entry(fingerprint(examples, row)?)
                .or_default()
                .push(row);
        }
        Ok(Self { examples, rows })
    }

    /// The rows of `others` whose texts are known.
    fn among(&self, others: &Examples) -> Result<Vec<Leak>, Error> {
        let mut leaks = Vec::new();
        for row in 0..others.len() {
            let Some(candidates) = self.rows.get(&fingerprint(others, row)?) else {
                continue;
            };
            let mut rows = Vec::new();
            for known in candidates {
                if self.has_texts_of(*known, others, row)? {
                    rows.push(*known);
                }
            }
            if !rows.is_empty() {
                leaks.push(Leak { row, rows });
            }
        }
        Ok(leaks)
    }

    fn has_texts_of(&self, known: usize, others: &Examples, row: usize) -> Result<bool, Error> {
        for (own, other) in self.examples.texts.iter().zip(&others.texts) {
            if own.get(known)? != other.get(row)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn fingerprint(examples: &Examples, row: usize) -> Result<u64, Error> {
    let mut hasher = DefaultHasher::new();
    for texts in &examples.texts {
        texts.get(row)?.hash(&mut hasher);
    }
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::Rows;
    use crate::module::SequencesDataModule;

    fn module(drops: bool) -> DataModule {
        let mut rows = Rows::new("rows.tsv");
        rows.source.drop_shared_rows = drops;
        DataModule::Sequences(SequencesDataModule {
            rows,
            x_col: vec!["sequence".to_owned()],
            id_col: "id".to_owned(),
            alignment: Default::default(),
        })
    }

    fn splits() -> Splits {
        let of = |texts: &[&str]| Some(Examples::from_texts(texts.iter().copied()));
        Splits {
            train: of(&["a", "b", "c", "b"]),
            valid: of(&["x", "b"]),
            test: of(&["c", "c", "y"]),
            ..Splits::default()
        }
    }

    #[test]
    fn rows_of_two_splits_are_counted_and_said() {
        let found = splits().without_leaks(&module(false)).unwrap();
        let help = ", so that scores on them say little of new rows; data.drop_shared_rows: true leaves the training rows out";
        assert_eq!(
            found.notes,
            [
                format!(
                    "1 of 2 rows of the validation split stands in the training split too, the first (in memory):2 ((in memory):2){help}"
                ),
                format!(
                    "2 of 3 rows of the test split stand in the training split too, the first (in memory):1 ((in memory):3){help}"
                ),
            ]
        );
        assert_eq!(found.train, splits().train);
    }

    #[test]
    fn they_are_left_out_of_training_where_that_is_asked_for() {
        let found = splits().without_leaks(&module(true)).unwrap();
        assert_eq!(found.train.unwrap().texts, [["a"]]);
        assert_eq!(found.valid.unwrap().len(), 2);
        assert!(found.notes[0].ends_with("; the training rows are left out"));
        let all = Splits {
            train: Some(Examples::from_texts(["c"])),
            ..splits()
        };
        let error = all.without_leaks(&module(true)).unwrap_err().to_string();
        assert_eq!(
            error,
            "rows.tsv: every training row stands in another split too, so drop_shared_rows leaves none to train on"
        );
    }

    #[test]
    fn pairs_are_shared_only_if_both_texts_are() {
        let pair = |first: &str, second: &str| {
            Some(Examples::from_texts([first]).paired_with([second]).unwrap())
        };
        let splits = |second: &str| Splits {
            train: pair("a", "b"),
            test: pair("a", second),
            ..Splits::default()
        };
        let notes = |second| splits(second).without_leaks(&module(false)).unwrap().notes;
        assert_eq!((notes("b").len(), notes("c").len()), (1, 0));
    }
}
