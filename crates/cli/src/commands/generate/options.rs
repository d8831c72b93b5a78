//! The options of `engraft generate`, and how their values are read.

use std::str::FromStr;

use engraft_generate::SamplerFlags;

use crate::failure::Failure;
use crate::given::{Given, Known};

/// The options of the command.
pub(crate) const OPTIONS: &[Known] = &[
    Known {
        name: "--prompt",
        value: Some("TEXT"),
        about: "A text to go on from; may be given several times",
    },
    Known {
        name: "--input",
        value: Some("FILE"),
        about: "A table of prompts, in any format that experiments read",
    },
    Known {
        name: "--x-col",
        value: Some("COLUMN"),
        about: "The column of prompts",
    },
    Known {
        name: "--input-ids",
        value: Some("IDS"),
        about: "A prompt as token ids, such as 1,2,3; may be given several times",
    },
    Known {
        name: "--max-length",
        value: Some("N"),
        about: "Tokens of a text in all, its prompt included; by default what the preset says, else 1024",
    },
    Known {
        name: "--max-new-tokens",
        value: Some("N"),
        about: "Tokens to write at most, in the place of --max-length",
    },
    Known {
        name: "--min-new-tokens",
        value: Some("N"),
        about: "Tokens before which no stop token is chosen",
    },
    Known {
        name: "--sampler",
        value: Some("NAME"),
        about: "How tokens are chosen: greedy, random, top_k, top_p, min_p or chain; by default what the options below imply, else what the preset says, else KerasHub's default",
    },
    Known {
        name: "--temperature",
        value: Some("T"),
        about: "What logits are divided by, above 0",
    },
    Known {
        name: "--top-k",
        value: Some("K"),
        about: "Keep the K most probable tokens",
    },
    Known {
        name: "--top-p",
        value: Some("P"),
        about: "Keep the most probable tokens that make up a share P",
    },
    Known {
        name: "--min-p",
        value: Some("P"),
        about: "Keep tokens with at least P times the largest probability",
    },
    Known {
        name: "--seed",
        value: Some("N"),
        about: "Decides all draws; without it they are other each time",
    },
    Known {
        name: "--stop-token-ids",
        value: Some("IDS"),
        about: "Tokens that end a text: none, auto for the model's own, or ids such as 1,2; auto by default",
    },
    Known {
        name: "--stop",
        value: Some("TEXT"),
        about: "A string that ends a text, and is no part of it; \\n stands for a line's end; may be given several times",
    },
    Known {
        name: "--strip-prompt",
        value: None,
        about: "Leave the prompt out of the text",
    },
    Known {
        name: "--num-return-sequences",
        value: Some("N"),
        about: "Texts for each prompt",
    },
    Known {
        name: "--repetition-penalty",
        value: Some("X"),
        about: "Above 1, makes tokens that a text has already less probable",
    },
    Known {
        name: "--stream",
        value: None,
        about: "Show the text as it is written; as on a terminal by default, where there is one text",
    },
    Known {
        name: "--no-stream",
        value: None,
        about: "Show texts when they have ended",
    },
    Known {
        name: "--logprobs",
        value: None,
        about: "Give the log-probability of each new token, with --output or --output-ids",
    },
    Known {
        name: "--context-length",
        value: Some("N"),
        about: "Tokens that the model may read; by default what its config.json says",
    },
    Known {
        name: "--batch-size",
        value: Some("N"),
        about: "Texts that are written at a time; 32 by default",
    },
    Known {
        name: "--dtype",
        value: Some("TYPE"),
        about: "The type to compute in: float32",
    },
    Known {
        name: "--lora",
        value: Some("DIR"),
        about: "A folder of a PEFT adapter, whose updates are added to the weights",
    },
    Known {
        name: "--output",
        value: Some("FILE"),
        about: "The table to write: .tsv, .csv or .jsonl with the columns row, prompt, text, tokens, end",
    },
    Known {
        name: "--output-ids",
        value: None,
        about: "Print one JSON object a text: its ids and its text",
    },
    Known {
        name: "--threads",
        value: Some("N"),
        about: "Threads to compute with; by default all cores",
    },
];

/// A whole number.
pub(super) fn number(given: &Given, name: &str) -> Result<Option<usize>, Failure> {
    read(given, name, "a whole number, 0 or more")
}

/// A number.
pub(super) fn real(given: &Given, name: &str) -> Result<Option<f64>, Failure> {
    read(given, name, "a number")
}

/// The value of an option, if it is given.
fn read<T: FromStr>(given: &Given, name: &str, expected: &str) -> Result<Option<T>, Failure> {
    let Some(text) = given.value(name) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(value) => Ok(Some(value)),
        Err(_) => Err(Failure::refused(format!(
            "{name}: expected {expected}, found \"{text}\""
        ))),
    }
}

/// What the options say of the sampler.
pub(super) fn sampler_flags(given: &Given) -> Result<SamplerFlags, Failure> {
    Ok(SamplerFlags {
        sampler: given.value("--sampler").map(str::to_owned),
        temperature: real(given, "--temperature")?,
        top_k: number(given, "--top-k")?,
        top_p: real(given, "--top-p")?,
        min_p: real(given, "--min-p")?,
        seed: read(given, "--seed", "a whole number, 0 or more")?,
    })
}

/// Token ids, with commas or blanks between.
pub(super) fn ids(text: &str) -> Result<Vec<u32>, Failure> {
    let words = text.split(|c: char| c == ',' || c.is_whitespace());
    let words = words.filter(|word| !word.is_empty());
    let ids = words.map(|word| {
        word.parse().map_err(|_| {
            Failure::refused(format!(
                "--input-ids: expected token ids such as 1,2,3, found \"{word}\""
            ))
        })
    });
    let ids: Vec<u32> = ids.collect::<Result<_, _>>()?;
    match ids.is_empty() {
        true => Err(Failure::refused(
            "--input-ids: expected token ids such as 1,2,3, found none",
        )),
        false => Ok(ids),
    }
}

/// A stop string with its escapes resolved: shells pass `\n` as two characters.
pub(super) fn unescaped(text: &str) -> String {
    let mut unescaped = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        let escaped = match (character, rest.as_str().chars().next()) {
            ('\\', Some('n')) => '\n',
            ('\\', Some('t')) => '\t',
            ('\\', Some('r')) => '\r',
            ('\\', Some('\\')) => '\\',
            _ => {
                unescaped.push(character);
                continue;
            }
        };
        rest.next();
        unescaped.push(escaped);
    }
    unescaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_stop_strings_are_those_of_shells() {
        assert_eq!(unescaped(r"\n\n"), "\n\n");
        assert_eq!(unescaped(r"a\tb\\n\x"), "a\tb\\n\\x");
        assert_eq!(unescaped("\\"), "\\");
    }

    #[test]
    fn ids_stand_between_commas_or_blanks() {
        assert_eq!(ids("1,2, 3"), Ok(vec![1, 2, 3]));
        assert!(ids("").is_err());
        assert!(ids("1,-2").is_err());
    }
}
