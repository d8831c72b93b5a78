//! What a user says about the checkpoints to keep.

use std::path::PathBuf;

use engraft_component::{Component, Context, FromNode, Kind, Node, Refusal};

use super::Mode;
use crate::settings::TimeSpan;

/// Keeps the best checkpoints by a metric, or the latest, or all.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "lightning.pytorch.callbacks.ModelCheckpoint")]
#[component(ignored(save_on_exception = "an interrupted run saves itself"))]
pub struct ModelCheckpoint {
    /// Folder of the checkpoints; by default `checkpoints` in the folder of the run.
    pub dirpath: Option<PathBuf>,
    /// Name of a checkpoint, with metrics in braces: `{epoch}-{val_loss:.3f}`. By default
    /// `{epoch}-{step}`.
    pub filename: Option<String>,
    /// The metric by which checkpoints are compared, and of equal ones the loss; without one, the latest is the best.
    pub monitor: Option<String>,
    /// Report each checkpoint.
    #[arg(default = false)]
    pub verbose: bool,
    /// Also keep a checkpoint named `last`, of the latest moment at which one was due, and then of the end of training.
    #[arg(default = SaveLast(false))]
    pub save_last: SaveLast,
    /// How many of the best to keep: -1 keeps all, 0 none.
    #[arg(default = 1)]
    pub save_top_k: i64,
    /// Leave out what only resuming needs.
    #[arg(default = false)]
    pub save_weights_only: bool,
    /// Whether less (`min`) or more (`max`) of the metric is better.
    #[arg(default = Mode::Min)]
    pub mode: Mode,
    /// Put the name of each metric before its value in the file name.
    #[arg(default = true)]
    pub auto_insert_metric_name: bool,
    /// Make one every so many optimizer steps.
    pub every_n_train_steps: Option<u64>,
    /// Make one every so many epochs; 1 when neither rhythm is given.
    pub every_n_epochs: Option<u64>,
    /// Make one whenever so much time has passed: `DD:HH:MM:SS` or `{minutes: 30}`; a resumed run begins to count anew.
    pub train_time_interval: Option<TimeSpan>,
    /// Make it at the end of training epochs (true) or of validation (false); by default where the
    /// metric is fresh.
    pub save_on_train_epoch_end: Option<bool>,
    /// Add `-v1`, `-v2`, ... to a name that is taken, instead of writing over it.
    #[arg(default = true)]
    pub enable_version_counter: bool,
}

/// Whether a checkpoint named `last` is kept.
///
/// Lightning's third value, `link`, is read as true: a copy holds the same and survives the removal of
/// its original.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SaveLast(pub bool);

impl FromNode for SaveLast {
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, Refusal> {
        if node.is_null() {
            return Ok(Self(false));
        }
        if node.as_text() == Some("link") {
            return Ok(Self(true));
        }
        bool::from_node(node, cx).map(Self)
    }

    fn to_node(&self) -> Node {
        self.0.to_node()
    }

    fn kind() -> Kind {
        Kind::Optional(Box::new(Kind::Boolean))
    }
}
