//! JSON lines, and a JSON array of objects. The keys of the objects are the columns.

use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::text::TextReader;
use crate::builder::TableBuilder;
use crate::cell::Cell;
use crate::error::Error;
use crate::origin::Origin;

/// Reads every row of `text`: an array of objects if it starts with `[`, else one object a line.
pub(super) fn read(text: &mut TextReader<'_>, builder: &mut TableBuilder) -> Result<(), Error> {
    let file = text.file();
    let mut rows = Rows { builder, file };
    if begins_with_bracket(text)? {
        read_array(text, &mut rows)
    } else {
        read_lines(text, &mut rows)
    }
}

/// Whether the first character that is no white space is `[`. Nothing is consumed but white space before a piece that has more.
fn begins_with_bracket(text: &mut TextReader<'_>) -> Result<bool, Error> {
    loop {
        let piece = text.piece()?;
        if piece.is_empty() {
            return Ok(false);
        }
        let start = std::str::from_utf8(piece).unwrap_or_default().trim_start();
        if !start.is_empty() {
            return Ok(start.starts_with('['));
        }
        let length = piece.len();
        text.consume(length);
    }
}

fn read_lines(text: &mut TextReader<'_>, rows: &mut Rows<'_>) -> Result<(), Error> {
    let mut line = vec![];
    // Not the reader's own count: within JSON a lone `\r` is white space.
    let mut number = 0;
    while text.next_line(&mut line)? {
        number += 1;
        let line = std::str::from_utf8(&line).unwrap_or_default();
        if !line.trim().is_empty() {
            match serde_json::from_str(line) {
                Ok(value) => rows.push(value, number)?,
                Err(error) => rows.builder.reject(rows.syntax(number, &error))?,
            }
        }
    }
    Ok(())
}

/// Reads the elements one by one, so that only one is in memory and it is known on which line each starts.
fn read_array(text: &mut TextReader<'_>, rows: &mut Rows<'_>) -> Result<(), Error> {
    let mut cursor = Cursor { text };
    cursor.next_is(b'[')?;
    if cursor.next_is(b']')? {
        return cursor.end(rows);
    }
    let mut element = vec![];
    loop {
        if cursor.next()?.is_none() {
            let line = cursor.text.line();
            return Err(rows.wrong(line, "the array is not closed".to_owned()));
        }
        let line = cursor.text.line();
        cursor.element(&mut element)?;
        let value = serde_json::from_slice(&element).map_err(|error| rows.syntax(line, &error))?;
        rows.push(value, line)?;
        if cursor.next_is(b']')? {
            return cursor.end(rows);
        }
        if !cursor.next_is(b',')? {
            let line = cursor.text.line();
            return Err(rows.wrong(line, "expected \",\" or \"]\" after a row".to_owned()));
        }
    }
}

struct Cursor<'c, 'a> {
    text: &'c mut TextReader<'a>,
}

impl Cursor<'_, '_> {
    /// The next byte that is no white space, which is skipped; none at the end.
    fn next(&mut self) -> Result<Option<u8>, Error> {
        loop {
            let piece = self.text.piece()?;
            let space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
            let skipped = piece.iter().take_while(|byte| space(byte)).count();
            let next = piece.get(skipped).copied();
            let ended = piece.is_empty();
            self.text.consume(skipped);
            if next.is_some() || ended {
                return Ok(next);
            }
        }
    }

    /// Skips white space, and `byte` if it follows; says whether it did.
    fn next_is(&mut self, byte: u8) -> Result<bool, Error> {
        let found = self.next()? == Some(byte);
        self.text.consume(usize::from(found));
        Ok(found)
    }

    /// The bytes of the next element: up to the bracket that closes its first, the quote that closes a string, or what follows
    /// any other value. What is not JSON is left for the parser to refuse.
    fn element(&mut self, element: &mut Vec<u8>) -> Result<(), Error> {
        element.clear();
        let mut depth = 0_usize;
        let (mut in_string, mut escaped) = (false, false);
        loop {
            let piece = self.text.piece()?;
            if piece.is_empty() {
                return Ok(());
            }
            let mut taken = 0;
            let mut done = false;
            for byte in piece {
                let is_scalar = depth == 0 && !in_string;
                if is_scalar
                    && !element.is_empty()
                    && matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n')
                {
                    done = true;
                    break;
                }
                taken += 1;
                element.push(*byte);
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' if in_string => escaped = true,
                    b'"' => {
                        in_string = !in_string;
                        done = !in_string && depth == 0;
                    }
                    b'{' | b'[' if !in_string => depth += 1,
                    b'}' | b']' if !in_string => {
                        depth = depth.saturating_sub(1);
                        done = depth == 0;
                    }
                    _ => {}
                }
                if done {
                    break;
                }
            }
            self.text.consume(taken);
            if done {
                return Ok(());
            }
        }
    }

    fn end(mut self, rows: &Rows<'_>) -> Result<(), Error> {
        match self.next()? {
            None => Ok(()),
            Some(_) => {
                let line = self.text.line();
                Err(rows.wrong(line, "there is more text after the array".to_owned()))
            }
        }
    }
}

struct Rows<'a> {
    builder: &'a mut TableBuilder,
    file: Arc<Path>,
}

impl Rows<'_> {
    fn push(&mut self, value: Value, line: u64) -> Result<(), Error> {
        let origin = self.origin(line);
        let Value::Object(object) = value else {
            return self.builder.reject(Error::NotAnObject {
                origin,
                found: Cell::from_json(value).kind(),
            });
        };
        for (name, value) in object {
            let column = self.builder.column(&name);
            self.builder.push(column, Cell::from_json(value))?;
        }
        if let Some(columns) = self.builder.too_many_columns() {
            let message = format!(
                "the rows up to this one have {columns} keys, of which each row has a few. Keys are the names of columns: let all rows have the same, or name those to read with extra_reader_kwargs.columns"
            );
            return Err(Error::Json { origin, message });
        }
        self.builder.end_row(origin);
        Ok(())
    }

    fn origin(&self, line: u64) -> Origin {
        Origin {
            file: Arc::clone(&self.file),
            line,
        }
    }

    fn wrong(&self, line: u64, message: String) -> Error {
        Error::Json {
            origin: self.origin(line),
            message,
        }
    }

    /// A syntax error in a value that starts on `line`; the parser counts lines from there.
    fn syntax(&self, line: u64, error: &serde_json::Error) -> Error {
        let place = format!(" at line {} column {}", error.line(), error.column());
        let reason = error.to_string();
        let reason = reason.strip_suffix(&place).unwrap_or(&reason);
        let line = line + (error.line() as u64).saturating_sub(1);
        self.wrong(
            line,
            format!("not JSON: {reason} (column {})", error.column()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::{ReaderOptions, table_of_bytes};
    use crate::table::Table;

    fn json(text: &str) -> Result<Table, Error> {
        let options = ReaderOptions::default();
        table_of_bytes(Path::new("t.json"), text.as_bytes(), &options)
    }

    fn message(text: &str) -> String {
        json(text).unwrap_err().to_string()
    }

    #[test]
    fn an_array_and_lines_give_the_same_rows() {
        let lines =
            json("{\"a\": 1, \"b\": \"x\"}\n\n{\"b\": null, \"c\": [true, 0.5]}\n").unwrap();
        let array =
            json("[{\"a\": 1, \"b\": \"x\"},\n\n{\"b\": null, \"c\": [true, 0.5]}]\n").unwrap();
        assert_eq!(lines, array);
        assert_eq!(lines.names(), ["a", "b", "c"]);
        assert_eq!(
            lines
                .origins
                .iter()
                .map(|origin| origin.line)
                .collect::<Vec<_>>(),
            [1, 3]
        );
        assert_eq!(lines.columns[0].cells, [Cell::Integer(1), Cell::Missing]);
        assert_eq!(lines.columns[1].cells, [Cell::from("x"), Cell::Missing]);
        let list = Cell::List(vec![Cell::Bool(true), Cell::Float(0.5)]);
        assert_eq!(lines.columns[2].cells, [Cell::Missing, list]);
    }

    #[test]
    fn a_syntax_error_names_its_line() {
        assert_eq!(
            message("{\"a\": 1}\r\n{\"a\": }\r\n"),
            "t.json:2: not JSON: expected value (column 7)"
        );
        assert!(message("[{\"a\":\n1},\n\n{\"a\"\n:: 2}]").starts_with("t.json:5: not JSON: "));
        assert_eq!(
            message("[{}\n{}]"),
            "t.json:2: expected \",\" or \"]\" after a row"
        );
        assert_eq!(message("[{},\n"), "t.json:2: the array is not closed");
        assert_eq!(
            message("[{}]\n]"),
            "t.json:2: there is more text after the array"
        );
    }

    #[test]
    fn keys_that_are_other_ones_in_every_row_are_refused() {
        let row = |row: usize| format!("{{\"id\": {row}, \"row {row}\": 1}}\n");
        let text: String = (0..5000).map(row).collect();
        assert_eq!(
            message(&text),
            "t.json:4097: the rows up to this one have 4098 keys, of which each row has a few. Keys are the names of columns: let all rows have the same, or name those to read with extra_reader_kwargs.columns"
        );
        let mut options = ReaderOptions::default();
        options.arguments.columns = Some(vec!["id".to_owned()]);
        let table = table_of_bytes(Path::new("t.json"), text.as_bytes(), &options).unwrap();
        assert_eq!(table.len(), 5000);
        // As many keys, and the rows have them all.
        let wide: Vec<String> = (0..2000).map(|key| format!("\"{key}\": 1")).collect();
        let wide = format!("{{{}}}\n", wide.join(", "));
        let table = json(&wide.repeat(3)).unwrap();
        assert_eq!(table.names().len(), 2000);
    }

    #[test]
    fn a_row_that_is_no_object_is_refused() {
        assert_eq!(
            message("{}\n\"x\""),
            "t.json:2: a row must be an object of column names and values, this one is text"
        );
        assert!(message("[{}, 3]").ends_with("this one is a number"));
    }
}
