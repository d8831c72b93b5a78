//! `engraft validate` and `engraft test`: scores on the rows of one split.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use engraft_component::Choice;
use engraft_data::Stage;
use engraft_tasks::Model;
use engraft_train::{Evaluation, Test};

use super::predict::predict_into;
use crate::failure::{Failure, note, print, say};
use crate::fold;
use crate::interrupt;
use crate::output::{self, Writers};
use crate::session::{Session, close_cache};
use crate::text::scores;

pub(crate) fn run(session: &Session, stage: Stage) -> Result<(), Failure> {
    let limits = &session.plan.limits;
    let (name, limit) = match stage {
        Stage::Validate => ("val", limits.val),
        _ => ("test", limits.test),
    };
    let callbacks = match stage {
        Stage::Test => session.experiment.trainer.callbacks(),
        _ => &[],
    };
    let writers = Writers::plan(callbacks, output::Stage::Test)?;
    let data = session.data()?;
    let checkpoint = session.checkpoint()?;
    if checkpoint.is_none() {
        session.model()?;
    }
    let splits = session.rows(stage, checkpoint.as_deref())?;
    if let Some(folder) = checkpoint.as_deref().filter(|it| fold::has_seen(data, it)) {
        note(&format!(
            "data.path: every row of {} is scored, those that {} was trained on among them; fit itself holds rows out, and scores those at its end",
            data.source().path.display(),
            folder.display()
        ));
    }
    let examples = match stage {
        Stage::Validate => splits.valid,
        _ => splits.test,
    };
    let examples = examples
        .ok_or_else(|| Failure::refused(format!("data: there are no rows to {name} on")))?;
    let model = match &checkpoint {
        Some(folder) => session.open_checkpoint(folder, None)?.model,
        // The rows to score must not decide what the classes are.
        None => session.build(None)?,
    };
    if !model.task().is_trainable() {
        let name = model.task().name();
        return Err(Failure::refused(format!(
            "model: {name} only predicts, so there is nothing to score. Use predict"
        )));
    }
    // Labels are the last thing that can be wrong with what the user gave.
    let masking = data.masking();
    model
        .targets(&examples, masking)
        .map_err(Failure::refused)?;

    let stop = interrupt::watch(interrupt::STOPS);
    let examples = Arc::new(examples);
    let writers = match writers.is_empty() {
        true => None,
        false => Some(writers.open(&examples, &model, data.batching().batch_size)?),
    };
    let folder = match stage {
        Stage::Test => report_folder(session, &model, checkpoint.as_deref())?,
        _ => None,
    };
    let mut progress = session.progress();
    let evaluation = Evaluation {
        stage: name,
        examples: Arc::clone(&examples),
        batching: data.batching(),
        masking,
        limit,
        stop: Some(&stop),
        progress: &mut progress,
    };
    let tested = engraft_train::test(
        &model,
        Test {
            evaluation,
            folder: folder.as_deref(),
            checkpoint: checkpoint.as_deref(),
            config: &session.experiment.to_yaml(),
            seed: session.experiment.seed_everything.number(),
        },
    );
    progress.clear();
    if writers.is_none() {
        close_cache(&model);
    }
    let tested = tested?;
    print(&scores(&tested.scores))?;
    match tested.report {
        Some(Ok(report)) => say(&format!("report  {}", report.display())),
        Some(Err(error)) => note(&format!("no report was written: {error}")),
        None => {}
    }
    let Some(mut writers) = writers else {
        return Ok(());
    };
    // A pass of its own: scoring sees only what is labelled or masked, and the file has every row whole.
    predict_into(session, &model, examples, limit, &stop, |output| {
        writers.add(output)
    })?;
    writers.finish()
}

/// Where the report of a test goes: `--output`, else `test/CHECKPOINT` in the folder of the checkpoint's run, or in that of all runs.
fn report_folder(
    session: &Session,
    model: &Model,
    checkpoint: Option<&Path>,
) -> Result<Option<PathBuf>, Failure> {
    if let Some(output) = &session.output {
        if output.exists() && !output.is_dir() {
            return Err(Failure::refused(format!(
                "--output: {} is a file, but the report is a folder. Name another",
                output.display()
            )));
        }
        return Ok(Some(output.clone()));
    }
    if !session.plan.report {
        return Ok(None);
    }
    let of = match checkpoint {
        Some(checkpoint) => checkpoint.to_owned(),
        None => PathBuf::from(model.task().backbone().backbone().preset_name()),
    };
    let name = of.components().next_back();
    let name = match name {
        Some(Component::Normal(name)) => name.to_owned(),
        _ => "model".into(),
    };
    let run = of
        .parent()
        .filter(|parent| checkpoint.is_some() && parent.ends_with("checkpoints"))
        .and_then(Path::parent);
    let place = run.unwrap_or(&session.plan.root);
    Ok(Some(place.join("test").join(name)))
}
