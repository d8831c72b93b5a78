//! Predicted sequences and structures in the formats of their own, a record for each row.

use std::ffi::OsStr;
use std::path::Path;

use engraft_data::{Cell, StructureFormat};
use engraft_files::atomic::Writer;
use engraft_tasks::RowOutput;

use super::columns::Columns;
use crate::error::{Error, Result};

/// Letters of a line, as the tools of NCBI and EMBL write them at most.
const LINE: usize = 80;

/// A format of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordFormat {
    /// Sequences.
    Fasta,
    /// Sequences with their structures.
    Structures(StructureFormat),
}

impl RecordFormat {
    /// The format that a file's extension stands for.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let extension = path.extension().map(OsStr::to_ascii_lowercase);
        match extension.as_deref().and_then(OsStr::to_str) {
            Some("fasta" | "fa" | "fna" | "faa") => Some(Self::Fasta),
            _ => StructureFormat::of(path).map(Self::Structures),
        }
    }
}

/// A file of records on its way.
pub(super) struct Records {
    format: RecordFormat,
    file: Writer,
}

impl Records {
    pub(super) fn create(path: &Path, format: RecordFormat) -> Result<Self> {
        let file = Writer::create(path).map_err(Error::during)?;
        Ok(Self { format, file })
    }

    /// Adds what is predicted of a row, under its id.
    pub(super) fn add(&mut self, columns: &Columns, output: &RowOutput) -> Result<()> {
        let id = columns.id(output.row);
        let record = match self.format {
            RecordFormat::Fasta => {
                let sequence = columns.first_of_prediction(output);
                let sequence = sequence.as_ref().and_then(Cell::text);
                fasta(&id, &sequence.unwrap_or_default())
            }
            RecordFormat::Structures(format) => {
                let sequence = columns.text(output.row);
                let sequence = sequence.text().unwrap_or_default();
                let pairs = columns.structure(output).unwrap_or_default();
                let record = format.record(&id, &sequence, &pairs);
                record.map_err(|problem| {
                    let problem = format!("the structure of row {id} {problem}");
                    Error::of("output", problem).late()
                })?
            }
        };
        self.file.put(record.as_bytes()).map_err(Error::during)
    }

    pub(super) fn finish(self) -> Result<()> {
        self.file.commit().map_err(Error::during)
    }
}

/// A header, and the sequence without white space in lines.
fn fasta(id: &str, sequence: &str) -> String {
    // What breaks a line would end the header.
    let mut record = format!(">{}\n", id.replace(char::is_control, " "));
    let mut on_line = 0;
    for letter in sequence.chars().filter(|letter| !letter.is_whitespace()) {
        if on_line == LINE {
            record.push('\n');
            on_line = 0;
        }
        record.push(letter);
        on_line += 1;
    }
    record.push('\n');
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_lines_of_eighty_letters_and_a_header_of_one_line() {
        let sequence = "ACGT ".repeat(21);
        let expected = format!(">a b\n{}\nACGT\n", "ACGT".repeat(20));
        assert_eq!(fasta("a\nb", &sequence), expected);
        assert_eq!(fasta("x", ""), ">x\n\n");
    }
}
