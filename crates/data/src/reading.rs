//! How the files of a data module are read: as its arguments say, with the labels of a table beside them.

use std::cell::RefCell;
use std::path::PathBuf;

use crate::error::Error;
use crate::label_table::LabelTable;
use crate::module::DataModule;
use crate::read::{ReaderOptions, read_tables};
use crate::skipped::{OnBadRow, SkippedRow};
use crate::stage::Stage;
use crate::table::Table;

/// Reads the files of a data module for one stage.
pub(crate) struct Reading<'a> {
    options: ReaderOptions,
    labels: Option<LabelTable>,
    id: &'a str,
    stage: Stage,
    found: RefCell<Found>,
}

/// What was found in files besides their rows.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// What the user should know of how they were read.
    pub(crate) notes: Vec<String>,
    /// Rows that were left out.
    pub(crate) skipped: Vec<SkippedRow>,
}

impl Found {
    fn take(&mut self, table: &mut Table) {
        self.notes.append(&mut table.notes);
        self.skipped.append(&mut table.skipped);
    }
}

impl<'a> Reading<'a> {
    /// As `module` has it, with so many bytes of texts in memory.
    ///
    /// # Errors
    /// The table of labels cannot be read.
    pub(crate) fn new(
        module: &'a DataModule,
        stage: Stage,
        text_memory: usize,
    ) -> Result<Reading<'a>, Error> {
        let source = module.source();
        // Labels and folds are looked at as a whole.
        let folds = module.folds().cv_fold_id_col.iter();
        let roles = module.roles();
        let held = roles.held_labels().iter().chain(folds).cloned();
        let packed = roles.alignment.iter().flat_map(|it| it.columns());
        let mut found = Found::default();
        let mut labels = LabelTable::read(source)?;
        if let Some(labels) = &mut labels {
            found.take(labels.table_mut());
        }
        Ok(Reading {
            options: ReaderOptions {
                format: None,
                arguments: source.extra_reader_kwargs.clone().unwrap_or_default(),
                held: held.collect(),
                packed: packed.map(str::to_owned).collect(),
                on_bad_row: source.on_bad_row,
                text_memory,
            },
            labels,
            id: roles.id,
            stage,
            found: RefCell::new(found),
        })
    }

    /// The rows of these files, one after the other, with their labels.
    ///
    /// # Errors
    /// A file is missing or damaged, or a row has no label.
    pub(crate) fn read(&self, files: &[PathBuf]) -> Result<Table, Error> {
        let mut table = read_tables(files, &self.options)?;
        self.found.borrow_mut().take(&mut table);
        if let Some(labels) = &self.labels {
            // What then has no label is no row to learn from or to score.
            let may_lack =
                self.stage == Stage::Predict || self.options.on_bad_row == OnBadRow::Skip;
            labels.join(&mut table, self.id, may_lack)?;
        }
        Ok(table)
    }

    /// What was found in the files so far besides their rows.
    pub(crate) fn found(&self) -> Found {
        self.found.take()
    }

    /// The note that the table of labels has rows that no file has, once all files were read.
    pub(crate) fn left_over(&self) -> Option<String> {
        self.labels.as_ref().and_then(LabelTable::left_over)
    }
}
