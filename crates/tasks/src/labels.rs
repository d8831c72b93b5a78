//! Classes and their names.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use engraft_component::Refusal;
use engraft_data::{Label, Origin};

use crate::classes::OwnClasses;
use crate::error::{Error, Result};

/// More classes than this are a mistake: the head alone would fill the memory.
pub(crate) const MOST_CLASSES: usize = 1 << 20;

/// How many class names a message spells out, and how much of a long one.
const SHOWN: usize = 12;
const CLIPPED: usize = 40;

/// From this many rows on, a label for every two rows or more is taken for a mistake.
const MANY_ROWS: usize = 50;

/// The classes of a model: how many, what they are called, and how labels say which one they mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSpace {
    count: usize,
    names: Option<Vec<String>>,
    form: LabelForm,
}

/// How labels say which class they mean. It is decided once for a model, by the rows that it is trained on, so that what a label means never
/// depends on the other labels of its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LabelForm {
    /// By the class's name, even if that is a number.
    Names,
    /// By the class's number, from 0; a word is the name of a class.
    Numbers,
    /// Nothing was trained on: by name, or by number if no class is called by one.
    #[default]
    Either,
}

impl LabelSpace {
    /// `count` classes; `names`, if given, are as many.
    pub fn new(count: usize, names: Option<Vec<String>>) -> Self {
        Self {
            count,
            names: names.filter(|names| names.len() == count),
            form: LabelForm::default(),
        }
    }

    /// The same, with labels of this form.
    #[must_use]
    pub fn with_form(self, form: LabelForm) -> Self {
        Self { form, ..self }
    }

    /// The classes that training labels speak of, given what is declared and what the checkpoint's own head, if it is used, says of itself;
    /// and what is worth saying about it.
    ///
    /// # Errors
    /// Names that the checkpoint does not know, another number of classes than is declared, names that differ in case alone.
    pub(crate) fn from_training(
        labels: &[Label],
        declared: Option<usize>,
        own: OwnClasses<'_>,
    ) -> Result<(Self, Vec<String>)> {
        let found = Found::of(labels)?;
        match own.count {
            Some(count) => found.in_own_head(count, own.names),
            None => match &found.numbers {
                Some(numbers) => found.numbered(numbers, declared, labels.len()),
                None => found.named(declared, labels.len()),
            },
        }
    }

    /// The same with what training labels decide: names, where there are none, else how labels say which class they mean.
    ///
    /// # Errors
    /// There are more or fewer names than classes.
    pub(crate) fn informed_by(&self, labels: &[Label]) -> Result<(Self, Vec<String>)> {
        if self.names.is_none() {
            return Self::from_training(labels, Some(self.count), OwnClasses::default());
        }
        if self.form != LabelForm::Either {
            return Ok((self.clone(), Vec::new()));
        }
        let found = Found::of(labels)?.in_own_head(self.count, self.names());
        // Labels that fit no class are refused where their rows are known.
        Ok(found.unwrap_or_else(|_| (self.clone(), Vec::new())))
    }

    /// Number of classes.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Their names, if they have any.
    pub fn names(&self) -> Option<&[String]> {
        self.names.as_deref()
    }

    /// How labels say which class they mean.
    pub fn form(&self) -> LabelForm {
        self.form
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
        let lookup = Lookup::of(self);
        let class = |(row, label): (usize, &Label)| self.class_of(&lookup, label, row, origins);
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
        let lookup = Lookup::of(self);
        let classes = |(row, labels): (usize, &Vec<Option<Label>>)| {
            let class = |label: &Option<Label>| match label {
                Some(label) => self.class_of(&lookup, label, row, origins).map(Some),
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

    fn class_of(
        &self,
        lookup: &Lookup,
        label: &Label,
        row: usize,
        origins: &[Origin],
    ) -> Result<u32> {
        lookup.class(label).ok_or_else(|| Error::Row {
            row: origins
                .get(row)
                .map_or_else(|| format!("row {row}"), ToString::to_string),
            problem: self.unknown(label),
        })
    }

    fn unknown(&self, label: &Label) -> String {
        match (&self.names, number(label)) {
            (Some(names), None) => format!(
                "unknown label {:?}; the model's classes are {}",
                label.to_string(),
                shown(names)
            ),
            (Some(names), Some(_)) if self.form != LabelForm::Numbers => format!(
                "unknown label {label}; the model's classes are {}, by name",
                shown(names)
            ),
            (_, Some(id)) => format!(
                "label {id} is out of range: the model has {} classes, 0 to {}",
                self.count,
                self.count - 1
            ),
            (None, None) => format!(
                "label {:?} is not a class number from 0 to {}",
                label.to_string(),
                self.count - 1
            ),
        }
    }

    /// Each class's weight: rows / (its rows x classes); 0 for one without rows.
    pub(crate) fn weights(&self, classes: &[u32]) -> Vec<f32> {
        let weight = |count: usize| {
            if count == 0 {
                0.0
            } else {
                classes.len() as f32 / (count * self.count) as f32
            }
        };
        self.counts(classes).into_iter().map(weight).collect()
    }

    fn counts(&self, classes: &[u32]) -> Vec<usize> {
        let mut counts = vec![0usize; self.count];
        for &class in classes {
            counts[class as usize] += 1;
        }
        counts
    }

    /// Says which classes no training row is of, `what` being rows, letters or words.
    pub(crate) fn missing(&self, classes: &[u32], what: &str) -> Option<String> {
        if classes.is_empty() {
            return None;
        }
        let names = self.names_or_numbers();
        let counts = self.counts(classes).into_iter();
        let missing = counts.zip(names).filter(|(count, _)| *count == 0);
        let missing: Vec<String> = missing.map(|(_, name)| name).collect();
        let classes = if missing.len() == 1 {
            "class"
        } else {
            "classes"
        };
        (!missing.is_empty()).then(|| {
            format!(
                "no training {what} is of the {classes} {}, which the model cannot learn",
                shown(&missing)
            )
        })
    }
}

/// The classes of a space by their labels.
struct Lookup {
    names: HashMap<String, u32>,
    /// The same in lower case, without what two names have in common there.
    folded: HashMap<String, u32>,
    /// Classes that labels may give by number; none if they may not.
    numbers: u64,
    /// Whether a number is looked up before a name.
    numbers_first: bool,
}

impl Lookup {
    fn of(space: &LabelSpace) -> Self {
        let names = space.names.iter().flatten().cloned();
        let names: HashMap<String, u32> = names.zip(0..).collect();
        let mut folded = BTreeMap::<String, Option<u32>>::new();
        for (name, &class) in &names {
            let twin = folded.entry(name.to_lowercase());
            twin.and_modify(|class| *class = None)
                .or_insert(Some(class));
        }
        let folded = folded.into_iter();
        let by_number = match space.form {
            _ if names.is_empty() => true,
            LabelForm::Names => false,
            LabelForm::Numbers => true,
            LabelForm::Either => !names.keys().any(|name| whole(name).is_some()),
        };
        Self {
            folded: folded
                .filter_map(|(name, class)| Some((name, class?)))
                .collect(),
            numbers: if by_number { space.count as u64 } else { 0 },
            numbers_first: space.form == LabelForm::Numbers,
            names,
        }
    }

    fn class(&self, label: &Label) -> Option<u32> {
        let number = number(label);
        let by_number = || number.filter(|id| *id < self.numbers).map(|id| id as u32);
        if self.numbers_first && number.is_some() {
            return by_number();
        }
        self.by_name(label).or_else(by_number)
    }

    fn by_name(&self, label: &Label) -> Option<u32> {
        if self.names.is_empty() {
            return None;
        }
        let text = label.to_string();
        let exact = self.names.get(&text);
        exact
            .or_else(|| self.folded.get(&text.to_lowercase()))
            .copied()
    }
}

/// The labels of training rows, each once.
struct Found {
    /// As numbers, if all of them are class numbers.
    numbers: Option<BTreeSet<u64>>,
    /// As they are written, in the order of their numbers if all are numbers, else of their letters.
    names: Vec<String>,
}

impl Found {
    fn of(labels: &[Label]) -> Result<Self> {
        let found: BTreeSet<&Label> = labels.iter().collect();
        let mut names: Vec<String> = found.iter().map(ToString::to_string).collect();
        names.sort();
        names.dedup();
        let mut spellings = BTreeMap::new();
        for name in &names {
            if let Some(other) = spellings.insert(name.to_lowercase(), name) {
                return Err(Error::refused(
                    "data.y_col",
                    format!(
                        "the labels {other:?} and {name:?} differ in upper and lower case alone: write one class one way, and two classes as different words"
                    ),
                ));
            }
        }
        let numbers: Option<BTreeSet<u64>> = found.iter().map(|label| number(label)).collect();
        let integer = |name: &String| name.parse::<i64>().ok();
        if names.iter().all(|name| integer(name).is_some()) {
            names.sort_by_key(integer);
        }
        Ok(Self { numbers, names })
    }

    /// In a head that the checkpoint has, whose classes keep their places.
    fn in_own_head(
        &self,
        count: usize,
        own: Option<&[String]>,
    ) -> Result<(LabelSpace, Vec<String>)> {
        let space = LabelSpace::new(count, own.map(<[String]>::to_vec));
        let by_name = Lookup::of(&space.clone().with_form(LabelForm::Names));
        let known = |name: &String| by_name.by_name(&Label::Name(name.clone())).is_some();
        if own.is_some() && self.names.iter().all(known) {
            let other = self
                .names
                .iter()
                .find(|name| !by_name.names.contains_key(*name));
            let note = other.map(|name| {
                format!(
                    "the labels name the classes of the checkpoint's own head in another case, as {name:?}; its classes are {}, in this order",
                    shown(&space.names_or_numbers())
                )
            });
            return Ok((space.with_form(LabelForm::Names), Vec::from_iter(note)));
        }
        let classes = own.map_or_else(String::new, |names| format!(" ({})", shown(names)));
        match &self.numbers {
            Some(numbers) if numbers.iter().all(|id| *id < count as u64) => {
                let note = own.map(|_| {
                    let names = space.names_or_numbers();
                    let named = names.iter().enumerate().take(SHOWN);
                    let named = named.map(|(class, name)| format!("{class} {name}"));
                    format!(
                        "the labels are numbers of the classes of the checkpoint's own head: {}",
                        named.collect::<Vec<_>>().join(", ")
                    )
                });
                Ok((space.with_form(LabelForm::Numbers), Vec::from_iter(note)))
            }
            _ => {
                let is_class =
                    |name: &&String| known(name) || whole(name).is_some_and(|id| id < count as u64);
                let stray = self.names.iter().find(|name| !is_class(name));
                let problem = format!(
                    "the checkpoint's own head has {count} classes{classes}, but the training labels are {}",
                    shown(&self.names)
                );
                let help =
                    "Set model.use_legacy_adapter to false for a new head, or use labels it knows";
                Err(Error::Stray {
                    label: stray.or(self.names.first()).cloned().unwrap_or_default(),
                    refusal: Box::new(Refusal::plain(problem).help(help)),
                })
            }
        }
    }

    /// In a new head, where all labels are numbers.
    fn numbered(
        &self,
        numbers: &BTreeSet<u64>,
        declared: Option<usize>,
        rows: usize,
    ) -> Result<(LabelSpace, Vec<String>)> {
        let largest = numbers.last().copied().unwrap_or(0);
        let of = |count| LabelSpace::new(count, None).with_form(LabelForm::Numbers);
        match declared {
            Some(count) if largest < count as u64 => return Ok((of(count), Vec::new())),
            Some(count) if count != numbers.len() => {
                return Err(Error::refused(
                    "model.n_classes",
                    format!(
                        "{count} given, but the training labels are the numbers {}",
                        shown(&self.names)
                    ),
                ));
            }
            Some(_) => {}
            None if largest >= MOST_CLASSES as u64 => {
                return Err(Error::plain(format!(
                    "the training labels run to {largest} in {rows} rows: is data.y_col a column of ids? If they are classes, give model.n_classes",
                )));
            }
            // One of two classes may be all that there is.
            None if numbers.len() as u64 == largest + 1 || largest < 2 => {
                return Ok((of(largest.max(1) as usize + 1), Vec::new()));
            }
            None => {}
        }
        let note = format!(
            "the labels {} are names of classes: as numbers they would run from 0 to {}",
            shown(&self.names),
            self.names.len() - 1
        );
        Ok((self.space()?, vec![note]))
    }

    /// In a new head, where labels are names.
    fn named(&self, declared: Option<usize>, rows: usize) -> Result<(LabelSpace, Vec<String>)> {
        match declared {
            None if rows >= MANY_ROWS && self.names.len() > rows / 2 => Err(Error::plain(format!(
                "the training labels have {} names in {rows} rows, such as {:?}: is data.y_col a column of texts or ids? If they are classes, give model.n_classes",
                self.names.len(),
                clipped(self.names.first().map_or("", String::as_str))
            ))),
            Some(count) if count != self.names.len() => Err(Error::refused(
                "model.n_classes",
                format!(
                    "{count} given, but the training labels have {} names: {}",
                    self.names.len(),
                    shown(&self.names)
                ),
            )),
            _ => {
                let is_number = |name: &String| name.parse().is_ok_and(f64::is_finite);
                let (numbers, words): (Vec<String>, Vec<String>) =
                    self.names.iter().cloned().partition(is_number);
                let note = (!numbers.is_empty()).then(|| {
                    let why = match words.as_slice() {
                        [] => "which all would have to be".to_owned(),
                        [word] => format!("as {word:?}, another class, is none"),
                        words => format!("as {}, other classes, are none", shown(words)),
                    };
                    format!(
                        "the labels {} are names of classes, not class numbers, {why}",
                        shown(&numbers)
                    )
                });
                Ok((self.space()?, Vec::from_iter(note)))
            }
        }
    }

    fn space(&self) -> Result<LabelSpace> {
        if let [only] = self.names.as_slice() {
            return Err(Error::plain(format!(
                "the training labels have one name, {only:?}: a classifier needs at least 2 classes"
            )));
        }
        let space = LabelSpace::new(self.names.len(), Some(self.names.clone()));
        Ok(space.with_form(LabelForm::Names))
    }
}

/// The class number that a label spells, if it spells one.
fn number(label: &Label) -> Option<u64> {
    match label {
        Label::Index(id) => Some(*id),
        Label::Name(name) => whole(name),
    }
}

/// A whole number as it is usually written: digits, without zeros before it.
fn whole(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
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

/// The beginning of a long name.
fn clipped(name: &str) -> String {
    match name.char_indices().nth(CLIPPED) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
