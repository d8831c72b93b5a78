//! What texts go on from, or are about: options, a table, or standard input.

use std::io::{IsTerminal, Read};
use std::path::Path;

use engraft::Writer;
use engraft_component::did_you_mean;
use engraft_data::{ReaderOptions, read_table};

use super::options;
use crate::failure::{Failure, note};
use crate::given::Given;

/// What is gone on from, or read.
pub(super) struct Prompts {
    /// Each with where it came from.
    pub(super) texts: Vec<(String, Source)>,
    /// What a decoder goes on from beside an encoder that reads the texts: nothing, one for all, or one for each.
    begins: Vec<(String, Source)>,
}

pub(super) enum Source {
    Text(String),
    Ids(Vec<u32>),
}

impl Prompts {
    pub(super) fn read(given: &Given) -> Result<Self, Failure> {
        let prompts = Self {
            begins: Self::begins(given)?,
            texts: Self::texts(given)?,
        };
        let [texts, begins] = [&prompts.texts, &prompts.begins].map(Vec::len);
        if begins > 1 && begins != texts {
            return Err(Failure::refused(format!(
                "{}: there are {begins} of them, and {texts} texts that are read; give one for all, or one for each",
                prompts.begins[0].0.trim_end_matches(" 1")
            )));
        }
        Ok(prompts)
    }

    /// What the decoder goes on from for text `number`.
    pub(super) fn begins_of(&self, number: usize) -> Option<&(String, Source)> {
        match self.begins.as_slice() {
            [one] => Some(one),
            each => each.get(number),
        }
    }

    /// Refuses what there can only be with an encoder, where there is none.
    pub(super) fn check(&self, lm: &Writer) -> Result<(), Failure> {
        match self.begins.first() {
            Some((place, _)) if !lm.reads() => Err(Failure::refused(format!(
                "{}: {} is no encoder-decoder: it goes on from --prompt or --input-ids alone",
                place.trim_end_matches(" 1"),
                lm.name()
            ))),
            _ => Ok(()),
        }
    }

    fn begins(given: &Given) -> Result<Vec<(String, Source)>, Failure> {
        let (text, ids) = ("--decoder-prompt", "--decoder-input-ids");
        if given.has(text) && given.has(ids) {
            return Err(Failure::refused(
                "--decoder-prompt and --decoder-input-ids: what the decoder goes on from comes from one of them",
            ));
        }
        let flag = if given.has(text) { text } else { ids };
        let several = given.values(flag).count() > 1;
        let place = |number: usize| {
            if several {
                format!("{flag} {}", number + 1)
            } else {
                flag.to_owned()
            }
        };
        let read = |(number, value): (usize, &str)| {
            let source = if flag == text {
                Source::Text(value.to_owned())
            } else {
                Source::Ids(options::ids(flag, value)?)
            };
            Ok((place(number), source))
        };
        given.values(flag).enumerate().map(read).collect()
    }

    fn texts(given: &Given) -> Result<Vec<(String, Source)>, Failure> {
        let texts: Vec<&str> = given.values("--prompt").collect();
        let ids: Vec<&str> = given.values("--input-ids").collect();
        let file = given.value("--input");
        let sources = [!texts.is_empty(), !ids.is_empty(), file.is_some()];
        if sources.iter().filter(|given| **given).count() > 1 {
            return Err(Failure::refused(
                "--prompt, --input-ids and --input: prompts come from one of them",
            ));
        }
        if given.has("--x-col") && file.is_none() {
            return Err(Failure::refused(
                "--x-col: names a column of --input FILE, which is not given",
            ));
        }
        let several = texts.len() + ids.len() > 1;
        let name = |flag: &str, number: usize| {
            if several {
                format!("{flag} {}", number + 1)
            } else {
                flag.to_owned()
            }
        };
        if let Some(path) = file {
            return Self::of_table(Path::new(path), given.value("--x-col"));
        }
        if !ids.is_empty() {
            let flag = "--input-ids";
            let read = |(number, text)| {
                let ids = options::ids(flag, text)?;
                Ok((name(flag, number), Source::Ids(ids)))
            };
            return ids.into_iter().enumerate().map(read).collect();
        }
        if !texts.is_empty() {
            let read = |(number, text): (usize, &str)| {
                (name("--prompt", number), Source::Text(text.to_owned()))
            };
            return Ok(texts.into_iter().enumerate().map(read).collect());
        }
        Self::of_input()
    }

    /// All of standard input as one prompt, without the line's end that `echo` adds.
    fn of_input() -> Result<Vec<(String, Source)>, Failure> {
        if std::io::stdin().is_terminal() {
            return Err(Failure::refused(
                "generate: no prompt given; use --prompt TEXT, --input FILE --x-col COLUMN, --input-ids IDS, or standard input",
            ));
        }
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| Failure::refused(format!("standard input: {error}")))?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text).to_owned();
        Ok(vec![("standard input".to_owned(), Source::Text(text))])
    }

    fn of_table(path: &Path, column: Option<&str>) -> Result<Vec<(String, Source)>, Failure> {
        let table = read_table(path, &ReaderOptions::default()).map_err(Failure::refused)?;
        table.notes.iter().for_each(|text| note(text));
        let names = table.names();
        let only = match names[..] {
            [name] => Some(name),
            _ => table.text_column,
        };
        let Some(name) = column.or(only) else {
            return Err(Failure::refused(format!(
                "{}: which column holds the prompts? Name it with --x-col; there are {}",
                path.display(),
                names.join(", ")
            )));
        };
        let Some(cells) = table.column(name).map(|column| &column.cells) else {
            let near = did_you_mean(name, &table.names(), "There are");
            return Err(Failure::refused(format!(
                "--x-col: {} has no column \"{name}\". {}",
                path.display(),
                near.unwrap_or_default()
            )));
        };
        let prompts = cells.iter().zip(&table.origins).map(|(cell, origin)| {
            let text = cell.loaded().map_err(Failure::refused)?.text();
            match text {
                Some(text) => Ok((origin.to_string(), Source::Text(text))),
                None => Err(Failure::refused(format!(
                    "{origin}: {name}: expected a text"
                ))),
            }
        });
        prompts.collect()
    }
}
