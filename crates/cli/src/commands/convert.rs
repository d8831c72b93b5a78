//! `engraft convert`: a preset in another library's format.

use std::path::Path;

use engraft::convert::{
    Conversion, Converted, Difference, Error, Format, SHARD, convert, sentences,
};
use engraft_hub::Preset;

use crate::arguments::Command;
use crate::failure::{Failure, note, print, say};
use crate::given::{Given, Known};
use crate::help;
use crate::interrupt;

/// The options of the command.
pub(crate) const OPTIONS: &[Known] = &[
    Known {
        name: "--to",
        value: Some("FORMAT"),
        about: "The format to write: hf, the layout of Hugging Face, or keras, a preset of KerasHub",
    },
    Known {
        name: "--approximate",
        value: None,
        about: "Write it too where the other library's class computes something else, and say by how much",
    },
    Known {
        name: "--max-length",
        value: Some("N"),
        about: "Tokens that KerasHub's preprocessor cuts a text to; without it what the source's tokenizer says, else 512 for encoders and 1024 for language models",
    },
    Known {
        name: "--max-shard-size",
        value: Some("GIB"),
        about: "The size of a file of weights, above which there are several; as much is held in memory; 4 without it",
    },
];

/// Tensors that are named where they are left out; of more, the first ones are.
const NAMED: usize = 6;

pub(crate) fn run(words: &[String]) -> Result<(), Failure> {
    let given = Given::read(Command::Convert, words, OPTIONS)?;
    if given.help {
        return print(&help::command(Command::Convert));
    }
    let [source, target] = given.words.as_slice() else {
        return Err(Failure::refused(
            "convert: a preset and the folder to write are needed: engraft convert ./bert ./keras_bert --to keras",
        ));
    };
    let conversion = Conversion {
        to: format(given.value("--to"))?,
        approximate: given.has("--approximate"),
        max_length: given.value("--max-length").map(length).transpose()?,
        shard: given
            .value("--max-shard-size")
            .map_or(Ok(SHARD), gibibytes)?,
    };
    if conversion.to == Format::HuggingFace && conversion.max_length.is_some() {
        return Err(Failure::refused(
            "convert: --max-length goes with --to keras",
        ));
    }
    interrupt::end_at_once();
    let preset = Preset::from_name(source).map_err(Failure::refused)?;
    let target = Path::new(target);
    let converted = convert(&preset, target, conversion).map_err(refused)?;
    said(&converted);
    print(&format!("preset      {}\n", target.display()))
}

/// The format that is asked for.
pub(crate) fn format(word: Option<&str>) -> Result<Format, Failure> {
    let known = Format::ALL.map(|(name, _)| name).join(" or ");
    let word = word.ok_or_else(|| Failure::refused(format!("--to is needed: {known}")))?;
    Format::named(word)
        .ok_or_else(|| Failure::refused(format!("--to: expected {known}, found \"{word}\"")))
}

fn length(word: &str) -> Result<usize, Failure> {
    let length = word.parse().ok().filter(|length| *length > 0);
    length.ok_or_else(|| {
        Failure::refused(format!(
            "--max-length: expected a whole number from 1, found \"{word}\""
        ))
    })
}

/// Bytes of so many GiB.
fn gibibytes(word: &str) -> Result<usize, Failure> {
    let number = word.parse::<f64>().ok();
    let number = number.filter(|number| *number > 0.0 && *number <= 1024.0);
    let number = number.ok_or_else(|| {
        Failure::refused(format!(
            "--max-shard-size: expected a number of GiB up to 1024, found \"{word}\""
        ))
    })?;
    Ok((number * f64::from(1 << 30)) as usize)
}

/// What is wrong, and which option would do.
pub(crate) fn refused(error: Error) -> Failure {
    match error {
        error if error.can_be_approximated() => Failure::refused(format!(
            "{error}. --approximate writes it all the same, and says by how much its outputs differ"
        )),
        error => Failure::refused(error),
    }
}

/// Says what became of a preset.
pub(crate) fn said(converted: &Converted) {
    say(&format!(
        "{}: {} tensors written, and read again the same",
        converted.class, converted.tensors
    ));
    let left_out = &converted.left_out;
    if let Some(named) = left_out
        .get(..left_out.len().min(NAMED))
        .filter(|named| !named.is_empty())
    {
        let more = match left_out.len() - named.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        note(&format!(
            "left out, as the class has no place for them: {}{more}",
            named.join(", ")
        ));
    }
    for line in &converted.notes {
        note(line);
    }
    for sentence in sentences(&converted.differences) {
        note(&format!("otherwise than in the source: {sentence}"));
    }
    let is_missing = |difference: &Difference| matches!(difference, Difference::Missing(_));
    if converted.differences.iter().any(is_missing) {
        note("what the source does not have is zero there, and one where a norm multiplies by it");
    }
    if let Some(deviation) = converted.deviation {
        note(&deviation.to_string());
    }
}
