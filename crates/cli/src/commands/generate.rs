//! `engraft generate`: a language model goes on from prompts, or writes about what it reads.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use engraft::{BEAMS_DO_NOT_STREAM, Generate, Writer, Writing};
use engraft_component::Words;
use engraft_data::OutputFormat;
use engraft_generate::{Acceptance, Lost, Prompt};
use engraft_run::{check_other, check_place, checkpoint_folder};
use engraft_tasks::{Backbone, TokensOf};
use engraft_train::{LOGS, newest_checkpoint, newest_root};

use crate::arguments::{Command, threads};
use crate::failure::{Failure, note, print, say};
use crate::given::Given;
use crate::help;
use crate::interrupt;
use crate::opening::use_threads;
use crate::teller::loaded;

mod options;
mod progress;
mod prompts;
mod sink;

pub(crate) use options::options;
use progress::Progress;
use prompts::{Prompts, Source};
use sink::{Row, Sink};

pub(crate) fn run(words: &[String]) -> Result<(), Failure> {
    let given = Given::read(Command::Generate, words, options())?;
    if given.help {
        return print(&help::command(Command::Generate));
    }
    let wishes = Wishes::read(&given)?;
    let prompts = Prompts::read(&given)?;
    if let Some(path) = &wishes.output {
        check_output(path)?;
        check_place(path, "output")?;
        check_other(path, given.value("--input").map(Path::new), "output")?;
    }
    // All that can be refused without the model is, before its weights are read.
    wishes.generate.check().map_err(options::refused)?;
    let streams = wishes.streams(&prompts)?;
    let backbone = Backbone {
        peft_path: given.value("--lora").map(str::to_owned),
        tokens: given.value("--tokens").map(tokens).transpose()?,
        ..Backbone::new(wishes.preset.as_str())
    };
    let lm = Writer::open(&backbone, Some(&wishes.generate)).map_err(options::refused)?;
    prompts.check(&lm)?;
    let settings = lm.settings(&wishes.generate).map_err(options::refused)?;
    let (searches, several) = (settings.sampler.beams().is_some(), settings.sequences > 1);
    if wishes.stream == Some(true) && searches {
        return Err(Failure::refused(format!("--stream: {BEAMS_DO_NOT_STREAM}")));
    }
    if wishes.stream == Some(true) && several {
        return Err(Failure::refused(
            "--stream: one text can be shown as it is written, and the preset asks for several; give --num-return-sequences 1",
        ));
    }
    let streams = streams && !searches && !several;
    let is_verbose = given.has("--verbose");
    // Layers that a configuration leaves out make another model.
    if is_verbose || !lm.report().unexpected.is_empty() {
        say(&loaded(lm.name(), lm.report(), is_verbose));
    }
    // What is lost of prompts is said where they are read.
    let notes = lm.notes(&Lost::default(), &wishes.generate);
    for line in notes.map_err(options::refused)? {
        note(&line);
    }
    write(&lm, &wishes, &prompts, streams)
}

/// Whose tokens are made.
fn tokens(word: &str) -> Result<TokensOf, Failure> {
    let words = TokensOf::words();
    let found = words.iter().find(|(known, _)| *known == word);
    found.map(|(_, tokens)| *tokens).ok_or_else(|| {
        let known: Vec<&str> = words.iter().map(|(known, _)| *known).collect();
        Failure::refused(format!(
            "--tokens: expected {}, found \"{word}\"",
            known.join(" or ")
        ))
    })
}

/// What is wanted, as the command line says it.
struct Wishes {
    preset: String,
    generate: Generate,
    output: Option<PathBuf>,
    ids: bool,
    stream: Option<bool>,
}

impl Wishes {
    fn read(given: &Given) -> Result<Self, Failure> {
        let preset = preset(given)?;
        if let Some(dtype) = given.value("--dtype")
            && !matches!(dtype, "float32" | "f32" | "auto")
        {
            return Err(Failure::refused(format!(
                "--dtype: only float32 is supported yet, found \"{dtype}\""
            )));
        }
        if let Some(count) = given.value("--threads") {
            use_threads(Some(threads("--threads", count)?))?;
        }
        let stream = match (given.has("--stream"), given.has("--no-stream")) {
            (true, true) => {
                return Err(Failure::refused(
                    "--stream and --no-stream: give one of them",
                ));
            }
            (true, false) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        };
        let generate = options::writing(given)?;
        let output = given.value("--output").map(PathBuf::from);
        let ids = given.has("--output-ids");
        if generate.logprobs && output.is_none() && !ids {
            return Err(Failure::refused(
                "--logprobs: a text alone has no place for them; add --output FILE or --output-ids",
            ));
        }
        if ids && output.is_some() {
            return Err(Failure::refused(
                "--output and --output-ids: texts go to one of them; give one",
            ));
        }
        if stream == Some(true) && (ids || output.is_some()) {
            return Err(Failure::refused(
                "--stream: whole texts are written to a file and by --output-ids; leave out one of the two",
            ));
        }
        if stream == Some(true)
            && generate
                .num_return_sequences
                .is_some_and(|count| count != 1)
        {
            return Err(Failure::refused(
                "--stream: one text can be shown as it is written; leave out --num-return-sequences",
            ));
        }
        Ok(Self {
            preset,
            generate,
            output,
            ids,
            stream,
        })
    }

    /// Whether the text shows as it is written.
    fn streams(&self, prompts: &Prompts) -> Result<bool, Failure> {
        let can = prompts.texts.len() == 1
            && self.generate.num_return_sequences.unwrap_or(1) == 1
            && self.output.is_none()
            && !self.ids;
        match self.stream {
            Some(true) if !can => Err(Failure::refused(format!(
                "--stream: one text can be shown as it is written, and there are {} prompts",
                prompts.texts.len()
            ))),
            Some(wanted) => Ok(wanted),
            None => Ok(can && std::io::stdout().is_terminal()),
        }
    }
}

/// The preset, or the checkpoint that is given in its place.
fn preset(given: &Given) -> Result<String, Failure> {
    match (given.word(Command::Generate)?, given.value("--ckpt_path")) {
        (Some(preset), None) => Ok(preset.to_owned()),
        (None, Some("last")) => {
            let logs = PathBuf::from(LOGS);
            let newest = newest_checkpoint(&newest_root(&logs).unwrap_or(logs), None);
            let newest =
                newest.map_err(|error| Failure::refused(format!("--ckpt_path: {error}")))?;
            note(&format!("ckpt_path: last is {}", newest.display()));
            Ok(newest.display().to_string())
        }
        (None, Some(checkpoint)) => {
            let folder = checkpoint_folder(checkpoint);
            folder.map_err(|error| Failure::refused(format!("--{error}")))?;
            Ok(checkpoint.to_owned())
        }
        (Some(preset), Some(checkpoint)) => Err(Failure::refused(format!(
            "generate: {preset} and --ckpt_path {checkpoint} are two models; give one"
        ))),
        (None, None) => Err(Failure::refused(
            "generate: which model? Give a preset: engraft generate ./gpt2 --prompt \"Once upon a time\"",
        )),
    }
}

fn check_output(path: &Path) -> Result<(), Failure> {
    match OutputFormat::of(path) {
        Some(_) => Ok(()),
        None => Err(Failure::refused(format!(
            "--output: {}: expected a name that ends in {}",
            path.display(),
            OutputFormat::known()
        ))),
    }
}

/// Writes all texts: as they come if there is one to be watched, else each when it and all before it have ended.
fn write(lm: &Writer, wishes: &Wishes, prompts: &Prompts, streams: bool) -> Result<(), Failure> {
    let mut texts = lm
        .texts(&wishes.generate, prompts.texts.len())
        .map_err(options::refused)?;
    let mut given = Vec::with_capacity(prompts.texts.len());
    let (mut cut, mut lost) = (false, Lost::default());
    for (number, (place, text)) in prompts.texts.iter().enumerate() {
        let refused = |error| refused_at(place, &error);
        let (text, prompt) = match text {
            Source::Text(text) => {
                let prompt = match texts.sides() {
                    Some(sides) => sides.source(text).map_err(engraft::Error::from),
                    None => lm.encode(text),
                };
                (text.clone(), prompt.map_err(refused)?)
            }
            Source::Ids(ids) => {
                let checked = if lm.reads() {
                    lm.model().check_source(ids)
                } else {
                    lm.model().check_ids(ids)
                };
                checked.map_err(|error| refused(error.into()))?;
                let text = lm.tokenizer().decode(ids, true);
                let text = text.map_err(Failure::refused)?;
                (text, Prompt::of_ids(ids.as_slice()))
            }
        };
        lost.add(&prompt.lost);
        let begins = prompts.begins_of(number);
        let added = match begun(&texts, begins)? {
            Some(begun) => {
                lost.add(&begun.lost);
                // The source was looked at before; what is wrong now is so of what the decoder begins with.
                let place = begins.map_or(place, |(place, _)| place);
                let added = texts.add_about(&begun, Some(&prompt.ids));
                added.map_err(|error| refused_at(place, &error))
            }
            None => texts.add(&prompt).map_err(refused),
        };
        cut |= added?.cut_by_context;
        given.push(text);
    }
    if !lost.is_none() {
        note(&lost.to_string());
    }
    if cut && let Some(context) = texts.context() {
        note(&format!(
            "texts end at the model's context of {context} tokens, which is less than was asked for"
        ));
    }
    let sequences = texts.sequences();
    let mut sink = Sink::new(wishes, streams, sequences > 1)?;
    let stop = interrupt::watch(interrupt::STOPS);
    let count = given.len() * sequences;
    let (mut ended, mut next) = (vec![false; count], 0);
    let mut progress = Progress::new(wishes.output.is_some(), count);
    while !texts.is_done() {
        if stop.load(Ordering::SeqCst) {
            return Err(Failure::Interrupted);
        }
        let pieces = texts
            .step()
            .map_err(|error| Failure::Broke(error.to_string()))?;
        for piece in &pieces {
            sink.piece(piece)?;
            ended[piece.row] |= piece.end.is_some();
        }
        progress.advance(&pieces);
        while next < count && ended[next] {
            let row = Row {
                prompt: next / sequences,
                sequence: (sequences > 1).then_some(next % sequences),
                text: &given[next / sequences],
                written: texts.take(next),
            };
            sink.row(&row, wishes)?;
            next += 1;
        }
    }
    sink.finish()?;
    let Acceptance { drafted, accepted } = texts.acceptance();
    if drafted > 0 {
        note(&format!(
            "{accepted} of {drafted} drafted tokens were accepted"
        ));
    }
    if let Some(path) = &wishes.output {
        progress.finish(path);
    }
    Ok(())
}

/// What is wrong with a prompt, by where it is given.
fn refused_at(place: &str, error: &engraft::Error) -> Failure {
    Failure::refused(format!("{place}: {}", options::sentence(error)))
}

/// What the decoder of an encoder-decoder goes on from.
fn begun(
    texts: &Writing<'_>,
    begins: Option<&(String, Source)>,
) -> Result<Option<Prompt>, Failure> {
    let Some(sides) = texts.sides() else {
        return Ok(None);
    };
    let settings = texts.settings();
    let (place, begun) = match begins {
        None => (None, sides.begun(None, settings)),
        Some((place, Source::Text(text))) => (Some(place), sides.begun(Some(text), settings)),
        Some((place, Source::Ids(ids))) => (Some(place), sides.begun_by(ids, settings)),
    };
    let begun = begun.map_err(|error| match place {
        Some(place) => refused_at(place, &error.into()),
        None => options::refused(error),
    });
    begun.map(Some)
}
