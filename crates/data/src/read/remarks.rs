//! What is said of files of sequences that are not quite as their format has it, and are read all the same.

use std::borrow::Cow;

use super::text::TextReader;
use crate::builder::TableBuilder;
use crate::origin::Origin;
use crate::skipped::SkippedRow;

/// What was found of one kind: how often, and the line of the first.
#[derive(Debug, Default)]
struct Seen {
    count: usize,
    first: u64,
}

impl Seen {
    fn add(&mut self, line: u64) {
        if self.count == 0 {
            self.first = line;
        }
        self.count += 1;
    }
}

/// What was found in one file of sequences.
#[derive(Debug, Default)]
pub(super) struct Remarks {
    spaced: Seen,
    unnamed: Seen,
    repeated: Seen,
    /// The id that is repeated first, and the line where it was before.
    first_repeated: Option<(String, u64)>,
    empty: Seen,
    first_empty: String,
    /// Whether the last record is one of these.
    ends_empty: bool,
    comments: Seen,
}

impl Remarks {
    /// Takes a header, without the character that it begins with, apart into its id and what follows that. A header without an id has the
    /// number of its row, as rows without a column of ids have.
    pub(super) fn name<'h>(
        &mut self,
        header: &'h str,
        line: u64,
        row: usize,
    ) -> (Cow<'h, str>, &'h str) {
        let text = header.trim();
        if text.is_empty() {
            self.unnamed.add(line);
            return (row.to_string().into(), "");
        }
        if header.starts_with(char::is_whitespace) {
            self.spaced.add(line);
        }
        let (name, description) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        (name.into(), description.trim())
    }

    /// A record has the id of one that began on the line `earlier`.
    pub(super) fn repeats(&mut self, id: &str, line: u64, earlier: u64) {
        self.repeated.add(line);
        self.first_repeated
            .get_or_insert_with(|| (id.to_owned(), earlier));
    }

    /// A record, perhaps the last, has no sequence, and is left out.
    pub(super) fn is_empty(
        &mut self,
        id: &str,
        is_last: bool,
        origin: Origin,
        builder: &mut TableBuilder,
    ) {
        if self.empty.count == 0 {
            self.first_empty = id.to_owned();
        }
        self.empty.add(origin.line);
        self.ends_empty |= is_last;
        let problem = format!("the record \"{id}\" has no sequence");
        builder.leave_out(SkippedRow { origin, problem });
    }

    /// A line is a comment.
    pub(super) fn comment(&mut self, line: u64) {
        self.comments.add(line);
    }

    /// Says what was found.
    pub(super) fn say(self, text: &TextReader<'_>, builder: &mut TableBuilder) {
        let file = text.file();
        let mut note = |said: String| builder.note(format!("{}: {said}", file.display()));
        let found = |seen: &Seen, one: &str, many: &str| match seen.count {
            0 => None,
            1 => Some(format!("1 {one} (line {})", seen.first)),
            count => Some(format!("{count} {many} (the first on line {})", seen.first)),
        };
        let spaced = "a space before the id";
        if let Some(found) = found(
            &self.spaced,
            &format!("header has {spaced}"),
            &format!("headers have {spaced}"),
        ) {
            note(format!("{found}, which is left out"));
        }
        if let Some(found) = found(&self.unnamed, "header has no id", "headers have no id") {
            note(format!(
                "{found}: a record without one is called by the number of its row, from 0"
            ));
        }
        if let Some((id, earlier)) = &self.first_repeated {
            let records = match self.repeated.count {
                1 => "1 record has the id of an earlier one".to_owned(),
                count => format!("{count} records have the id of an earlier one, the first"),
            };
            note(format!(
                "{records}: \"{id}\" on line {} and on line {earlier}; each is a row under the id that it has",
                self.repeated.first
            ));
        }
        if self.empty.count > 0 {
            let records = match self.empty.count {
                1 => "1 record has no sequence and is left out".to_owned(),
                count => format!("{count} records have no sequence and are left out, the first"),
            };
            let cut = if self.ends_empty {
                "; the file ends with such a record and may be cut short"
            } else {
                ""
            };
            note(format!(
                "{records}: \"{}\" on line {}{cut}",
                self.first_empty, self.empty.first
            ));
        }
        if let Some(found) = found(
            &self.comments,
            "line begins with \";\"",
            "lines begin with \";\"",
        ) {
            note(format!(
                "{found}, as comments do, and no letters are read there"
            ));
        }
        if let Some((count, first)) = text.latin_headers() {
            let bytes = "bytes that are not UTF-8";
            let found = found(
                &Seen { count, first },
                &format!("header holds {bytes}"),
                &format!("headers hold {bytes}"),
            );
            note(format!("{}, read as Latin-1", found.unwrap_or_default()));
        }
        match text.lone_returns() {
            0 => {}
            1 => note("1 carriage return alone is read as the end of a line".to_owned()),
            count => note(format!(
                "{count} carriage returns alone are read as ends of lines"
            )),
        }
    }
}
