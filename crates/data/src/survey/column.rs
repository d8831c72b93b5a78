//! What one column holds.

use std::collections::BTreeMap;

use super::letters::{Alphabet, Letters};
use crate::cell::Cell;
use crate::list;

/// Distinct values of a column that are counted; beyond these they are no classes anyway.
const MOST_VALUES: usize = 10_000;

/// Bytes of a value that is counted; longer ones are no classes either, and would fill the memory.
const LONGEST_VALUE: usize = 4096;

/// What one column holds.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnSurvey {
    /// Its name.
    pub name: String,
    /// Cells with a value.
    pub filled: usize,
    /// Cells without one.
    pub missing: usize,
    /// What the values are.
    pub content: Content,
    /// How often each value occurs, as text; none if there are too many, one is too long for a class, or they are lists.
    pub values: Option<Values>,
    /// Letters of each value.
    pub letters: Lengths,
    /// Words of each value, which lie between white space.
    pub words: Lengths,
    /// Whether any letter is in lower case.
    pub lower_case: bool,
    /// How many different characters occur, white space aside.
    pub alphabet_size: usize,
}

/// How often each value of a column occurs.
pub type Values = BTreeMap<String, usize>;

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// There are none.
    Nothing,
    /// Each is 0 or 1, or false or true.
    Flags,
    /// Whole numbers from 0.
    Whole,
    /// Other finite numbers.
    Numbers,
    /// Texts without white space inside, all of letters of one alphabet.
    Sequences(Alphabet),
    /// Other texts without white space inside.
    Words,
    /// Texts of several words.
    Prose,
    /// Lists of 0 and 1, all of this length.
    FlagLists(usize),
    /// Lists of finite numbers, all of this length.
    NumberLists(usize),
    /// Other lists.
    Lists,
    /// Objects, or values of several kinds.
    Mixed,
}

/// How long the values of a column are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lengths {
    /// Half of all values are at most this long.
    pub median: usize,
    /// Nineteen in twenty are at most this long.
    pub most: usize,
    /// None is longer.
    pub longest: usize,
}

impl Lengths {
    fn of(mut lengths: Vec<usize>) -> Self {
        lengths.sort_unstable();
        let at = |part: usize| {
            let place = (lengths.len() * part).div_ceil(100).saturating_sub(1);
            lengths.get(place).copied().unwrap_or(0)
        };
        Self {
            median: at(50),
            most: at(95),
            longest: at(100),
        }
    }
}

impl ColumnSurvey {
    pub(super) fn of<'a>(name: &str, cells: impl Iterator<Item = &'a Cell>) -> Self {
        let mut seen = Seen::default();
        for cell in cells {
            seen.look(cell);
        }
        Self {
            name: name.to_owned(),
            filled: seen.filled,
            missing: seen.missing,
            content: seen.content(),
            lower_case: seen.alphabet.has_lower_case(),
            alphabet_size: seen.alphabet.size(),
            values: (seen.lists == 0 && !seen.has_long && seen.values.len() <= MOST_VALUES)
                .then_some(seen.values),
            letters: Lengths::of(seen.letters),
            words: Lengths::of(seen.words),
        }
    }

    /// Distinct values; none if there are too many to count or they are lists.
    pub fn distinct(&self) -> Option<usize> {
        self.values.as_ref().map(BTreeMap::len)
    }
}

/// What was seen of the cells so far.
#[derive(Default)]
struct Seen {
    filled: usize,
    missing: usize,
    values: Values,
    /// Whether a value was too long to be counted.
    has_long: bool,
    letters: Vec<usize>,
    words: Vec<usize>,
    alphabet: Letters,
    flags: usize,
    whole: usize,
    numbers: usize,
    spaced: usize,
    lists: usize,
    flag_lists: usize,
    number_lists: usize,
    /// The length of the first list, and whether all are as long.
    list_length: Option<(usize, bool)>,
    objects: usize,
}

impl Seen {
    fn look(&mut self, cell: &Cell) {
        let loaded = cell.loaded();
        // A text that cannot be read back is an error when it is used.
        let cell = loaded.as_deref().unwrap_or(&Cell::Missing);
        if let Some(items) = list::items(cell) {
            self.filled += 1;
            self.lists += 1;
            self.flag_lists += usize::from(items.iter().all(|item| item.flag().is_some()));
            self.number_lists += usize::from(items.iter().all(|item| item.number().is_some()));
            let (first, same) = self.list_length.unwrap_or((items.len(), true));
            self.list_length = Some((first, same && first == items.len()));
            return;
        }
        let Some(text) = cell.text() else {
            match cell {
                Cell::Object(_) => {
                    self.filled += 1;
                    self.objects += 1;
                }
                _ => self.missing += 1,
            }
            return;
        };
        let text = text.trim();
        if text.is_empty() {
            self.missing += 1;
            return;
        }
        self.filled += 1;
        self.flags += usize::from(cell.flag().is_some());
        self.whole += usize::from(cell.whole().is_some());
        self.numbers += usize::from(cell.number().is_some());
        self.letters.push(text.chars().count());
        let words = text.split_whitespace().count();
        self.spaced += usize::from(words > 1);
        self.words.push(words);
        self.alphabet.count(text);
        self.has_long |= text.len() > LONGEST_VALUE;
        if self.values.len() <= MOST_VALUES && !self.has_long {
            *self.values.entry(text.to_owned()).or_default() += 1;
        }
    }

    fn content(&self) -> Content {
        let all = |count: usize| count == self.filled;
        match self.list_length {
            _ if self.filled == 0 => return Content::Nothing,
            _ if self.objects > 0 => return Content::Mixed,
            Some((length, true)) if all(self.flag_lists) => return Content::FlagLists(length),
            Some((length, true)) if all(self.number_lists) => return Content::NumberLists(length),
            Some(_) if all(self.lists) => return Content::Lists,
            Some(_) => return Content::Mixed,
            None => {}
        }
        if all(self.flags) {
            return Content::Flags;
        }
        if all(self.whole) {
            return Content::Whole;
        }
        if all(self.numbers) {
            return Content::Numbers;
        }
        if self.spaced > 0 {
            return Content::Prose;
        }
        match self.alphabet.alphabet() {
            Some(alphabet) => Content::Sequences(alphabet),
            None => Content::Words,
        }
    }
}
