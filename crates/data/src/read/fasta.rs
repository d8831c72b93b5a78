//! FASTA: records of a header line that begins with `>` and the lines of a sequence.

use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::hash::{Hash, Hasher};
use std::io::BufRead;

use super::arguments::ReaderArguments;
use super::header::Headers;
use super::remarks::Remarks;
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
    let mut remarks = Remarks::default();
    let (mut line, mut sequence) = (vec![], vec![]);
    while let Some(first) = first_of_record(text)? {
        let origin = text.origin();
        text.next_line(&mut line)?;
        match first {
            b'>' => {}
            b';' => {
                remarks.comment(origin.line);
                continue;
            }
            _ if line.iter().all(u8::is_ascii_whitespace) => continue,
            _ => {
                let message = "expected a header, which begins with \">\"";
                builder.reject(record(&origin, message))?;
                continue;
            }
        }
        let header = std::str::from_utf8(line.get(1..).unwrap_or_default()).unwrap_or_default();
        let (name, description) = remarks.name(header, origin.line, builder.rows());
        sequence.clear();
        read_sequence(text, &mut sequence, &mut remarks)?;
        let id = match headers.push(header.trim(), &name, description, &origin, builder) {
            Ok(id) => id,
            Err(error) => {
                builder.reject(error)?;
                continue;
            }
        };
        if sequence.contains(&b'>') {
            let message = format!("the sequence of \"{id}\" has a \">\" within a line");
            builder.reject(record(&origin, message))?;
            continue;
        }
        if sequence.is_empty() {
            let is_last = text.piece()?.is_empty();
            remarks.is_empty(id, is_last, origin, builder);
            continue;
        }
        if let Some(earlier) = ids.add(id, origin.line) {
            remarks.repeats(id, origin.line, earlier);
        }
        let letters = std::str::from_utf8(&sequence).unwrap_or_default();
        builder.push(column, Cell::from(letters))?;
        builder.end_row(origin);
    }
    remarks.say(text, builder);
    Ok(())
}

/// Reads the lines up to the next header, without white space.
fn read_sequence(
    text: &mut TextReader<'_>,
    sequence: &mut Vec<u8>,
    remarks: &mut Remarks,
) -> Result<(), Error> {
    let mut is_comment = false;
    loop {
        let (line, begins) = (text.line(), text.at_line_start());
        let piece = text.piece()?;
        match piece.first() {
            None => break,
            Some(b'>') if begins => break,
            first if begins => {
                is_comment = first == Some(&b';');
                if is_comment {
                    remarks.comment(line);
                }
            }
            _ => {}
        }
        let piece = text.piece()?;
        let end = piece.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(piece.len(), |end| end + 1);
        if !is_comment {
            sequence.extend_from_slice(&piece[..length]);
        }
        text.consume(length);
    }
    sequence.retain(|byte| !byte.is_ascii_whitespace());
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
