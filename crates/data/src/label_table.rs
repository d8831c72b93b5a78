//! A table of labels or other columns beside the files of rows, joined to them by id.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;

use crate::arguments::Source;
use crate::cell::Cell;
use crate::error::{Error, argument, list, record};
use crate::read::{ReaderOptions, read_table};
use crate::table::{Column, Table};

/// Columns that records have of themselves, and that a table of labels may repeat.
const OWN: [&str; 4] = ["description", "sequence", "quality", "text"];

/// Ids that a message lists.
const LISTED: usize = 3;

/// The table that `label_table` names.
#[derive(Debug)]
pub(crate) struct LabelTable {
    path: PathBuf,
    id: String,
    table: Table,
    rows: HashMap<String, usize>,
    /// Which rows were of some record.
    used: RefCell<Vec<bool>>,
}

impl LabelTable {
    /// Reads the table, if there is one.
    ///
    /// # Errors
    /// It cannot be read, has no column of ids, or an id twice.
    pub(crate) fn read(source: &Source) -> Result<Option<LabelTable>, Error> {
        let Some(path) = &source.label_table else {
            return Ok(None);
        };
        let options = ReaderOptions {
            // Labels are looked at as a whole.
            text_memory: usize::MAX,
            on_bad_row: source.on_bad_row,
            ..ReaderOptions::default()
        };
        let table = read_table(path, &options)?;
        let name = &source.label_table_id;
        let column = table.required(name, "label_table_id")?;
        let mut rows = HashMap::new();
        for (row, cell) in column.cells.iter().enumerate() {
            let id = cell.text().ok_or_else(|| Error::MissingCell {
                origin: table.origin(row),
                column: name.clone(),
            })?;
            if let Some(earlier) = rows.get(&id) {
                let earlier = table.origin(*earlier);
                let message =
                    format!("the id \"{id}\" is also that of {earlier}; give each row its own");
                return Err(record(&table.origin(row), message));
            }
            rows.insert(id, row);
        }
        Ok(Some(LabelTable {
            path: path.clone(),
            id: name.clone(),
            used: RefCell::new(vec![false; table.len()]),
            rows,
            table,
        }))
    }

    /// The table itself.
    pub(crate) fn table_mut(&mut self) -> &mut Table {
        &mut self.table
    }

    /// Adds the columns to the rows of `records` that have the same ids.
    ///
    /// # Errors
    /// Both have a column, or a record has no row of labels, unless records `may_lack` one.
    pub(crate) fn join(&self, records: &mut Table, id: &str, may_lack: bool) -> Result<(), Error> {
        let ids = records.required(id, "id_col")?;
        let found: Vec<Option<usize>> = ids
            .cells
            .iter()
            .map(|cell| self.rows.get(&cell.text()?).copied())
            .collect();
        let missing = found.iter().enumerate().filter(|(_, row)| row.is_none());
        let missing: Vec<usize> = missing.map(|(record, _)| record).collect();
        if let (Some(first), true) = (missing.first(), !may_lack) {
            let others = match missing.len() - 1 {
                0 => String::new(),
                1 => ", nor for 1 other".to_owned(),
                more => format!(", nor for {more} others"),
            };
            let id = ids.cells.get(*first).unwrap_or(&Cell::Missing).shown();
            let message = format!(
                "{} has no row for the id {id} ({}){others}",
                self.path.display(),
                records.origin(*first)
            );
            return Err(argument("label_table", message));
        }
        for row in found.iter().flatten() {
            if let Some(used) = self.used.borrow_mut().get_mut(*row) {
                *used = true;
            }
        }
        let added = self.table.columns.iter().filter(|it| it.name != self.id);
        for column in added {
            if records.column(&column.name).is_some() {
                if OWN.contains(&column.name.as_str()) {
                    continue;
                }
                let message = format!(
                    "{} and {} both have a column \"{}\"; rename one of them",
                    self.path.display(),
                    records.origin(0).file.display(),
                    column.name
                );
                return Err(argument("label_table", message));
            }
            let cell = |row: &Option<usize>| {
                let cell = row.and_then(|row| column.cells.get(row));
                cell.cloned().unwrap_or(Cell::Missing)
            };
            let cells = found.iter().map(cell).collect();
            records.columns.push(Column {
                name: column.name.clone(),
                cells,
            });
        }
        Ok(())
    }

    /// A note on rows that were of no record, if there are any.
    pub(crate) fn left_over(&self) -> Option<String> {
        let used = self.used.borrow();
        let mut ids: Vec<(&usize, &String)> = self.rows.iter().map(|(id, row)| (row, id)).collect();
        ids.retain(|(row, _)| !used.get(**row).copied().unwrap_or(true));
        ids.sort_unstable();
        ids.first()?;
        let listed: Vec<&String> = ids.iter().take(LISTED).map(|(_, id)| *id).collect();
        let more = if ids.len() > LISTED {
            " and others"
        } else {
            ""
        };
        Some(format!(
            "{}: {} of {} rows are of no record that was read: {}{more}",
            self.path.display(),
            ids.len(),
            used.len(),
            list(&listed)
        ))
    }
}
