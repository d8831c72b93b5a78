//! Secondary structures of RNA: connectivity tables (`.ct`), base pairs (`.bpseq`), brackets (`.dbn`) and bpRNA's files (`.st`).
//!
//! All have the columns `id`, `sequence` and `structure`, which holds brackets, or a list of pairs where the file lists them.

use super::format::Format;
use super::text::TextReader;
use crate::builder::TableBuilder;
use crate::cell::Cell;
use crate::error::{Error, record};
use crate::origin::Origin;

/// A structure as it was read.
struct Structure {
    origin: Origin,
    id: Option<String>,
    sequence: String,
    structure: Cell,
}

/// Reads every structure of a file.
pub(super) fn read(
    text: &mut TextReader<'_>,
    format: Format,
    builder: &mut TableBuilder,
) -> Result<(), Error> {
    let columns = ["id", "sequence", "structure"].map(|name| builder.column(name));
    builder.set_text_column("sequence");
    let file = text.file();
    let stem = file
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    // Of `a.ct.gz` the name is `a`.
    let stem = stem.split_once('.').map_or(stem, |(stem, _)| stem);
    let mut lines = Lines { text, ahead: None };
    loop {
        let found = match format {
            Format::Ct => connectivity(&mut lines),
            Format::Bpseq => base_pairs(&mut lines),
            _ => brackets(&mut lines),
        };
        let Structure {
            origin,
            id,
            sequence,
            structure,
        } = match found {
            Ok(None) => return Ok(()),
            Ok(Some(found)) => found,
            Err(error) => {
                builder.reject(error)?;
                continue;
            }
        };
        let id = id.unwrap_or_else(|| stem.to_owned());
        let cells = [Cell::from(id), Cell::from(sequence), structure];
        for (column, cell) in columns.into_iter().zip(cells) {
            builder.push(column, cell)?;
        }
        builder.end_row(origin);
    }
}

/// Lines that are not blank, one of which may be looked at before it is taken.
struct Lines<'t, 'a> {
    text: &'t mut TextReader<'a>,
    ahead: Option<(Origin, String)>,
}

impl Lines<'_, '_> {
    fn next(&mut self) -> Result<Option<(Origin, String)>, Error> {
        if let Some(line) = self.ahead.take() {
            return Ok(Some(line));
        }
        let mut bytes = vec![];
        loop {
            let origin = self.text.origin();
            if !self.text.next_line(&mut bytes)? {
                return Ok(None);
            }
            let line = std::str::from_utf8(&bytes).unwrap_or_default().trim();
            if !line.is_empty() {
                return Ok(Some((origin, line.to_owned())));
            }
        }
    }

    /// The next line, if it is like this.
    fn next_if(
        &mut self,
        is_like: impl Fn(&str) -> bool,
    ) -> Result<Option<(Origin, String)>, Error> {
        match self.next()? {
            Some((origin, line)) if !is_like(&line) => {
                self.ahead = Some((origin, line));
                Ok(None)
            }
            line => Ok(line),
        }
    }

    /// The next line that is no comment.
    fn next_content(&mut self) -> Result<Option<(Origin, String)>, Error> {
        while self.next_if(|line| line.starts_with('#'))?.is_some() {}
        self.next()
    }
}

/// Bases with the partner of each, as lines list them: numbers from 1, 0 for none.
#[derive(Default)]
struct Listed {
    sequence: String,
    partners: Vec<usize>,
}

impl Listed {
    /// Takes a base, which must be the next.
    fn add(
        &mut self,
        origin: &Origin,
        number: &str,
        base: &str,
        partner: &str,
    ) -> Result<(), Error> {
        let next = self.partners.len() + 1;
        if number.parse() != Ok(next) {
            let message = format!("expected base {next}, found \"{number}\"");
            return Err(record(origin, message));
        }
        let mut letters = base.chars();
        let (Some(letter), None) = (letters.next(), letters.next()) else {
            let message = format!("expected one letter of a base, found \"{base}\"");
            return Err(record(origin, message));
        };
        let Ok(partner) = partner.parse() else {
            let message = format!("expected the number of a base or 0, found \"{partner}\"");
            return Err(record(origin, message));
        };
        self.sequence.push(letter);
        self.partners.push(partner);
        Ok(())
    }

    /// The structure that begins at `origin`.
    fn finish(self, origin: Origin, id: Option<String>) -> Result<Structure, Error> {
        let partner = |base: usize| self.partners.get(base.wrapping_sub(1)).copied();
        let mut pairs = vec![];
        for (base, &other) in (1..).zip(&self.partners) {
            if other == 0 {
                continue;
            }
            if other == base {
                let message = format!("base {base} is paired with itself");
                return Err(record(&origin, message));
            }
            let back = partner(other);
            if back != Some(base) {
                let bases = self.partners.len();
                let message = match back {
                    Some(back) => format!(
                        "base {base} is paired with {other}, but {other} with {}",
                        if back == 0 {
                            "none".to_owned()
                        } else {
                            back.to_string()
                        }
                    ),
                    None => {
                        format!("base {base} is paired with {other}, but there are {bases} bases")
                    }
                };
                return Err(record(&origin, message));
            }
            if base < other {
                pairs.push(Cell::from(vec![base as i64 - 1, other as i64 - 1]));
            }
        }
        Ok(Structure {
            origin,
            id,
            sequence: self.sequence,
            structure: Cell::List(pairs),
        })
    }
}

/// A connectivity table: the number of bases and a title, then a line for each base with its number, its letter, the numbers before and
/// after, and that of its partner.
fn connectivity(lines: &mut Lines<'_, '_>) -> Result<Option<Structure>, Error> {
    let Some((origin, header)) = lines.next_content()? else {
        return Ok(None);
    };
    let (count, title) = header
        .split_once(char::is_whitespace)
        .unwrap_or((&header, ""));
    let Ok(count) = count.parse::<usize>() else {
        let message = format!("expected the number of bases and a title, found \"{header}\"");
        return Err(record(&origin, message));
    };
    let mut listed = Listed::default();
    while listed.partners.len() < count {
        let Some((at, line)) = lines.next()? else {
            let found = listed.partners.len();
            let message = format!("{count} bases are announced, but the file ends after {found}");
            return Err(record(&origin, message));
        };
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [number, base, _, _, partner, ..] = fields[..] else {
            let message = format!("expected the six fields of a base, found \"{line}\"");
            return Err(record(&at, message));
        };
        listed.add(&at, number, base, partner)?;
    }
    listed.finish(origin, name_in(title)).map(Some)
}

/// The name in the title of a connectivity table, before which programs put the energy: `dG = -5.3 NAME`, `ENERGY=-5.3 NAME`.
fn name_in(title: &str) -> Option<String> {
    let words: Vec<&str> = title.split_whitespace().collect();
    let energy = words.iter().position(|word| word.contains('='));
    let name = match energy {
        Some(at) if words[at].ends_with('=') => words.get(at + 2),
        Some(at) => words.get(at + 1),
        None => words.first(),
    };
    name.map(|name| (*name).to_owned())
}

/// Base pairs: a line for each base with its number, its letter and the number of its partner, after headers, of which `#Name:` names the RNA.
/// Another header begins another RNA.
fn base_pairs(lines: &mut Lines<'_, '_>) -> Result<Option<Structure>, Error> {
    let is_base = |line: &str| line.starts_with(|first: char| first.is_ascii_digit());
    let mut id = None;
    while let Some((_, header)) = lines.next_if(|line| !is_base(line))? {
        let name = header.strip_prefix("#Name:");
        id = name.map_or(id, |name| name.split_whitespace().next().map(str::to_owned));
    }
    let mut listed = Listed::default();
    let mut begin = None;
    while let Some((at, line)) = lines.next_if(|line| begin.is_none() || !line.starts_with('#'))? {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [number, base, partner] = fields[..] else {
            let message = format!("expected the three fields of a base, found \"{line}\"");
            return Err(record(&at, message));
        };
        listed.add(&at, number, base, partner)?;
        begin.get_or_insert(at);
    }
    match begin {
        Some(origin) => listed.finish(origin, id).map(Some),
        None => Ok(None),
    }
}

/// A line that may begin with `>` and names the structure, a sequence, and its brackets, behind which an energy may stand. In bpRNA's files, comments
/// name it, and what follows the brackets is left aside.
fn brackets(lines: &mut Lines<'_, '_>) -> Result<Option<Structure>, Error> {
    let mut id = None;
    let mut is_bprna = false;
    while let Some((_, comment)) = lines.next_if(|line| line.starts_with('#'))? {
        if let Some(name) = comment.strip_prefix("#Name:") {
            (id, is_bprna) = (Some(name.trim().to_owned()), true);
        }
    }
    if let Some((_, header)) = lines.next_if(|line| line.starts_with('>'))? {
        let header = header.trim_start_matches('>').trim();
        id = header.split_whitespace().next().map(str::to_owned);
    }
    let Some((origin, sequence)) = lines.next()? else {
        return Ok(None);
    };
    let Some((_, structure)) = lines.next()? else {
        let message = "a sequence without its structure: the file ends here";
        return Err(record(&origin, message));
    };
    if is_bprna {
        while lines.next_if(|line| !line.starts_with("#Name:"))?.is_some() {}
    }
    let structure = structure.split_whitespace().next().unwrap_or_default();
    Ok(Some(Structure {
        origin,
        id,
        sequence,
        structure: Cell::from(structure),
    }))
}
