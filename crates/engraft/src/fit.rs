//! How a model is trained in a call.

use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;

use engraft_config::RustDefaults;
use engraft_data::Examples;
use engraft_train::callback::{Callback, ModelCheckpoint};

use engraft_tasks::Compiled;

use crate::history::Epoch;

/// Looks at each epoch when it ends; [`ControlFlow::Break`] ends training with it.
pub type OnEpochEnd<'a> = Box<dyn FnMut(&Epoch<'_>) -> ControlFlow<()> + 'a>;

/// How to train in a call of `fit`. The defaults are KerasHub's, but rows are shuffled.
pub struct Fit<'a> {
    /// Passes over the training rows.
    pub epochs: u64,
    /// Rows of a batch; 32 if it is not said. The batches of an iterator are kept as they are, and it is refused.
    pub batch_size: Option<usize>,
    /// Scored after each epoch; [`TaskModel::examples`](crate::TaskModel::examples) makes it of anything that can be trained on.
    pub validation: Option<&'a Examples>,
    /// The share of the rows, counted from their end, that is scored after each epoch and not trained on.
    pub validation_split: f64,
    /// Early stopping, checkpoints, and what else is done beside training.
    pub callbacks: Vec<Callback>,
    /// Where checkpoints are written, if a callback writes some; `logs` if it is not said.
    pub folder: Option<PathBuf>,
    /// Called at the end of each epoch.
    pub on_epoch_end: Option<OnEpochEnd<'a>>,
    /// Whether rows are visited in a new random order in each epoch.
    pub shuffle: bool,
    /// Decides the order of rows and all dropout.
    pub seed: u64,
    /// If given, the gradient's norm is clipped to this.
    pub clip_norm: Option<f64>,
    /// Whether progress and notes show on standard error; notes are kept in any case, for `notes()` of the model.
    pub verbose: bool,
}

impl Default for Fit<'_> {
    fn default() -> Self {
        let face = RustDefaults::default();
        let epochs = face.trainer.max_epochs.map(u64::try_from);
        Self {
            epochs: epochs.and_then(|epochs| epochs.ok()).unwrap_or(1),
            batch_size: None,
            validation: None,
            validation_split: 0.0,
            callbacks: Vec::new(),
            folder: None,
            on_epoch_end: None,
            shuffle: face.batching.shuffle,
            seed: 0,
            clip_norm: None,
            verbose: true,
        }
    }
}

impl fmt::Debug for Fit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fit")
            .field("epochs", &self.epochs)
            .field("batch_size", &self.batch_size)
            .field("validation_split", &self.validation_split)
            .field("callbacks", &self.callbacks)
            .field("shuffle", &self.shuffle)
            .field("seed", &self.seed)
            .field("clip_norm", &self.clip_norm)
            .finish_non_exhaustive()
    }
}

impl Fit<'_> {
    /// The callbacks, what they watch called as the trainer calls it: `train_loss_epoch` of `loss`.
    pub(crate) fn watched(&self) -> Vec<Callback> {
        let mut callbacks = self.callbacks.clone();
        for callback in &mut callbacks {
            let monitor = match callback {
                Callback::EarlyStopping(stopping) => Some(&mut stopping.monitor),
                Callback::ModelCheckpoint(checkpoint) => checkpoint.monitor.as_mut(),
                _ => None,
            };
            if let Some(monitor) = monitor {
                let ours = Compiled::our_name(monitor);
                let is_plain = !ours.starts_with("val_") && !ours.starts_with("train_");
                let is_of_steps = ["epoch", "step"].contains(&ours.as_str());
                *monitor = if is_plain && !is_of_steps {
                    format!("train_{ours}_epoch")
                } else {
                    ours
                };
            }
        }
        callbacks
    }

    /// Whether a callback writes checkpoints, and where.
    pub(crate) fn checkpoints(&self) -> (bool, Option<PathBuf>) {
        let writes = |callback: &Callback| {
            matches!(callback, Callback::ModelCheckpoint(ModelCheckpoint { .. }))
        };
        (self.callbacks.iter().any(writes), self.folder.clone())
    }
}
