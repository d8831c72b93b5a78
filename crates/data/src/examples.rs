//! Rows as a task takes them: ids, texts, labels and the columns that travel along.

use std::path::Path;
use std::sync::Arc;

use crate::alignments::Alignments;
use crate::cell::Cell;
use crate::error::{Error, argument};
use crate::labels::{Label, Labels};
use crate::origin::Origin;
use crate::table::pick;
use crate::texts::{Text, Texts};
use crate::token_row::TokenRow;
use crate::unit::TokenUnit;

/// The rows of one split. Every list has one entry for each row.
#[derive(Clone, Debug, PartialEq)]
pub struct Examples {
    /// The row's name: the id column, or its number in the file from 0.
    pub ids: Option<Vec<String>>,
    /// `[segment][row]`: one segment, two for text pairs, or one for each of several named sequences.
    pub texts: Vec<Texts>,
    /// What each segment is called, where the file says it; else empty.
    pub names: Vec<String>,
    /// What is to be predicted of each row, where the file says it.
    pub labels: Option<Labels>,
    /// What is aligned with each row's sequence, where the file brings it.
    pub alignments: Option<Alignments>,
    /// The tokens of each row, where these are given; its texts are then empty, and nothing is tokenised or cut.
    pub tokens: Option<Vec<TokenRow>>,
    /// What each row weighs in the loss, where rows weigh differently.
    pub weights: Option<Vec<f32>>,
    /// How many rows each batch has, where rows come in batches that are kept as they are.
    pub batches: Option<Vec<usize>>,
    /// Columns that are carried into the table of predictions, with their names.
    pub extra: Vec<(String, Vec<Cell>)>,
    /// Where each row came from.
    pub origins: Vec<Origin>,
}

impl Examples {
    /// Examples of one text each, numbered from 0.
    pub fn from_texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Examples {
        Self::of(texts.into_iter().map(Into::into).collect())
    }

    /// Examples of a list of words each, which have a class each, numbered from 0. A word may hold white space, or nothing.
    pub fn from_words<W: AsRef<str>>(
        rows: impl IntoIterator<Item: IntoIterator<Item = W>>,
    ) -> Examples {
        let rows = rows.into_iter();
        let words = rows.map(|words| Text::Words(words.into_iter().collect()));
        Self::of(words.collect())
    }

    /// Examples of a text each that is read, and one that is to be written for it, `[(read, written)]`, numbered from 0.
    ///
    /// # Errors
    /// A text to be written is blank.
    pub fn from_pairs<T: Into<String>, U: Into<String>>(
        pairs: impl IntoIterator<Item = (T, U)>,
    ) -> Result<Examples, Error> {
        let pairs = pairs.into_iter();
        let (read, written): (Vec<String>, Vec<String>) = pairs
            .map(|(read, written)| (read.into(), written.into()))
            .unzip();
        Self::from_texts(read).with_labels(Labels::Texts(written.into_iter().collect()))
    }

    fn of(texts: Texts) -> Examples {
        let file: Arc<Path> = Arc::from(Path::new("(in memory)"));
        let origins = (1..).take(texts.len()).map(|line| Origin {
            file: Arc::clone(&file),
            line,
        });
        Examples {
            ids: Some((0..texts.len()).map(|row| row.to_string()).collect()),
            origins: origins.collect(),
            texts: vec![texts],
            names: Vec::new(),
            labels: None,
            alignments: None,
            tokens: None,
            weights: None,
            batches: None,
            extra: vec![],
        }
    }

    /// Examples of tokens, numbered from 0: what is given to a model as it is, without a tokenizer.
    pub fn from_tokens(rows: impl IntoIterator<Item = TokenRow>) -> Examples {
        let rows: Vec<TokenRow> = rows.into_iter().collect();
        let empty = Self::from_texts(rows.iter().map(|_| ""));
        Examples {
            tokens: Some(rows),
            ..empty
        }
    }

    /// The same examples with what each weighs in the loss.
    ///
    /// # Errors
    /// There are more or fewer weights than rows, or one is below 0 or not finite.
    pub fn weighted(mut self, weights: impl IntoIterator<Item = f32>) -> Result<Examples, Error> {
        let weights: Vec<f32> = weights.into_iter().collect();
        self.check_length("weights", weights.len())?;
        if let Some((row, weight)) = (0..)
            .zip(&weights)
            .find(|(_, it)| !(it.is_finite() && **it >= 0.0))
        {
            let message =
                format!("row {row} weighs {weight}; expected a finite number of at least 0");
            return Err(argument("weights", message));
        }
        self.weights = Some(weights);
        Ok(self)
    }

    /// Rows of several batches one after the other, which stay the batches that they are.
    ///
    /// # Errors
    /// There is no batch, one has no rows, or one has other columns than the first: labels of another kind or none, weights, tokens, second texts.
    pub fn from_batches(batches: impl IntoIterator<Item = Examples>) -> Result<Examples, Error> {
        let mut batches = batches.into_iter();
        let mut whole = batches
            .next()
            .ok_or_else(|| argument("batches", "there are none".to_owned()))?;
        let mut sizes = vec![whole.len()];
        for (number, batch) in (2..).zip(batches) {
            sizes.push(batch.len());
            whole.append(batch).map_err(|what| {
                argument(
                    "batches",
                    format!("batch {number} differs from the first in its {what}"),
                )
            })?;
        }
        if let Some((number, _)) = (1..).zip(&sizes).find(|(_, size)| **size == 0) {
            return Err(argument("batches", format!("batch {number} has no rows")));
        }
        whole.ids = Some((0..whole.len()).map(|row| row.to_string()).collect());
        for (line, origin) in (1..).zip(&mut whole.origins) {
            origin.line = line;
        }
        whole.batches = Some(sizes);
        Ok(whole)
    }

    /// Adds rows of the same columns; else says in which they differ.
    fn append(&mut self, other: Examples) -> Result<(), &'static str> {
        if self.texts.len() != other.texts.len() || self.names != other.names {
            return Err("texts");
        }
        match (&mut self.labels, other.labels) {
            (None, None) => {}
            (Some(own), Some(more)) => own.append(more).map_err(|()| "labels")?,
            _ => return Err("labels"),
        }
        match (&mut self.weights, other.weights) {
            (None, None) => {}
            (Some(own), Some(more)) => own.extend(more),
            _ => return Err("weights"),
        }
        match (&mut self.tokens, other.tokens) {
            (None, None) => {}
            (Some(own), Some(more)) => own.extend(more),
            _ => return Err("tokens"),
        }
        match (&self.alignments, &other.alignments) {
            (None, None) => {}
            _ => return Err("alignments, which are read from files"),
        }
        for (own, more) in self.texts.iter_mut().zip(other.texts) {
            own.append(more);
        }
        self.extra.clear();
        self.origins.extend(other.origins);
        Ok(())
    }

    /// The same examples with a second text in each.
    ///
    /// # Errors
    /// There are more or fewer texts than rows.
    pub fn paired_with<T: Into<String>>(
        mut self,
        texts: impl IntoIterator<Item = T>,
    ) -> Result<Examples, Error> {
        let texts: Texts = texts.into_iter().map(Into::into).collect();
        self.check_length("second texts", texts.len())?;
        self.texts.truncate(1);
        self.texts.push(texts);
        Ok(self)
    }

    /// Examples of several named sequences each, `[(name, [row])]`, numbered from 0.
    ///
    /// # Errors
    /// One name has more or fewer texts than another.
    pub fn from_named<N: Into<String>, T: Into<String>>(
        sequences: impl IntoIterator<Item = (N, Vec<T>)>,
    ) -> Result<Examples, Error> {
        let mut whole = Self::of(Texts::default());
        for (name, texts) in sequences {
            let texts: Texts = texts.into_iter().map(Into::into).collect();
            if whole.names.is_empty() {
                whole = Self::of(texts);
            } else {
                whole.check_length("sequences", texts.len())?;
                whole.texts.push(texts);
            }
            whole.names.push(name.into());
        }
        Ok(whole)
    }

    /// The same examples with a class each.
    ///
    /// # Errors
    /// There are more or fewer labels than rows.
    pub fn labelled<L: Into<Label>>(
        self,
        labels: impl IntoIterator<Item = L>,
    ) -> Result<Examples, Error> {
        let labels = labels.into_iter().map(Into::into).collect();
        self.with_labels(Labels::Classes(labels))
    }

    /// The same examples with a flag for each of several classes, `[row][name]`.
    ///
    /// # Errors
    /// There are more or fewer rows than texts, or a row has not one flag for each name.
    pub fn multi_labelled<N: Into<String>>(
        self,
        names: impl IntoIterator<Item = N>,
        rows: Vec<Vec<bool>>,
    ) -> Result<Examples, Error> {
        let names = names.into_iter().map(Into::into).collect();
        self.with_labels(Labels::MultiLabel { names, rows })
    }

    /// The same examples with a class for each letter of each text, or for each word if white
    /// space lies inside any of the (first) texts.
    ///
    /// # Errors
    /// There are more or fewer rows than texts, or labels than letters or words.
    pub fn token_labelled<L: Into<Label>>(
        self,
        rows: impl IntoIterator<Item: IntoIterator<Item = L>>,
    ) -> Result<Examples, Error> {
        let rows = rows
            .into_iter()
            .map(|row| row.into_iter().map(|label| Some(label.into())).collect());
        let rows = rows.collect();
        let unit = TokenUnit::of_texts(self.texts.iter().take(1))?;
        self.with_labels(Labels::Tokens { unit, rows })
    }

    /// The same examples with numbers, `[row][name]`, to be predicted.
    ///
    /// # Errors
    /// There are more or fewer rows than texts, a row has not one number for each name, or a
    /// number is not finite.
    pub fn with_numbers<N: Into<String>>(
        self,
        names: impl IntoIterator<Item = N>,
        rows: Vec<Vec<f64>>,
    ) -> Result<Examples, Error> {
        let names = names.into_iter().map(Into::into).collect();
        self.with_labels(Labels::Numbers { names, rows })
    }

    /// The same examples with these labels.
    ///
    /// # Errors
    /// There are more or fewer rows than texts, a row has not one entry for each name, letter or
    /// word, or a number is not finite.
    pub fn with_labels(mut self, labels: Labels) -> Result<Examples, Error> {
        self.check_length("labels", labels.len())?;
        // Of rows that are tokens nobody knows the letters and words.
        let texts = self.texts.first().filter(|_| self.tokens.is_none());
        labels.check(texts)?;
        self.labels = Some(labels);
        Ok(self)
    }

    /// The same examples with an alignment each.
    ///
    /// # Errors
    /// There are more or fewer alignments than rows, or one does not fit its row's sequence.
    pub fn aligned_with(mut self, alignments: Alignments) -> Result<Examples, Error> {
        self.check_length("alignments", alignments.len())?;
        alignments.check(self.texts.first().unwrap_or(&Texts::default()))?;
        self.alignments = Some(alignments);
        Ok(self)
    }

    /// The same examples with all texts in a temporary file, which leaves memory for other things.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn stored(mut self) -> Result<Examples, Error> {
        let texts = self.texts.into_iter().map(Texts::stored);
        self.texts = texts.collect::<Result<_, _>>()?;
        if let Some(Labels::Texts(texts)) = self.labels {
            self.labels = Some(Labels::Texts(texts.stored()?));
        }
        Ok(self)
    }

    /// The class of each row, if there are labels and rows have one class each.
    pub fn classes(&self) -> Option<&[Label]> {
        self.labels.as_ref().and_then(Labels::classes)
    }

    /// The flags of each row, `[row][name]`, if there are labels and rows have several classes.
    pub fn flags(&self) -> Option<&[Vec<bool>]> {
        self.labels.as_ref().and_then(Labels::flags)
    }

    /// The classes of each row's letters or words, if there are labels of that kind.
    pub fn tokens(&self) -> Option<&[Vec<Option<Label>>]> {
        self.labels.as_ref().and_then(Labels::tokens)
    }

    /// The text that is to be written for each row, if there are labels and they are texts.
    pub fn texts_to_write(&self) -> Option<&Texts> {
        self.labels.as_ref().and_then(Labels::texts)
    }

    /// The numbers of each row, `[row][name]`, if there are labels and they are numbers.
    pub fn numbers(&self) -> Option<&[Vec<f64>]> {
        self.labels.as_ref().and_then(Labels::numbers)
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
        Examples {
            ids: self.ids.as_ref().map(|ids| pick(ids, rows)),
            texts: self.texts.iter().map(|texts| texts.select(rows)).collect(),
            names: self.names.clone(),
            labels: self.labels.as_ref().map(|labels| labels.select(rows)),
            alignments: self.alignments.as_ref().map(|it| it.select(rows)),
            tokens: self.tokens.as_ref().map(|tokens| pick(tokens, rows)),
            weights: self.weights.as_ref().map(|weights| pick(weights, rows)),
            batches: None,
            extra: self
                .extra
                .iter()
                .map(|(name, cells)| (name.clone(), pick(cells, rows)))
                .collect(),
            origins: pick(&self.origins, rows),
        }
    }

    fn check_length(&self, what: &str, found: usize) -> Result<(), Error> {
        if found != self.len() {
            let message = format!("there are {found} for {} texts", self.len());
            return Err(argument(what, message));
        }
        Ok(())
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
        assert_eq!(chosen.classes().unwrap(), ["z".into(), "x".into()]);
        assert_eq!(chosen.origins[0].line, 3);
        assert_eq!(chosen.len(), 2);
    }

    #[test]
    fn batches_stay_what_they_are_one_after_the_other() {
        let batch = |texts: &[&str], weights: &[f32]| {
            let texts = Examples::from_texts(texts.iter().copied());
            let labels = vec![1usize; texts.len()];
            texts
                .labelled(labels)
                .unwrap()
                .weighted(weights.to_vec())
                .unwrap()
        };
        let all = [batch(&["a", "b"], &[1.0, 0.5]), batch(&["c"], &[2.0])];
        let whole = Examples::from_batches(all.clone()).unwrap();
        assert_eq!(whole.texts, [["a", "b", "c"]]);
        assert_eq!(whole.weights, Some(vec![1.0, 0.5, 2.0]));
        assert_eq!(whole.batches, Some(vec![2, 1]));
        assert_eq!(whole.ids.as_ref().unwrap()[2], "2");
        assert_eq!(whole.origins[2].line, 3);
        assert_eq!(whole.classes().unwrap().len(), 3);
        // A part of them is no batch any more.
        assert_eq!(whole.select(&[2]).batches, None);
        assert_eq!(whole.select(&[2]).weights, Some(vec![2.0]));
        let message =
            |batches: Vec<Examples>| Examples::from_batches(batches).unwrap_err().to_string();
        assert_eq!(message(vec![]), "batches: there are none");
        let empty = batch(&[], &[]);
        assert_eq!(
            message(vec![all[0].clone(), empty]),
            "batches: batch 2 has no rows"
        );
        let other = Examples::from_texts(["d"]);
        assert_eq!(
            message(vec![all[0].clone(), other]),
            "batches: batch 2 differs from the first in its labels"
        );
    }

    #[test]
    fn rows_weigh_something_or_nothing_and_never_less() {
        let weighted =
            |weights: &[f32]| Examples::from_texts(["a", "b"]).weighted(weights.to_vec());
        assert!(weighted(&[0.0, 1.5]).is_ok());
        assert_eq!(
            weighted(&[1.0]).unwrap_err().to_string(),
            "weights: there are 1 for 2 texts"
        );
        assert_eq!(
            weighted(&[1.0, f32::NAN]).unwrap_err().to_string(),
            "weights: row 1 weighs NaN; expected a finite number of at least 0"
        );
    }

    #[test]
    fn a_label_is_needed_for_every_text() {
        let error = Examples::from_texts(["a", "b"])
            .labelled([0usize])
            .unwrap_err();
        assert_eq!(error.to_string(), "labels: there are 1 for 2 texts");
    }

    #[test]
    fn selecting_keeps_the_names_of_flags_and_numbers() {
        let texts = || Examples::from_texts(["ab", "c"]);
        let flags = texts().multi_labelled(["x", "y"], vec![vec![true, false], vec![false, true]]);
        let chosen = flags.unwrap().select(&[1]);
        assert_eq!(chosen.flags().unwrap(), [[false, true]]);
        assert_eq!(chosen.labels.unwrap().names(), ["x", "y"]);
        let numbers = texts().with_numbers(["t"], vec![vec![0.5], vec![-1.0]]);
        assert_eq!(numbers.unwrap().select(&[1]).numbers().unwrap(), [[-1.0]]);
        let tokens = texts().token_labelled([vec![0usize, 1], vec![1]]).unwrap();
        let one = Some(Label::Index(1));
        assert_eq!(tokens.select(&[1]).tokens().unwrap(), [vec![one]]);
        assert_eq!(tokens.classes(), None);
    }

    #[test]
    fn pairs_are_texts_that_are_read_and_texts_to_be_written() {
        let pairs = || Examples::from_pairs([("cat", "kæt"), ("", "b"), ("dog", "dɔɡ")]).unwrap();
        for examples in [pairs(), pairs().stored().unwrap()] {
            let chosen = examples.select(&[2, 0]);
            assert_eq!(chosen.texts, [["dog", "cat"]]);
            assert_eq!(*chosen.texts_to_write().unwrap(), ["dɔɡ", "kæt"]);
            assert_eq!(chosen.classes(), None);
            assert_eq!(chosen.labels.unwrap().len(), 2);
        }
        let error = Examples::from_pairs([("a", "b"), ("c", " ")]).unwrap_err();
        assert_eq!(error.to_string(), "labels: row 1 has no text to be written");
        assert_eq!(Examples::from_texts(["a"]).texts_to_write(), None);
    }

    #[test]
    fn a_row_has_an_entry_for_each_name_and_numbers_are_finite() {
        let message = |rows: Vec<Vec<f64>>| {
            let examples = Examples::from_texts(["a", "b"]).with_numbers(["t"], rows);
            examples.unwrap_err().to_string()
        };
        let narrow = message(vec![vec![0.0], vec![]]);
        assert_eq!(narrow, "labels: row 1 has 0 for 1 names");
        let infinite = message(vec![vec![f64::INFINITY], vec![0.0]]);
        assert_eq!(infinite, "labels: row 0 holds a number that is not finite");
        let flags = Examples::from_texts(["a"]).multi_labelled(["x"], vec![vec![true, true]]);
        assert_eq!(
            flags.unwrap_err().to_string(),
            "labels: row 0 has 2 for 1 names"
        );
        let tokens = |text: &str| {
            let examples = Examples::from_texts([text]).token_labelled([["A", "B"]]);
            examples.unwrap_err().to_string()
        };
        assert_eq!(tokens("abc"), "labels: row 0 has 2 for 3 letters");
        assert_eq!(tokens("x y z"), "labels: row 0 has 2 for 3 words");
    }
}
