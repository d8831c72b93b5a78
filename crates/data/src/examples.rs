//! Rows as a task takes them: ids, texts, labels and the columns that travel along.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::arguments::argument;
use crate::error::Error;
use crate::table::{Cell, Origin};

/// The rows of one split. Every list has one entry for each row.
#[derive(Clone, Debug, PartialEq)]
pub struct Examples {
    /// The row's name: the id column, or its number in the file from 0.
    pub ids: Option<Vec<String>>,
    /// `[segment][row]`: one segment, or two for text pairs.
    pub texts: Vec<Vec<String>>,
    /// The row's class, where there is a label column.
    pub labels: Option<Vec<Label>>,
    /// Columns that are carried into the table of predictions, with their names.
    pub extra: Vec<(String, Vec<Cell>)>,
    /// Where each row came from.
    pub origins: Vec<Origin>,
}

/// The class of a row, as the file writes it.
///
/// All labels that are loaded together are of one kind: [`Label::Index`] if every one of them is a
/// non-negative whole number, else [`Label::Name`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// The number of the class.
    Index(u64),
    /// The name of the class.
    Name(String),
}

impl Examples {
    /// Examples of one text each, numbered from 0.
    pub fn from_texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Examples {
        let texts: Vec<String> = texts.into_iter().map(Into::into).collect();
        let file: Arc<Path> = Arc::from(Path::new("(in memory)"));
        let origins = (1..).take(texts.len()).map(|line| Origin {
            file: Arc::clone(&file),
            line,
        });
        Examples {
            ids: Some((0..texts.len()).map(|row| row.to_string()).collect()),
            origins: origins.collect(),
            texts: vec![texts],
            labels: None,
            extra: vec![],
        }
    }

    /// The same examples with a second text in each.
    ///
    /// # Errors
    /// There are more or fewer texts than rows.
    pub fn paired_with<T: Into<String>>(
        mut self,
        texts: impl IntoIterator<Item = T>,
    ) -> Result<Examples, Error> {
        let texts: Vec<String> = texts.into_iter().map(Into::into).collect();
        self.check_length("second texts", texts.len())?;
        self.texts.truncate(1);
        self.texts.push(texts);
        Ok(self)
    }

    /// The same examples with a label each.
    ///
    /// # Errors
    /// There are more or fewer labels than rows.
    pub fn labelled<L: Into<Label>>(
        mut self,
        labels: impl IntoIterator<Item = L>,
    ) -> Result<Examples, Error> {
        let labels: Vec<Label> = labels.into_iter().map(Into::into).collect();
        self.check_length("labels", labels.len())?;
        self.labels = Some(labels);
        Ok(self)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.origins.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// These rows, in this order. Numbers that are no row are left out.
    pub fn select(&self, rows: &[usize]) -> Examples {
        fn pick<T: Clone>(values: &[T], rows: &[usize]) -> Vec<T> {
            rows.iter()
                .filter_map(|row| values.get(*row).cloned())
                .collect()
        }
        Examples {
            ids: self.ids.as_ref().map(|ids| pick(ids, rows)),
            texts: self.texts.iter().map(|texts| pick(texts, rows)).collect(),
            labels: self.labels.as_ref().map(|labels| pick(labels, rows)),
            extra: self
                .extra
                .iter()
                .map(|(name, cells)| (name.clone(), pick(cells, rows)))
                .collect(),
            origins: pick(&self.origins, rows),
        }
    }

    fn check_length(&self, what: &str, found: usize) -> Result<(), Error> {
        match found == self.len() {
            true => Ok(()),
            false => Err(argument(
                what,
                format!("there are {found} for {} texts", self.len()),
            )),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selecting_keeps_rows_whole() {
        let examples = Examples::from_texts(["a", "b", "c"])
            .labelled(["x", "y", "z"])
            .unwrap();
        let chosen = examples
            .paired_with(["A", "B", "C"])
            .unwrap()
            .select(&[2, 0, 9]);
        assert_eq!(chosen.ids, Some(vec!["2".to_owned(), "0".to_owned()]));
        assert_eq!(chosen.texts, [["c", "a"], ["C", "A"]]);
        assert_eq!(chosen.labels, Some(vec!["z".into(), "x".into()]));
        assert_eq!(chosen.origins[0].line, 3);
        assert_eq!(chosen.len(), 2);
    }

    #[test]
    fn a_label_is_needed_for_every_text() {
        let error = Examples::from_texts(["a", "b"])
            .labelled([0usize])
            .unwrap_err();
        assert_eq!(error.to_string(), "labels: there are 1 for 2 texts");
    }
}
