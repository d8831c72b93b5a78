//! A table that grows row by row, with its long texts in a temporary file once they are many.

use std::collections::HashMap;

use crate::cell::Cell;
use crate::error::Error;
use crate::origin::Origin;
use crate::skipped::{OnBadRow, SkippedRow};
use crate::stored::TextWriter;
use crate::table::{Column, Table};

/// Bytes of text that a table holds in memory unless another number is given.
pub(crate) const TEXT_MEMORY: usize = 32 << 20;

/// Texts of at most so many bytes always stay in memory, where they take about as much as the place of a stored one.
const SHORT: usize = 32;

/// Cells that a table may have, and how many for each that a row has beyond these. What rows lack takes memory too.
const CELLS: (usize, usize) = (1 << 24, 256);

/// The number of every column that is not kept.
const LEFT_OUT: usize = usize::MAX;

/// A table being read.
#[derive(Debug)]
pub(crate) struct TableBuilder {
    table: Table,
    index: HashMap<String, usize>,
    /// Whether each column's texts may be stored.
    stores: Vec<bool>,
    held: Vec<String>,
    /// Columns whose lists become texts, so that these can be stored.
    packed: Vec<String>,
    /// The only columns that are kept, if not all are.
    only: Option<Vec<String>>,
    /// The columns of the file that is being read, where only some are kept.
    seen: Vec<String>,
    /// Bytes of text that may still be held.
    room: usize,
    /// Cells that rows had, in columns that are kept.
    given: usize,
    writer: Option<TextWriter>,
    on_bad_row: OnBadRow,
    /// Rows of the file that is being read that could not be read and were skipped.
    bad: Vec<SkippedRow>,
}

impl TableBuilder {
    /// A table without rows, which holds at most `memory` bytes of long texts in memory, besides those of the columns `held`,
    /// and keeps `only` these columns.
    pub(crate) fn new(memory: usize, held: &[String], only: Option<&[String]>) -> TableBuilder {
        TableBuilder {
            table: Table::default(),
            index: HashMap::new(),
            stores: vec![],
            held: held.to_vec(),
            packed: vec![],
            only: only.map(<[String]>::to_vec),
            seen: vec![],
            room: memory,
            given: 0,
            writer: None,
            on_bad_row: OnBadRow::Refuse,
            bad: vec![],
        }
    }

    /// The same, which does this with rows that cannot be read.
    pub(crate) fn on_bad_row(self, on_bad_row: OnBadRow) -> TableBuilder {
        TableBuilder { on_bad_row, ..self }
    }

    /// The same, which keeps the lists of these columns as JSON texts.
    pub(crate) fn packing(self, columns: &[String]) -> TableBuilder {
        TableBuilder {
            packed: columns.to_vec(),
            ..self
        }
    }

    /// The row that is being read cannot be: it is skipped if such rows are, and with it the cells that it was given.
    ///
    /// # Errors
    /// That error, unless such rows are skipped.
    pub(crate) fn reject(&mut self, error: Error) -> Result<(), Error> {
        match (self.on_bad_row, SkippedRow::of(&error)) {
            (OnBadRow::Skip, Some(row)) => {
                self.forget_row();
                self.bad.push(row);
                Ok(())
            }
            _ => Err(error),
        }
    }

    /// Leaves out the row that is being read, which has nothing to be used, and lists it.
    pub(crate) fn leave_out(&mut self, row: SkippedRow) {
        self.forget_row();
        self.table.skipped.push(row);
    }

    /// Says something that the user should know of what was read.
    pub(crate) fn note(&mut self, text: String) {
        self.table.notes.push(text);
    }

    /// Rows of the file that is being read that could not be read and were skipped.
    pub(crate) fn bad(&self) -> &[SkippedRow] {
        &self.bad
    }

    /// Rows that were left out, without the bad ones of the file that is being read.
    pub(crate) fn skipped(&self) -> &[SkippedRow] {
        &self.table.skipped
    }

    fn forget_row(&mut self) {
        let rows = self.rows();
        for column in &mut self.table.columns {
            column.cells.truncate(rows);
        }
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.table.len()
    }

    /// Begins another file, whose rows follow.
    pub(crate) fn begin_file(&mut self) {
        self.seen.clear();
        self.table.skipped.append(&mut self.bad);
    }

    /// The number of the column of this name, which is added if it is not there.
    pub(crate) fn column(&mut self, name: &str) -> usize {
        if let Some(only) = &self.only {
            if !self.seen.iter().any(|seen| seen == name) {
                self.seen.push(name.to_owned());
            }
            if !only.iter().any(|kept| kept == name) {
                return LEFT_OUT;
            }
        }
        if let Some(column) = self.index.get(name) {
            return *column;
        }
        let column = self.table.columns.len();
        self.table.columns.push(Column {
            name: name.to_owned(),
            cells: vec![],
        });
        self.stores.push(!self.held.iter().any(|held| held == name));
        self.index.insert(name.to_owned(), column);
        column
    }

    /// Whether the cells of a column are kept.
    pub(crate) fn keeps(&self, column: usize) -> bool {
        column != LEFT_OUT
    }

    /// A column that was to be kept and that the file does not have.
    pub(crate) fn unseen(&self) -> Option<&str> {
        let mut only = self.only.iter().flatten();
        let unseen = only.find(|name| !self.seen.contains(name));
        unseen.map(String::as_str)
    }

    /// The columns of the file, where only some are kept.
    pub(crate) fn seen(&self) -> Vec<&str> {
        self.seen.iter().map(String::as_str).collect()
    }

    /// Names the column of texts, for formats that have just one.
    pub(crate) fn set_text_column(&mut self, name: &'static str) {
        self.table.text_column = Some(name);
    }

    /// Gives the row that is being read its cell of a column; only the first of several counts.
    ///
    /// # Errors
    /// The temporary file cannot be written.
    pub(crate) fn push(&mut self, column: usize, mut cell: Cell) -> Result<(), Error> {
        let row = self.rows();
        let stores = self.stores.get(column).copied().unwrap_or(false);
        let Some(Column { name, cells }) = self.table.columns.get_mut(column) else {
            return Ok(());
        };
        if matches!(cell, Cell::List(_)) && self.packed.contains(name) {
            cell = Cell::Text(cell.to_string());
        }
        if cells.len() > row {
            return Ok(());
        }
        cells.resize(row, Cell::Missing);
        self.given += 1;
        let mut is_full = false;
        match (&cell, &mut self.writer) {
            (Cell::Text(text), Some(writer)) if stores && text.len() > SHORT => {
                cell = Cell::Stored(writer.write(text)?);
            }
            (Cell::Text(text), None) if stores && text.len() > SHORT => {
                is_full = text.len() > self.room;
                self.room = self.room.saturating_sub(text.len());
            }
            _ => {}
        }
        cells.push(cell);
        if is_full {
            self.store_all()?;
        }
        Ok(())
    }

    /// How many columns there are, if hardly any row has a cell in hardly any of them, and all together would fill the memory.
    pub(crate) fn too_many_columns(&self) -> Option<usize> {
        let columns = self.table.columns.len();
        let cells = columns.saturating_mul(self.rows());
        let (any, each) = CELLS;
        (cells > any && cells / each > self.given).then_some(columns)
    }

    /// Ends a row; columns it was given no cell of are missing in it.
    pub(crate) fn end_row(&mut self, origin: Origin) {
        self.table.origins.push(origin);
    }

    /// The table.
    ///
    /// # Errors
    /// The temporary file cannot be written.
    pub(crate) fn finish(mut self) -> Result<Table, Error> {
        if let Some(writer) = &mut self.writer {
            writer.flush()?;
        }
        self.table.skipped.append(&mut self.bad);
        let rows = self.rows();
        for column in &mut self.table.columns {
            column.cells.resize(rows, Cell::Missing);
        }
        Ok(self.table)
    }

    /// Moves every long text to a temporary file.
    fn store_all(&mut self) -> Result<(), Error> {
        let mut writer = TextWriter::create()?;
        let columns = self.table.columns.iter_mut().zip(&self.stores);
        for (column, _) in columns.filter(|(_, stores)| **stores) {
            for cell in &mut column.cells {
                match cell {
                    Cell::Text(text) if text.len() > SHORT => {
                        *cell = Cell::Stored(writer.write(text)?);
                    }
                    _ => {}
                }
            }
        }
        self.writer = Some(writer);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    fn built(rows: &[Vec<(usize, String)>], memory: usize) -> Table {
        let mut builder = TableBuilder::new(memory, &["c1".to_owned()], None);
        for (row, line) in rows.iter().zip(1..) {
            for (column, text) in row {
                let column = builder.column(&format!("c{column}"));
                builder.push(column, Cell::from(text.as_str())).unwrap();
            }
            let file = Arc::from(Path::new("t"));
            builder.end_row(Origin { file, line });
        }
        builder.finish().unwrap()
    }

    #[test]
    fn only_long_texts_of_columns_that_are_not_held_are_stored() {
        let row = |texts: [&str; 3]| -> Vec<_> {
            let numbered = texts.iter().enumerate();
            numbered.map(|(at, text)| (at, text.repeat(40))).collect()
        };
        let table = built(&[row(["a", "b", ""]), row(["c", "d", "e"])], 50);
        let stored = |column: usize| {
            let cells = table.columns[column].cells.iter();
            cells
                .map(|cell| matches!(cell, Cell::Stored(_)))
                .collect::<Vec<_>>()
        };
        assert_eq!(stored(0), [true, true]);
        assert_eq!(stored(1), [false, false]);
        assert_eq!(stored(2), [false, true]);
        assert_eq!(table.columns[0].cells[1].text().unwrap(), "c".repeat(40));
    }

    proptest! {
        #[test]
        fn a_table_is_the_same_wherever_its_texts_lie(
            rows in proptest::collection::vec(
                proptest::collection::vec((0usize..4, "[aé]{0,50}"), 0..4), 0..8),
            memory in 0usize..200,
        ) {
            prop_assert_eq!(built(&rows, memory), built(&rows, usize::MAX));
        }
    }
}
