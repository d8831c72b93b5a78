//! What a model that is about to start tells of rows: by the task, the checkpoint's own head and the training rows.

use engraft_data::{Label, Labels};
use engraft_models::{Checkpoint, HeadKind};

use super::TrainingRows;
use crate::error::{Error, Result};
use crate::labels::LabelSpace;
use crate::scaling::Scaling;
use crate::task::{SequenceRegression, Task};
use crate::told::{Told, check_kind, token_labels};

/// What a model that is about to start tells of rows.
pub(super) fn told(
    task: &Task,
    checkpoint: &Checkpoint,
    train: Option<TrainingRows<'_>>,
) -> Result<Told> {
    let labels = train.and_then(|train| train.examples.labels.as_ref());
    if let Some(labels) = labels {
        check_kind(task, labels)?;
    }
    match task {
        Task::SequenceClassification(task) if task.multilabel => {
            let names = match labels {
                Some(Labels::MultiLabel { names, .. }) => Some(names.clone()),
                _ => None,
            };
            let own = own_classes(
                checkpoint,
                task.use_legacy_adapter,
                HeadKind::Classification,
            );
            let count = names
                .as_ref()
                .map(Vec::len)
                .or(task.n_classes)
                .or(own.count);
            let count = count.ok_or_else(unknown_count)?;
            check_names(own.names, names.as_deref())?;
            check_declared(task.n_classes, count, "label columns of the data")?;
            check_declared(own.count, count, "label columns of the data")?;
            Ok(Told::Flags(LabelSpace::new(
                count,
                names.or(own.names.map(<[String]>::to_vec)),
            )))
        }
        Task::SequenceClassification(task) => {
            let own = own_classes(
                checkpoint,
                task.use_legacy_adapter,
                HeadKind::Classification,
            );
            let classes_of = |labels: &Labels| labels.classes().map(<[Label]>::to_vec);
            let labels = train.and_then(|train| train.naming(classes_of));
            Ok(Told::Classes(classes(
                own,
                task.n_classes,
                labels.as_deref(),
            )?))
        }
        Task::TokenClassification(task) => {
            let kind = HeadKind::TokenClassification;
            let own = own_classes(checkpoint, task.use_legacy_adapter, kind);
            let unit = match labels {
                Some(Labels::Tokens { unit, .. }) => Some(*unit),
                _ => None,
            };
            let labels = train.and_then(|train| train.naming(token_labels));
            let space = classes(own, task.n_classes, labels.as_deref())?;
            Ok(Told::TokenClasses(space, unit))
        }
        Task::SequenceRegression(task) => numbers(task, checkpoint, train),
        Task::MLM(_) => Ok(Told::Tokens),
        Task::CausalLM(_) => Ok(Told::NextTokens),
        Task::Embed(_) | Task::Inference(_) => Ok(Told::Nothing),
    }
}

/// The classes of the checkpoint's own head, if it is used.
struct OwnClasses<'a> {
    count: Option<usize>,
    names: Option<&'a [String]>,
}

fn own_classes(checkpoint: &Checkpoint, used: bool, kind: HeadKind) -> OwnClasses<'_> {
    let count = if used {
        checkpoint.stored_classes(kind)
    } else {
        None
    };
    // Names that count other classes than the head has belong to something else.
    let names = checkpoint.config().labels.as_deref();
    OwnClasses {
        count,
        names: names.filter(|names| count == Some(names.len())),
    }
}

/// The classes of a classification that is about to start.
fn classes(
    own: OwnClasses<'_>,
    declared: Option<usize>,
    labels: Option<&[Label]>,
) -> Result<LabelSpace> {
    if let (Some(stored), Some(given)) = (
        own.count,
        declared.filter(|given| Some(*given) != own.count),
    ) {
        return Err(Error::Argument(format!(
            "model.n_classes: {given} given, but the checkpoint's own head has {stored} classes; remove n_classes, or set use_legacy_adapter to false for a new head"
        )));
    }
    match (labels, declared.or(own.count)) {
        (Some(labels), _) => LabelSpace::from_training(labels, declared, own.count, own.names),
        (None, Some(count)) => Ok(LabelSpace::new(count, own.names.map(<[String]>::to_vec))),
        (None, None) => Err(unknown_count()),
    }
}

fn unknown_count() -> Error {
    Error::Argument(
        "model.n_classes: without training labels the number of classes must be given, or use_legacy_adapter with a checkpoint that has a head".into(),
    )
}

fn check_declared(declared: Option<usize>, found: usize, what: &str) -> Result<()> {
    match declared {
        Some(declared) if declared != found => Err(Error::Argument(format!(
            "model.n_classes: {declared} classes, but there are {found} {what}"
        ))),
        _ => Ok(()),
    }
}

/// Refuses label columns that are not those of the checkpoint's own head, whose outputs would change their meaning.
fn check_names(own: Option<&[String]>, found: Option<&[String]>) -> Result<()> {
    match (own, found) {
        (Some(own), Some(found)) if own != found => Err(Error::Argument(format!(
            "data.y_col: the checkpoint's own head tells {}, in this order, not {}; name these columns, or set use_legacy_adapter to false for a new head",
            own.join(", "),
            found.join(", ")
        ))),
        _ => Ok(()),
    }
}

/// The numbers of a regression that is about to start.
fn numbers(
    task: &SequenceRegression,
    checkpoint: &Checkpoint,
    train: Option<TrainingRows<'_>>,
) -> Result<Told> {
    let outputs = task.num_outputs;
    let labels = train.and_then(|train| train.examples.labels.as_ref());
    let own = own_classes(
        checkpoint,
        task.use_legacy_adapter,
        HeadKind::Classification,
    );
    if let Some(stored) = own.count.filter(|stored| *stored != outputs) {
        return Err(Error::Argument(format!(
            "model.num_outputs: {outputs} given, but the checkpoint's own head has {stored}; give {stored}, or set use_legacy_adapter to false for a new head"
        )));
    }
    if let Some(Labels::Numbers { names, .. }) = labels {
        check_names(own.names, Some(names))?;
    }
    let stored_names = own.names.map(<[String]>::to_vec);
    let numbered = || (0..outputs).map(|output| output.to_string()).collect();
    let Some(Labels::Numbers { names, rows }) = labels else {
        return Ok(Told::Numbers {
            names: stored_names.unwrap_or_else(numbered),
            scaling: Scaling::identity(outputs),
        });
    };
    if names.len() != outputs {
        return Err(Error::Argument(format!(
            "model.num_outputs: {outputs} given, but data.y_col names {}: {}",
            names.len(),
            names.join(", ")
        )));
    }
    let scaling = match train {
        Some(train) if train.normalize => Scaling::of(rows, outputs),
        _ => Scaling::identity(outputs),
    };
    Ok(Told::Numbers {
        names: names.clone(),
        scaling,
    })
}
