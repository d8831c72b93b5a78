//! Rows that cannot be used: what is done with them, and what is said of those that were skipped.

use std::borrow::Cow;

use engraft_component::Words;

use crate::error::Error;
use crate::origin::Origin;

/// What is done with a row that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Words)]
pub enum OnBadRow {
    /// Nothing is computed, and a message names the row.
    #[default]
    Refuse,
    /// The row is left out and listed.
    Skip,
}

/// A row that was skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedRow {
    /// Where it is.
    pub origin: Origin,
    /// What is wrong with it.
    pub problem: String,
}

impl SkippedRow {
    /// The row that an error is about, if it is about one.
    pub(crate) fn of(error: &Error) -> Option<SkippedRow> {
        let origin = error.origin()?.clone();
        let said = error.to_string();
        let problem = said.strip_prefix(&format!("{origin}: "));
        Some(SkippedRow {
            problem: problem.unwrap_or(&said).to_owned(),
            origin,
        })
    }

    /// The error that this is not as few rows as can be skipped: `bad` of `all` rows are like the first of these.
    pub(crate) fn too_many(bad: &[SkippedRow], all: usize) -> Option<Error> {
        let first = bad.first().filter(|_| bad.len() * 2 > all)?;
        let others = match bad.len() {
            1 => Cow::Borrowed(""),
            count => Cow::Owned(format!(
                " ({count} of {all} rows cannot be read, which are too many to be skipped)"
            )),
        };
        Some(Error::Record {
            origin: first.origin.clone(),
            message: format!("{}{others}", first.problem),
        })
    }

    /// The note that rows were skipped, where some were.
    pub(crate) fn note(skipped: &[SkippedRow]) -> Option<String> {
        let first = skipped.first()?;
        let rows = match skipped.len() {
            1 => "1 row is".to_owned(),
            count => format!("{count} rows are"),
        };
        Some(format!(
            "{rows} skipped (data.on_bad_row: skip), the first {}: {}",
            first.origin, first.problem
        ))
    }
}
