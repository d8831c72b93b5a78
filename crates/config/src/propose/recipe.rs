//! How long to train, at what rate, and what to keep: rules of thumb that a first run is likely to learn with.

use super::backbone::Scion;
use super::roles::{Goal, Matter, Roles};

/// Rows held out of one file for testing and validating, and so not trained on.
const HELD_OUT: f64 = 0.28;

/// How a proposal is trained.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Recipe {
    pub(super) batch_size: usize,
    pub(super) why_batch: &'static str,
    pub(super) epochs: usize,
    pub(super) why_epochs: String,
    pub(super) learning_rate: &'static str,
    pub(super) why_rate: &'static str,
    pub(super) schedule: &'static str,
    /// The metric by which the best checkpoint is kept, and whether more of it is better.
    pub(super) monitor: (&'static str, &'static str),
    pub(super) why_monitor: &'static str,
}

impl Recipe {
    pub(super) fn of(roles: &Roles, scion: &Scion, rows: usize) -> Self {
        let is_long = scion.max_length.is_some_and(|length| length > 200);
        let (batch_size, why_batch) = match (rows, is_long) {
            (..200, _) => (8, "Few rows, so small batches: more steps in an epoch."),
            (..1000, _) | (_, true) => (16, "Rows that are computed together."),
            _ => (32, "Rows that are computed together."),
        };
        let is_small = scion.hidden.is_some_and(|hidden| hidden <= 256);
        let is_new_for_text = scion.from_scratch && roles.matter() == Matter::Language;
        let (learning_rate, why_rate, schedule, steps, most) = if is_new_for_text {
            (
                "5e-4",
                "Fresh weights take a high rate; with a vocabulary of their own less than with letters.",
                "CosineWithWarmup",
                450,
                20,
            )
        } else if scion.from_scratch {
            (
                "1e-3",
                "Fresh weights take a high rate.",
                "CosineWithWarmup",
                1300,
                40,
            )
        } else if is_small {
            (
                "5e-4",
                "A small pretrained model takes a higher rate than large ones.",
                "LinearWithWarmup",
                460,
                20,
            )
        } else {
            (
                "5e-5",
                "The usual rate for pretrained models of this size.",
                "LinearWithWarmup",
                340,
                10,
            )
        };
        let steps = match roles.goal {
            // What is masked differs from epoch to epoch, and there is more to learn.
            Goal::Nothing => steps * 2,
            _ => steps,
        };
        let trained = (rows as f64 * (1.0 - HELD_OUT)).max(1.0);
        let epochs = (steps as f64 * batch_size as f64 / trained).round() as usize;
        let epochs = epochs.clamp(1, most);
        let (monitor, why_monitor) = match roles.goal {
            Goal::Class { .. } => (
                ("val_mcc", "max"),
                "The checkpoint with the best Matthews correlation on the validation rows is kept: it counts all classes alike.",
            ),
            _ => (
                ("val_loss", "min"),
                "The checkpoint with the lowest loss on the validation rows is kept.",
            ),
        };
        Self {
            batch_size,
            why_batch,
            epochs,
            why_epochs: format!(
                "About {steps} steps of {batch_size} rows; more if the scores still rise."
            ),
            learning_rate,
            why_rate,
            schedule,
            monitor,
            why_monitor,
        }
    }

    /// `20 epochs`.
    pub(super) fn length(&self) -> String {
        match self.epochs {
            1 => "1 epoch".to_owned(),
            epochs => format!("{epochs} epochs"),
        }
    }
}

/// The head of a proposal.
pub(super) struct Head {
    /// Its class.
    pub(super) class: &'static str,
    /// Its arguments and their values, as YAML.
    pub(super) arguments: &'static [(&'static str, &'static str)],
    /// Why it is this one.
    pub(super) why: &'static str,
}

impl Head {
    /// The head for a goal; none where the checkpoint's own is used.
    pub(super) fn of(roles: &Roles, scion: &Scion) -> Option<Self> {
        let is_one_hot = scion.name.ends_with("_onehot");
        match (&roles.goal, roles.matter()) {
            (Goal::Nothing, _) => None,
            (Goal::Tokens { .. }, _) => Some(Self {
                class: "LinearAdapter",
                arguments: &[],
                why: "A linear layer on each token.",
            }),
            (_, Matter::Letters(_)) if !scion.from_scratch || is_one_hot => Some(Self {
                class: "MLPPoolAdapter",
                arguments: &[("hidden_sizes", "[128]"), ("dropout", "0.1")],
                why: "The mean over a row, through one hidden layer.",
            }),
            _ => Some(Self {
                class: "LinearMeanPoolAdapter",
                arguments: &[],
                why: "A linear layer on the mean over a row.",
            }),
        }
    }
}
