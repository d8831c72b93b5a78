//! The `logger` of a trainer.
//!
//! There is one kind of log, a table. Loggers that send a run elsewhere are accepted, so that real
//! experiment files run, and one line says where the log is.

use std::path::PathBuf;

use engraft_component::{Choice, Component, Context, Error, FromNode, Kind, Node};

/// A logger as users name it.
#[derive(Clone, Debug, PartialEq, Choice)]
pub enum Logger {
    /// A table.
    CSVLogger(CSVLogger),
    /// A table in place of TensorBoard's files.
    TensorBoardLogger(Box<TensorBoardLogger>),
    /// A table in place of a service.
    WandbLogger(Box<WandbLogger>),
}

/// Writes metrics into a table, `metrics.csv` in the folder of the run.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "lightning.pytorch.loggers.CSVLogger")]
#[component(ignored(
    version = "runs are numbered in the order in which they start",
    prefix = "metrics keep their names",
    flush_logs_every_n_steps = "each row is written at once",
))]
pub struct CSVLogger {
    /// Folder that holds the folders of runs; by default the trainer's `default_root_dir`.
    pub save_dir: Option<PathBuf>,
    /// Folder in it for this kind of run.
    pub name: Option<String>,
}

/// A logger that sends metrics elsewhere: its keys are accepted and kept, and have no effect.
macro_rules! elsewhere {
    ($name:ident, $alias:literal, [$($key:ident),*]) => {
        /// Not available: metrics go into a table, `metrics.csv` in the folder of the run.
        #[derive(Clone, Debug, PartialEq, Component)]
        #[component(alias = $alias)]
        pub struct $name {
            $(
                /// Has no effect.
                pub $key: Option<Node>,
            )*
        }
    };
}

elsewhere!(
    TensorBoardLogger,
    "lightning.pytorch.loggers.TensorBoardLogger",
    [
        save_dir,
        name,
        version,
        log_graph,
        default_hp_metric,
        prefix,
        sub_dir
    ]
);

elsewhere!(
    WandbLogger,
    "lightning.pytorch.loggers.WandbLogger",
    [
        name,
        project,
        save_dir,
        save_code,
        version,
        id,
        offline,
        log_model,
        entity,
        group,
        job_type,
        tags,
        notes,
        prefix,
        dir,
        anonymous,
        checkpoint_name,
        resume,
        config
    ]
);

/// Whether and by whom metrics are logged.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Logging {
    /// Into a table in the folder of the run.
    #[default]
    On,
    /// Not at all.
    Off,
    /// As these say; all but tables are one table in the folder of the run.
    By(Vec<Logger>),
}

impl Logging {
    /// The table that is asked for with a place of its own.
    pub fn table(&self) -> Option<&CSVLogger> {
        let Self::By(loggers) = self else { return None };
        loggers.iter().find_map(|logger| match logger {
            Logger::CSVLogger(table) => Some(table),
            _ => None,
        })
    }
}

impl FromNode for Logging {
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, Error> {
        if node.is_null() {
            return Ok(Self::On);
        }
        if let Ok(on) = bool::from_node(node, cx) {
            return Ok(if on { Self::On } else { Self::Off });
        }
        let loggers = Vec::<Logger>::from_node(node, cx)?;
        for logger in &loggers {
            if !matches!(logger, Logger::CSVLogger(_)) {
                let instead = "ignored, metrics go to metrics.csv in the folder of the run";
                cx.note_at(&node.span, &format!("{} {instead}", logger.name()));
            }
        }
        Ok(if loggers.is_empty() {
            Self::Off
        } else {
            Self::By(loggers)
        })
    }

    fn to_node(&self) -> Node {
        match self {
            Self::On => true.to_node(),
            Self::Off => false.to_node(),
            Self::By(loggers) => loggers.to_node(),
        }
    }

    fn kind() -> Kind {
        let loggers = Kind::List(Box::new(Logger::kind()));
        Kind::Optional(Box::new(Kind::OneOf(vec![Kind::Boolean, loggers])))
    }
}
