//! Labels: what is to be predicted of a row, or of each letter of it.

use std::fmt;

use crate::cell::Cell;
use crate::error::{Error, argument};
use crate::pairs::PairRow;
use crate::table::pick;
use crate::texts::Texts;
use crate::unit::TokenUnit;

/// A class, as the file writes it.
///
/// Each label is read by itself, whatever the others of its file are: [`Label::Index`] if it is a non-negative whole number, else
/// [`Label::Name`]. Whether numbers count classes or are their names is decided by the model that learns them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// The number of the class.
    Index(u64),
    /// The name of the class.
    Name(String),
}

/// The labels of some rows, one entry for each row.
#[derive(Clone, Debug, PartialEq)]
pub enum Labels {
    /// One class a row.
    Classes(Vec<Label>),
    /// Any number of classes a row.
    MultiLabel {
        /// What the flags stand for.
        names: Vec<String>,
        /// `[row][name]`: whether the row is of this class.
        rows: Vec<Vec<bool>>,
    },
    /// One class for each letter or word of a row.
    Tokens {
        /// What a label belongs to.
        unit: TokenUnit,
        /// `[row][letter or word]`; nothing where no class is known and none is scored.
        rows: Vec<Vec<Option<Label>>>,
    },
    /// Which pairs of the letters or words of a row belong together.
    Pairs {
        /// What pairs are of.
        unit: TokenUnit,
        /// Each row's pairs.
        rows: Vec<PairRow>,
    },
    /// One number or several a row.
    Numbers {
        /// What the numbers are called.
        names: Vec<String>,
        /// `[row][name]`; every number is finite.
        rows: Vec<Vec<f64>>,
    },
    /// A text a row, to be written for the one that is read; none of them is blank.
    Texts(Texts),
}

impl Labels {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Labels::Classes(rows) => rows.len(),
            Labels::MultiLabel { rows, .. } => rows.len(),
            Labels::Tokens { rows, .. } => rows.len(),
            Labels::Pairs { rows, .. } => rows.len(),
            Labels::Numbers { rows, .. } => rows.len(),
            Labels::Texts(rows) => rows.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds the labels of more rows, which are to be of the same kind and have the same names.
    pub(crate) fn append(&mut self, more: Labels) -> Result<(), ()> {
        match (self, more) {
            (Labels::Classes(own), Labels::Classes(more)) => own.extend(more),
            (
                Labels::MultiLabel { names, rows },
                Labels::MultiLabel {
                    names: other,
                    rows: more,
                },
            ) if *names == other => rows.extend(more),
            (
                Labels::Tokens { unit, rows },
                Labels::Tokens {
                    unit: other,
                    rows: more,
                },
            ) if *unit == other => rows.extend(more),
            (
                Labels::Pairs { unit, rows },
                Labels::Pairs {
                    unit: other,
                    rows: more,
                },
            ) if *unit == other => rows.extend(more),
            (
                Labels::Numbers { names, rows },
                Labels::Numbers {
                    names: other,
                    rows: more,
                },
            ) if *names == other => rows.extend(more),
            (Labels::Texts(own), Labels::Texts(more)) => own.append(more),
            _ => return Err(()),
        }
        Ok(())
    }

    /// What these labels are, for messages: `one class a row`.
    pub fn kind(&self) -> &'static str {
        match self {
            Labels::Classes(_) => "one class a row",
            Labels::MultiLabel { .. } => "several classes a row",
            Labels::Tokens { unit, .. } => match unit {
                TokenUnit::Letter => "a class for each letter",
                TokenUnit::Word => "a class for each word",
            },
            Labels::Pairs { unit, .. } => match unit {
                TokenUnit::Letter => "pairs of letters that belong together",
                TokenUnit::Word => "pairs of words that belong together",
            },
            Labels::Numbers { .. } => "numbers",
            Labels::Texts(_) => "a text to be written for each row",
        }
    }

    /// The class of each row, if rows have one each.
    pub fn classes(&self) -> Option<&[Label]> {
        match self {
            Labels::Classes(rows) => Some(rows),
            _ => None,
        }
    }

    /// The flags of each row, `[row][name]`, if rows have several classes.
    pub fn flags(&self) -> Option<&[Vec<bool>]> {
        match self {
            Labels::MultiLabel { rows, .. } => Some(rows),
            _ => None,
        }
    }

    /// The classes of each row's letters or words, if they have one each.
    pub fn tokens(&self) -> Option<&[Vec<Option<Label>>]> {
        match self {
            Labels::Tokens { rows, .. } => Some(rows),
            _ => None,
        }
    }

    /// Which pairs of each row belong together, if labels say that.
    pub fn pairs(&self) -> Option<&[PairRow]> {
        match self {
            Labels::Pairs { rows, .. } => Some(rows),
            _ => None,
        }
    }

    /// The numbers of each row, `[row][name]`, if rows have numbers.
    pub fn numbers(&self) -> Option<&[Vec<f64>]> {
        match self {
            Labels::Numbers { rows, .. } => Some(rows),
            _ => None,
        }
    }

    /// The text that is to be written for each row, if rows have such; each is read when it is asked for.
    pub fn texts(&self) -> Option<&Texts> {
        match self {
            Labels::Texts(rows) => Some(rows),
            _ => None,
        }
    }

    /// What the flags or numbers of a row are called; empty for labels of other kinds.
    pub fn names(&self) -> &[String] {
        match self {
            Labels::MultiLabel { names, .. } | Labels::Numbers { names, .. } => names,
            Labels::Classes(_)
            | Labels::Tokens { .. }
            | Labels::Pairs { .. }
            | Labels::Texts(_) => &[],
        }
    }

    /// These rows, in this order. Numbers that are no row are left out.
    pub fn select(&self, rows: &[usize]) -> Labels {
        match self {
            Labels::Classes(all) => Labels::Classes(pick(all, rows)),
            Labels::MultiLabel { names, rows: all } => Labels::MultiLabel {
                names: names.clone(),
                rows: pick(all, rows),
            },
            Labels::Tokens { unit, rows: all } => Labels::Tokens {
                unit: *unit,
                rows: pick(all, rows),
            },
            Labels::Pairs { unit, rows: all } => Labels::Pairs {
                unit: *unit,
                rows: pick(all, rows),
            },
            Labels::Numbers { names, rows: all } => Labels::Numbers {
                names: names.clone(),
                rows: pick(all, rows),
            },
            Labels::Texts(all) => Labels::Texts(all.select(rows)),
        }
    }

    /// Checks that every row has as many entries as there are names, letters or words, that
    /// numbers are finite, and that texts to be written are not blank. `texts` has one entry for each row.
    pub(crate) fn check(&self, texts: Option<&Texts>) -> Result<(), Error> {
        let wrong =
            |row: usize, message: String| Err(argument("labels", format!("row {row} {message}")));
        let names = self.names().len();
        let width = match self {
            Labels::Classes(_) => None,
            Labels::MultiLabel { rows, .. } => wrong_width(rows, names),
            Labels::Numbers { rows, .. } => wrong_width(rows, names),
            Labels::Tokens { unit, rows } => {
                let counts = texts.into_iter().flat_map(|texts| texts.counts(*unit));
                for (number, (row, count)) in rows.iter().zip(counts).enumerate() {
                    let count = count?;
                    if row.len() != count {
                        let units = unit.counted(count);
                        return wrong(number, format!("has {} for {units}", row.len()));
                    }
                }
                None
            }
            Labels::Pairs { unit, rows } => {
                let counts = texts.into_iter().flat_map(|texts| texts.counts(*unit));
                for (number, (row, count)) in rows.iter().zip(counts).enumerate() {
                    let count = count?;
                    if row.length() != count {
                        let units = unit.counted(count);
                        return wrong(number, format!("has pairs of {} for {units}", row.length()));
                    }
                }
                None
            }
            Labels::Texts(rows) => {
                for (number, text) in rows.iter().enumerate() {
                    if text?.trim().is_empty() {
                        return wrong(number, "has no text to be written".to_owned());
                    }
                }
                None
            }
        };
        if let Some((row, found)) = width {
            return wrong(row, format!("has {found} for {names} names"));
        }
        let finite = |row: &Vec<f64>| row.iter().all(|number| number.is_finite());
        let infinite = self.numbers().unwrap_or_default();
        match infinite.iter().position(|row| !finite(row)) {
            Some(row) => wrong(row, "holds a number that is not finite".to_owned()),
            None => Ok(()),
        }
    }
}

/// The first row, counted from 0, that has not `width` entries, and how many it has.
fn wrong_width<T>(rows: &[Vec<T>], width: usize) -> Option<(usize, usize)> {
    let mut lengths = rows.iter().map(Vec::len).enumerate();
    lengths.find(|(_, length)| *length != width)
}

impl Label {
    /// What a cell says: `1`, `1.0` and ` 1 ` are one number; of a name the white space around it is no part. None for a list, an object and
    /// a missing cell.
    pub fn of(cell: &Cell) -> Option<Label> {
        let text = cell.text()?;
        let text = text.trim();
        // Zeros before a number are part of a name: `007`.
        let is_padded = text.len() > 1 && text.starts_with('0') && !text.starts_with("0.");
        if let (Some(index), false) = (cell.whole(), is_padded) {
            return Some(Label::Index(index));
        }
        let below_zero = text.strip_prefix('-').map(Cell::from);
        Some(match below_zero.and_then(|digits| digits.whole()) {
            Some(digits) if !is_padded => Label::Name(format!("-{digits}")),
            _ => Label::Name(text.to_owned()),
        })
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Label::Index(index) => write!(f, "{index}"),
            Label::Name(name) => f.write_str(name),
        }
    }
}

/// The number or the name.
impl From<&Label> for Cell {
    fn from(label: &Label) -> Cell {
        match label {
            Label::Index(index) => match i64::try_from(*index) {
                Ok(index) => Cell::Integer(index),
                Err(_) => Cell::Text(index.to_string()),
            },
            Label::Name(name) => Cell::from(name.as_str()),
        }
    }
}

impl From<u64> for Label {
    fn from(index: u64) -> Label {
        Label::Index(index)
    }
}

impl From<usize> for Label {
    fn from(index: usize) -> Label {
        Label::Index(index as u64)
    }
}

impl From<&str> for Label {
    fn from(name: &str) -> Label {
        Label::Name(name.to_owned())
    }
}

impl From<String> for Label {
    fn from(name: String) -> Label {
        Label::Name(name)
    }
}
