//! Numbers that a model is told of each row.

use engraft_data::{Examples, Labels};

use crate::classes::unfit;
use crate::error::{Error, Result, place};
use crate::inputs::RowValues;
use crate::labels::MOST_CLASSES;
use crate::learned::Learned;
use crate::objective::Basis;
use crate::scaling::Scaling;

/// The argument that says how many there are.
const KEY: &str = "model.condition_dim";

/// What conditions are, in words.
const NUMBERS: &str = "numbers (ConditionalDiffusionDataModule, ConditionalMLMDataModule)";

/// Which numbers a model is told of each row, and how they are scaled for it.
#[derive(Clone, Debug)]
pub(crate) struct Conditions {
    names: Vec<String>,
    scaling: Scaling,
}

impl Conditions {
    /// `count` numbers: those of a saved model, else those of the training rows.
    ///
    /// # Errors
    /// The rows have more, fewer or none.
    pub(crate) fn new(count: usize, basis: &Basis<'_>) -> Result<Self> {
        if let Some(learned) = basis.learned {
            let (names, scaling) = learned.numbers(count).map_err(Error::Saved)?;
            return Ok(Self { names, scaling });
        }
        let Some(train) = basis.train else {
            let names = (0..count).map(|number| number.to_string());
            return Ok(Self {
                names: names.collect(),
                scaling: Scaling::identity(count),
            });
        };
        let (names, rows) = numbers(train.examples)?;
        check_width(count, names, train.examples)?;
        let scaling = if train.normalize {
            Scaling::of(rows, count)
        } else {
            Scaling::identity(count)
        };
        Ok(Self {
            names: names.to_vec(),
            scaling,
        })
    }

    /// Refuses numbers that no head can be told.
    ///
    /// # Errors
    /// They are none, or far too many.
    pub(crate) fn check(count: usize) -> Result<()> {
        if (1..=MOST_CLASSES).contains(&count) {
            return Ok(());
        }
        let problem = format!("expected a number from 1 to {MOST_CLASSES}, found {count}");
        Err(Error::refused(KEY, problem))
    }

    /// The conditions of rows, in the units of the data, `[row][number]`.
    ///
    /// # Errors
    /// There are none, they are no numbers, or others than the model was trained with.
    pub(crate) fn of<'e>(&self, examples: &'e Examples) -> Result<&'e [Vec<f64>]> {
        let (names, rows) = numbers(examples)?;
        check_width(self.names.len(), names, examples)?;
        let is_too_large =
            |row: &Vec<f64>| self.scaling.scale(row).iter().any(|it| !it.is_finite());
        if let Some(row) = rows.iter().position(is_too_large) {
            return Err(Error::Row {
                row: place(examples, row),
                problem: format!("the condition {:?} is beyond what 32 bits hold", rows[row]),
            });
        }
        let mut sorted = [self.names.clone(), names.to_vec()];
        sorted.iter_mut().for_each(|names| names.sort());
        if self.names != names && sorted[0] == sorted[1] {
            let problem = format!(
                "the model is told {}, in this order, not {}",
                self.names.join(", "),
                names.join(", ")
            );
            return Err(Error::refused("data.y_col", problem));
        }
        Ok(rows)
    }

    /// What the head is told of some rows, by their conditions.
    pub(crate) fn told<'r>(&self, rows: impl IntoIterator<Item = &'r [f64]>) -> RowValues {
        let values = rows.into_iter().flat_map(|row| self.scaling.scale(row));
        RowValues {
            values: values.collect(),
            width: self.names.len(),
        }
    }

    /// What is to be saved of them.
    pub(crate) fn learned(&self) -> Learned {
        Learned {
            labels: Some(self.names.clone()),
            means: Some(self.scaling.means.clone()),
            deviations: Some(self.scaling.deviations.clone()),
            ..Learned::default()
        }
    }
}

/// What rows have as conditions: their names, and the numbers of each row.
fn numbers(examples: &Examples) -> Result<(&[String], &[Vec<f64>])> {
    match &examples.labels {
        Some(Labels::Numbers { names, rows }) => Ok((names.as_slice(), rows.as_slice())),
        Some(other) => Err(unfit(other, NUMBERS)),
        None => Err(Error::refused(
            "data.y_col",
            "the rows have no conditions, which the model is told in every stage; give a module that reads them, such as ConditionalDiffusionDataModule",
        )),
    }
}

/// Refuses rows of more or fewer numbers than a model is told.
fn check_width(count: usize, names: &[String], examples: &Examples) -> Result<()> {
    let counted = |count: usize| match count {
        1 => "1 number".to_owned(),
        _ => format!("{count} numbers"),
    };
    if names.len() == count {
        return Ok(());
    }
    Err(Error::refused(
        KEY,
        format!(
            "the model is told {} of each row, but the condition of {} has {} ({})",
            counted(count),
            place(examples, 0),
            counted(names.len()),
            names.join(", ")
        ),
    ))
}
