//! `engraft validate` and `engraft test`: scores on the rows of one split.

use std::sync::Arc;

use engraft_component::Choice;
use engraft_data::Stage;
use engraft_train::Evaluation;

use crate::failure::{Failure, print};
use crate::session::Session;
use crate::text::scores;

pub(crate) fn run(session: &Session, stage: Stage) -> Result<(), Failure> {
    let limits = &session.plan.limits;
    let (name, limit) = match stage {
        Stage::Validate => ("val", limits.val),
        _ => ("test", limits.test),
    };
    let data = session.data()?;
    let checkpoint = session.checkpoint()?;
    if checkpoint.is_none() {
        session.model()?;
    }
    let splits = session.rows(stage, checkpoint.as_deref())?;
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

    let mut progress = session.progress();
    let evaluation = Evaluation {
        stage: name,
        examples: Arc::new(examples),
        batching: data.batching(),
        masking,
        limit,
        progress: &mut progress,
    };
    let found = engraft_train::evaluate(&model, evaluation);
    progress.clear();
    print(&scores(
        &found.map_err(|error| Failure::Broke(error.to_string()))?,
    ))
}
