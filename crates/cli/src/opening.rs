//! What every run begins with: the words after the command become a session.

use std::path::PathBuf;

use engraft::convert::Format;
use engraft_config::{Experiment, Source, compose};
use engraft_run::{LoraExport, Purpose, Session, argument, compose_for};

use crate::arguments::{Command, Tail};
use crate::failure::{Failure, note, print};
use crate::help;
use crate::teller::Teller;

/// A session, and what the command line wants beside the experiment.
pub(crate) struct Opened {
    pub(crate) session: Session,
    /// The file or folder to write.
    pub(crate) output: Option<PathBuf>,
    /// What export makes of LoRA updates.
    pub(crate) lora: Option<LoraExport>,
    /// The format that export writes.
    pub(crate) to: Option<Format>,
    /// Whether export writes what the format cannot hold exactly.
    pub(crate) approximate: bool,
    /// Texts to predict, in the place of a file's.
    pub(crate) texts: Vec<String>,
    /// Whether rows are said to lie somewhere.
    pub(crate) has_data: bool,
}

impl Opened {
    /// Reads the tail of a command line; help or a configuration that is asked for is printed instead of going on.
    pub(crate) fn read(
        purpose: Purpose,
        words: &[String],
        teller: &mut Teller,
    ) -> Result<Self, Failure> {
        let command = Command::of(purpose);
        let tail = Tail::read(command, words)?;
        if let Some(topic) = &tail.help {
            return Err(help::answer(command, topic, &tail.sources)?);
        }
        let has_data = has_data(&tail)?;
        if has_data && !tail.texts.is_empty() {
            return Err(Failure::refused(
                "--text: data.path is given too; rows come from one of them",
            ));
        }
        let composed = compose_for(purpose, &tail.sources)?;
        if tail.print_config {
            let (experiment, notes) = Experiment::read(&composed)?;
            notes.iter().for_each(|text| note(&text.to_string()));
            print(&experiment.to_yaml())?;
            return Err(Failure::Done);
        }
        use_threads(tail.threads)?;
        teller.verbose = tail.verbose;
        let session = Session::open(composed, teller)?;
        teller.show_progress(session.plan());
        Ok(Self {
            session,
            output: tail.output,
            lora: tail.lora,
            to: tail.to,
            approximate: tail.approximate,
            texts: tail.texts,
            has_data,
        })
    }
}

/// Whether an option says where rows lie, or, where no texts are given, a file does.
fn has_data(tail: &Tail) -> Result<bool, Failure> {
    let sources = tail.sources.iter();
    let sources = sources.filter(|source| match source {
        Source::Override { key, .. } => key.starts_with("data"),
        Source::File(_) => tail.texts.is_empty(),
    });
    let given = compose(&sources.cloned().collect::<Vec<_>>())?.root;
    let data = given.as_map().and_then(|given| given.get("data"));
    let path = data.and_then(|data| argument(data, "path"));
    Ok(path.is_some_and(|path| !path.is_null()))
}

/// Sets how many threads compute; by default one for each core.
pub(crate) fn use_threads(count: Option<usize>) -> Result<(), Failure> {
    let Some(count) = count else { return Ok(()) };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(count)
        .build_global();
    pool.map_err(|error| {
        Failure::refused(format!("--threads: cannot start {count} threads: {error}"))
    })
}
