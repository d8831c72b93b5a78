//! What a model tells of rows: its classes or numbers, learned from training rows or saved with it.

use engraft_data::{Examples, Label, Labels, TokenUnit};

use crate::error::{Error, Result};
use crate::labels::LabelSpace;
use crate::scaling::Scaling;
use crate::targets::Targets;
use crate::task::Task;

/// What a model tells of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// What it computes, and nothing that could be right or wrong.
    Nothing,
    /// One class.
    Classes(LabelSpace),
    /// Yes or no for each class.
    Flags(LabelSpace),
    /// One class for each letter or word, whichever it was trained on.
    TokenClasses(LabelSpace, Option<TokenUnit>),
    /// Numbers.
    Numbers {
        /// Their names, `[outputs]`.
        names: Vec<String>,
        /// How the head's outputs become numbers of the data.
        scaling: Scaling,
    },
    /// The tokens that masks stand for.
    Tokens,
    /// The token after each.
    NextTokens,
}

impl Told {
    /// The classes, if it has any.
    pub fn labels(&self) -> Option<&LabelSpace> {
        match self {
            Self::Classes(space) | Self::Flags(space) | Self::TokenClasses(space, _) => Some(space),
            _ => None,
        }
    }

    /// The values that the head gives for a row or token, where it is not the vocabulary's size.
    pub(crate) fn outputs(&self) -> Option<usize> {
        match self {
            Self::Nothing | Self::Tokens | Self::NextTokens => None,
            Self::Numbers { names, .. } => Some(names.len()),
            _ => self.labels().map(LabelSpace::count),
        }
    }

    /// What the rows are to be told as; for [`Self::Tokens`], [`Self::NextTokens`] and [`Self::Nothing`], nothing that the rows say themselves.
    ///
    /// # Errors
    /// Labels are missing, of another kind, out of range or unknown.
    pub(crate) fn targets(&self, examples: &Examples) -> Result<Targets> {
        if matches!(self, Self::Nothing | Self::Tokens | Self::NextTokens) {
            return Ok(Targets::None);
        }
        let labels = examples.labels.as_ref().ok_or_else(|| {
            Error::Argument(
                "the data has no labels, which this stage needs; name their column with data.y_col"
                    .into(),
            )
        })?;
        match (self, labels) {
            (Self::Classes(space), Labels::Classes(labels)) => {
                Ok(Targets::Classes(space.classes(labels, &examples.origins)?))
            }
            (Self::Flags(space), Labels::MultiLabel { names, rows }) => {
                space.check_columns(names)?;
                Ok(Targets::Flags(rows.clone()))
            }
            (Self::TokenClasses(space, _), Labels::Tokens { unit, rows }) => Ok(Targets::Tokens {
                unit: *unit,
                rows: space.token_classes(rows, &examples.origins)?,
            }),
            (Self::Numbers { names, scaling }, Labels::Numbers { names: found, rows }) => {
                if found.len() != names.len() {
                    return Err(Error::Argument(format!(
                        "the model tells {} ({}), but the data has {} ({}): name as many columns with data.y_col",
                        counted(names.len()),
                        names.join(", "),
                        counted(found.len()),
                        found.join(", ")
                    )));
                }
                let mut sorted = [names.clone(), found.clone()];
                sorted.iter_mut().for_each(|names| names.sort());
                if names != found && sorted[0] == sorted[1] {
                    return Err(Error::Argument(format!(
                        "data.y_col: the model tells {}, in this order, not {}",
                        names.join(", "),
                        found.join(", ")
                    )));
                }
                let too_large = |row: &Vec<f64>| {
                    let scaled = scaling.scale(row);
                    scaled.iter().any(|number| !number.is_finite())
                };
                if let Some(row) = rows.iter().position(too_large) {
                    return Err(Error::Row {
                        row: place(examples, row),
                        problem: format!(
                            "{:?} cannot be told in single precision; give smaller numbers, or their logarithms",
                            rows[row]
                        ),
                    });
                }
                Ok(Targets::Numbers(rows.clone()))
            }
            (_, labels) => Err(self.unfit(labels)),
        }
    }

    /// The error for labels of another kind than it takes.
    fn unfit(&self, labels: &Labels) -> Error {
        match self {
            Self::Nothing | Self::Tokens | Self::NextTokens => unfit(labels, "none"),
            Self::Classes(_) => unfit(labels, ONE_CLASS),
            Self::Flags(_) => unfit(labels, SEVERAL_CLASSES),
            Self::TokenClasses(..) => unfit(labels, TOKEN_CLASSES),
            Self::Numbers { .. } => unfit(labels, NUMBERS),
        }
    }
}

/// What labels each task takes, in words.
const ONE_CLASS: &str =
    "one class a row (for several columns of 0 and 1 give model.multilabel: true)";
const SEVERAL_CLASSES: &str = "several columns of 0 and 1 (data.y_col)";
const TOKEN_CLASSES: &str = "one class a letter or word (TokenClassificationDataModule)";
const NUMBERS: &str = "numbers (SequenceRegressionDataModule)";

fn unfit(labels: &Labels, needs: &str) -> Error {
    if let (Labels::Classes(_), SEVERAL_CLASSES) = (labels, needs) {
        return Error::Argument(
            "model.multilabel: the data has one class a row: name a column of 0 and 1 for each class with data.y_col, or remove multilabel".into(),
        );
    }
    Error::Argument(format!(
        "the data has {}, but this task needs {needs}: choose another data module or model",
        labels.kind()
    ))
}

/// Refuses labels of another kind than a task takes.
///
/// # Errors
/// They are of another.
pub(crate) fn check_kind(task: &Task, labels: &Labels) -> Result<()> {
    let (fits, needs) = match task {
        Task::SequenceClassification(task) if task.multilabel => {
            (labels.flags().is_some(), SEVERAL_CLASSES)
        }
        Task::SequenceClassification(_) => (labels.classes().is_some(), ONE_CLASS),
        Task::TokenClassification(_) => (labels.tokens().is_some(), TOKEN_CLASSES),
        Task::SequenceRegression(_) => (labels.numbers().is_some(), NUMBERS),
        Task::MLM(_) | Task::CausalLM(_) | Task::Embed(_) | Task::Inference(_) => return Ok(()),
    };
    match fits {
        true => Ok(()),
        false => Err(unfit(labels, needs)),
    }
}

/// Where a row came from.
fn place(examples: &Examples, row: usize) -> String {
    examples
        .origins
        .get(row)
        .map_or_else(|| format!("row {row}"), ToString::to_string)
}

fn counted(count: usize) -> String {
    match count {
        1 => "1 number".to_owned(),
        _ => format!("{count} numbers"),
    }
}

/// The classes of all tokens, one after the other.
pub(crate) fn token_labels(labels: &Labels) -> Option<Vec<Label>> {
    let rows = labels.tokens()?;
    Some(rows.iter().flatten().flatten().cloned().collect())
}
