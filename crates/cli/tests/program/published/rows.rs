//! A few rows of the right kind for each of them.

use std::fs;

use serde_json::{Value, json};

use crate::Workplace;

pub(super) const DNA: &[u8] = b"ACGT";
pub(super) const RNA: &[u8] = b"ACGU";
pub(super) const PROTEIN: &[u8] = b"ACDEFGHIKLMNPQRSTVWY";

/// What rows a data set has.
pub(super) struct Rows {
    /// The folder within that of the data set, and its files.
    pub(super) folder: &'static str,
    pub(super) files: &'static [&'static str],
    /// The letters of its sequences, and the column that has them.
    pub(super) letters: &'static [u8],
    pub(super) text: &'static str,
    pub(super) label: Label,
}

/// The columns of labels.
#[derive(Clone, Copy)]
pub(super) enum Label {
    /// A class of so many.
    Class(&'static str, usize),
    /// So many columns of 0 and 1, by the beginning of their names.
    Flags(&'static str, usize),
    Number(&'static str),
    /// A class of three for each letter.
    Letters(&'static str),
    /// Pairs of letters.
    Pairs(&'static str),
    /// A number, and folds of so many.
    Folds(&'static str, usize),
}

impl Rows {
    /// Writes the files below `root`.
    pub(super) fn write(&self, place: &Workplace, root: &str) {
        let folder = format!("{root}/{}", self.folder);
        fs::create_dir_all(place.path(&folder)).unwrap();
        for (number, file) in self.files.iter().enumerate() {
            let table = match file.rsplit('.').next() {
                Some("jsonl") => aligned(&self.table("\t", number), self.text),
                Some("tsv") => self.table("\t", number),
                _ => self.table(",", number),
            };
            place.write(&format!("{folder}/{file}"), &table);
        }
    }

    fn table(&self, separator: &str, file: usize) -> String {
        let mut header = vec![self.text.to_owned()];
        match self.label {
            Label::Flags(name, count) => header.extend((0..count).map(|at| format!("{name}{at}"))),
            Label::Folds(name, _) => header.extend([name.to_owned(), "fold_id".to_owned()]),
            Label::Class(name, _)
            | Label::Number(name)
            | Label::Letters(name)
            | Label::Pairs(name) => header.push(name.to_owned()),
        }
        let mut table = header.join(separator) + "\n";
        let rows = match self.label {
            Label::Class(_, count) => 2 * count.max(10),
            _ => 40,
        };
        for row in 0..rows {
            let length = 8 + row % 5;
            let letter = |at: usize| {
                let number = (row + 1) * (at + file + 3) * 7 + at * at + row / 3;
                char::from(self.letters[number % self.letters.len()])
            };
            let text: String = (0..length).map(letter).collect();
            let mut cells = vec![text];
            match self.label {
                Label::Class(_, count) => cells.push((row % count).to_string()),
                Label::Flags(_, count) => {
                    cells.extend((0..count).map(|at| usize::from((row + at) % 3 == 0).to_string()));
                }
                Label::Number(_) => cells.push((row as f64 / 8.0 - 1.5).to_string()),
                Label::Letters(_) => {
                    let digits = (0..length).map(|at| char::from(b'0' + (at % 3) as u8));
                    cells.push(digits.collect());
                }
                Label::Pairs(_) => {
                    cells.push(format!("[[0, {}], [1, {}]]", length - 1, length - 2))
                }
                Label::Folds(_, count) => {
                    cells.extend([
                        (row as f64 / 8.0 - 1.5).to_string(),
                        (row % count).to_string(),
                    ]);
                }
            }
            table += &(cells.join(separator) + "\n");
        }
        table
    }
}

/// The rows of a table as JSON lines, each with an alignment of the sequence in the column `text` and numbers about its structure.
fn aligned(table: &str, text: &str) -> String {
    let mut lines = table.lines();
    let header: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let mut rows = String::new();
    for line in lines {
        let cells = header.iter().zip(line.split('\t'));
        let mut row: serde_json::Map<String, Value> = cells
            .map(|(name, cell)| {
                let read = serde_json::from_str(cell).unwrap_or(Value::from(cell));
                ((*name).to_owned(), read)
            })
            .collect();
        let sequence = row[text].as_str().unwrap().to_owned();
        let gapped = |number: usize| -> String {
            let letters = sequence.chars().enumerate();
            letters
                .map(|(at, letter)| {
                    if (at + number).is_multiple_of(4) {
                        '-'
                    } else {
                        letter
                    }
                })
                .collect()
        };
        let structures = (0..sequence.len()).map(|at| [0.25, -0.5, at as f64 / 8.0]);
        let structures: Vec<[f64; 3]> = structures.collect();
        row.insert(
            "msa".to_owned(),
            json!((0..3).map(gapped).collect::<Vec<_>>()),
        );
        row.insert("str_emb".to_owned(), json!(structures));
        rows += &(Value::from(row).to_string() + "\n");
    }
    rows
}
