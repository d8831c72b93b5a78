//! What every run begins with: the words after the command become a session.

use std::path::PathBuf;

use engraft_component::class_word;
use engraft_config::{Experiment, Source, compose};
use engraft_run::{LoraExport, Session};
use engraft_tasks::Task;

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
}

impl Opened {
    /// Reads the tail of a command line; help or a configuration that is asked for is printed instead of going on.
    pub(crate) fn read(
        command: Command,
        words: &[String],
        teller: &mut Teller,
    ) -> Result<Self, Failure> {
        let tail = Tail::read(command, words)?;
        if let Some(topic) = &tail.help {
            return Err(help::answer(command, topic, &tail.sources)?);
        }
        let composed = compose(&with_data_module(tail.sources))?;
        if tail.print_config {
            let (experiment, notes) = Experiment::read(&composed)?;
            notes.iter().for_each(|text| note(&text.to_string()));
            print(&experiment.to_yaml())?;
            return Err(Failure::Done);
        }
        use_threads(tail.threads)?;
        let session = Session::open(composed, teller)?;
        teller.show_progress(session.plan());
        Ok(Self {
            session,
            output: tail.output,
            lora: tail.lora,
        })
    }
}

/// The sources with a data module before them, where options speak of the data and of a model but no option names a module: the one that
/// the model is mostly used with. A file that names another goes before it.
fn with_data_module(mut sources: Vec<Source>) -> Vec<Source> {
    let keys = || {
        sources.iter().filter_map(|source| match source {
            Source::Override { key, value } => Some((key.as_str(), value.as_deref())),
            Source::File(_) => None,
        })
    };
    let is_named = keys().any(|(key, _)| key == "data" || key == "data.class_path");
    let is_used = keys().any(|(key, _)| key.starts_with("data."));
    let model = keys().find(|(key, _)| *key == "model" || *key == "model.class_path");
    let word = model.and_then(|(_, value)| class_word(value?));
    let Some(module) = word.and_then(Task::data_module_of) else {
        return sources;
    };
    if is_used && !is_named {
        let default = Source::Override {
            key: "data".to_owned(),
            value: Some(module.to_owned()),
        };
        sources.insert(0, default);
    }
    sources
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
