//! From a data module to the examples of each split.

use engraft_component::nearest;

use crate::error::{Error, list};
use crate::examples::Examples;
use crate::labels::{Label, Labels};
use crate::layout;
use crate::module::{DataModule, Roles};
use crate::split::{Share, Stage, divide};
use crate::table::{Cell, Column, Table};

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
    /// holds out of the training split.
    ///
    /// # Errors
    /// An argument, a file, a column or a cell is wrong; the message names it.
    pub fn load(&self, stage: Stage) -> Result<Splits, Error> {
        self.check()?;
        let roles = self.roles();
        let mut notes = vec![];
        let mut found = vec![];
        let layout = layout::find(self.source(), &mut found)?;
        if matches!(stage, Stage::Fit | Stage::Validate) {
            notes.append(&mut found);
        }
        let shares = divide(self.source(), layout, stage, &mut notes)?;
        let draft = |share: Option<Share>| {
            share
                .map(|share| Draft::new(&share, &roles, stage))
                .transpose()
        };
        let drafts = [
            draft(shares.train)?,
            draft(shares.valid)?,
            draft(shares.test)?,
        ];
        let drafts = drafts.map(|draft| draft.map(|draft| draft.without_gaps(&mut notes)));
        let numbered = drafts
            .iter()
            .flatten()
            .flat_map(|draft| draft.labels.iter().flatten());
        let numbered = numbered.map(Cell::whole).all(|number| number.is_some());
        let splits = drafts.map(|draft| draft.map(|draft| draft.finish(numbered)));
        let [train, valid, test] = splits;
        let mut splits = Splits {
            train,
            valid,
            test,
            notes,
        };
        if let Some(classes) = roles.class_filter {
            splits.keep_classes(classes, self)?;
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
                self.notes.push(format!(
                    "class_filter is not applied to the {name} split, which has no labels"
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

/// Examples whose labels are still cells: whether they are numbers or names is known only when
/// those of all splits are read.
struct Draft {
    examples: Examples,
    labels: Option<Vec<Cell>>,
}

impl Draft {
    fn new(share: &Share, roles: &Roles, stage: Stage) -> Result<Draft, Error> {
        let Share { table, rows } = share;
        let texts = roles.texts.iter().map(|name| {
            let column = text_column(table, name, roles)?;
            rows.iter().map(|row| text(table, column, *row)).collect()
        });
        let texts: Result<Vec<Vec<String>>, Error> = texts.collect();
        let labels = match roles.label.and_then(|columns| columns.first()) {
            Some(name) if stage == Stage::Predict => table.column(name),
            Some(name) => Some(required(table, name, "y_col")?),
            None => None,
        };
        let label = |column: &Column, row: usize| match column.cells.get(row) {
            Some(cell) if stage == Stage::Predict && is_blank(cell) => Ok(Cell::Missing),
            _ => label(table, column, row),
        };
        let labels = labels.map(|column| rows.iter().map(|row| label(column, *row)).collect());
        let examples = Examples {
            ids: Some(ids(table, rows, roles)?),
            texts: texts?,
            labels: None,
            extra: extra(table, rows, roles)?,
            origins: rows.iter().map(|row| table.origin(*row)).collect(),
        };
        Ok(Draft {
            examples,
            labels: labels.transpose()?,
        })
    }

    /// Drops the labels if one is missing, which only predicting allows.
    fn without_gaps(mut self, notes: &mut Vec<String>) -> Draft {
        let gap = self
            .labels
            .iter()
            .flatten()
            .position(|cell| *cell == Cell::Missing);
        if let Some(origin) = gap.and_then(|row| self.examples.origins.get(row)) {
            notes.push(format!(
                "{origin}: the row has no label, so all labels are left aside"
            ));
            self.labels = None;
        }
        self
    }

    fn finish(self, numbered: bool) -> Examples {
        let label = |cell: &Cell| match cell.whole() {
            Some(index) if numbered => Label::Index(index),
            _ => Label::Name(cell.to_string()),
        };
        let labels = self.labels.map(|cells| cells.iter().map(label).collect());
        Examples {
            labels: labels.map(Labels::Classes),
            ..self.examples
        }
    }
}

fn required<'a>(table: &'a Table, name: &str, key: &'static str) -> Result<&'a Column, Error> {
    table.column(name).ok_or_else(|| Error::MissingColumn {
        path: table.origin(0).file.to_path_buf(),
        key,
        column: name.to_owned(),
        available: list(&table.names()),
        nearest: nearest(name, table.names()).map(str::to_owned),
    })
}

/// A text column by the name it has in the file, or by the name it is given.
fn text_column<'a>(table: &'a Table, name: &str, roles: &Roles) -> Result<&'a Column, Error> {
    let renamed = || {
        let pairs = roles.rename.into_iter().flatten();
        pairs
            .filter(|(_, to)| *to == name)
            .find_map(|(from, _)| table.column(from))
    };
    match table.column(name).or_else(renamed) {
        Some(column) => Ok(column),
        None => required(table, name, "x_col"),
    }
}

fn text(table: &Table, column: &Column, row: usize) -> Result<String, Error> {
    let cell = column.cells.get(row).unwrap_or(&Cell::Missing);
    cell.text().ok_or_else(|| unfit(table, column, row))
}

fn label(table: &Table, column: &Column, row: usize) -> Result<Cell, Error> {
    let cell = column.cells.get(row).unwrap_or(&Cell::Missing);
    match cell.text() {
        Some(_) if !is_blank(cell) => Ok(cell.clone()),
        _ => Err(unfit(table, column, row)),
    }
}

/// Nothing, or nothing but white space.
fn is_blank(cell: &Cell) -> bool {
    match cell {
        Cell::Missing => true,
        Cell::Text(text) => text.trim().is_empty(),
        _ => false,
    }
}

fn unfit(table: &Table, column: &Column, row: usize) -> Error {
    let cell = column.cells.get(row).unwrap_or(&Cell::Missing);
    let (origin, column) = (table.origin(row), column.name.clone());
    match is_blank(cell) {
        true => Error::MissingCell { origin, column },
        false => Error::WrongCell {
            origin,
            column,
            found: cell.kind(),
        },
    }
}

fn ids(table: &Table, rows: &[usize], roles: &Roles) -> Result<Vec<String>, Error> {
    /// The name that data modules look for unless told otherwise.
    const DEFAULT: &str = "id";
    let column = match table.column(roles.id) {
        None if roles.id == DEFAULT => return Ok(rows.iter().map(usize::to_string).collect()),
        None => required(table, roles.id, "id_col")?,
        Some(column) => column,
    };
    rows.iter().map(|row| text(table, column, *row)).collect()
}

fn extra(table: &Table, rows: &[usize], roles: &Roles) -> Result<Vec<(String, Vec<Cell>)>, Error> {
    let mut columns = vec![];
    for name in roles.extra {
        let column = required(table, name, "extra_cols")?;
        let cells = rows
            .iter()
            .filter_map(|row| column.cells.get(*row).cloned());
        columns.push((name.clone(), cells.collect()));
    }
    if roles.uid {
        let uids = rows.iter().map(|row| Cell::Integer(*row as i64));
        columns.push(("uid".to_owned(), uids.collect()));
    }
    Ok(columns)
}
