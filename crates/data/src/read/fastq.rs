//! FASTQ: records of four lines, a header that begins with `@`, a sequence, a `+` and a quality for each letter.

use std::io;

use noodles_fastq::Record;
use noodles_fastq::io::Reader;

use super::arguments::ReaderArguments;
use super::fasta::first_of_record;
use super::header::Headers;
use super::remarks::Remarks;
use super::text::TextReader;
use crate::builder::TableBuilder;
use crate::cell::Cell;
use crate::error::{Error, record};

/// Reads every record, with columns `id`, `description`, `sequence` and `quality` and those of the header.
///
/// Ids may repeat: the two reads of a pair share one.
pub(super) fn read(
    text: &mut TextReader<'_>,
    arguments: &ReaderArguments,
    builder: &mut TableBuilder,
) -> Result<(), Error> {
    let mut headers = Headers::new(arguments, builder)?;
    let [sequence, quality] = ["sequence", "quality"].map(|name| builder.column(name));
    builder.set_text_column("sequence");
    let mut remarks = Remarks::default();
    let mut found = Record::default();
    while let Some(first) = first_of_record(text)? {
        let origin = text.origin();
        let wrong = |message: &str| record(&origin, message);
        // Where one record ends is known only if it is whole, so what comes after one that is not cannot be read either.
        if first != b'@' {
            return Err(wrong("expected a header, which begins with \"@\""));
        }
        let read = Reader::new(&mut *text).read_record(&mut found);
        read.map_err(|error| match text.failed(error) {
            Error::Io { source, .. } if source.kind() == io::ErrorKind::UnexpectedEof => {
                wrong("the file ends within this record")
            }
            Error::Io { source, .. } if source.kind() == io::ErrorKind::InvalidData => {
                wrong("the third line of this record does not begin with \"+\"; a sequence takes one line")
            }
            other => other,
        })?;
        let part = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let header = format!("{} {}", part(found.name()), part(found.description()));
        let (name, description) = remarks.name(&header, origin.line, builder.rows());
        let (letters, scores) = (found.sequence(), found.quality_scores());
        if letters.len() != scores.len() {
            let (letters, scores) = (letters.len(), scores.len());
            builder.reject(wrong(&format!(
                "the record \"{name}\" has {letters} letters and {scores} qualities"
            )))?;
            continue;
        }
        if letters.is_empty() {
            remarks.is_empty(&name, false, origin, builder);
            continue;
        }
        if let Err(error) = headers.push(header.trim(), &name, description, &origin, builder) {
            builder.reject(error)?;
            continue;
        }
        builder.push(sequence, Cell::from(part(letters)))?;
        builder.push(quality, Cell::from(part(scores)))?;
        builder.end_row(origin);
    }
    remarks.say(text, builder);
    Ok(())
}
