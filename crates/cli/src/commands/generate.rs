//! `engraft generate`: a language model goes on from prompts, or writes about what it reads.

use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use engraft::{BEAMS_DO_NOT_STREAM, Generate, Writer, Writing};
use engraft_component::did_you_mean;
use engraft_data::{Cell, OutputFormat, ReaderOptions, RowWriter, read_table};
use engraft_generate::{Acceptance, Lost, Piece, Prompt, Written};
use engraft_run::{check_other, check_place, checkpoint_folder};
use engraft_tasks::Backbone;
use engraft_train::{LOGS, newest_checkpoint, newest_root};
use serde_json::{Map, Value, json};

use crate::arguments::{Command, threads};
use crate::failure::{Failure, note, print, say};
use crate::given::Given;
use crate::help;
use crate::interrupt;
use crate::opening::use_threads;
use crate::teller::loaded;

mod options;
mod progress;

pub(crate) use options::options;
use progress::Progress;

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
    if given.has("--verbose") {
        say(&loaded(lm.name(), lm.report(), true));
    }
    // What is lost of prompts is said where they are read.
    let notes = lm.notes(&Lost::default(), &wishes.generate);
    for line in notes.map_err(options::refused)? {
        note(&line);
    }
    write(&lm, &wishes, &prompts, streams)
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

/// What is gone on from, or read.
struct Prompts {
    /// Each with where it came from.
    texts: Vec<(String, Source)>,
    /// What a decoder goes on from beside an encoder that reads the texts: nothing, one for all, or one for each.
    begins: Vec<(String, Source)>,
}

enum Source {
    Text(String),
    Ids(Vec<u32>),
}

impl Prompts {
    fn read(given: &Given) -> Result<Self, Failure> {
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
    fn begins_of(&self, number: usize) -> Option<&(String, Source)> {
        match self.begins.as_slice() {
            [one] => Some(one),
            each => each.get(number),
        }
    }

    /// Refuses what there can only be with an encoder, where there is none.
    fn check(&self, lm: &Writer) -> Result<(), Failure> {
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
        let told = |error| Failure::refused(format!("{place}: {}", options::sentence(&error)));
        let (text, prompt) = match text {
            Source::Text(text) => {
                let prompt = match texts.sides() {
                    Some(sides) => sides.source(text).map_err(engraft::Error::from),
                    None => lm.encode(text),
                };
                (text.clone(), prompt.map_err(told)?)
            }
            Source::Ids(ids) => {
                let checked = if lm.reads() {
                    lm.model().check_source(ids)
                } else {
                    lm.model().check_ids(ids)
                };
                checked.map_err(|error| told(error.into()))?;
                let text = lm.tokenizer().decode(ids, true);
                let text = text.map_err(Failure::refused)?;
                (text, Prompt::of_ids(ids.as_slice()))
            }
        };
        lost.add(&prompt.lost);
        let added = match begun(&texts, prompts.begins_of(number))? {
            Some(begun) => {
                lost.add(&begun.lost);
                texts.add_about(&begun, Some(&prompt.ids))
            }
            None => texts.add(&prompt),
        };
        cut |= added.map_err(told)?.cut_by_context;
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
        Some(place) => Failure::refused(format!("{place}: {}", options::sentence(&error.into()))),
        None => options::refused(error),
    });
    begun.map(Some)
}

/// A text that has ended, beside its prompt.
struct Row<'a> {
    prompt: usize,
    /// Its number among those of the prompt, if there are several.
    sequence: Option<usize>,
    text: &'a str,
    written: Written,
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
enum Sink {
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
    fn new(wishes: &Wishes, streams: bool, several: bool) -> Result<Self, Failure> {
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

    fn piece(&mut self, piece: &Piece) -> Result<(), Failure> {
        match self {
            Self::Stream if !piece.text.is_empty() => print(&piece.text),
            _ => Ok(()),
        }
    }

    fn row(&mut self, row: &Row<'_>, wishes: &Wishes) -> Result<(), Failure> {
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

    fn finish(self) -> Result<(), Failure> {
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
