//! The columns of a table of predictions: which there are, which are wanted, and a row's cells.

use std::sync::Arc;

use engraft_component::did_you_mean;
use engraft_data::{Cell, Examples, Label, Labels, PairRow};
use engraft_tasks::objective::Reading;
use engraft_tasks::output::Form;
use engraft_tasks::{Objective, RowOutput};

use crate::error::{Error, Result};

/// Where the columns are asked for.
const KEY: &str = "trainer.callbacks";

/// What is written of each row.
#[derive(Clone)]
pub(crate) struct Columns {
    pub(super) examples: Arc<Examples>,
    objective: Arc<dyn Objective>,
    /// What of a prediction is wanted.
    form: Form,
    /// The columns in their order; all there are without.
    chosen: Option<Vec<Column>>,
}

/// A column that was asked for.
#[derive(Clone, Debug)]
struct Column {
    name: String,
    source: Source,
}

/// Where the cells of a column come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Id,
    /// Everything that is predicted of the row.
    Predictions,
    /// One column of that.
    Prediction,
    /// What the row is labelled as.
    Labels,
    /// What was read.
    Sequences,
    /// A column that is carried along.
    Extra(usize),
}

/// Columns of ModelGenerator's files that hold what a model is fed, or the loss of a batch.
const FED: [&str; 5] = [
    "input_ids",
    "attention_mask",
    "special_tokens_mask",
    "target_ids",
    "loss",
];

/// Columns of ModelGenerator's files in which a variant has a row for each layer and measure.
const OF_ROWS: [&str; 2] = ["norm_type", "num_layer"];

impl Columns {
    /// All columns there are: the id, what is predicted, and what is carried along.
    pub(super) fn all(examples: Arc<Examples>, objective: Arc<dyn Objective>) -> Self {
        Self {
            examples,
            objective,
            form: Form::Values,
            chosen: None,
        }
    }

    /// The place of the largest value instead of the values.
    pub(super) fn argmax(self) -> Result<Self> {
        if !self.objective.has_largest() {
            return Err(Error::of(
                KEY,
                "PredictionWriter: argmax_predictions: the model predicts numbers, and which of them is the largest says nothing of a row. Leave it out",
            ));
        }
        Ok(Self {
            form: Form::Largest,
            ..self
        })
    }

    /// These alone, in this order; the notes tell which cannot be had.
    pub(super) fn only(mut self, names: &[String]) -> Result<(Self, Vec<String>)> {
        let mut notes = Vec::new();
        let mut chosen: Vec<Column> = Vec::new();
        for name in names {
            if FED.contains(&name.as_str()) && self.source(name).is_none() {
                notes.push(format!(
                    "PredictionWriter: write_cols: {name} is not written here: files hold what rows are and what is said of them"
                ));
                continue;
            }
            if self.compares() && OF_ROWS.contains(&name.as_str()) && self.source(name).is_none() {
                notes.push(format!(
                    "PredictionWriter: write_cols: {name} is not written here: a variant has one row, and each layer and measure a column"
                ));
                continue;
            }
            let source = self.source(name).ok_or_else(|| self.unknown(name))?;
            if source == Source::Labels && self.examples.labels.is_none() {
                notes.push(format!(
                    "PredictionWriter: write_cols: {name}: the rows have no labels, so the column is empty"
                ));
            }
            let repeated = chosen.iter().any(|other| {
                let both = [other.source, source];
                other.name == *name
                    || both.contains(&Source::Predictions) && both.contains(&Source::Prediction)
                    || both == [Source::Predictions; 2]
            });
            if repeated {
                return Err(Error::of(
                    KEY,
                    format!(
                        "PredictionWriter: write_cols: {name} names a column a second time. Leave one out"
                    ),
                ));
            }
            chosen.push(Column {
                name: name.clone(),
                source,
            });
        }
        if chosen.is_empty() {
            return Err(Error::of(
                KEY,
                "PredictionWriter: write_cols: names no column that can be written. Leave it out for all of them",
            ));
        }
        self.chosen = Some(chosen);
        Ok((self, notes))
    }

    fn source(&self, name: &str) -> Option<Source> {
        let extra = self.examples.extra.iter();
        if let Some(at) = extra
            .map(|(extra, _)| extra)
            .position(|extra| extra == name)
        {
            return Some(Source::Extra(at));
        }
        match name {
            "id" | "ids" | "uid" => Some(Source::Id),
            "predictions" => Some(Source::Predictions),
            "labels" => Some(Source::Labels),
            "sequences" => Some(Source::Sequences),
            _ => {
                let own = self.own_names(0);
                let found = own.contains(&name.to_owned()).then_some(Source::Prediction);
                // What ModelGenerator calls so where it scores variants.
                found.or(match name {
                    "score" if self.compares() => Some(Source::Predictions),
                    "label" if self.compares() => Some(Source::Labels),
                    _ => None,
                })
            }
        }
    }

    /// Whether rows are variants that are compared with a reference.
    fn compares(&self) -> bool {
        matches!(self.objective.reading(), Reading::Variants(_))
    }

    fn unknown(&self, name: &str) -> Error {
        let mut known = ["id", "predictions", "labels", "sequences"]
            .map(str::to_owned)
            .to_vec();
        let own = self.own_names(0);
        known.extend(own.into_iter().filter(|own| own != "predictions"));
        known.extend(self.examples.extra.iter().map(|(name, _)| name.clone()));
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let others = format!(
            "There are {}, and those of data.extra_cols",
            known.join(", ")
        );
        Error::of(
            KEY,
            format!(
                "PredictionWriter: write_cols: there is no column \"{name}\". {}",
                did_you_mean(name, &known, &others).unwrap_or(others)
            ),
        )
    }

    /// Whether the predictions themselves are written.
    pub(super) fn hold_predictions(&self) -> bool {
        let mut chosen = self.chosen.iter().flatten();
        self.chosen.is_none() || chosen.any(|column| column.source == Source::Predictions)
    }

    /// The names of the columns, where outputs are of `width` values.
    pub(super) fn names(&self, width: usize) -> Vec<String> {
        let Some(chosen) = &self.chosen else {
            let mut names = vec!["id".to_owned()];
            names.extend(self.own_names(width));
            names.extend(self.examples.extra.iter().map(|(name, _)| name.clone()));
            return names;
        };
        let names = chosen.iter().flat_map(|column| match column.source {
            Source::Predictions => self.own_names(width),
            _ => vec![column.name.clone()],
        });
        names.collect()
    }

    /// A row's cells, one for each name.
    pub(super) fn cells(&self, output: &RowOutput) -> Vec<Cell> {
        let own = self.own_cells(output);
        let Some(chosen) = &self.chosen else {
            let mut cells = vec![Cell::Text(self.id(output.row))];
            cells.extend(own);
            cells.extend((0..self.examples.extra.len()).map(|at| self.extra(at, output.row)));
            return cells;
        };
        let cells = chosen.iter().flat_map(|column| match column.source {
            Source::Predictions => own.clone(),
            Source::Prediction => {
                let names = self.own_names(output.values.len());
                let at = names.iter().position(|name| *name == column.name);
                vec![
                    at.and_then(|at| own.get(at).cloned())
                        .unwrap_or(Cell::Missing),
                ]
            }
            _ => vec![self.about(column.source, output.row)],
        });
        cells.collect()
    }

    /// What the chosen columns, or else all that are carried along, say of a row without the model, by their names.
    pub(super) fn beside(&self, row: usize) -> Vec<(String, Cell)> {
        if self.chosen.is_none() {
            let extra = self.examples.extra.iter();
            let cell = |cells: &[Cell]| cells.get(row).cloned().unwrap_or(Cell::Missing);
            return extra
                .map(|(name, cells)| (name.clone(), cell(cells)))
                .collect();
        }
        let says = |column: &&Column| {
            !matches!(
                column.source,
                Source::Predictions | Source::Prediction | Source::Id
            )
        };
        let beside = self.chosen.iter().flatten().filter(says);
        beside
            .map(|column| (column.name.clone(), self.about(column.source, row)))
            .collect()
    }

    fn about(&self, source: Source, row: usize) -> Cell {
        match source {
            Source::Id => Cell::Text(self.id(row)),
            Source::Labels => self.label(row),
            Source::Sequences => {
                let texts = self.examples.texts.iter().map(|texts| texts.cell(row));
                let mut texts: Vec<Cell> = texts.collect();
                match texts.len() {
                    0 => Cell::Missing,
                    1 => texts.swap_remove(0),
                    _ => Cell::List(texts),
                }
            }
            Source::Extra(at) => self.extra(at, row),
            Source::Predictions | Source::Prediction => Cell::Missing,
        }
    }

    fn extra(&self, at: usize, row: usize) -> Cell {
        let column = self.examples.extra.get(at);
        let cell = column.and_then(|(_, cells)| cells.get(row));
        cell.cloned().unwrap_or(Cell::Missing)
    }

    /// What a row is labelled as, in the form in which such labels are read.
    fn label(&self, row: usize) -> Cell {
        let cell_of = |label: &Label| match label {
            Label::Index(class) => Cell::Integer(i64::try_from(*class).unwrap_or(i64::MAX)),
            Label::Name(name) => Cell::Text(name.clone()),
        };
        let cell = match &self.examples.labels {
            None => None,
            Some(Labels::Classes(rows)) => rows.get(row).map(cell_of),
            Some(Labels::MultiLabel { rows, .. }) => rows.get(row).map(|flags| {
                let flags = flags.iter().map(|&flag| i64::from(flag));
                Cell::from(flags.collect::<Vec<_>>())
            }),
            Some(Labels::Tokens { rows, .. }) => rows.get(row).map(|labels| {
                let labels = labels
                    .iter()
                    .map(|label| label.as_ref().map_or(Cell::Missing, cell_of));
                Cell::List(labels.collect())
            }),
            Some(Labels::Pairs { rows, .. }) => rows.get(row).map(PairRow::list),
            Some(Labels::Texts(texts)) => Some(texts.cell(row)),
            Some(Labels::Numbers { rows, .. }) => rows.get(row).map(|numbers| match numbers[..] {
                [number] => Cell::Float(number),
                _ => Cell::from(numbers.clone()),
            }),
        };
        cell.unwrap_or(Cell::Missing)
    }

    pub(super) fn id(&self, row: usize) -> String {
        let ids = self.examples.ids.as_ref();
        ids.and_then(|ids| ids.get(row).cloned())
            .unwrap_or_else(|| row.to_string())
    }

    /// The columns of what is predicted, where outputs are of `width` values.
    fn own_names(&self, width: usize) -> Vec<String> {
        self.objective.columns(self.form, width)
    }

    /// The cells of what is predicted of a row.
    fn own_cells(&self, output: &RowOutput) -> Vec<Cell> {
        let text = || self.text(output.row);
        self.objective.cells_of_text(self.form, output, &text)
    }

    /// The first text of a row.
    pub(super) fn text(&self, row: usize) -> Cell {
        let texts = self.examples.texts.first();
        texts.map_or(Cell::Missing, |texts| texts.cell(row))
    }

    /// Which letters pair by what is predicted of a row.
    pub(super) fn structure(&self, output: &RowOutput) -> Option<PairRow> {
        self.objective.structure(output)
    }

    /// The first cell of what is predicted of a row.
    pub(super) fn first_of_prediction(&self, output: &RowOutput) -> Option<Cell> {
        self.own_cells(output).into_iter().next()
    }

    /// Whether the places of the largest values are written instead of all.
    pub(super) fn wants_places(&self) -> bool {
        self.form == Form::Largest
    }

    /// Refuses columns that are carried along under a name that predictions have.
    pub(super) fn check(&self) -> Result<()> {
        if self.chosen.is_some() {
            return Ok(());
        }
        let own = [vec!["id".to_owned()], self.own_names(0)].concat();
        let mut extra = self.examples.extra.iter().map(|(name, _)| name);
        match extra.find(|name| own.contains(name)) {
            None => Ok(()),
            Some(name) => Err(Error::of(
                "data",
                format!(
                    "the column \"{name}\" that is carried along is also a column of the predictions. Leave it out (extra_cols), or give it another name (rename_cols, out_cols)"
                ),
            )),
        }
    }
}
