//! JSON lines, and a JSON array of objects. The keys of the objects are the columns.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Deserializer, Value};

use crate::error::Error;
use crate::read::Lines;
use crate::table::{Cell, Column, Origin, Table};

/// The rows of `text`: an array of objects if it starts with `[`, else one object a line.
pub(crate) fn parse(text: &str, file: &Arc<Path>) -> Result<Table, Error> {
    let mut rows = Rows {
        table: Table::default(),
        index: HashMap::new(),
        file,
    };
    match text.trim_start().starts_with('[') {
        true => parse_array(text, &mut rows)?,
        false => parse_lines(text, &mut rows)?,
    }
    Ok(rows.table)
}

fn parse_lines(text: &str, rows: &mut Rows) -> Result<(), Error> {
    for (line, number) in text.lines().zip(1..) {
        if !line.trim().is_empty() {
            let value = serde_json::from_str(line).map_err(|error| rows.syntax(number, &error))?;
            rows.push(value, number)?;
        }
    }
    Ok(())
}

/// Reads the elements one by one, because only then is it known on which line each starts.
fn parse_array(text: &str, rows: &mut Rows) -> Result<(), Error> {
    let bytes = text.as_bytes();
    let mut lines = Lines::default();
    let mut cursor = Cursor { text, offset: 0 };
    cursor.next_is(b'[');
    if cursor.next_is(b']') {
        return cursor.finish(rows, &mut lines);
    }
    loop {
        cursor.skip_space();
        let line = lines.advance(bytes, cursor.offset);
        let mut values = Deserializer::from_str(cursor.rest()).into_iter::<Value>();
        let value = match values.next() {
            Some(value) => value.map_err(|error| rows.syntax(line, &error))?,
            None => return Err(rows.wrong(line, "the array is not closed".to_owned())),
        };
        cursor.offset += values.byte_offset();
        rows.push(value, line)?;
        if cursor.next_is(b']') {
            return cursor.finish(rows, &mut lines);
        }
        if !cursor.next_is(b',') {
            let line = lines.advance(bytes, cursor.offset);
            return Err(rows.wrong(line, "expected \",\" or \"]\" after a row".to_owned()));
        }
    }
}

struct Cursor<'a> {
    text: &'a str,
    offset: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.offset..).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        let space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        self.offset += self.rest().bytes().take_while(space).count();
    }

    /// Skips white space, and `byte` if it follows; says whether it did.
    fn next_is(&mut self, byte: u8) -> bool {
        self.skip_space();
        let found = self.rest().as_bytes().first() == Some(&byte);
        self.offset += usize::from(found);
        found
    }

    fn finish(mut self, rows: &Rows, lines: &mut Lines) -> Result<(), Error> {
        self.skip_space();
        match self.rest().is_empty() {
            true => Ok(()),
            false => {
                let line = lines.advance(self.text.as_bytes(), self.offset);
                Err(rows.wrong(line, "there is more text after the array".to_owned()))
            }
        }
    }
}

struct Rows<'a> {
    table: Table,
    index: HashMap<String, usize>,
    file: &'a Arc<Path>,
}

impl Rows<'_> {
    fn push(&mut self, value: Value, line: u64) -> Result<(), Error> {
        let origin = self.origin(line);
        let Value::Object(object) = value else {
            return Err(Error::NotAnObject {
                origin,
                found: Cell::from_json(value).kind(),
            });
        };
        let row = self.table.len();
        for (name, value) in object {
            let columns = &mut self.table.columns;
            let index = *self.index.entry(name).or_insert_with_key(|name| {
                columns.push(Column {
                    name: name.clone(),
                    cells: vec![Cell::Missing; row],
                });
                columns.len() - 1
            });
            if let Some(column) = columns.get_mut(index) {
                column.cells.push(Cell::from_json(value));
            }
        }
        self.table.origins.push(origin);
        for column in &mut self.table.columns {
            column.cells.resize(row + 1, Cell::Missing);
        }
        Ok(())
    }

    fn origin(&self, line: u64) -> Origin {
        Origin {
            file: Arc::clone(self.file),
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

    fn json(text: &str) -> Result<Table, Error> {
        parse(text, &Arc::from(Path::new("t.json")))
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
    fn a_row_that_is_no_object_is_refused() {
        assert_eq!(
            message("{}\n\"x\""),
            "t.json:2: a row must be an object of column names and values, this one is text"
        );
        assert!(message("[{}, 3]").ends_with("this one is a number"));
    }
}
