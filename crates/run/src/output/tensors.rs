//! Predictions as tensors: one where rows have one shape, else one for each row.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use engraft_data::Cell;
use engraft_hub::{TensorData, TensorToWrite, write_safetensors};
use engraft_tasks::RowOutput;
use engraft_tasks::output::largest;
use serde_json::{Value, json};

use super::columns::Columns;
use crate::error::{Error, Result};

/// Writes the rows' predictions; ids, and the columns that were asked for beside them, are notes in the form of JSON lists.
pub(super) fn write(path: &Path, columns: &Columns, rows: Vec<RowOutput>) -> Result<()> {
    let ids: Vec<String> = rows.iter().map(|output| columns.id(output.row)).collect();
    let mut notes = BTreeMap::from([("ids".to_owned(), json!(ids).to_string())]);
    let mut beside: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for output in &rows {
        for (name, cell) in columns.beside(output.row) {
            let cell = cell.loaded().map_err(Error::during)?;
            beside.entry(name).or_default().push(in_json(&cell));
        }
    }
    notes.extend(
        beside
            .into_iter()
            .map(|(name, cells)| (name, json!(cells).to_string())),
    );
    let rows: Vec<Part> = rows
        .into_iter()
        .map(|output| Part::of(output, columns.wants_places()))
        .collect();
    let shape = rows
        .first()
        .map(|row| row.shape.clone())
        .unwrap_or_default();
    if rows.iter().all(|row| row.shape == shape) {
        let shape = std::iter::once(rows.len()).chain(shape).collect();
        let values = if columns.wants_places() {
            Values::Places(
                rows.into_iter()
                    .flat_map(|row| row.values.places())
                    .collect(),
            )
        } else {
            Values::Numbers(
                rows.into_iter()
                    .flat_map(|row| row.values.numbers())
                    .collect(),
            )
        };
        let whole = Part { shape, values };
        let whole = vec![whole.named("predictions".to_owned())];
        return write_safetensors(path, whole, &notes).map_err(Error::during);
    }
    let numbered = rows.into_iter().enumerate();
    let tensors = numbered.map(|(row, part)| part.named(format!("predictions.{row}")));
    write_safetensors(path, tensors, &notes).map_err(Error::during)
}

/// A tensor of one row, or of all.
struct Part {
    shape: Vec<usize>,
    values: Values,
}

enum Values {
    Numbers(Vec<f32>),
    /// Of the largest along the last dimension.
    Places(Vec<i64>),
}

impl Values {
    fn numbers(self) -> Vec<f32> {
        match self {
            Self::Numbers(numbers) => numbers,
            Self::Places(_) => Vec::new(),
        }
    }

    fn places(self) -> Vec<i64> {
        match self {
            Self::Places(places) => places,
            Self::Numbers(_) => Vec::new(),
        }
    }
}

impl Part {
    fn of(mut output: RowOutput, places: bool) -> Self {
        if !places {
            return Self {
                shape: output.shape,
                values: Values::Numbers(output.values),
            };
        }
        let found = output
            .vectors()
            .map(|values| largest(values) as i64)
            .collect();
        output.shape.pop();
        Self {
            shape: output.shape,
            values: Values::Places(found),
        }
    }

    fn named(self, name: String) -> TensorToWrite<'static> {
        TensorToWrite {
            name: Cow::Owned(name),
            shape: self.shape,
            data: match self.values {
                Values::Numbers(numbers) => TensorData::F32(Cow::Owned(numbers)),
                Values::Places(places) => TensorData::I64(Cow::Owned(places)),
            },
        }
    }
}

fn in_json(cell: &Cell) -> Value {
    match cell {
        Cell::Missing => Value::Null,
        Cell::Text(text) => json!(text),
        // Loaded before, so that one which cannot be read is an error.
        Cell::Stored(_) => json!(cell.text()),
        Cell::Integer(number) => json!(number),
        Cell::Float(number) => json!(number),
        Cell::Bool(truth) => json!(truth),
        Cell::List(cells) => cells.iter().map(in_json).collect(),
        Cell::Object(object) => serde_json::from_str(object).unwrap_or_else(|_| json!(object)),
    }
}
