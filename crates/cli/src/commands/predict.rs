//! `engraft predict`: every row's prediction into one file, in the order of the rows.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use engraft_data::Stage;
use engraft_hub::Preset;
use engraft_tasks::{EmbedPooling, Model, Task};
use engraft_train::Prediction;
use engraft_train::callback::{Callback, FileType, PredictionWriter};

use crate::failure::{Failure, note, say};
use crate::interrupt;
use crate::output::{Form, PredictionFile, check_place};
use crate::session::{Session, in_checkpoint, preset_in};

pub(crate) fn run(session: &Session) -> Result<(), Failure> {
    let path = output(session)?;
    let form = Form::of(&path)?;
    let data = session.data()?;
    let checkpoint = session.checkpoint()?;
    let task = task(session, checkpoint.as_deref())?;
    if form == Form::Table && predicts_tokens(&task, checkpoint.is_some()) {
        return Err(Failure::refused(format!(
            "--output: {}: predictions for every token do not fit a table. Name a .safetensors file{}",
            path.display(),
            if matches!(task, Task::Embed(_)) {
                ", or choose a model.pooling"
            } else {
                ""
            }
        )));
    }
    check_place(&path)?;
    let examples = session.rows(Stage::Predict, checkpoint.as_deref())?.test;
    let examples =
        Arc::new(examples.ok_or_else(|| Failure::refused("data: there are no rows to predict"))?);
    let model = match &checkpoint {
        Some(folder) => session.open_checkpoint(folder, None)?.model,
        // Labels among the rows, if any, are not looked at.
        None => session.build(None)?,
    };

    let stop = interrupt::watch(interrupt::STOPS);
    let mut file = PredictionFile::new(&path, form, Arc::clone(&examples), &model)?;
    let mut progress = session.progress();
    let rows = examples.len();
    let prediction = Prediction {
        examples,
        batching: data.batching(),
        limit: session.plan.limits.predict,
        progress: &mut progress,
    };
    let mut written = 0_usize;
    let result = engraft_train::predict(&model, prediction, |output| {
        if stop.load(Ordering::SeqCst) {
            return Err(Failure::Interrupted);
        }
        written += 1;
        file.add(output)
    });
    progress.clear();
    let handled = result?;
    file.finish()?;
    let max_length = model.task().backbone().backbone().max_length;
    let policy = model.row_encoder().tokenizer().letter_policy();
    let notes = handled.notes(rows, max_length, policy);
    notes.iter().for_each(|text| note(text));
    say(&format!("predictions  {} ({written} rows)", path.display()));
    Ok(())
}

impl From<engraft_train::Error> for Failure {
    fn from(error: engraft_train::Error) -> Self {
        Self::Broke(error.to_string())
    }
}

/// The file to write: `--output`, else what a PredictionWriter among the callbacks says.
fn output(session: &Session) -> Result<PathBuf, Failure> {
    if let Some(path) = &session.output {
        return Ok(path.clone());
    }
    let callbacks = session.experiment.trainer.callbacks().iter();
    let mut writers = callbacks.filter_map(|callback| match callback {
        Callback::PredictionWriter(writer) => Some(writer),
        _ => None,
    });
    let Some(writer) = writers.next_back() else {
        return Err(Failure::refused(
            "predict requires --output FILE, such as predictions.tsv",
        ));
    };
    placed(writer)
}

/// The one file that is written in place of ModelGenerator's many.
fn placed(writer: &PredictionWriter) -> Result<PathBuf, Failure> {
    let name = match writer.filetype {
        FileType::Tsv => "predict_predictions.tsv",
        FileType::Pt => "predict_predictions.safetensors",
    };
    std::fs::create_dir_all(&writer.output_dir).map_err(|error| {
        let folder = writer.output_dir.display();
        Failure::refused(format!(
            "PredictionWriter: output_dir: cannot make the folder {folder}: {error}"
        ))
    })?;
    if writer.write_cols.is_some() {
        note(
            "PredictionWriter: write_cols: every column of the predictions is written, and those of data.extra_cols",
        );
    }
    if writer.argmax_predictions || writer.drop_special_tokens {
        note(
            "PredictionWriter: argmax_predictions and drop_special_tokens are not supported yet; predictions are written as they are computed",
        );
    }
    Ok(writer.output_dir.join(name))
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
        | Task::SequenceRegression(_) => false,
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
