//! What a mutation scan says of each sequence: a table of positions and letters, and the same as a map of colours beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engraft_component::{Note, NoteKind};
use engraft_data::{Cell, Examples, Origin, RowWriter};
use engraft_report::{ScanMap, ScanPosition, write_map};
use engraft_tasks::output::{Form, number};
use engraft_tasks::{RowOutput, TaskSpec};
use engraft_train::Observer;

use crate::error::{Error, Result};

/// The maps of a run, to which every row is given in its order.
pub(crate) struct Scans {
    examples: Arc<Examples>,
    /// What the numbers are called.
    value: String,
    sequences: Vec<Scan>,
}

/// What is known of a sequence.
struct Scan {
    id: String,
    /// Where the sequence is: one of the same name may follow.
    origin: Option<Origin>,
    positions: BTreeMap<usize, Position>,
}

/// What is known of a position.
struct Position {
    wild_type: char,
    values: BTreeMap<char, f32>,
}

impl Scans {
    /// No row yet, of those that `spec` predicts.
    pub(crate) fn new(examples: &Arc<Examples>, spec: &TaskSpec) -> Self {
        let columns = spec.objective().columns(Form::Values, 0);
        Self {
            examples: Arc::clone(examples),
            value: columns.into_iter().next().unwrap_or_default(),
            sequences: Vec::new(),
        }
    }

    /// Takes in what is predicted of a row.
    pub(crate) fn add(&mut self, output: &RowOutput) {
        let row = output.row;
        let letter = |name: &str| self.cell(name, row)?.text()?.chars().next();
        let place = self.cell("position", row).and_then(Cell::whole);
        let place = place.and_then(|place| usize::try_from(place).ok());
        let (Some(place), Some(wild_type), Some(mutant), Some(&value)) = (
            place,
            letter("wild_type"),
            letter("mutant"),
            output.values.first(),
        ) else {
            return;
        };
        let origin = self.examples.origins.get(row).cloned();
        if self
            .sequences
            .last()
            .is_none_or(|last| last.origin != origin)
        {
            let ids = self.examples.ids.as_ref().and_then(|ids| ids.get(row));
            self.sequences.push(Scan {
                id: ids.map_or_else(|| row.to_string(), Clone::clone),
                origin,
                positions: BTreeMap::new(),
            });
        }
        if let Some(scan) = self.sequences.last_mut() {
            let position = scan.positions.entry(place).or_insert_with(|| Position {
                wild_type,
                values: BTreeMap::from([(wild_type, 0.0)]),
            });
            position.values.insert(mutant, value);
        }
    }

    fn cell(&self, name: &str, row: usize) -> Option<&Cell> {
        let mut extra = self.examples.extra.iter();
        let column = extra.find(|(own, _)| own == name);
        column.and_then(|(_, cells)| cells.get(row))
    }

    /// Writes the table and the map of each sequence into a folder beside `output`, and says where they are.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(crate) fn finish(self, output: &Path, observer: &mut dyn Observer) -> Result<()> {
        let folder = beside(output);
        let failed = |error: String| {
            let text = format!("{}: no map can be written there: {error}", folder.display());
            Error::Broke(text.into())
        };
        std::fs::create_dir_all(&folder).map_err(|error| failed(error.to_string()))?;
        let mut taken = BTreeSet::new();
        for scan in &self.sequences {
            let stem = folder.join(file_name(&scan.id, &mut taken));
            let letters = scan.letters();
            scan.write_table(&stem, &letters).map_err(Error::during)?;
            let map = scan.map(&self.value, letters);
            write_map(&map, &stem).map_err(|error| failed(error.to_string()))?;
        }
        let count = self.sequences.len();
        let sequences = if count == 1 { "sequence" } else { "sequences" };
        let text = format!(
            "{count} {sequences} by position and letter: tables and maps are in {}",
            folder.display()
        );
        observer.note(Note::new(NoteKind::Output, text));
        Ok(())
    }
}

impl Scan {
    /// All letters that were put in, and those of the sequence that they stand beside.
    fn letters(&self) -> Vec<char> {
        let values = self.positions.values().flat_map(|it| it.values.keys());
        let letters: BTreeSet<char> = values.copied().collect();
        letters.into_iter().collect()
    }

    /// A line for each position, a column for each letter.
    fn write_table(
        &self,
        stem: &Path,
        letters: &[char],
    ) -> std::result::Result<(), engraft_data::Error> {
        let mut path = stem.as_os_str().to_owned();
        path.push(".tsv");
        let mut names = vec!["position".to_owned(), "wild_type".to_owned()];
        names.extend(letters.iter().map(char::to_string));
        let mut table = RowWriter::create(Path::new(&path), &names)?;
        for (&place, position) in &self.positions {
            let mut cells = vec![
                Cell::Integer(i64::try_from(place).unwrap_or(i64::MAX)),
                Cell::Text(position.wild_type.to_string()),
            ];
            cells.extend(letters.iter().map(|letter| {
                let value = position.values.get(letter);
                value.map_or(Cell::Missing, |&value| number(value))
            }));
            table.write(&cells)?;
        }
        table.finish()
    }

    fn map(&self, value: &str, letters: Vec<char>) -> ScanMap {
        let positions = self.positions.iter().map(|(&place, position)| {
            let values = letters.iter().map(|it| position.values.get(it));
            ScanPosition {
                number: place,
                wild_type: position.wild_type,
                values: values.map(|value| value.map(|&it| f64::from(it))).collect(),
            }
        });
        ScanMap {
            title: format!("Every substitution of {}", self.id),
            value: value.to_owned(),
            positions: positions.collect(),
            letters,
        }
    }
}

/// The folder of maps beside a file of predictions: `scan_maps` beside `scan.tsv`.
fn beside(output: &Path) -> PathBuf {
    let name = output.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.split('.').next().unwrap_or_default();
    output.with_file_name(format!("{stem}_maps"))
}

/// An id as the name of a file, which no other has.
fn file_name(id: &str, taken: &mut BTreeSet<String>) -> String {
    let plain = |letter: char| {
        if letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.') {
            letter
        } else {
            '_'
        }
    };
    let name: String = id.chars().take(80).map(plain).collect();
    // A name of dots alone is a folder.
    let name = name.trim_start_matches('.');
    let name = if name.is_empty() { "sequence" } else { name };
    let mut unique = name.to_owned();
    let mut number = 1;
    while !taken.insert(unique.to_lowercase()) {
        number += 1;
        unique = format!("{name}_{number}");
    }
    unique
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sequence_has_a_file_of_its_own_beside_the_predictions() {
        let mut taken = BTreeSet::new();
        let names = ["sp|P1|X", "sp/P1/x", "..", "", "b"].map(|id| file_name(id, &mut taken));
        assert_eq!(
            names,
            ["sp_P1_X", "sp_P1_x_2", "sequence", "sequence_2", "b"]
        );
        assert_eq!(beside(Path::new("a/scan.tsv.gz")), Path::new("a/scan_maps"));
        assert_eq!(beside(Path::new("scan.csv")), Path::new("scan_maps"));
    }
}
