//! `engraft predict`: every row's prediction into a file, in the order of the rows.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engraft_data::{Examples, Stage};
use engraft_hub::Preset;
use engraft_tasks::{EmbedPooling, Model, RowOutput, Task};
use engraft_train::Prediction;
use engraft_train::settings::Amount;

use crate::failure::{Failure, note, say};
use crate::interrupt;
use crate::output::{self, AtWork, Form, PredictionFile, Writers, check_place};
use crate::session::{Session, close_cache, in_checkpoint, preset_in};

pub(crate) fn run(session: &Session) -> Result<(), Failure> {
    let data = session.data()?;
    let checkpoint = session.checkpoint()?;
    let task = task(session, checkpoint.as_deref())?;
    let place = Place::of(session)?;
    if let Place::File(path, form) = &place {
        check_form(path, *form, &task, checkpoint.is_some())?;
    }
    let examples = session.rows(Stage::Predict, checkpoint.as_deref())?.test;
    let examples =
        Arc::new(examples.ok_or_else(|| Failure::refused("data: there are no rows to predict"))?);
    let model = match &checkpoint {
        Some(folder) => session.open_checkpoint(folder, None)?.model,
        // Labels among the rows, if any, are not looked at.
        None => session.build(None)?,
    };

    let batching = data.batching();
    let mut destination = match place {
        Place::File(path, form) => {
            let file = PredictionFile::new(&path, form, Arc::clone(&examples), &model)?;
            Destination::File(path, Box::new(file), 0)
        }
        Place::Writers(writers) => {
            Destination::Writers(writers.open(&examples, &model, batching.batch_size)?)
        }
    };
    let stop = interrupt::watch(interrupt::STOPS);
    let limit = session.plan.limits.predict;
    predict_into(session, &model, examples, limit, &stop, |output| {
        destination.add(output)
    })?;
    destination.finish()
}

/// Runs `model` over rows, each of which is given to `sink` in its order, and says what was done to them.
pub(crate) fn predict_into(
    session: &Session,
    model: &Model,
    examples: Arc<Examples>,
    limit: Amount,
    stop: &AtomicBool,
    mut sink: impl FnMut(RowOutput) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut progress = session.progress();
    let rows = examples.len();
    let prediction = Prediction {
        examples,
        batching: session.data()?.batching(),
        limit,
        progress: &mut progress,
    };
    let result = engraft_train::predict(model, prediction, |output| {
        match stop.load(Ordering::SeqCst) {
            true => Err(Failure::Interrupted),
            false => sink(output),
        }
    });
    progress.clear();
    close_cache(model);
    let max_length = model.max_length();
    let policy = model.row_encoder().tokenizer().letter_policy();
    let notes = result?.notes(rows, max_length, policy);
    notes.iter().for_each(|text| note(text));
    Ok(())
}

/// Where predictions go.
enum Place {
    /// The file that the command line names.
    File(PathBuf, Form),
    /// What the PredictionWriters among the callbacks say.
    Writers(Writers),
}

impl Place {
    fn of(session: &Session) -> Result<Self, Failure> {
        if let Some(path) = &session.output {
            return Ok(Self::File(path.clone(), Form::of(path)?));
        }
        let writers = Writers::plan(
            session.experiment.trainer.callbacks(),
            output::Stage::Predict,
        )?;
        match writers.is_empty() {
            false => Ok(Self::Writers(writers)),
            true => Err(Failure::refused(
                "predict requires --output FILE, such as predictions.tsv, or a PredictionWriter among trainer.callbacks",
            )),
        }
    }
}

/// Files being written.
enum Destination {
    /// One, with the number of its rows so far.
    File(PathBuf, Box<PredictionFile>, usize),
    Writers(AtWork),
}

impl Destination {
    fn add(&mut self, output: RowOutput) -> Result<(), Failure> {
        match self {
            Self::File(_, file, rows) => {
                *rows += 1;
                file.add(output)
            }
            Self::Writers(writers) => writers.add(output),
        }
    }

    fn finish(self) -> Result<(), Failure> {
        match self {
            Self::File(path, file, rows) => {
                file.finish()?;
                say(&format!("predictions  {} ({rows} rows)", path.display()));
                Ok(())
            }
            Self::Writers(writers) => writers.finish(),
        }
    }
}

/// Refuses a file that cannot hold what the task predicts, or cannot be written.
fn check_form(path: &Path, form: Form, task: &Task, is_saved: bool) -> Result<(), Failure> {
    if form == Form::Table && predicts_tokens(task, is_saved) {
        let or_pooled = match task {
            Task::Embed(_) => ", or choose a model.pooling",
            _ => "",
        };
        return Err(Failure::refused(format!(
            "--output: {}: predictions for every token do not fit a table. Name a .safetensors file{or_pooled}",
            path.display()
        )));
    }
    check_place(path, "--output")
}

/// What is computed: what the checkpoint says of itself, else what the experiment says.
fn task(session: &Session, checkpoint: Option<&Path>) -> Result<Task, Failure> {
    let saved = match checkpoint {
        Some(folder) => Model::saved_task(&preset_in(folder)?).map_err(in_checkpoint)?,
        None => None,
    };
    match saved {
        Some(task) => Ok(task),
        None if checkpoint.is_some() && session.experiment.model.is_none() => {
            Err(Failure::refused(
                "ckpt_path: the folder holds no engraft.yaml, so it is no checkpoint. Name it as model.backbone instead",
            ))
        }
        None => Ok(session.model()?.task()),
    }
}

/// Whether there is a prediction for every token. A pooling that is left open is the preset's own, if it states one.
fn predicts_tokens(task: &Task, is_saved: bool) -> bool {
    match task {
        Task::SequenceClassification(_)
        | Task::TokenClassification(_)
        | Task::SequenceRegression(_)
        | Task::CausalLM(_) => false,
        Task::MLM(_) | Task::Inference(_) => true,
        Task::Embed(embed) => match embed.pooling {
            Some(pooling) => pooling == EmbedPooling::None,
            None => {
                let name = embed.backbone.backbone().preset_name();
                let preset = Preset::from_name(name);
                // A preset that cannot be opened is reported when it is.
                !is_saved && preset.is_ok_and(|preset| !preset.has("1_Pooling/config.json"))
            }
        },
    }
}
