//! The options of `engraft generate`: those of generation itself, by their one definition, and those of the program alone.

use std::sync::LazyLock;

use engraft::{Error, Generate};
use engraft_component::{Argument, Component, Kind, Mapping, Node, Refusal, Span, decode};

use crate::failure::Failure;
use crate::given::{Given, Known};

/// Where prompts come from.
const PROMPTS: [Known; 6] = [
    Known {
        name: "--prompt",
        value: Some("TEXT"),
        about: "A text to go on from, or what an encoder-decoder reads; may be given several times",
    },
    Known {
        name: "--input",
        value: Some("FILE"),
        about: "A table of prompts, in any format that experiments read",
    },
    Known {
        name: "--x-col",
        value: Some("COLUMN"),
        about: "The column of prompts; a table of one column needs no name",
    },
    Known {
        name: "--input-ids",
        value: Some("IDS"),
        about: "A prompt as token ids, such as 1,2,3; may be given several times",
    },
    Known {
        name: "--decoder-prompt",
        value: Some("TEXT"),
        about: "Of an encoder-decoder, what the text begins with that is written about a prompt; one for all, or one for each",
    },
    Known {
        name: "--decoder-input-ids",
        value: Some("IDS"),
        about: "The same as token ids",
    },
];

/// Where texts go, and what the model is.
const PROGRAM: [Known; 10] = [
    Known {
        name: "--ckpt_path",
        value: Some("DIR"),
        about: "A checkpoint in the place of a preset: its folder, or `last` for the newest of all runs in logs",
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
        name: "--dtype",
        value: Some("TYPE"),
        about: "The type to compute in: float32",
    },
    Known {
        name: "--tokens",
        value: Some("WHOSE"),
        about: "Of a preset of KerasHub: keras_hub makes KerasHub's own tokens, also where the model was trained with others",
    },
    Known {
        name: "--lora",
        value: Some("DIR"),
        about: "A folder of a PEFT adapter, whose updates are added to the weights",
    },
    Known {
        name: "--output",
        value: Some("FILE"),
        about: "The table to write: .tsv, .csv, .jsonl or .parquet with the columns row, prompt, text, tokens, end",
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
    Known {
        name: "--verbose",
        value: None,
        about: "Name every tensor of the model, with those that are not needed here; also -v",
    },
];

/// The options of the command: first the prompts, then what is to be written, last the program's own.
pub(crate) fn options() -> &'static [Known] {
    static WRITING: LazyLock<Vec<Flag>> =
        LazyLock::new(|| Generate::arguments().iter().map(Flag::of).collect());
    static ALL: LazyLock<Vec<Known>> = LazyLock::new(|| {
        let writing = WRITING.iter().map(|flag| Known {
            name: &flag.name,
            value: flag.value,
            about: &flag.about,
        });
        PROMPTS.into_iter().chain(writing).chain(PROGRAM).collect()
    });
    &ALL
}

/// An argument of generation as an option.
struct Flag {
    name: String,
    value: Option<&'static str>,
    about: String,
}

impl Flag {
    fn of(argument: &Argument) -> Self {
        let kind = inner(&argument.kind);
        let more = match (kind, argument.default.as_deref()) {
            (Kind::Choice(choice), _) => {
                let names: Vec<&str> = choice.variants().iter().map(|info| info.name).collect();
                format!("; one of {}", names.join(", "))
            }
            (Kind::List(_), _) => "; may be given several times".to_owned(),
            (Kind::Boolean, _) | (_, None | Some("null")) => String::new(),
            (_, Some(default)) => format!("; {default} by default"),
        };
        Self {
            name: flag(argument.name),
            value: match argument.name {
                "draft" => Some("PRESET"),
                _ => value_name(kind),
            },
            about: format!("{}{more}", argument.doc.trim_end_matches('.')),
        }
    }
}

/// The type of a value that is there.
fn inner(kind: &Kind) -> &Kind {
    match kind {
        Kind::Optional(kind) => inner(kind),
        kind => kind,
    }
}

/// What is typed for an argument: `--max-length` for `max_length`.
fn flag(argument: &str) -> String {
    format!("--{}", argument.replace('_', "-"))
}

/// What the value of an option is called; none for one without a value.
fn value_name(kind: &Kind) -> Option<&'static str> {
    match kind {
        Kind::Boolean => None,
        Kind::Integer { .. } => Some("N"),
        Kind::Number => Some("X"),
        Kind::Text => Some("TEXT"),
        Kind::Choice(_) => Some("NAME"),
        Kind::OneOf(kinds) => kinds.last().and_then(value_name),
        Kind::List(kind) => match **kind {
            Kind::Integer { .. } => Some("IDS"),
            _ => value_name(kind),
        },
        _ => Some("VALUE"),
    }
}

/// What is to be written, read as a file that says the same would be.
pub(super) fn writing(given: &Given) -> Result<Generate, Failure> {
    let mut arguments = Mapping::default();
    for argument in Generate::arguments() {
        let values: Vec<&str> = given.values(&flag(argument.name)).collect();
        let Some(last) = values.last() else { continue };
        let node = match argument.kind {
            Kind::Boolean => Node::plain("true"),
            Kind::List(_) => {
                let texts = values.into_iter().map(|text| Node::text(unescaped(text)));
                Node::list(texts.collect())
            }
            _ => Node::text(*last),
        };
        arguments.set(argument.name, node);
    }
    let (generate, _) = decode(&Node::map(arguments)).map_err(refused)?;
    Ok(generate)
}

/// That what was given cannot be.
pub(super) fn refused(error: impl Into<Error>) -> Failure {
    Failure::refused(sentence(&error.into()))
}

/// What is wrong, where arguments of generation are called as they are typed, and what experiments call the backbone is the preset.
pub(super) fn sentence(error: &Error) -> String {
    match (error, error.refusal()) {
        (Error::Generate(engraft_generate::Error::Conflict(conflict)), _) => conflict.say(flag),
        (_, Some(refusal)) if refusal.key == BACKBONE => {
            let help = if refusal.is_missing() {
                "Give the preset that it adapts, and this folder as --lora: engraft generate PRESET --lora DIR"
            } else {
                "Give the preset that it was trained on: engraft generate PRESET"
            };
            let key = String::new();
            Refusal { key, ..refusal }.help(help).to_string()
        }
        (_, Some(refusal)) if refusal.key == ADAPTER => {
            let key = "--lora".to_owned();
            Refusal { key, ..refusal }.to_string()
        }
        (_, Some(refusal)) if is_option(&refusal) => {
            let key = flag(&refusal.key);
            Refusal { key, ..refusal }.to_string()
        }
        _ => error.in_keys(),
    }
}

/// What experiments call the preset.
const BACKBONE: &str = "model.backbone";

/// What experiments call `--lora`.
const ADAPTER: &str = "model.backbone.peft_path";

/// Whether it is about an argument of generation; one that has a place is a sampler's own.
fn is_option(refusal: &Refusal) -> bool {
    let arguments = Generate::arguments();
    refusal.place == Span::none() && arguments.iter().any(|it| it.name == refusal.key)
}

/// Token ids, with commas or blanks between.
pub(super) fn ids(flag: &str, text: &str) -> Result<Vec<u32>, Failure> {
    let words = text.split(|c: char| c == ',' || c.is_whitespace());
    let words = words.filter(|word| !word.is_empty());
    let ids = words.map(|word| {
        word.parse().map_err(|_| {
            Failure::refused(format!(
                "{flag}: expected token ids such as 1,2,3, found \"{word}\""
            ))
        })
    });
    let ids: Vec<u32> = ids.collect::<Result<_, _>>()?;
    if ids.is_empty() {
        Err(Failure::refused(format!(
            "{flag}: expected token ids such as 1,2,3, found none"
        )))
    } else {
        Ok(ids)
    }
}

/// A text with its escapes resolved: shells pass `\n` as two characters.
fn unescaped(text: &str) -> String {
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
    use engraft_component::{FromNode, read_yaml};

    use super::*;
    use crate::arguments::Command;

    #[test]
    fn escapes_of_stop_strings_are_those_of_shells() {
        assert_eq!(unescaped(r"\n\n"), "\n\n");
        assert_eq!(unescaped(r"a\tb\\n\x"), "a\tb\\n\\x");
        assert_eq!(unescaped("\\"), "\\");
    }

    #[test]
    fn a_command_line_and_a_file_that_say_the_same_are_the_same() {
        let read = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            writing(&Given::read(Command::Generate, &words, options())?)
        };
        let yaml = r#"
max_length: 64
min_length: 9
min_new_tokens: 3
sampler: chain
temperature: 1e-1
top_k: 5
top_p: 0.9
min_p: 0
typical_p: 0.5
epsilon_cutoff: 0.1
eta_cutoff: 0.2
top_h: 0.7
seed: 18446744073709551615
stop_token_ids: [1, 2]
stop: ["\n\n", "null", ""]
strip_prompt: true
num_return_sequences: 2
repetition_penalty: 1.5
no_repeat_ngram_size: 3
encoder_no_repeat_ngram_size: 4
frequency_penalty: 0.5
logit_bias: {12: -1.5, 13: 2}
num_beams: 4
length_penalty: -1
early_stopping: never
penalty_alpha: 0.4
draft: ./small
num_speculative_tokens: 6
bad_words_ids: [[4], [5, 6]]
suppress_tokens: [7, 8]
begin_suppress_tokens: [9]
forced_bos_token_id: 10
forced_eos_token_id: [11]
source_lang: en_XX
target_lang: de_DE
ignore_generation_config: true
context_length: 128
logprobs: true
batch_size: 8
"#;
        let words = [
            "--max-length=64",
            "--min-length=9",
            "--min_new_tokens",
            "3",
            "--sampler=chain",
            "--temperature=1e-1",
            "--top-k=5",
            "--top_p=0.9",
            "--min-p=0",
            "--typical-p=0.5",
            "--epsilon-cutoff=0.1",
            "--eta-cutoff=0.2",
            "--top-h=0.7",
            "--seed=18446744073709551615",
            "--stop-token-ids=1,2",
            r"--stop=\n\n",
            "--stop=null",
            "--stop=",
            "--strip-prompt",
            "--num-return-sequences=2",
            "--repetition-penalty=1.5",
            "--no-repeat-ngram-size=3",
            "--encoder-no-repeat-ngram-size=4",
            "--frequency-penalty=0.5",
            "--logit-bias=12:-1.5",
            "--logit-bias=13:2",
            "--num-beams=4",
            "--length-penalty=-1",
            "--early-stopping=never",
            "--penalty-alpha=0.4",
            "--draft=./small",
            "--num-speculative-tokens=6",
            "--bad-words-ids=4",
            "--bad-words-ids=5,6",
            "--suppress-tokens=7,8",
            "--begin-suppress-tokens=9",
            "--forced-bos-token-id=10",
            "--forced-eos-token-id=11",
            "--source-lang=en_XX",
            "--target-lang=de_DE",
            "--ignore-generation-config",
            "--context-length=128",
            "--logprobs",
            "--batch_size=8",
        ];
        let written = read_yaml(yaml.as_bytes(), "generate.yaml").unwrap();
        let (written, _) = decode::<Generate>(&written).unwrap();
        let typed = read(&words).unwrap();
        assert_eq!(typed, written);
        let differs = |argument: &Argument| {
            let default = Generate::default().to_node();
            let default = default.as_map().unwrap().get(argument.name).cloned();
            written.to_node().as_map().unwrap().get(argument.name) != default.as_ref()
        };
        let left = Generate::arguments().into_iter().filter(|it| !differs(it));
        let left: Vec<&str> = left.map(|argument| argument.name).collect();
        assert_eq!(left, ["max_new_tokens"], "what excludes max_length");
        assert_eq!(read(&[]), Ok(Generate::default()));
    }

    #[test]
    fn errors_call_arguments_as_they_are_typed() {
        let given = |words: &str| {
            let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
            let generate = writing(&Given::read(Command::Generate, &words, options())?)?;
            generate.check().map_err(refused)
        };
        for (words, expected) in [
            (
                "--max-length x",
                "--max-length: expected a whole number, zero or more, found \"x\"",
            ),
            (
                "--stop-token-ids 1,x",
                "--stop-token-ids: expected none, auto, or token ids such as 1,2, found \"1,x\"",
            ),
            (
                "--batch-size 0",
                "--batch-size: expected at least 1, found 0",
            ),
            (
                "--max-length 9 --max_new_tokens 3",
                "--max-length 9 and --max-new-tokens 3 both limit the text; give one of them",
            ),
            (
                "--top-p 2",
                "sampler top_p: p: expected a number above 0 and at most 1, found 2",
            ),
        ] {
            assert_eq!(given(words), Err(Failure::refused(expected)), "{words}");
        }
    }

    #[test]
    fn ids_stand_between_commas_or_blanks() {
        assert_eq!(ids("--input-ids", "1,2, 3"), Ok(vec![1, 2, 3]));
        assert!(ids("--input-ids", "").is_err());
        assert!(ids("--input-ids", "1,-2").is_err());
    }
}
