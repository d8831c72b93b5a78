//! From a data module to the examples of each split.

use crate::arguments::argument;
use crate::builder::TEXT_MEMORY;
use crate::draft::Draft;
use crate::error::{Error, list};
use crate::examples::Examples;
use crate::folds::FoldedRows;
use crate::labels::{Label, Labels};
use crate::layout::{self, Layout};
use crate::module::{Cut, DataModule, LabelKind, LabelRole};
use crate::mutants::{mutate, read_alphabet};
use crate::reading::Reading;
use crate::split::{Shares, Stage, divide};
use crate::table::Cell;
use crate::targets;
use crate::unit::TokenUnit;

/// The examples of each split that was loaded.
///
/// Rows keep the order of their files. What [`Stage::Predict`] predicts is in `test`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Splits {
    /// For training.
    pub train: Option<Examples>,
    /// For validating.
    pub valid: Option<Examples>,
    /// For testing and predicting.
    pub test: Option<Examples>,
    /// What the user should know, such as how many rows were held out.
    pub notes: Vec<String>,
}

impl DataModule {
    /// Reads what a stage needs.
    ///
    /// On one file, `fit` divides the rows by seed and the other stages take all of them. On a
    /// folder of split files, each stage takes its split; where it is missing, the rows that `fit`
    /// holds out of the training split. Predicting needs no labels, and leaves them aside with a
    /// note where they are not what the other stages would accept.
    ///
    /// With cross-validation, the file or the training split of the folder is divided into folds, and every stage takes its rows as
    /// `cv_test_fold_id` says.
    ///
    /// # Errors
    /// An argument, a file, a column or a cell is wrong; the message names it.
    pub fn load(&self, stage: Stage) -> Result<Splits, Error> {
        self.load_within(stage, TEXT_MEMORY)
    }

    /// [`DataModule::load`] with so many bytes of texts in memory.
    fn load_within(&self, stage: Stage, text_memory: usize) -> Result<Splits, Error> {
        self.check()?;
        self.check_stage(stage)?;
        if self.folds().count().is_some() {
            let fold = self.folds().cv_test_fold_id;
            let fold =
                fold.ok_or_else(|| argument("cv_test_fold_id", "say which fold is meant"))?;
            return FoldedRows::read(self, stage, text_memory)?.of_stage(fold, stage);
        }
        let mut notes = self.folds().notes();
        let mut found = vec![];
        let reading = Reading::new(self, stage, text_memory)?;
        let layout = layout::find(self.source(), &mut found)?;
        // In the other stages, the labels of other splits are left over by right.
        let reads_all = stage == Stage::Fit || matches!(layout, Layout::Files(_));
        if matches!(stage, Stage::Fit | Stage::Validate) {
            notes.append(&mut found);
        }
        let shares = divide(
            self.source(),
            layout,
            stage,
            &|files| reading.read(files),
            &mut notes,
        )?;
        if reads_all {
            notes.extend(reading.left_over());
        }
        self.splits(shares, stage, notes)
    }

    /// Reads all rows of a cross-validation once, to train on one fold after the other.
    ///
    /// # Errors
    /// An argument, a file or the column of folds is wrong; the message names it.
    pub fn load_folds(&self) -> Result<FoldedRows, Error> {
        self.check()?;
        self.check_stage(Stage::Fit)?;
        let rows = FoldedRows::read(self, Stage::Fit, TEXT_MEMORY)?;
        if let Some(LabelKind::Classes { filter: Some(_) }) = self.roles().labels.map(|it| it.kind)
        {
            rows.check()?;
        }
        Ok(rows)
    }

    fn check_stage(&self, stage: Stage) -> Result<(), Error> {
        match (self, stage) {
            (DataModule::DependencyMapping(_), Stage::Fit | Stage::Validate | Stage::Test) => {
                let message = "DependencyMappingDataModule only serves predict";
                Err(argument("class_path", message))
            }
            _ => Ok(()),
        }
    }

    /// The examples of rows that were read.
    pub(crate) fn splits(
        &self,
        shares: Shares,
        stage: Stage,
        mut notes: Vec<String>,
    ) -> Result<Splits, Error> {
        let roles = self.roles();
        let shares = [
            ("train", shares.train),
            ("valid", shares.valid),
            ("test", shares.test),
        ];
        let present = shares
            .iter()
            .filter_map(|(split, share)| Some((*split, share.as_ref()?)));
        let drafts: Vec<Draft> = present
            .map(|(split, share)| Draft::new(split, share, &roles))
            .collect::<Result<_, _>>()?;
        let labels = match &roles.labels {
            Some(role) => read_labels(role, &drafts, stage, &mut notes)?,
            None => None,
        };
        let mut labels = labels.unwrap_or_default().into_iter();
        let unit = match roles.cut {
            Some(_) => TokenUnit::of_texts(drafts.iter().map(Draft::first_texts))?,
            None => TokenUnit::Letter,
        };
        let mut splits = Splits::default();
        for draft in drafts {
            let mut examples = Examples {
                labels: labels.next(),
                ..draft.examples
            };
            if let Some(cut) = roles.cut {
                shorten(&mut examples, cut, unit, draft.split, &mut notes)?;
            }
            if let DataModule::DependencyMapping(module) = self {
                let rows = examples.len();
                examples = mutate(&examples, &read_alphabet(&module.vocab_file)?)?;
                let mutants = examples.len() - rows;
                notes.push(format!(
                    "{rows} sequences have {mutants} mutants of one letter"
                ));
            }
            match draft.split {
                "train" => splits.train = Some(examples),
                "valid" => splits.valid = Some(examples),
                _ => splits.test = Some(examples),
            }
        }
        splits.notes = notes;
        if let Some(LabelKind::Classes { filter: Some(kept) }) = roles.labels.map(|it| it.kind) {
            splits.keep_classes(kept, self)?;
        }
        Ok(splits)
    }
}

impl Splits {
    fn keep_classes(&mut self, classes: &[String], module: &DataModule) -> Result<(), Error> {
        let splits = [
            ("train", &mut self.train),
            ("valid", &mut self.valid),
            ("test", &mut self.test),
        ];
        for (name, split) in splits {
            let Some(examples) = split else { continue };
            let Some(labels) = examples.classes() else {
                let why = match examples.labels {
                    Some(_) => "whose rows have several classes",
                    None => "which has no labels",
                };
                self.notes.push(format!(
                    "class_filter is not applied to the {name} split, {why}"
                ));
                continue;
            };
            let is_kept = |label: &Label| match label {
                Label::Index(index) => classes
                    .iter()
                    .any(|class| Cell::from(class.as_str()).whole() == Some(*index)),
                Label::Name(name) => classes.contains(name),
            };
            let rows: Vec<usize> = labels
                .iter()
                .enumerate()
                .filter(|(_, label)| is_kept(label))
                .map(|(row, _)| row)
                .collect();
            if rows.is_empty() {
                return Err(Error::EmptySplit {
                    path: module.source().path.clone(),
                    message: format!(
                        "class_filter ({}) leaves no row in the {name} split",
                        list(classes)
                    ),
                });
            }
            *examples = examples.select(&rows);
        }
        Ok(())
    }
}

/// The labels of each draft; none where predicting does without.
fn read_labels(
    role: &LabelRole,
    drafts: &[Draft],
    stage: Stage,
    notes: &mut Vec<String>,
) -> Result<Option<Vec<Labels>>, Error> {
    let is_there = |name: &String| drafts.iter().any(|draft| draft.has_column(name));
    match targets::read(role, drafts) {
        Ok(labels) => Ok(Some(labels)),
        Err(error) if stage != Stage::Predict => Err(error),
        Err(_) if !role.columns.iter().any(is_there) => Ok(None),
        Err(error) => {
            notes.push(format!("{error}; all labels are left aside"));
            Ok(None)
        }
    }
}

/// Cuts texts, the labels of their letters or words, and extra columns if asked to.
fn shorten(
    examples: &mut Examples,
    cut: Cut,
    unit: TokenUnit,
    split: &str,
    notes: &mut Vec<String>,
) -> Result<(), Error> {
    let rows = examples.len();
    let mut longer = 0;
    for texts in &mut examples.texts {
        longer += texts.cut(|text| unit.first(text, cut.length))?;
    }
    if let Some(Labels::Tokens { rows, .. }) = &mut examples.labels {
        rows.iter_mut().for_each(|row| row.truncate(cut.length));
    }
    if cut.extra {
        for cell in examples.extra.iter_mut().flat_map(|(_, cells)| cells) {
            if let Cell::Stored(text) = cell {
                *cell = Cell::from(unit.first(&text.read()?, cut.length));
            }
            match cell {
                Cell::List(items) => items.truncate(cut.length),
                Cell::Text(text) => *text = unit.first(text, cut.length).to_owned(),
                _ => {}
            }
        }
    }
    if longer > 0 {
        notes.push(format!(
            "{longer} of {rows} texts of the {split} split are cut to {} (max_length)",
            unit.counted(cut.length)
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
