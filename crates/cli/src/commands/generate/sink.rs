//! Where texts go: standard output or a table.

use std::io::Write;

use engraft_data::{Cell, RowWriter};
use engraft_generate::{Piece, Written};
use serde_json::{Map, Value, json};

use super::Wishes;
use crate::failure::{Failure, print};

/// A text that has ended, beside its prompt.
pub(super) struct Row<'a> {
    pub(super) prompt: usize,
    /// Its number among those of the prompt, if there are several.
    pub(super) sequence: Option<usize>,
    pub(super) text: &'a str,
    pub(super) written: Written,
}

impl Row<'_> {
    /// `{"ids": [...], "text": "..."}`, and what else was asked for.
    fn json(&self, wishes: &Wishes) -> Value {
        let written = &self.written;
        let ids = if wishes.generate.strip_prompt {
            written.new_ids()
        } else {
            &written.ids
        };
        let mut object = Map::new();
        object.insert("ids".into(), json!(ids));
        object.insert("text".into(), json!(written.text));
        if wishes.generate.logprobs {
            object.insert("logprobs".into(), json!(written.log_probabilities));
            if let Some(score) = written.score {
                object.insert("score".into(), json!(score));
            }
        }
        Value::Object(object)
    }

    fn cells(&self, wishes: &Wishes) -> Vec<Cell> {
        let whole = |count: usize| Cell::Integer(i64::try_from(count).unwrap_or(i64::MAX));
        let written = &self.written;
        let mut cells = vec![whole(self.prompt)];
        cells.extend(self.sequence.map(whole));
        let end = written.end.map_or("", |end| end.word());
        cells.extend([
            Cell::Text(self.text.to_owned()),
            Cell::Text(written.text.clone()),
            whole(written.new_ids().len()),
            Cell::Text(end.to_owned()),
        ]);
        if wishes.generate.logprobs {
            let values = written.log_probabilities.iter().copied();
            cells.push(Cell::List(values.map(Cell::Float).collect()));
        }
        cells
    }
}

/// The columns of a table of texts.
fn columns(wishes: &Wishes, several: bool) -> Vec<&'static str> {
    let mut columns = vec!["row"];
    if several {
        columns.push("sequence");
    }
    columns.extend(["prompt", "text", "tokens", "end"]);
    if wishes.generate.logprobs {
        columns.push("logprobs");
    }
    columns
}

/// Where texts go.
pub(super) enum Sink {
    /// Standard output, piece by piece.
    Stream,
    /// Standard output, whole, with an empty line between; the number of texts so far.
    Texts(usize),
    /// Standard output, one JSON object a line.
    Ids,
    /// A table.
    Table(Box<RowWriter>),
}

impl Sink {
    pub(super) fn new(wishes: &Wishes, streams: bool, several: bool) -> Result<Self, Failure> {
        Ok(match &wishes.output {
            Some(path) => {
                let writer = RowWriter::create(path, &columns(wishes, several));
                Self::Table(Box::new(writer.map_err(Failure::refused)?))
            }
            None if wishes.ids => Self::Ids,
            None if streams => Self::Stream,
            None => Self::Texts(0),
        })
    }

    pub(super) fn piece(&mut self, piece: &Piece) -> Result<(), Failure> {
        match self {
            Self::Stream if !piece.text.is_empty() => print(&piece.text),
            _ => Ok(()),
        }
    }

    pub(super) fn row(&mut self, row: &Row<'_>, wishes: &Wishes) -> Result<(), Failure> {
        match self {
            Self::Stream => print("\n"),
            Self::Texts(before) => {
                let gap = if *before > 0 { "\n" } else { "" };
                *before += 1;
                print(&format!("{gap}{}\n", row.written.text))
            }
            Self::Ids => print(&format!("{}\n", row.json(wishes))),
            Self::Table(table) => table
                .write(&row.cells(wishes))
                .map_err(|error| Failure::Broke(error.to_string())),
        }
    }

    pub(super) fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Table(table) => {
                let finished = table.finish();
                finished.map_err(|error| Failure::Broke(error.to_string()))
            }
            _ => std::io::stdout().flush().map_err(|error| {
                Failure::Broke(format!("cannot write to standard output: {error}"))
            }),
        }
    }
}
