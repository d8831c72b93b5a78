//! The `logger` of a trainer.
//!
//! Whatever is named here, a run's logs lie in its folder, and its table is always written. What sends metrics to a service is accepted, so
//! that real experiment files run, and one line says which file to send.

use std::path::{Component as Part, Path, PathBuf};

use engraft_component::{Choice, Component, Context, FromNode, Kind, Node, Refusal};

use super::plan::refuse;
use crate::log::{LineLog, LogFormat};

/// A logger as users name it.
#[derive(Clone, Debug, PartialEq, Choice)]
pub enum Logger {
    /// A table.
    CSVLogger(CSVLogger),
    /// TensorBoard's event files.
    TensorBoardLogger(TensorBoardLogger),
    /// JSON lines.
    JSONLinesLogger(JSONLinesLogger),
    /// JSON lines in place of a service.
    WandbLogger(Box<WandbLogger>),
}

/// Declares a logger with files of its own, and the keys that it does not heed.
macro_rules! with_files {
    ($(#[doc = $doc:literal])+ $name:ident, $alias:literal, $($key:ident = $instead:literal),*) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq, Component)]
        #[component(alias = $alias)]
        #[component(ignored(
            prefix = "metrics keep their names",
            $($key = $instead),*
        ))]
        pub struct $name {
            /// Folder that holds the folders of runs; by default the trainer's `default_root_dir`.
            pub save_dir: Option<PathBuf>,
            /// Folder in it for this kind of run.
            pub name: Option<String>,
            /// Folder of the run in there: a number for `version_N`, or a name; without it the next number. One that holds a run is refused.
            pub version: Option<String>,
        }
    };
}

with_files!(
    /// Writes metrics into a table, `metrics.csv` in the folder of the run.
    CSVLogger,
    "lightning.pytorch.loggers.CSVLogger",
    flush_logs_every_n_steps = "each row is written at once"
);

with_files!(
    /// Writes metrics into TensorBoard's event files in the folder of the run, beside the table.
    TensorBoardLogger,
    "lightning.pytorch.loggers.TensorBoardLogger",
    log_graph = "there is no graph to log",
    default_hp_metric = "the experiment is logged as a text",
    sub_dir = "event files lie in the folder of the run",
    flush_secs = "each row is written at once",
    max_queue = "each row is written at once",
    filename_suffix = "event files have their usual names"
);

with_files!(
    /// Writes metrics as JSON lines, `metrics.jsonl` in the folder of the run, beside the table.
    JSONLinesLogger,
    "engraft.JSONLinesLogger",
);

/// A logger that sends metrics elsewhere: its keys are accepted and kept, and have no effect.
macro_rules! elsewhere {
    ($name:ident, $alias:literal, [$($key:ident),*]) => {
        /// Not available: metrics go into JSON lines, `metrics.jsonl` in the folder of the run, from where they can be sent.
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
    /// As these say, and into the table.
    By(Vec<Logger>),
}

/// Where a logger wants the runs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Place<'a> {
    pub(super) save_dir: Option<&'a PathBuf>,
    pub(super) name: Option<&'a String>,
    version: Option<&'a String>,
}

impl Logger {
    fn place(&self) -> Place<'_> {
        let (save_dir, name, version) = match self {
            Self::CSVLogger(to) => (&to.save_dir, &to.name, &to.version),
            Self::TensorBoardLogger(to) => (&to.save_dir, &to.name, &to.version),
            Self::JSONLinesLogger(to) => (&to.save_dir, &to.name, &to.version),
            // Its folder is the service's own, and its name a run's title there.
            Self::WandbLogger(_) => return Place::default(),
        };
        Place {
            save_dir: save_dir.as_ref(),
            name: name.as_ref().filter(|name| !name.is_empty()),
            version: version.as_ref(),
        }
    }
}

impl Logging {
    fn loggers(&self) -> &[Logger] {
        match self {
            Self::By(loggers) => loggers,
            _ => &[],
        }
    }

    /// Where the runs lie: what the first logger says that says anything.
    pub(super) fn place(&self) -> Place<'_> {
        let mut places = self.loggers().iter().map(Logger::place);
        places
            .find(|place| *place != Place::default())
            .unwrap_or_default()
    }

    /// The logs that are written beside the table, each once.
    pub(super) fn formats(&self) -> Vec<LogFormat> {
        let formats = self.loggers().iter().filter_map(|logger| match logger {
            Logger::CSVLogger(_) => None,
            Logger::TensorBoardLogger(_) => Some(LogFormat::Events),
            Logger::JSONLinesLogger(_) | Logger::WandbLogger(_) => Some(LogFormat::Lines),
        });
        let mut formats: Vec<LogFormat> = formats.collect();
        formats.sort();
        formats.dedup();
        formats
    }

    /// The name of the run's folder, if it is to have one of its own.
    ///
    /// # Errors
    /// It is no name of a folder.
    pub(super) fn version(&self) -> Result<Option<String>, Refusal> {
        let Some(version) = self.place().version else {
            return Ok(None);
        };
        let is_number = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
        let name = if is_number {
            format!("version_{version}")
        } else {
            version.clone()
        };
        let mut parts = Path::new(&name).components();
        match (parts.next(), parts.next()) {
            (Some(Part::Normal(_)), None) => Ok(Some(name)),
            _ => Err(refuse(
                "logger.version",
                &format!(
                    "\"{version}\" is no name of a folder; give a number or a name without slashes"
                ),
            )),
        }
    }
}

impl FromNode for Logging {
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, Refusal> {
        if node.is_null() {
            return Ok(Self::On);
        }
        if let Ok(on) = bool::from_node(node, cx) {
            return Ok(if on { Self::On } else { Self::Off });
        }
        let loggers = Vec::<Logger>::from_node(node, cx)?;
        if loggers.is_empty() {
            return Ok(Self::Off);
        }
        let is_service = |logger: &&Logger| matches!(logger, Logger::WandbLogger(_));
        if let Some(service) = loggers.iter().find(is_service) {
            cx.note_at(
                &node.span,
                &format!(
                    "{}: Weights & Biases is not available here; {} in the folder of the run has what to sync",
                    service.name(),
                    LineLog::FILE
                ),
            );
        }
        let logging = Self::By(loggers);
        let place = logging.place();
        let differs = |other: Place<'_>| other != Place::default() && other != place;
        if logging.loggers().iter().map(Logger::place).any(differs) {
            cx.note_at(
                &node.span,
                "all logs of a run lie in its folder; that of the first logger with a save_dir, name or version counts",
            );
        }
        Ok(logging)
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

#[cfg(test)]
mod tests {
    use engraft_component::read_yaml;

    use super::*;

    fn read(text: &str) -> (Logging, Vec<String>) {
        let node = read_yaml(text.as_bytes(), "a.yaml").unwrap();
        let mut cx = Context::new();
        let logging = Logging::from_node(&node, &mut cx).unwrap();
        let notes = cx.notes().iter().map(ToString::to_string);
        (logging, notes.collect())
    }

    #[test]
    fn the_first_logger_with_a_place_decides_where_runs_lie() {
        let (logging, notes) = read(
            "[WandbLogger, {class_path: TensorBoardLogger, init_args: {save_dir: a, name: b, version: 3}}, \
              {class_path: CSVLogger, init_args: {save_dir: c}}]",
        );
        let place = logging.place();
        assert_eq!(place.save_dir, Some(&PathBuf::from("a")));
        assert_eq!(place.name.map(String::as_str), Some("b"));
        assert_eq!(logging.version().unwrap().as_deref(), Some("version_3"));
        assert_eq!(logging.formats(), [LogFormat::Lines, LogFormat::Events]);
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(notes[0].contains("metrics.jsonl"), "{notes:?}");
        assert!(notes[1].contains("the first logger"), "{notes:?}");
    }

    #[test]
    fn a_version_is_the_name_of_one_folder() {
        let version = |version: &str| {
            let (logging, _) = read(&format!(
                "{{class_path: CSVLogger, init_args: {{version: '{version}'}}}}"
            ));
            logging.version().map_err(|error| error.to_string())
        };
        assert_eq!(version("first try"), Ok(Some("first try".to_owned())));
        for bad in ["a/b", "..", "/tmp", ""] {
            let error = version(bad).unwrap_err();
            assert!(error.starts_with("trainer.logger.version: "), "{error}");
        }
    }
}
