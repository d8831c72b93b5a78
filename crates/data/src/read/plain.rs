//! Plain text: a row for each line, paragraph or file.

use std::path::Path;
use std::sync::Arc;

use super::arguments::{ReaderArguments, SampleBy};
use super::text::TextReader;
use crate::builder::TableBuilder;
use crate::error::Error;
use crate::table::{Cell, Origin};

/// Reads every row into the column `text`.
pub(super) fn read(
    text: &mut TextReader<'_>,
    arguments: &ReaderArguments,
    file: &Arc<Path>,
    builder: &mut TableBuilder,
) -> Result<(), Error> {
    let column = builder.column("text");
    builder.set_text_column("text");
    let mut line = vec![];
    for _ in 0..arguments.skiprows {
        text.next_line(&mut line)?;
    }
    let mut begun: Option<(u64, String)> = None;
    let mut end = |begun: &mut Option<(u64, String)>| match begun.take() {
        Some((_, row)) if row.trim().is_empty() => Ok(()),
        Some((line, row)) => {
            builder.push(column, Cell::from(row))?;
            let file = Arc::clone(file);
            builder.end_row(Origin { file, line });
            Ok(())
        }
        None => Ok(()),
    };
    loop {
        let number = text.line();
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
            none => *none = Some((number, line.to_owned())),
        }
    }
}
