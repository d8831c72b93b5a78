//! `engraft validate` and `engraft test`: scores on the rows of one split.

use std::sync::Arc;

use engraft_component::Choice;
use engraft_data::Stage;
use engraft_train::Evaluation;

use super::predict::predict_into;
use crate::failure::{Failure, print};
use crate::interrupt;
use crate::output::{self, Writers};
use crate::session::Session;
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
    let splits = session.rows(stage)?;
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
    let found = engraft_train::evaluate(&model, evaluation);
    progress.clear();
    print(&scores(&found?))?;
    let Some(mut writers) = writers else {
        return Ok(());
    };
    // A pass of its own: scoring sees only what is labelled or masked, and the file has every row whole.
    predict_into(session, &model, examples, limit, &stop, |output| {
        writers.add(output)
    })?;
    writers.finish()
}
