//! FASTA: records of a header line that begins with `>` and the lines of a sequence.

use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::hash::{Hash, Hasher};
use std::io::BufRead;

use noodles_fasta::io::Reader;
use noodles_fasta::record::Definition;

use super::arguments::ReaderArguments;
use super::header::Headers;
use super::text::TextReader;
use crate::builder::TableBuilder;
use crate::cell::Cell;
use crate::error::{Error, record};

/// Reads every record, with columns `id`, `description` and `sequence` and those of the header.
pub(super) fn read(
    text: &mut TextReader<'_>,
    arguments: &ReaderArguments,
    builder: &mut TableBuilder,
) -> Result<(), Error> {
    let mut headers = Headers::new(arguments, builder)?;
    let column = builder.column("sequence");
    builder.set_text_column("sequence");
    let mut ids = Ids::default();
    let (mut line, mut sequence) = (vec![], vec![]);
    while let Some(first) = first_of_record(text)? {
        let origin = text.origin();
        if first != b'>' {
            let message = "expected a header, which begins with \">\"";
            return Err(record(&origin, message));
        }
        text.next_line(&mut line)?;
        let header = std::str::from_utf8(&line).unwrap_or_default();
        let mut definition = Definition::default();
        let parsed = Reader::new(line.as_slice()).read_definition(&mut definition);
        parsed.map_err(|_| {
            let message = "the header names no record: its id follows \">\" without a space";
            record(&origin, message)
        })?;
        let name = std::str::from_utf8(definition.name()).unwrap_or_default();
        let description = definition.description().map(|text| text.to_vec());
        let description = String::from_utf8(description.unwrap_or_default()).unwrap_or_default();
        let header = header.get(1..).unwrap_or_default().trim();
        let id = headers.push(header, name, &description, &origin, builder)?;
        if let Some(earlier) = ids.add(id, origin.line) {
            let message = format!(
                "the id \"{id}\" is also that of the record on line {earlier}; give each record its own"
            );
            return Err(record(&origin, message));
        }
        sequence.clear();
        let read = Reader::new(&mut *text).read_sequence(&mut sequence);
        read.map_err(|error| text.failed(error))?;
        if sequence.contains(&b'>') || !text.at_line_start() && first_of_record(text)?.is_some() {
            let message = format!("the sequence of \"{id}\" has a \">\" within a line");
            return Err(record(&origin, message));
        }
        sequence.retain(|byte| !byte.is_ascii_whitespace());
        if sequence.is_empty() {
            let message = format!("the record \"{id}\" has no sequence");
            return Err(record(&origin, message));
        }
        let letters = std::str::from_utf8(&sequence).unwrap_or_default();
        builder.push(column, Cell::from(letters))?;
        builder.end_row(origin);
    }
    Ok(())
}

/// The first byte of the next record, past blank lines; none at the end.
pub(super) fn first_of_record(text: &mut TextReader<'_>) -> Result<Option<u8>, Error> {
    loop {
        match text.piece()?.first().copied() {
            Some(b'\r' | b'\n') => text.consume(1),
            first => return Ok(first),
        }
    }
}

/// The lines of the ids seen so far. Ids are known by 128 bits of hash, which takes little room however many there are.
#[derive(Default)]
struct Ids(HashMap<(u64, u64), u64>);

impl Ids {
    /// The line of an earlier record of this id, if there is one.
    fn add(&mut self, id: &str, line: u64) -> Option<u64> {
        let hash = |seed: u8| {
            let mut hasher = DefaultHasher::new();
            (seed, id).hash(&mut hasher);
            hasher.finish()
        };
        match self.0.entry((hash(0), hash(1))) {
            Entry::Occupied(earlier) => Some(*earlier.get()),
            Entry::Vacant(place) => {
                place.insert(line);
                None
            }
        }
    }
}
