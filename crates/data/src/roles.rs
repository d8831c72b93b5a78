//! Which column of a file serves for what.

use std::collections::BTreeMap;

use engraft_component::nearest;

use crate::alignments::AlignmentRole;
use crate::arguments::Source;
use crate::error::{Error, argument, list, once};
use crate::naming::Naming;
use crate::stage::Stage;

/// The name of the id column that data modules look for unless they are given another.
pub(crate) const DEFAULT_ID: &str = "id";

/// Which column serves for what.
#[derive(Clone, Debug)]
pub(crate) struct Roles<'a> {
    pub(crate) texts: Vec<&'a String>,
    /// The column of prompts among them.
    pub(crate) prompt: Option<&'a String>,
    /// The argument that names the others.
    pub(crate) texts_key: &'static str,
    pub(crate) labels: Option<LabelRole<'a>>,
    pub(crate) id: &'a str,
    pub(crate) extra: Vec<Carried<'a>>,
    pub(crate) rename: Option<&'a BTreeMap<String, String>>,
    pub(crate) uid: bool,
    pub(crate) cut: Option<Cut>,
    /// The fewest and the most letters (or words) of rows that are kept.
    pub(crate) lengths: Option<(usize, usize)>,
    /// Whether there may be more texts than the two of a pair.
    pub(crate) several: bool,
    /// The columns of alignments, where rows bring some.
    pub(crate) alignment: Option<AlignmentRole<'a>>,
}

/// A column that is carried into the table of predictions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carried<'a> {
    /// Its name in the file.
    pub(crate) column: &'a str,
    /// The name it is given.
    pub(crate) name: &'a str,
    /// The argument that asks for it.
    pub(crate) key: &'static str,
}

/// The columns of labels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LabelRole<'a> {
    /// At least one, once checked.
    pub(crate) columns: &'a [String],
    pub(crate) kind: LabelKind<'a>,
}

/// What labels are to be read as.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LabelKind<'a> {
    /// Classes of rows, of which only rows of some may be kept.
    Classes { filter: Option<&'a [String]> },
    /// Classes of letters or words.
    Tokens,
    /// Whether pairs of letters or words belong together.
    Pairs,
    /// Numbers.
    Numbers,
    /// Texts to be written.
    Texts,
    /// Numbers that a model is told, which every row has in every stage.
    Conditions,
}

/// Where rows are cut off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// Letters or words that are kept.
    pub(crate) length: usize,
    /// Whether extra columns of texts and lists are cut as well.
    pub(crate) extra: bool,
}

impl LabelRole<'_> {
    /// Whether rows that are to be predicted are read without them.
    pub(crate) fn are_optional(&self, stage: Stage) -> bool {
        stage == Stage::Predict && !matches!(self.kind, LabelKind::Conditions)
    }
}

impl<'a> Roles<'a> {
    pub(crate) fn new(texts: &'a [String], source: &'a Source) -> Roles<'a> {
        let carried = |column: &'a String| Carried {
            column,
            name: column,
            key: "extra_cols",
        };
        Roles {
            texts: texts.iter().collect(),
            prompt: None,
            texts_key: "x_col",
            labels: None,
            id: DEFAULT_ID,
            extra: source.extra_cols.iter().flatten().map(carried).collect(),
            rename: None,
            uid: false,
            cut: None,
            lengths: None,
            several: false,
            alignment: None,
        }
    }

    /// With a column of prompts before the texts'.
    pub(crate) fn prompted(mut self, prompt: Option<&'a String>) -> Roles<'a> {
        self.texts.splice(..0, prompt);
        self.prompt = prompt;
        self
    }

    pub(crate) fn named(self, naming: &'a Naming) -> Roles<'a> {
        let rename = naming.rename_cols.as_ref();
        let renamed = |carried: Carried<'a>| Carried {
            name: new_name(rename, carried.column),
            ..carried
        };
        Roles {
            id: &naming.id_col,
            extra: self.extra.into_iter().map(renamed).collect(),
            rename,
            uid: naming.generate_uid,
            ..self
        }
    }

    /// With as many columns of texts as there are sequences in a row.
    pub(crate) fn of_several(self) -> Roles<'a> {
        Roles {
            several: true,
            ..self
        }
    }

    pub(crate) fn labelled(self, columns: &'a [String], kind: LabelKind<'a>) -> Roles<'a> {
        Roles {
            labels: Some(LabelRole { columns, kind }),
            ..self
        }
    }

    /// The argument that names a column of texts.
    pub(crate) fn key_of(&self, column: &str) -> &'static str {
        match self.prompt {
            Some(prompt) if prompt == column => "prompt_col",
            _ => self.texts_key,
        }
    }

    /// The name that a column of the file is given.
    pub(crate) fn renamed(&self, column: &'a str) -> &'a str {
        new_name(self.rename, column)
    }

    /// The name in the file of the column that is given this name.
    pub(crate) fn original(&self, name: &'static str) -> &'a str {
        let mut pairs = self.rename.into_iter().flatten();
        let found = pairs.find(|(_, to)| *to == name);
        found.map_or(name, |(from, _)| from.as_str())
    }

    /// The columns of labels that are looked at as a whole, and so kept in memory.
    pub(crate) fn held_labels(&self) -> &'a [String] {
        match self.labels {
            Some(labels) if !matches!(labels.kind, LabelKind::Texts) => labels.columns,
            _ => &[],
        }
    }

    /// Whether labels belong to letters or words, or to pairs of them.
    pub(crate) fn of_tokens(&self) -> bool {
        matches!(
            self.labels.map(|labels| labels.kind),
            Some(LabelKind::Tokens | LabelKind::Pairs)
        )
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.of_tokens() && self.texts.len() != 1 {
            let message = "give one column; letters of text pairs are not labelled";
            return Err(argument("x_col", message));
        }
        let most = if self.several { usize::MAX } else { 2 };
        if !(1..=most).contains(&self.texts.len()) {
            return Err(argument("x_col", "give one column, or two for text pairs"));
        }
        if self.texts.len() > 2 {
            once("x_col", &self.texts)?;
        }
        if let Some(labels) = &self.labels {
            let columns = labels.columns;
            if self.of_tokens() && columns.len() != 1 {
                let message = "give one column, which holds the classes of all letters of a row";
                return Err(argument("y_col", message));
            }
            if columns.is_empty() {
                return Err(argument("y_col", "give at least one column"));
            }
            once("y_col", columns)?;
        }
        once("extra_cols", self.extra.iter().map(|carried| carried.name))?;
        self.check_names()
    }

    /// Checks that only columns are renamed that are there to be renamed.
    fn check_names(&self) -> Result<(), Error> {
        let extra: Vec<&str> = self.extra.iter().map(|carried| carried.column).collect();
        let aligned = self.alignment.map(|alignment| alignment.columns());
        let columns = || {
            self.texts
                .iter()
                .map(|column| column.as_str())
                .chain(extra.iter().copied())
                .chain(aligned.into_iter().flatten())
        };
        for (from, to) in self.rename.into_iter().flatten() {
            if columns().any(|column| column == from) || self.texts.contains(&to) {
                continue;
            }
            let nearest = nearest(from, columns());
            let nearest = nearest.map(|name| format!(". Did you mean \"{name}\"?"));
            let extra = match extra.as_slice() {
                [] => String::new(),
                names => format!(", extra_cols is {}", list(names)),
            };
            let message = format!(
                "\"{from}\" is no text column (x_col is {}{extra}){}",
                list(&self.texts),
                nearest.unwrap_or_default()
            );
            return Err(argument("rename_cols", message));
        }
        Ok(())
    }
}

/// The name that a column is given; its own without another.
fn new_name<'a>(rename: Option<&'a BTreeMap<String, String>>, column: &'a str) -> &'a str {
    rename
        .and_then(|rename| rename.get(column))
        .map_or(column, String::as_str)
}
