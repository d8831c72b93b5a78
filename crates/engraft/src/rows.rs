//! What a model is trained and scored on: rows that were read, a file, lists, or an iterator of batches.

use std::path::{Path, PathBuf};

use engraft_component::{Mapping, Node, Refusal, decode};
use engraft_data::{DataModule, Examples, Label, Labels, PairRow, Stage, TokenUnit};

use crate::error::{Error, Result};
use crate::input::{Ask, Input, Many, examples_of};
use crate::target::{Target, Weight};

/// Rows as a task takes them.
///
/// | Given | Rows |
/// |---|---|
/// | [`Examples`], or a reference | these |
/// | [`File`] | those of a file |
/// | `x` | texts without labels, for what learns from texts alone |
/// | `(x, y)` | texts and their labels |
/// | `(x, y, weights)` | the same, each with its weight in the loss |
/// | [`Batches`] of an iterator of any of these | those of all batches, which stay the batches that they are |
///
/// `x` are texts, pairs of texts or tokens; `y` numbers or names of classes, flags, numbers, structures in
/// brackets, or texts that are to be written. For what writes,
/// pairs are texts that are read and texts that are written for them.
pub trait Data {
    /// The rows, for a task.
    ///
    /// # Errors
    /// A file that cannot be read, lists of different lengths, labels that the task cannot learn, an iterator that failed.
    fn rows(self, wants: &Wants) -> Result<Examples>;
}

/// What a task wants of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wants {
    /// The data module that reads files for it.
    pub(crate) module: &'static str,
    pub(crate) labels: Labelling,
    /// How many classes there are, if there are classes.
    pub(crate) classes: Option<usize>,
    /// What they are called, if it is known.
    pub(crate) names: Vec<String>,
}

/// The labels that a task learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Labelling {
    /// A class each, or flags.
    Classes,
    /// Numbers.
    Numbers,
    /// A text to be written.
    Texts,
    /// A class for each letter or word.
    Units,
    /// Pairs of letters or words that belong together.
    Pairs,
    /// Tokens that follow.
    Tokens,
    /// None.
    Nothing,
}

impl Data for Examples {
    fn rows(self, _wants: &Wants) -> Result<Examples> {
        Ok(self)
    }
}

impl Data for &Examples {
    fn rows(self, _wants: &Wants) -> Result<Examples> {
        Ok(self.clone())
    }
}

/// A file of rows, of any format that is read: its texts in one column or two, its labels in others. Without [`Self::x`] and [`Self::y`] these
/// are called as the task's data module has it: `sequences` and `label` of a classifier.
///
/// ```no_run
/// use engraft::prelude::*;
///
/// let mut classifier = TextClassifier::from_preset("./minilm")?.num_classes(2).build()?;
/// classifier.fit(File::new("train.tsv").x("text").y("label"), Fit::default())?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    path: PathBuf,
    arguments: Mapping,
}

impl File {
    /// A file whose columns are called as the task's data module calls them, unless [`Self::x`] and [`Self::y`] say otherwise.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            arguments: Mapping::default(),
        }
    }

    /// The column of texts; called twice, that of second texts.
    #[must_use]
    pub fn x(self, column: &str) -> Self {
        self.column("x_col", column)
    }

    /// The column of labels; called several times, one for each of several numbers or classes.
    #[must_use]
    pub fn y(self, column: &str) -> Self {
        self.column("y_col", column)
    }

    /// Any other argument of the data module, by its name in an experiment.
    #[must_use]
    pub fn with(mut self, argument: &str, value: &str) -> Self {
        self.arguments.set(argument, Node::plain(value));
        self
    }

    fn column(mut self, key: &str, column: &str) -> Self {
        let known = self.arguments.get(key).and_then(Node::as_list);
        let mut columns = known.map(<[Node]>::to_vec).unwrap_or_default();
        columns.push(Node::text(column));
        self.arguments.set(key, Node::list(columns));
        self
    }
}

impl Data for File {
    fn rows(self, wants: &Wants) -> Result<Examples> {
        let path = self.path.display().to_string();
        let mut arguments = self.arguments;
        arguments.set("path", Node::text(path.as_str()));
        let (module, _) =
            decode::<DataModule>(&Node::class(wants.module, arguments)).map_err(|refusal| {
                // Where they stand in an experiment is of no use here.
                let key = refusal.key.trim_start_matches("init_args.").to_owned();
                Refusal { key, ..refusal }
            })?;
        let test = module.load(Stage::Test)?.test;
        test.ok_or_else(|| Error::Argument(format!("{path}: no rows")))
    }
}

/// An iterator of batches, which are kept as they are: none is shuffled, divided or joined. Each is rows, `(x, y)` or `(x, y, weights)`, or a
/// `Result` of these. The iterator is read to its end before anything is computed, so that it must have one, and an epoch is all of its batches.
#[derive(Clone, Debug)]
pub struct Batches<I>(pub I);

impl<I: IntoIterator<Item: Data>> Data for Batches<I> {
    fn rows(self, wants: &Wants) -> Result<Examples> {
        let mut batches = Vec::new();
        for (number, batch) in (1..).zip(self.0) {
            let batch = batch.rows(wants).map_err(|error| Error::Batch {
                number,
                error: match error {
                    // The iterator's own.
                    Error::Batch { error, .. } => error,
                    other => Box::new(other),
                },
            })?;
            batches.push(batch);
        }
        Ok(Examples::from_batches(batches)?)
    }
}

/// A batch that an iterator may fail to give.
impl<D: Data, E: Into<Box<dyn std::error::Error + Send + Sync>>> Data
    for std::result::Result<D, E>
{
    fn rows(self, wants: &Wants) -> Result<Examples> {
        match self {
            Ok(batch) => batch.rows(wants),
            Err(error) => Err(Error::Batch {
                number: 1,
                error: error.into(),
            }),
        }
    }
}

impl<M: Many> Data for M {
    fn rows(self, wants: &Wants) -> Result<Examples> {
        let inputs: Vec<Input> = self
            .many()
            .into_iter()
            .map(Ask::input)
            .collect::<Result<_>>()?;
        let pairs = inputs.iter().map(|input| match input {
            Input::Pair(read, written) => Some((read.clone(), written.clone())),
            _ => None,
        });
        match pairs.collect::<Option<Vec<_>>>() {
            Some(pairs) if wants.labels == Labelling::Texts => Ok(Examples::from_pairs(pairs)?),
            _ => with_written_tokens(examples_of(0, inputs)?, wants),
        }
    }
}

/// Rows of tokens that say what is written too have it as their labels.
fn with_written_tokens(mut examples: Examples, wants: &Wants) -> Result<Examples> {
    let Some(rows) = examples
        .tokens
        .as_ref()
        .filter(|_| wants.labels == Labelling::Texts)
    else {
        return Ok(examples);
    };
    let without = rows.iter().position(|row| row.decoder_token_ids.is_none());
    match without {
        None => {
            // Their texts are not known.
            let texts = rows.iter().map(|_| String::from("(tokens)"));
            examples.labels = Some(Labels::Texts(texts.collect()));
            Ok(examples)
        }
        Some(row) if rows.iter().any(|row| row.decoder_token_ids.is_some()) => {
            Err(Error::Argument(format!(
                "row {row} has no decoder_token_ids, which say what is written for the others"
            )))
        }
        Some(_) => Ok(examples),
    }
}

impl<X: Many, Y: IntoIterator<Item: Into<Target>>> Data for (X, Y) {
    fn rows(self, wants: &Wants) -> Result<Examples> {
        let examples = Data::rows(self.0, wants)?;
        if examples.labels.is_some() {
            let problem = "y: the rows say what is written for them already; leave one of both out";
            return Err(Error::Argument(problem.into()));
        }
        let targets = self.1.into_iter().map(Into::into).collect();
        labelled(examples, targets, wants)
    }
}

impl<X: Many, Y: IntoIterator<Item: Into<Target>>, W: IntoIterator<Item: Into<Weight>>> Data
    for (X, Y, W)
{
    fn rows(self, wants: &Wants) -> Result<Examples> {
        let (x, y, weights) = self;
        let weights = weights.into_iter().map(|weight| weight.into().get());
        Ok((x, y).rows(wants)?.weighted(weights)?)
    }
}

/// The same rows with labels.
fn labelled(examples: Examples, mut targets: Vec<Target>, wants: &Wants) -> Result<Examples> {
    if targets.len() != examples.len() {
        return Err(Error::Argument(format!(
            "y has {} labels for {} rows",
            targets.len(),
            examples.len()
        )));
    }
    if let Some(count) = wants.classes {
        // Of a whole row several are flags.
        let is_class = |target: &Target| {
            wants.labels == Labelling::Units || !matches!(target, Target::Several(_))
        };
        let classes = targets.iter_mut().enumerate();
        for (row, target) in classes.filter(|(_, target)| is_class(target)) {
            target.name_classes(count, &wants.names).map_err(|stray| {
                Error::Argument(format!(
                    "y: row {row} has {stray}, but there are {count} classes: expected a number below {count}"
                ))
            })?;
        }
    }
    let wrong = |row: usize, what: &str| {
        let found = &targets[row];
        Error::Argument(format!("y: row {row} has {found}, which is no {what}"))
    };
    let each = |what: &'static str| move |row: usize| (row, what);
    /// What all targets are, or the first that is something else.
    fn all<T>(
        targets: &[Target],
        of: impl Fn(&Target) -> Option<T>,
    ) -> std::result::Result<Vec<T>, usize> {
        targets
            .iter()
            .enumerate()
            .map(|(row, target)| of(target).ok_or(row))
            .collect()
    }
    let refused = |(row, what): (usize, &str)| wrong(row, what);
    let labels = match wants.labels {
        Labelling::Nothing => {
            let problem = "the task learns from rows alone: give x without y";
            return Err(Error::Argument(problem.into()));
        }
        Labelling::Tokens => return following(examples, &targets),
        Labelling::Texts => {
            let text = |target: &Target| match target {
                Target::Text(text) => Some(text.clone()),
                _ => None,
            };
            let texts = all(&targets, text)
                .map_err(each("text to be written"))
                .map_err(refused)?;
            Labels::Texts(texts.into_iter().collect())
        }
        Labelling::Numbers => {
            let rows = all(&targets, Target::numbers)
                .map_err(each("number"))
                .map_err(refused)?;
            let width = rows.first().map_or(1, Vec::len);
            Labels::Numbers {
                names: (0..width).map(|at| at.to_string()).collect(),
                rows,
            }
        }
        Labelling::Pairs => {
            let unit = TokenUnit::of_texts(examples.texts.iter().take(1))?;
            let pairs = targets
                .iter()
                .enumerate()
                .map(|(row, target)| match target {
                    Target::Text(structure) => PairRow::from_brackets(structure)
                        .map_err(|problem| Error::Argument(format!("y: row {row}: {problem}"))),
                    _ => Err(wrong(row, "structure in brackets, such as ((..))")),
                });
            let rows = pairs.collect::<Result<_>>()?;
            Labels::Pairs { unit, rows }
        }
        Labelling::Units => {
            let unit = TokenUnit::of_texts(examples.texts.iter().take(1))?;
            let units = |target: &Target| match target {
                Target::Several(several) => {
                    let classes = several.iter().map(|it| it.class().map(Some));
                    classes.collect::<Option<Vec<_>>>()
                }
                Target::Text(letters) => {
                    let names = letters.chars().map(|it| Some(Label::Name(it.to_string())));
                    Some(names.collect())
                }
                _ => None,
            };
            let rows = all(&targets, units);
            let rows = rows.map_err(each("list of classes")).map_err(refused)?;
            Labels::Tokens { unit, rows }
        }
        Labelling::Classes => match all(&targets, Target::flags) {
            Ok(rows) if !rows.is_empty() => {
                let width = rows.first().map_or(0, Vec::len);
                let names = match &wants.names {
                    names if names.len() == width => names.clone(),
                    _ => (0..width).map(|at| at.to_string()).collect(),
                };
                Labels::MultiLabel { names, rows }
            }
            _ => {
                let classes = all(&targets, Target::class);
                let what = match targets.first() {
                    Some(Target::Several(_)) => "list of flags, one for each class",
                    _ => "class: expected a whole number from 0 on, or a name",
                };
                Labels::Classes(classes.map_err(each(what)).map_err(refused)?)
            }
        },
    };
    Ok(examples.with_labels(labels)?)
}

/// Rows of tokens whose labels are the token after each: the last of them is added, the others must be what the rows say themselves.
fn following(mut examples: Examples, targets: &[Target]) -> Result<Examples> {
    let Some(rows) = &mut examples.tokens else {
        let problem = "what follows each token of a text is in the text itself: give x without y";
        return Err(Error::Argument(problem.into()));
    };
    for (number, (row, target)) in rows.iter_mut().zip(targets).enumerate() {
        let next: Option<Vec<u32>> = match target {
            Target::Several(several) => several.iter().map(Target::id).collect(),
            _ => None,
        };
        let padded = row.padded_length;
        let read = &mut row.token_ids;
        // Of a row with padding the target may have some too.
        let next = next.map(|mut next| {
            if padded == Some(next.len()) {
                next.truncate(read.len());
            }
            next
        });
        let follows = |next: &[u32]| {
            next.len() == read.len() && read.get(1..) == next.get(..next.len().saturating_sub(1))
        };
        match next.as_deref() {
            Some(next) if follows(next) => {
                read.extend(next.last());
                // What is predicted belongs to the text that it follows.
                row.segment_ids.extend(row.segment_ids.last().copied());
            }
            _ => {
                return Err(Error::Argument(format!(
                    "y: row {number} is not the token after each token of x: expected x without its first token, and one more"
                )));
            }
        }
    }
    Ok(examples)
}
