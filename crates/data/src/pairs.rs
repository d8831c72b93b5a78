//! Labels of pairs of letters: which belong together, such as residues in contact or bases that pair.
//!
//! A cell holds them in one of three forms: a matrix, a list of pairs, or a structure in brackets. Each row is read by itself.

use crate::cell::Cell;
use crate::draft::{Draft, Place};
use crate::error::{Error, record};
use crate::labels::Labels;
use crate::list;
use crate::tokens::{is_unscored, unit_of};
use crate::unit::TokenUnit;

/// Which letters (or words) of a row belong together: a symmetric matrix, of which only what is not zero is held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PairRow {
    length: usize,
    together: Vec<[u32; 2]>,
    unscored: Vec<[u32; 2]>,
}

impl PairRow {
    /// A row of `length` letters, of which these pairs belong together, counted from 0; either order and repetitions are the same.
    ///
    /// # Errors
    /// The first pair that is outside the row.
    pub fn new(
        length: usize,
        together: impl IntoIterator<Item = [usize; 2]>,
    ) -> Result<PairRow, [usize; 2]> {
        Ok(PairRow {
            length,
            together: sorted(length, together)?,
            unscored: Vec::new(),
        })
    }

    /// A row whose structure is written in brackets: `((..))`, each kind of bracket matched with its own.
    ///
    /// # Errors
    /// A bracket without its match, or a character that is none.
    pub fn from_brackets(structure: &str) -> Result<PairRow, String> {
        of_brackets(structure, structure.chars().count())
    }

    /// The same with pairs of which nothing is known and that are not scored.
    ///
    /// # Errors
    /// The first pair that is outside the row.
    pub fn with_unscored(
        self,
        unscored: impl IntoIterator<Item = [usize; 2]>,
    ) -> Result<PairRow, [usize; 2]> {
        Ok(PairRow {
            unscored: sorted(self.length, unscored)?,
            ..self
        })
    }

    /// Letters of the row.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The pairs `[i, j]` that belong together, ascending, i no larger than j.
    pub fn together(&self) -> &[[u32; 2]] {
        &self.together
    }

    /// The pairs that are not scored, in the same form.
    pub fn unscored(&self) -> &[[u32; 2]] {
        &self.unscored
    }

    /// The row as a structure in brackets, of which a kind is taken for pairs that cross none of its own; nothing if a letter has several
    /// partners, or more kinds would be needed than there are.
    pub fn brackets(&self) -> Option<String> {
        let mut signs = vec!['.'; self.length];
        let mut kinds: Vec<Vec<[u32; 2]>> = Vec::new();
        for &[first, second] in &self.together {
            let crosses =
                |[one, other]: &[u32; 2]| *one < first && first < *other && *other < second;
            let free = kinds.iter().position(|pairs| !pairs.iter().any(crosses));
            let kind = free.unwrap_or_else(|| {
                kinds.push(Vec::new());
                kinds.len() - 1
            });
            kinds[kind].push([first, second]);
            let (open, close) = KINDS.get(kind).copied().or_else(|| {
                let letter = u8::try_from(kind - KINDS.len())
                    .ok()
                    .filter(|it| *it < 26)?;
                Some((char::from(b'A' + letter), char::from(b'a' + letter)))
            })?;
            for (at, sign) in [(first, open), (second, close)] {
                let place = signs.get_mut(at as usize)?;
                if std::mem::replace(place, sign) != '.' {
                    return None;
                }
            }
        }
        Some(signs.into_iter().collect())
    }

    /// The pairs as a list, which is read again.
    pub fn list(&self) -> Cell {
        let pairs = self.together.iter();
        let pairs = pairs.map(|pair| Cell::from(pair.map(i64::from).to_vec()));
        Cell::List(pairs.collect())
    }

    /// Keeps the first `length` letters and the pairs among them.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
        let is_kept = |pair: &[u32; 2]| (pair[1] as usize) < length;
        self.together.retain(is_kept);
        self.unscored.retain(is_kept);
    }
}

/// Pairs in ascending order, each once and the smaller number first.
fn sorted(
    length: usize,
    pairs: impl IntoIterator<Item = [usize; 2]>,
) -> Result<Vec<[u32; 2]>, [usize; 2]> {
    let number = |at: usize| u32::try_from(at).ok().filter(|_| at < length);
    let mut found = Vec::new();
    for pair in pairs {
        let [one, other] = pair;
        let (Some(first), Some(second)) = (number(one.min(other)), number(one.max(other))) else {
            return Err(pair);
        };
        found.push([first, second]);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// The pair labels of each split.
///
/// # Errors
/// The column is missing, or the first cell that cannot be read.
pub(crate) fn read(column: &str, drafts: &[Draft]) -> Result<Vec<Labels>, Error> {
    let unit = unit_of(drafts)?;
    let of_split = |draft: &Draft| {
        let rows = draft.labels(column)?.zip(draft.first_texts().counts(unit));
        let rows = rows.map(|(place, count)| row_of(place, unit, count?));
        let rows = rows.collect::<Result<_, Error>>()?;
        Ok(Labels::Pairs { unit, rows })
    };
    drafts.iter().map(of_split).collect()
}

/// The rows of each split whose labels cannot be read, by their numbers there, with what is wrong with each.
///
/// # Errors
/// The column is missing, or a text cannot be read.
pub(crate) fn problems(column: &str, drafts: &[Draft]) -> Result<Vec<Vec<(usize, Error)>>, Error> {
    let unit = unit_of(drafts)?;
    let mut all = vec![];
    for draft in drafts {
        let mut found = vec![];
        let rows = draft.labels(column)?.zip(draft.first_texts().counts(unit));
        for (row, (place, count)) in rows.enumerate() {
            if let Err(error) = row_of(place, unit, count?) {
                found.push((row, error));
            }
        }
        all.push(found);
    }
    Ok(all)
}

/// What a cell says of the pairs of a text of `count` letters or words.
fn row_of(place: Place, unit: TokenUnit, count: usize) -> Result<PairRow, Error> {
    const WANTED: &str = "a matrix, a list of pairs, or a structure in brackets";
    let cell = place.filled()?;
    let text = unit.counted(count);
    let Some(items) = list::items(cell) else {
        return match cell.text() {
            Some(brackets) => of_brackets(brackets.trim(), count)
                .map_err(|problem| wrong(place, format!("{problem}, for a text of {text}"))),
            None => Err(place.wrong_label(WANTED, cell)),
        };
    };
    let entries: Option<Vec<Vec<Cell>>> = items.iter().map(list::items).collect();
    let Some(entries) = entries else {
        return Err(place.wrong_label(WANTED, cell));
    };
    let all_have = |width: usize| entries.iter().all(|entry| entry.len() == width);
    if entries.len() == count && all_have(count) {
        return of_matrix(place, &entries);
    }
    if all_have(2) {
        return of_pairs(place, &entries, count, &text);
    }
    let (row, width) = (entries.len(), entries[0].len());
    let problem = if all_have(width) {
        format!("holds a matrix of {row} x {width} for a text of {text}")
    } else {
        let is_odd = |entry: &Vec<Cell>| entry.len() != width;
        let odd = entries.iter().position(is_odd).unwrap_or(0);
        format!(
            "holds a matrix whose row {odd} has {} entries and row 0 has {width}, for a text of {text}",
            entries[odd].len()
        )
    };
    Err(wrong(place, problem))
}

fn wrong(place: Place, problem: String) -> Error {
    record(
        &place.origin(),
        format!("the column \"{}\" {problem}", place.column()),
    )
}

/// A matrix of as many rows and columns as there are letters.
fn of_matrix(place: Place, entries: &[Vec<Cell>]) -> Result<PairRow, Error> {
    let value = |row: usize, column: usize| {
        let cell = &entries[row][column];
        if is_unscored(cell) {
            return Ok(None);
        }
        let wanted = "0 and 1 in its matrix (-100 for what is not scored)";
        let flag = cell.flag();
        flag.map(Some)
            .ok_or_else(|| place.wrong_label(wanted, cell))
    };
    let (mut together, mut unscored) = (Vec::new(), Vec::new());
    let size = entries.len();
    let upper = (0..size).flat_map(|row| (row..size).map(move |column| [row, column]));
    for [row, column] in upper {
        let (upper, lower) = (value(row, column)?, value(column, row)?);
        if upper != lower {
            let [upper, lower] = [&entries[row][column], &entries[column][row]].map(Cell::shown);
            return Err(wrong(
                place,
                format!(
                    "holds a matrix that is not symmetric: {upper} at [{row}, {column}], {lower} at [{column}, {row}], counted from 0"
                ),
            ));
        }
        match upper {
            Some(true) => together.push([row, column]),
            Some(false) => {}
            None => unscored.push([row, column]),
        }
    }
    let found = PairRow::new(entries.len(), together).and_then(|it| it.with_unscored(unscored));
    found.map_err(|pair| wrong(place, format!("holds the pair {pair:?}")))
}

fn of_pairs(
    place: Place,
    entries: &[Vec<Cell>],
    count: usize,
    text: &str,
) -> Result<PairRow, Error> {
    let mut pairs = Vec::with_capacity(entries.len());
    for entry in entries {
        let mut pair = [0; 2];
        for (number, cell) in pair.iter_mut().zip(entry) {
            let whole = cell.whole().and_then(|whole| usize::try_from(whole).ok());
            *number = whole
                .ok_or_else(|| place.wrong_label("whole numbers from 0 in its pairs", cell))?;
        }
        pairs.push(pair);
    }
    PairRow::new(count, pairs).map_err(|pair| {
        wrong(
            place,
            format!("holds the pair {pair:?}, which is outside a text of {text}, counted from 0"),
        )
    })
}

/// Brackets of each kind; letters follow.
const KINDS: [(char, char); 4] = [('(', ')'), ('[', ']'), ('{', '}'), ('<', '>')];

/// What is unpaired in a structure.
const UNPAIRED: [char; 6] = ['.', '-', ':', '_', ',', '~'];

/// The pairs of a structure of `count` letters, such as `((..[[.))..]]`. Brackets of each kind match among themselves, and so do capital
/// letters and small ones, so that pseudoknots can be written.
///
/// # Errors
/// In words: another length, a bracket that matches none, a character that is none of these.
fn of_brackets(structure: &str, count: usize) -> Result<PairRow, String> {
    let length = structure.chars().count();
    if length != count {
        return Err(format!("has a structure of {length} characters"));
    }
    let mut open: Vec<(char, usize)> = Vec::new();
    let mut pairs = Vec::new();
    for (at, sign) in structure.chars().enumerate() {
        let opening = match sign {
            _ if UNPAIRED.contains(&sign) => continue,
            '(' | '[' | '{' | '<' | 'A'..='Z' => {
                open.push((sign, at));
                continue;
            }
            ')' => '(',
            ']' => '[',
            '}' => '{',
            '>' => '<',
            'a'..='z' => sign.to_ascii_uppercase(),
            _ => {
                return Err(format!(
                    "has {sign:?} at place {} of its structure, which is neither a bracket nor a dot",
                    at + 1
                ));
            }
        };
        let Some(found) = open.iter().rposition(|(sign, _)| *sign == opening) else {
            return Err(format!(
                "has brackets that do not match: \"{sign}\" at place {} closes none",
                at + 1
            ));
        };
        pairs.push([open.remove(found).1, at]);
    }
    if let Some((sign, at)) = open.first() {
        return Err(format!(
            "has brackets that do not match: \"{sign}\" at place {} is not closed",
            at + 1
        ));
    }
    PairRow::new(count, pairs).map_err(|pair| format!("has the pair {pair:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn together(structure: &str) -> Result<Vec<[u32; 2]>, String> {
        let found = of_brackets(structure, structure.len())?;
        Ok(found.together().to_vec())
    }

    #[test]
    fn brackets_of_each_kind_match_among_themselves() {
        assert_eq!(together("(.)").unwrap(), [[0, 2]]);
        assert_eq!(together("([)]").unwrap(), [[0, 2], [1, 3]]);
        assert_eq!(together("{<A}>a").unwrap(), [[0, 3], [1, 4], [2, 5]]);
        assert_eq!(together("-:_,~.").unwrap(), [[0; 2]; 0]);
        for (structure, problem) in [
            ("((.)", "\"(\" at place 1 is not closed"),
            ("(.))", "\")\" at place 4 closes none"),
            ("(.]", "\"]\" at place 3 closes none"),
            ("(?)", "'?' at place 2"),
        ] {
            let found = together(structure).unwrap_err();
            assert!(found.contains(problem), "{found}");
        }
        assert!(of_brackets("(.)", 4).unwrap_err().contains("3 characters"));
    }

    #[test]
    fn structures_are_written_as_they_are_read() {
        for structure in ["((..))", "([)]", "([{)]}", "(.)[.]", ".."] {
            let row = of_brackets(structure, structure.len()).unwrap();
            let again = row.brackets().unwrap();
            assert_eq!(
                of_brackets(&again, again.len()).unwrap(),
                row,
                "{structure} {again}"
            );
        }
        assert_eq!(PairRow::new(3, [[0, 1], [1, 2]]).unwrap().brackets(), None);
        assert_eq!(PairRow::new(1, [[0, 0]]).unwrap().brackets(), None);
    }

    #[test]
    fn pairs_are_the_same_in_either_order_and_are_cut_with_their_row() {
        let mut row = PairRow::new(5, [[3, 1], [1, 3], [0, 0], [4, 2]]).unwrap();
        assert_eq!(row.together(), [[0, 0], [1, 3], [2, 4]]);
        row.truncate(4);
        assert_eq!((row.length(), row.together()), (4, &[[0, 0], [1, 3]][..]));
        assert_eq!(PairRow::new(3, [[0, 1], [2, 3]]), Err([2, 3]));
    }
}
