//! Every sequence with each of its letters replaced by each letter of an alphabet.

use std::fs;
use std::path::Path;

use crate::cell::Cell;
use crate::error::{Error, argument, list};
use crate::examples::Examples;
use crate::table::pick;
use crate::texts::Texts;

/// Reads an alphabet: a file with one letter on each line.
///
/// # Errors
/// The file cannot be read, has no letters, a line has several, or a letter occurs twice.
pub(crate) fn read_alphabet(file: &Path) -> Result<Vec<char>, Error> {
    let text = fs::read_to_string(file).map_err(|source| Error::Io {
        path: file.to_path_buf(),
        action: "read the letters (vocab_file)",
        source,
    })?;
    let refuse = |message: String| argument("vocab_file", message);
    let mut letters = vec![];
    for (line, text) in (1..).zip(text.lines()) {
        let place = || format!("{}:{line}", file.display());
        let mut line = text.trim().chars();
        match (line.next(), line.next()) {
            (None, _) => {}
            (Some(letter), None) if letters.contains(&letter) => {
                return Err(refuse(format!("{}: {letter:?} is given twice", place())));
            }
            (Some(letter), None) => letters.push(letter),
            (Some(_), Some(_)) => {
                let text = Cell::from(text.trim()).shown();
                let message = format!("{}: one letter is wanted, found {text}", place());
                return Err(refuse(message));
            }
        }
    }
    if letters.is_empty() {
        return Err(refuse(format!("{}: there are no letters", file.display())));
    }
    Ok(letters)
}

/// The mutants of each text, one after the other, then the text itself: letter `k % v` of the alphabet's `v` in place of letter `k / v`.
///
/// Each row keeps its id and its other columns, and has two more, `pos_i` and `mut_i`: which letter was replaced, and by which of the
/// alphabet. Both are -1 for the text itself. A letter is replaced by itself too.
///
/// # Errors
/// A column that is carried along has one of the two names, or a text cannot be read.
pub(crate) fn mutate(examples: &Examples, alphabet: &[char]) -> Result<Examples, Error> {
    const COLUMNS: [&str; 2] = ["pos_i", "mut_i"];
    if let Some((name, _)) = examples
        .extra
        .iter()
        .find(|(name, _)| COLUMNS.contains(&name.as_str()))
    {
        let message = format!(
            "\"{name}\" is added to the rows itself ({})",
            list(&COLUMNS)
        );
        return Err(argument("extra_cols", message));
    }
    let (mut rows, mut texts) = (vec![], vec![]);
    let (mut positions, mut letters) = (vec![], vec![]);
    for (row, text) in examples.texts.iter().flat_map(Texts::iter).enumerate() {
        let text = text?;
        let text = text.trim();
        for (position, (start, old)) in text.char_indices().enumerate() {
            let (before, after) = (&text[..start], &text[start + old.len_utf8()..]);
            for (index, letter) in alphabet.iter().enumerate() {
                rows.push(row);
                texts.push(format!("{before}{letter}{after}"));
                positions.push(Cell::Integer(position as i64));
                letters.push(Cell::Integer(index as i64));
            }
        }
        rows.push(row);
        texts.push(text.to_owned());
        positions.push(Cell::Integer(-1));
        letters.push(Cell::Integer(-1));
    }
    let columns = COLUMNS.map(str::to_owned).into_iter();
    let mut extra: Vec<_> = examples
        .extra
        .iter()
        .map(|(name, cells)| (name.clone(), pick(cells, &rows)))
        .collect();
    extra.extend(columns.zip([positions, letters]));
    Ok(Examples {
        ids: examples.ids.as_ref().map(|ids| pick(ids, &rows)),
        texts: vec![texts.into_iter().collect()],
        names: examples.names.clone(),
        labels: None,
        alignments: None,
        tokens: None,
        weights: None,
        batches: None,
        extra,
        origins: pick(&examples.origins, &rows),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_is_replaced_by_each_and_the_text_itself_comes_last() {
        let mut examples = Examples::from_texts(["AC", "", "é"]);
        examples.extra = vec![("kept".to_owned(), vec!["x".into(), "y".into(), "z".into()])];
        let mutants = mutate(&examples, &['A', 'G']).unwrap();
        assert_eq!(
            mutants.texts,
            [["AC", "GC", "AA", "AG", "AC", "", "A", "G", "é"]]
        );
        let ids: Vec<&str> = mutants.ids.iter().flatten().map(String::as_str).collect();
        assert_eq!(ids, ["0", "0", "0", "0", "0", "1", "2", "2", "2"]);
        let column = |at: usize| {
            let cells = mutants.extra[at].1.iter().map(ToString::to_string);
            cells.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(column(0), "x x x x x y z z z");
        assert_eq!(column(1), "0 0 1 1 -1 -1 0 0 -1");
        assert_eq!(column(2), "0 1 0 1 -1 -1 0 1 -1");
        assert_eq!(mutants.len(), 9);
    }

    #[test]
    fn columns_of_its_own_names_are_refused() {
        let mut examples = Examples::from_texts(["AC"]);
        examples.extra = vec![("mut_i".to_owned(), vec!["x".into()])];
        assert_eq!(
            mutate(&examples, &['A']).unwrap_err().to_string(),
            "extra_cols: \"mut_i\" is added to the rows itself (\"pos_i\", \"mut_i\")"
        );
    }

    #[test]
    fn an_alphabet_has_one_letter_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("vocab.txt");
        let read = |text: &str| {
            fs::write(&file, text).unwrap();
            let read = read_alphabet(&file).map_err(|error| error.to_string());
            read.map_err(|error| error.replace(&format!("{}", folder.path().display()), ""))
        };
        assert_eq!(read("A\r\nC\n\n G \n"), Ok(vec!['A', 'C', 'G']));
        assert_eq!(
            read("A\nCG\n").unwrap_err(),
            "vocab_file: /vocab.txt:2: one letter is wanted, found \"CG\""
        );
        assert_eq!(
            read("A\nC\nA\n").unwrap_err(),
            "vocab_file: /vocab.txt:3: 'A' is given twice"
        );
        assert_eq!(
            read("\n").unwrap_err(),
            "vocab_file: /vocab.txt: there are no letters"
        );
        assert!(read_alphabet(Path::new("nowhere")).is_err());
    }
}
