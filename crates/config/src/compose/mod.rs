//! Experiment files and options, composed into one root mapping.
//!
//! Files are applied from left to right, then options from left to right, so that an option wins over every file, wherever it stands.
//! Later sources win key by key. What counts as a key that can be merged follows from the shape of the values alone, before
//! anything is known about types:
//!
//! * The root and `trainer` are groups of keys; they merge.
//! * A class, written `Name` or `{class_path, init_args, dict_kwargs}`, merges its arguments. If a later source names another
//!   class, the arguments given before stay and are marked [inherited](engraft_component::Entry::inherited): what the new
//!   class does not know is dropped when it is decoded. A mapping without `class_path` over a class means its arguments.
//! * Lists and all other mappings are replaced whole. `key+` appends to a list instead, and an option can address one key of
//!   a mapping or one item of a list.

mod assign;
mod class;
mod merge;
mod options;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use engraft_component::{
    Mapping, Mistake, Node, Note, Refusal, Span, Value, read_yaml_file, to_yaml,
};

use crate::keras_names;

pub use options::{as_key, parse_overrides};

/// One thing that sets values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An experiment file.
    File(PathBuf),
    /// An option `--key value`.
    Override {
        /// The dotted key, ending in `+` to append to a list.
        key: String,
        /// The value as YAML; none for an option without one, which means true.
        value: Option<String>,
    },
}

/// All sources in one.
#[derive(Clone, Debug, PartialEq)]
pub struct Composed {
    /// The mapping of `model`, `data`, `trainer` and so on, each value with the place that set it.
    pub root: Node,
    /// What a user may not expect, one line each.
    pub notes: Vec<Note>,
}

impl Composed {
    /// The composed experiment as YAML, for printing and for saving beside a run.
    pub fn to_yaml(&self) -> String {
        to_yaml(&self.root)
    }
}

/// Applies the files from left to right, and then the options from left to right.
///
/// # Errors
/// A file that cannot be read or is no mapping, or an option that addresses what cannot be there.
pub fn compose(sources: &[Source]) -> Result<Composed, Refusal> {
    compose_over(Mapping::default(), sources)
}

/// [`compose`], over values that every source wins over.
///
/// # Errors
/// As [`compose`].
pub fn compose_over(base: Mapping, sources: &[Source]) -> Result<Composed, Refusal> {
    let mut root = Mapping::default();
    let mut notes = Vec::new();
    let mut span = Span::source("command line");
    merge::root(&mut root, base, &mut notes)?;
    for source in sources {
        if let Source::File(path) = source {
            let file = read_file(path)?;
            span = file.span;
            merge::root(&mut root, file.keys, &mut notes)?;
        }
    }
    for source in sources {
        if let Source::Override { key, value } = source {
            assign::assign(&mut root, key, value.as_deref(), &mut notes)?;
        }
    }
    keras_names::translate(&mut root)?;
    Ok(Composed {
        root: Node::at(&span, Value::Map(root)),
        notes,
    })
}

/// What a file of an experiment holds.
struct File {
    span: Span,
    keys: Mapping,
}

fn read_file(path: &Path) -> Result<File, Refusal> {
    let node = read_yaml_file(path).map_err(|error| match error.mistake {
        Mistake::EmptyFile => error.help("Give it keys such as model, data and trainer; `engraft init` writes an experiment for a table"),
        _ => error,
    })?;
    let (span, found) = (node.span.clone(), node.describe());
    match node.value {
        Value::Map(keys) => Ok(File { span, keys }),
        _ => {
            let problem = format!("expected keys such as model, data and trainer, found {found}");
            Err(Refusal::new(&span, "", problem))
        }
    }
}
