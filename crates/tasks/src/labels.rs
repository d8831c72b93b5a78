//! Classes and their names.

use std::collections::BTreeSet;

use engraft_data::{Label, Origin};

use crate::error::{Error, Result};

/// More classes than this are a mistake: the head alone would fill the memory.
pub(crate) const MOST_CLASSES: usize = 1 << 20;

/// How many class names a message spells out.
const SHOWN: usize = 12;

/// The classes of a model: how many, and what they are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSpace {
    count: usize,
    names: Option<Vec<String>>,
}

impl LabelSpace {
    /// `count` classes; `names`, if given, are as many.
    pub fn new(count: usize, names: Option<Vec<String>>) -> Self {
        Self {
            count,
            names: names.filter(|names| names.len() == count),
        }
    }

    /// The classes that training labels speak of, given what is declared and what the checkpoint says of itself.
    ///
    /// # Errors
    /// Names that the checkpoint does not know, or more names than classes.
    pub(crate) fn from_training(
        labels: &[Label],
        declared: Option<usize>,
        own: Option<usize>,
        own_names: Option<&[String]>,
    ) -> Result<Self> {
        let found: BTreeSet<&str> = labels
            .iter()
            .filter_map(|label| match label {
                Label::Name(name) => Some(name.as_str()),
                Label::Index(_) => None,
            })
            .collect();
        if found.is_empty() {
            let largest = labels.iter().map(|label| match label {
                Label::Index(id) => *id,
                Label::Name(_) => 0,
            });
            let largest = largest.max().unwrap_or(1);
            if declared.or(own).is_none() && largest >= MOST_CLASSES as u64 {
                return Err(Error::plain(format!(
                    "the training labels run to {largest} in {} rows: is data.y_col a column of ids? If they are classes, give model.n_classes",
                    labels.len()
                )));
            }
            let count = declared.or(own).unwrap_or((largest as usize + 1).max(2));
            return Ok(Self::new(count, own_names.map(<[String]>::to_vec)));
        }
        if let Some(names) =
            own_names.filter(|names| found.iter().all(|name| names.iter().any(|own| own == name)))
        {
            return Ok(Self::new(names.len(), Some(names.to_vec())));
        }
        if let (Some(own), None) = (own, declared) {
            let names = own_names.map_or_else(String::new, |names| format!(" ({})", shown(names)));
            let found: Vec<String> = found.into_iter().map(str::to_owned).collect();
            return Err(Error::plain(format!(
                "the checkpoint's own head has {own} classes{names}, but the training labels are {}: give n_classes to start a new head, or labels it knows",
                shown(&found)
            )));
        }
        let names: Vec<String> = found.into_iter().map(str::to_owned).collect();
        if let Some(negative) = names.iter().find(|name| name.starts_with('-'))
            && names.iter().all(|name| name.parse::<i64>().is_ok())
        {
            return Err(Error::plain(format!(
                "label {negative} is out of range: class numbers start at 0"
            )));
        }
        if let [only] = names.as_slice() {
            return Err(Error::plain(format!(
                "the training labels have one name, {only:?}: a classifier needs at least 2 classes"
            )));
        }
        match declared {
            Some(count) if count != names.len() => Err(Error::refused(
                "model.n_classes",
                format!(
                    "{count} given, but the training labels have {} names: {}",
                    names.len(),
                    shown(&names)
                ),
            )),
            _ => Ok(Self::new(names.len(), Some(names))),
        }
    }

    /// Number of classes.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Their names, if they have any.
    pub fn names(&self) -> Option<&[String]> {
        self.names.as_deref()
    }

    /// The names, numbers standing in for missing ones.
    pub fn names_or_numbers(&self) -> Vec<String> {
        self.names
            .clone()
            .unwrap_or_else(|| (0..self.count).map(|class| class.to_string()).collect())
    }

    /// The columns of the classes' probabilities in tables.
    pub(crate) fn probability_columns(&self) -> impl Iterator<Item = String> {
        let names = self.names_or_numbers().into_iter();
        names.map(|name| format!("p_{name}"))
    }

    /// The class of every row.
    ///
    /// # Errors
    /// A label is out of range or unknown; the row is named.
    pub(crate) fn classes(&self, labels: &[Label], origins: &[Origin]) -> Result<Vec<u32>> {
        let named = self.are_names(labels.iter());
        let class = |(row, label): (usize, &Label)| self.class_of(label, named, row, origins);
        labels.iter().enumerate().map(class).collect()
    }

    /// The class of every letter or word that is scored.
    ///
    /// # Errors
    /// A label is out of range or unknown; the row is named.
    pub(crate) fn token_classes(
        &self,
        rows: &[Vec<Option<Label>>],
        origins: &[Origin],
    ) -> Result<Vec<Vec<Option<u32>>>> {
        let named = self.are_names(rows.iter().flatten().flatten());
        let classes = |(row, labels): (usize, &Vec<Option<Label>>)| {
            let class = |label: &Option<Label>| match label {
                Some(label) => self.class_of(label, named, row, origins).map(Some),
                None => Ok(None),
            };
            labels.iter().map(class).collect()
        };
        rows.iter().enumerate().map(classes).collect()
    }

    /// Refuses label columns that are not this model's.
    ///
    /// # Errors
    /// They are more or fewer, or have other names.
    pub(crate) fn check_columns(&self, columns: &[String]) -> Result<()> {
        let own = self.names_or_numbers();
        if columns.len() == self.count && self.names.as_ref().is_none_or(|names| names == columns) {
            return Ok(());
        }
        Err(Error::refused(
            "data.y_col",
            format!(
                "the model's classes are the columns {}, in this order, not {}",
                shown(&own),
                shown(columns)
            ),
        ))
    }

    /// Names may be numbers: decided once for a whole split, or label 1 could mean class 1 in one row and class "1" in the next.
    fn are_names<'a>(&self, mut labels: impl Iterator<Item = &'a Label>) -> bool {
        self.names
            .as_ref()
            .is_some_and(|names| labels.all(|label| names.contains(&label.to_string())))
    }

    fn class_of(&self, label: &Label, named: bool, row: usize, origins: &[Origin]) -> Result<u32> {
        self.class(label, named).ok_or_else(|| Error::Row {
            row: origins
                .get(row)
                .map_or_else(|| format!("row {row}"), ToString::to_string),
            problem: self.unknown(label),
        })
    }

    /// The class of one label; `named` if every label of its split is the name of a class.
    fn class(&self, label: &Label, named: bool) -> Option<u32> {
        match (label, &self.names) {
            (Label::Index(id), _) if !named => (*id < self.count as u64).then_some(*id as u32),
            (Label::Name(name), Some(names)) => names
                .iter()
                .position(|known| known == name)
                .map(|id| id as u32),
            // A table of numbers in which one row has a word is a table of names.
            (Label::Name(name), None) => name
                .parse::<u32>()
                .ok()
                .filter(|id| (*id as usize) < self.count),
            (Label::Index(id), Some(names)) => names
                .iter()
                .position(|known| *known == id.to_string())
                .map(|id| id as u32),
            (Label::Index(_), None) => None,
        }
    }

    fn unknown(&self, label: &Label) -> String {
        match (label, &self.names) {
            (Label::Index(id), _) => format!(
                "label {id} is out of range: the model has {} classes, 0 to {}",
                self.count,
                self.count - 1
            ),
            (Label::Name(name), Some(names)) => format!(
                "unknown label {name:?}; the model's classes are {}",
                shown(names)
            ),
            (Label::Name(name), None) => format!(
                "label {name:?} is not a class number from 0 to {}",
                self.count - 1
            ),
        }
    }

    /// Each class's weight: rows / (its rows x classes); 0 for one without rows.
    pub(crate) fn weights(&self, classes: &[u32]) -> Vec<f32> {
        let mut counts = vec![0usize; self.count];
        for &class in classes {
            counts[class as usize] += 1;
        }
        let weight = |&count: &usize| {
            if count == 0 {
                0.0
            } else {
                classes.len() as f32 / (count * self.count) as f32
            }
        };
        counts.iter().map(weight).collect()
    }
}

/// Names separated by commas, the tail of a long list counted.
pub(crate) fn shown(names: &[String]) -> String {
    let listed = names
        .iter()
        .take(SHOWN)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => listed,
        more => format!("{listed}, ... and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use engraft_data::Examples;

    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn labels(labels: &[&str]) -> Vec<Label> {
        labels.iter().map(|&label| Label::from(label)).collect()
    }

    #[test]
    fn named_labels_become_classes_in_alphabetical_order() {
        let space = LabelSpace::from_training(&labels(&["b", "a", "b"]), None, None, None).unwrap();
        assert_eq!(space.names().unwrap(), ["a", "b"]);
        assert_eq!(space.class(&Label::from("b"), true), Some(1));
        assert_eq!(space.class(&Label::from("c"), false), None);
    }

    #[test]
    fn numbers_are_counted_unless_declared() {
        let found = [Label::Index(0), Label::Index(4)];
        assert_eq!(
            LabelSpace::from_training(&found, None, None, None)
                .unwrap()
                .count(),
            5
        );
        assert_eq!(
            LabelSpace::from_training(&found, Some(8), None, None)
                .unwrap()
                .count(),
            8
        );
        assert_eq!(
            LabelSpace::from_training(&found, None, Some(6), None)
                .unwrap()
                .count(),
            6
        );
    }

    #[test]
    fn the_checkpoints_own_names_keep_their_order() {
        let own = names(&["low", "middle", "high"]);
        let space = LabelSpace::from_training(&labels(&["high", "low"]), None, Some(3), Some(&own))
            .unwrap();
        assert_eq!(space.class(&Label::from("high"), true), Some(2));
        let error = LabelSpace::from_training(&labels(&["tall"]), None, Some(3), Some(&own))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("low, middle, high") && error.contains("tall"),
            "{error}"
        );
    }

    #[test]
    fn a_wrong_declaration_names_what_was_found() {
        let error = LabelSpace::from_training(&labels(&["x", "y", "z"]), Some(2), None, None)
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "model.n_classes: 2 given, but the training labels have 3 names: x, y, z"
        );
    }

    #[test]
    fn names_that_are_numbers_are_names_throughout_a_split() {
        let space = LabelSpace::new(3, Some(names(&["1", "2", "3a"])));
        let split = |labels: [u64; 2]| space.classes(&labels.map(Label::Index), &[]);
        assert_eq!(split([1, 2]).unwrap(), [0, 1]);
        assert_eq!(split([0, 2]).unwrap(), [0, 2]);
    }

    #[test]
    fn ids_taken_for_labels_are_refused() {
        let found = [Label::Index(4_000_000_000), Label::Index(7)];
        let error = LabelSpace::from_training(&found, None, None, None)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("data.y_col") && error.contains("4000000000"),
            "{error}"
        );
    }

    #[test]
    fn weights_balance_the_classes() {
        let space = LabelSpace::new(3, None);
        assert_eq!(space.weights(&[0, 0, 0, 1]), [4.0 / 9.0, 4.0 / 3.0, 0.0]);
    }

    #[test]
    fn a_label_out_of_range_names_its_row() {
        let examples = Examples::from_texts(["a", "b"])
            .labelled([0u64, 7])
            .unwrap();
        let error = LabelSpace::new(3, None)
            .classes(examples.classes().unwrap(), &examples.origins)
            .unwrap_err()
            .to_string();
        assert!(
            error.ends_with(":2: label 7 is out of range: the model has 3 classes, 0 to 2"),
            "{error}"
        );
    }
}
