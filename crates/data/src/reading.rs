//! How the files of a data module are read: as its arguments say, with the labels of a table beside them.

use std::path::PathBuf;

use crate::error::Error;
use crate::label_table::LabelTable;
use crate::module::DataModule;
use crate::read::{ReaderOptions, read_tables};
use crate::stage::Stage;
use crate::table::Table;

/// Reads the files of a data module for one stage.
pub(crate) struct Reading<'a> {
    options: ReaderOptions,
    labels: Option<LabelTable>,
    id: &'a str,
    stage: Stage,
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
        let held = module.label_names().iter().chain(folds).cloned();
        Ok(Reading {
            options: ReaderOptions {
                format: None,
                arguments: source.extra_reader_kwargs.clone().unwrap_or_default(),
                held: held.collect(),
                text_memory,
            },
            labels: LabelTable::read(source)?,
            id: module.roles().id,
            stage,
        })
    }

    /// The rows of these files, one after the other, with their labels.
    ///
    /// # Errors
    /// A file is missing or damaged, or a row has no label.
    pub(crate) fn read(&self, files: &[PathBuf]) -> Result<Table, Error> {
        let mut table = read_tables(files, &self.options)?;
        if let Some(labels) = &self.labels {
            labels.join(&mut table, self.id, self.stage)?;
        }
        Ok(table)
    }

    /// The note that the table of labels has rows that no file has, once all files were read.
    pub(crate) fn left_over(&self) -> Option<String> {
        self.labels.as_ref().and_then(LabelTable::left_over)
    }
}
