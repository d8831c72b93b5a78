//! Predicted sequences as FASTA, a record for each row.

use std::path::Path;

use engraft_data::Cell;
use engraft_files::atomic::Writer;
use engraft_tasks::RowOutput;

use super::columns::Columns;
use crate::error::{Error, Result};

/// Letters of a line, as the tools of NCBI and EMBL write them at most.
const LINE: usize = 80;

/// A file of sequences on its way.
pub(super) struct Fasta(Writer);

impl Fasta {
    pub(super) fn create(path: &Path) -> Result<Self> {
        Writer::create(path).map(Self).map_err(Error::during)
    }

    /// Adds the sequence that is predicted of a row, under its id.
    pub(super) fn add(&mut self, columns: &Columns, output: &RowOutput) -> Result<()> {
        let sequence = columns.first_of_prediction(output);
        let sequence = sequence.as_ref().and_then(Cell::text).unwrap_or_default();
        let record = record(&columns.id(output.row), &sequence);
        self.0.put(record.as_bytes()).map_err(Error::during)
    }

    pub(super) fn finish(self) -> Result<()> {
        self.0.commit().map_err(Error::during)
    }
}

/// A header, and the sequence without white space in lines.
fn record(id: &str, sequence: &str) -> String {
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
        assert_eq!(record("a\nb", &sequence), expected);
        assert_eq!(record("x", ""), ">x\n\n");
    }
}
