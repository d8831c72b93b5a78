//! Which column of a table is what.
//!
//! Names decide where they are the usual ones; what the columns hold decides the rest.

use engraft_data::{Alphabet, ColumnSurvey, Content, Survey, TokenUnit};
use engraft_tasks::Task;

use super::labels::goal;

/// Names that columns of texts usually have, the most telling first.
const TEXT_NAMES: &[&str] = &[
    "sequences",
    "sequence",
    "seq",
    "seqs",
    "text",
    "texts",
    "sentence",
    "sentences",
    "document",
    "content",
    "body",
    "dna",
    "rna",
    "protein",
    "peptide",
    "dna_sequence",
    "rna_sequence",
    "protein_sequence",
    "aa_seq",
    "review",
    "utr",
];
/// Names that columns of labels usually have.
pub(super) const LABEL_NAMES: &[&str] = &[
    "labels",
    "label",
    "target",
    "targets",
    "class",
    "classes",
    "y",
    "category",
    "tags",
    "tag",
    "topic",
    "score",
    "fitness",
    "value",
    "affinity",
    "activity",
    "structure",
    "secondary_structure",
    "ss",
    "ss3",
    "ss8",
    "dssp",
];
const ID_NAMES: &[&str] = &[
    "id",
    "ids",
    "name",
    "accession",
    "uid",
    "index",
    "title",
    "description",
    "source",
];
const SPLIT_NAMES: &[&str] = &["split", "partition", "set", "subset", "stage"];
/// Columns that are read together, beside those whose names differ in a last 1 and 2, or a and b.
const PAIRS: &[(&str, &str)] = &[
    ("premise", "hypothesis"),
    ("question", "sentence"),
    ("question", "context"),
    ("question", "answer"),
    ("query", "document"),
    ("query", "passage"),
    ("heavy", "light"),
    ("text", "text_pair"),
];

/// Most classes that a column is taken to hold where nothing but their number speaks for it.
pub(super) const FEW: usize = 20;

/// What the columns of a table are for.
#[derive(Clone, Debug)]
pub(super) struct Roles {
    /// The column of texts, or two for pairs.
    pub(super) texts: Vec<ColumnSurvey>,
    pub(super) goal: Goal,
    /// The column of row ids, where it is not the one that is looked for anyway.
    pub(super) id: Option<String>,
    /// Columns without a part in it, and why.
    others: Vec<(String, String)>,
}

/// What is to be learned.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Goal {
    /// One class a row.
    Class {
        column: String,
        /// Whether they have names, or are numbers from 0 without a gap.
        counts_on: bool,
        /// The values with their number of rows, most frequent first.
        values: Vec<(String, usize)>,
    },
    /// Any of several classes a row; a column of flags each, or one of lists.
    Classes { columns: Vec<String>, count: usize },
    /// A class for each letter or word.
    Tokens { column: String, unit: TokenUnit },
    /// Numbers; a column each, or one of lists.
    Numbers { columns: Vec<String>, count: usize },
    /// What is masked.
    Nothing,
}

/// What texts are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matter {
    Letters(Alphabet),
    Language,
}

impl Goal {
    /// The class of the model.
    pub(super) fn task(&self) -> &'static str {
        Task::that_uses(self.data_module()).unwrap_or_default()
    }

    /// The class of the data module.
    pub(super) fn data_module(&self) -> &'static str {
        match self {
            Self::Class { .. } | Self::Classes { .. } => "SequenceClassificationDataModule",
            Self::Tokens { .. } => "TokenClassificationDataModule",
            Self::Numbers { .. } => "SequenceRegressionDataModule",
            Self::Nothing => "MLMDataModule",
        }
    }

    /// The columns of labels.
    pub(super) fn columns(&self) -> Vec<&str> {
        match self {
            Self::Class { column, .. } | Self::Tokens { column, .. } => vec![column],
            Self::Classes { columns, .. } | Self::Numbers { columns, .. } => {
                columns.iter().map(String::as_str).collect()
            }
            Self::Nothing => Vec::new(),
        }
    }
}

impl Roles {
    /// What the columns are for; none if no column has texts.
    pub(super) fn of(survey: &Survey) -> Option<Self> {
        let texts = texts(survey)?;
        let mut others = Vec::new();
        let mut candidates = Vec::new();
        let mut id = None;
        for column in &survey.columns {
            if texts.iter().any(|text| text.name == column.name) {
                continue;
            }
            let is_label = named(column, LABEL_NAMES);
            match column.content {
                Content::Nothing => others.push((column.name.clone(), "empty".to_owned())),
                _ if is_split(column) => others.push((
                    column.name.clone(),
                    "names splits or folds: data.cv_fold_id_col and data.cv_num_folds take numbered folds, and each split is a file"
                        .to_owned(),
                )),
                _ if is_id(column, survey.rows) && !is_label => {
                    let is_unique = column.distinct() == Some(survey.rows);
                    if id.is_none() && is_unique && is_plainly_an_id(column) {
                        id = Some(column.name.clone());
                    }
                    others.push((column.name.clone(), "row ids or names".to_owned()));
                }
                _ => candidates.push(column),
            }
        }
        let goal = goal(survey, &texts, &candidates);
        let used = goal.columns();
        for column in candidates {
            if !used.contains(&column.name.as_str()) {
                others.push((column.name.clone(), format!("{}, not used", said(column))));
            }
        }
        Some(Self {
            texts,
            id: id.filter(|id| id != "id"),
            goal,
            others,
        })
    }

    /// What the texts are made of.
    pub(super) fn matter(&self) -> Matter {
        let alphabet = |column: &ColumnSurvey| match column.content {
            Content::Sequences(alphabet) => Some(alphabet),
            _ => None,
        };
        let first = self.texts.first().and_then(alphabet);
        match first {
            Some(first) if self.texts.iter().all(|it| alphabet(it) == Some(first)) => {
                Matter::Letters(first)
            }
            _ => Matter::Language,
        }
    }

    /// Letters of the texts of a row together: half, most and all rows have at most so many.
    pub(super) fn letters(&self) -> [usize; 3] {
        let sum = |of: fn(&ColumnSurvey) -> usize| self.texts.iter().map(of).sum();
        [
            sum(|column| column.letters.median),
            sum(|column| column.letters.most),
            sum(|column| column.letters.longest),
        ]
    }

    /// Words likewise.
    pub(super) fn words(&self) -> [usize; 3] {
        let sum = |of: fn(&ColumnSurvey) -> usize| self.texts.iter().map(of).sum();
        [
            sum(|column| column.words.median),
            sum(|column| column.words.most),
            sum(|column| column.words.longest),
        ]
    }

    /// Each column with what it holds.
    pub(super) fn findings(&self, survey: &Survey) -> Vec<(String, String)> {
        let mut findings = Vec::new();
        for text in &self.texts {
            findings.push((
                text.name.clone(),
                format!("{}: what the model reads", said(text)),
            ));
        }
        for name in self.goal.columns() {
            let content = survey.column(name).map(said).unwrap_or_default();
            let what = match &self.goal {
                Goal::Class { .. } => format!("{}: the class of each row", self.classes()),
                Goal::Classes { .. } => {
                    format!("{content}: classes of which a row may have several")
                }
                Goal::Tokens { unit, .. } => {
                    format!("a label for each {} of the text", unit_name(*unit))
                }
                Goal::Numbers { .. } => format!("{content}: to be predicted"),
                Goal::Nothing => content,
            };
            findings.push((name.to_owned(), what));
        }
        findings.extend(self.others.iter().cloned());
        findings
    }

    /// The classes with the share of each, the frequent ones first.
    pub(super) fn classes(&self) -> String {
        const SHOWN: usize = 6;
        let Goal::Class { values, .. } = &self.goal else {
            return String::new();
        };
        let rows: usize = values.iter().map(|(_, rows)| rows).sum();
        let share = |(name, count): &(String, usize)| {
            let share = 100.0 * *count as f64 / rows.max(1) as f64;
            format!("{} {share:.1} %", shown(name))
        };
        let mut shares: Vec<String> = values.iter().take(SHOWN).map(share).collect();
        if values.len() > SHOWN {
            shares.push(format!("{} more", values.len() - SHOWN));
        }
        format!("{} classes ({})", values.len(), shares.join(", "))
    }

    /// What a user may want to do otherwise.
    pub(super) fn notes(&self) -> Vec<String> {
        let Goal::Class { values, .. } = &self.goal else {
            return Vec::new();
        };
        let rows: usize = values.iter().map(|(_, rows)| rows).sum();
        let rare = values
            .iter()
            .filter(|(_, count)| *count * 50 < rows)
            .count();
        match rare {
            0 => Vec::new(),
            rare => vec![format!(
                "{rare} of the classes have less than one row in fifty: model.weighted_loss: true weighs them as much as the others"
            )],
        }
    }
}

/// A name for messages and comments, on one line.
pub(super) fn shown(name: &str) -> String {
    const SHOWN: usize = 40;
    let short: String = name.chars().take(SHOWN).collect();
    let more = if short.len() < name.len() { "..." } else { "" };
    format!("{}{more}", short.escape_debug())
}

/// Each column with what it holds, for a message.
pub(super) fn listed(survey: &Survey) -> String {
    let columns = survey.columns.iter();
    let each: Vec<String> = columns
        .map(|column| format!("\"{}\" with {}", shown(&column.name), said(column)))
        .collect();
    each.join("; ")
}

pub(super) fn unit_name(unit: TokenUnit) -> &'static str {
    match unit {
        TokenUnit::Letter => "letter",
        TokenUnit::Word => "word",
    }
}

/// What a column holds, in words.
pub(super) fn said(column: &ColumnSurvey) -> String {
    let (letters, words) = (column.letters, column.words);
    let lengths = format!(
        "half at most {} long, the longest {}",
        letters.median, letters.longest
    );
    match column.content {
        Content::Nothing => "nothing".to_owned(),
        Content::Flags => "0 and 1".to_owned(),
        Content::Whole => "whole numbers".to_owned(),
        Content::Numbers => "numbers".to_owned(),
        Content::Sequences(Alphabet::Dna) => format!("DNA, {lengths}"),
        Content::Sequences(Alphabet::Rna) => format!("RNA, {lengths}"),
        Content::Sequences(Alphabet::Protein) => format!("amino acids, {lengths}"),
        Content::Words => "single words".to_owned(),
        Content::Prose => format!(
            "text, half of at most {} words, the longest of {}",
            words.median, words.longest
        ),
        Content::FlagLists(length) => format!("lists of {length} times 0 or 1"),
        Content::NumberLists(length) => format!("lists of {length} numbers"),
        Content::Lists => "lists".to_owned(),
        Content::Mixed => "values of several kinds".to_owned(),
    }
}

pub(super) fn named(column: &ColumnSurvey, names: &[&str]) -> bool {
    rank(column, names).is_some()
}

/// Where the column's name stands among these.
pub(super) fn rank(column: &ColumnSurvey, names: &[&str]) -> Option<usize> {
    let name = column.name.trim().to_lowercase();
    names.iter().position(|known| *known == name)
}

fn is_split(column: &ColumnSurvey) -> bool {
    let name = column.name.to_lowercase();
    named(column, SPLIT_NAMES) || name.contains("fold")
}

fn is_id(column: &ColumnSurvey, rows: usize) -> bool {
    let name = column.name.to_lowercase();
    let by_name = named(column, ID_NAMES)
        || name.ends_with("_id")
        || name.starts_with("unnamed")
        || name.is_empty();
    // A number or word of its own for each row numbers the rows, or measures them.
    let unique = column.distinct() == Some(rows) && rows > FEW;
    by_name || (unique && column.content == Content::Words)
}

fn is_plainly_an_id(column: &ColumnSurvey) -> bool {
    let name = column.name.to_lowercase();
    ["id", "ids", "uid", "accession"].contains(&name.as_str()) || name.ends_with("_id")
}

/// The column of texts, or the two of pairs.
fn texts(survey: &Survey) -> Option<Vec<ColumnSurvey>> {
    let is_text = |column: &&ColumnSurvey| {
        let by_name = named(column, TEXT_NAMES);
        let is_other = named(column, LABEL_NAMES) || is_split(column);
        let varies = column
            .distinct()
            .is_none_or(|distinct| distinct * 4 >= column.filled);
        match column.content {
            Content::Sequences(_) | Content::Words => {
                by_name
                    || (!is_other
                        && varies
                        && column.letters.median >= 5
                        && !named(column, ID_NAMES))
            }
            Content::Prose => by_name || (!is_other && varies),
            _ => false,
        }
    };
    let columns: Vec<&ColumnSurvey> = survey.columns.iter().filter(is_text).collect();
    if let Some(pair) = pair(&columns) {
        return Some(pair);
    }
    // By name; else sequences, then prose, then words, and the longest of a kind.
    let order = |column: &&&ColumnSurvey| {
        let by_name = rank(column, TEXT_NAMES).unwrap_or(TEXT_NAMES.len());
        let is_aside = named(column, ID_NAMES);
        let kind = match column.content {
            Content::Sequences(_) => 0,
            Content::Prose => 1,
            _ => 2,
        };
        (by_name, is_aside, kind, usize::MAX - column.letters.median)
    };
    let best = columns.iter().min_by_key(order)?;
    Some(vec![(*best).clone()])
}

/// Two columns of texts whose names say that they belong together.
fn pair(columns: &[&ColumnSurvey]) -> Option<Vec<ColumnSurvey>> {
    let stem = |name: &str, last: char| {
        let stem = name.strip_suffix(last)?;
        Some(stem.trim_end_matches(['_', '-', ' ']).to_owned())
    };
    let belong = |first: &str, second: &str| {
        let (first, second) = (first.to_lowercase(), second.to_lowercase());
        let by_end = [('1', '2'), ('a', 'b')].iter().any(|(one, two)| {
            let stems = stem(&first, *one).zip(stem(&second, *two));
            stems.is_some_and(|(one, two)| one == two)
        });
        by_end || PAIRS.contains(&(first.as_str(), second.as_str()))
    };
    let alike = |first: &ColumnSurvey, second: &ColumnSurvey| match (first.content, second.content)
    {
        (Content::Sequences(first), Content::Sequences(second)) => first == second,
        (Content::Sequences(_), _) | (_, Content::Sequences(_)) => false,
        _ => true,
    };
    columns.iter().find_map(|first| {
        let second = columns
            .iter()
            .find(|second| belong(&first.name, &second.name) && alike(first, second))?;
        Some(vec![(*first).clone(), (*second).clone()])
    })
}
