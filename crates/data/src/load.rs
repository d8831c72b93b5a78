//! From a data module to the examples of each split: what each stage reads, and how it is divided.

use crate::builder::TEXT_MEMORY;
use crate::error::{Error, argument};
use crate::folded::FoldedRows;
use crate::layout::{self, Layout};
use crate::module::DataModule;
use crate::reading::Reading;
use crate::roles::LabelKind;
use crate::shares::divide;
use crate::splits::Splits;
use crate::stage::Stage;

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
    pub(crate) fn load_within(&self, stage: Stage, text_memory: usize) -> Result<Splits, Error> {
        if let DataModule::RnaStructures(module) = self {
            let settled = module.settled();
            if settled != *module {
                return DataModule::RnaStructures(settled).load_within(stage, text_memory);
            }
        }
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
        let training_files = match (&layout, stage) {
            (Layout::Folder(folder), Stage::Test) if folder.test.is_some() => folder.train.clone(),
            _ => None,
        };
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
        let mut found = reading.found();
        found.notes.append(&mut notes);
        let mut splits = Splits::of(self, shares, stage, found)?;
        if let Some(files) = training_files {
            splits.compare_with_training(self, &files, text_memory)?;
        }
        Ok(splits)
    }

    /// Reads all rows of a cross-validation once, to train on one fold after the other.
    ///
    /// # Errors
    /// An argument, a file or the column of folds is wrong; the message names it.
    pub fn load_folds(&self) -> Result<FoldedRows, Error> {
        if let DataModule::RnaStructures(module) = self {
            let settled = module.settled();
            if settled != *module {
                return DataModule::RnaStructures(settled).load_folds();
            }
        }
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
        let serves = match (self, stage) {
            (_, Stage::Predict) => return Ok(()),
            (DataModule::DependencyMapping(_), _) => {
                "DependencyMappingDataModule only serves predict"
            }
            (DataModule::MutationScan(_), _) => "MutationScanDataModule only serves predict",
            (DataModule::ZeroshotClassificationRetrieve(_), Stage::Fit | Stage::Validate) => {
                "ZeroshotClassificationRetrieveDataModule only serves test and predict"
            }
            _ => return Ok(()),
        };
        Err(argument("class_path", serves))
    }
}

#[cfg(test)]
mod tests;
