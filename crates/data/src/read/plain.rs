//! Plain text: a row for each line, paragraph or file.

use super::arguments::{ReaderArguments, SampleBy};
use super::text::TextReader;
use crate::builder::TableBuilder;
use crate::cell::Cell;
use crate::error::Error;
use crate::origin::Origin;

/// Reads every row into the column `text`.
pub(super) fn read(
    text: &mut TextReader<'_>,
    arguments: &ReaderArguments,
    builder: &mut TableBuilder,
) -> Result<(), Error> {
    let column = builder.column("text");
    builder.set_text_column("text");
    text.skip_lines(arguments.skiprows)?;
    if text.piece()?.starts_with(b">") {
        let file = text.file();
        builder.note(format!(
            "{}: it begins with \">\" as FASTA does, and is read as plain text; give it a name that ends in .fasta if it holds sequences",
            file.display()
        ));
    }
    let mut begun: Option<(Origin, String)> = None;
    let mut end = |begun: &mut Option<(Origin, String)>| match begun.take() {
        Some((_, row)) if row.trim().is_empty() => Ok(()),
        Some((origin, row)) => {
            builder.push(column, Cell::from(row))?;
            builder.end_row(origin);
            Ok(())
        }
        None => Ok(()),
    };
    let mut line = vec![];
    loop {
        let origin = text.origin();
        if !text.next_line(&mut line)? {
            return end(&mut begun);
        }
        let line = std::str::from_utf8(&line).unwrap_or_default();
        let is_blank = line.trim().is_empty();
        let ends = match arguments.sample_by {
            SampleBy::Line => true,
            SampleBy::Paragraph => is_blank,
            SampleBy::Document => false,
        };
        if ends {
            end(&mut begun)?;
        }
        match &mut begun {
            Some((_, row)) => {
                row.push('\n');
                row.push_str(line);
            }
            None if is_blank && arguments.sample_by != SampleBy::Document => {}
            none => *none = Some((origin, line.to_owned())),
        }
    }
}
