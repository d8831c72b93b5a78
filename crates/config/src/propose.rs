//! From a table to an experiment: which column is what, and what fits it.
//!
//! The same table always gives the same proposal, but for the published encoder of texts: it is proposed where it lies in the local cache, and
//! a small one that starts from fresh weights elsewhere. Nothing is trusted unseen: the text that was written is read back as an experiment, and
//! its data module loads the rows, before it is handed out.

mod backbone;
mod labels;
mod recipe;
mod roles;
mod write;

use std::path::{Path, PathBuf};

use engraft_component::{Refusal, read_yaml};
use engraft_data::{Splits, Stage, Survey, survey};
use engraft_tasks::SmallEncoder;

use crate::compose::Composed;
use crate::experiment::Experiment;
use backbone::Scion;
use recipe::Recipe;
use roles::Roles;

/// Rows that a vocabulary is made from at most: more hardly change it.
const VOCABULARY_ROWS: usize = 50_000;

/// Fewer rows than these hardly teach a model that starts from nothing.
const FEW_ROWS: usize = 500;

/// An experiment for a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The experiment, with the reason of each choice.
    pub yaml: String,
    /// Files that it names and that are to be written too, with their text.
    pub files: Vec<(PathBuf, String)>,
    /// The table, with the rows of each split.
    pub table: String,
    /// Each of its columns with what it holds, and what is proposed for them.
    pub findings: Vec<(String, String)>,
    /// What the user should know or do.
    pub notes: Vec<String>,
}

/// What the user has decided already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// The name of the backbone.
    pub backbone: Option<String>,
    /// The file that the proposal will be, for the commands in it.
    pub file: String,
}

impl Wishes {
    /// The command that runs the proposal, for a shell.
    pub fn command(&self) -> String {
        let plain = |letter: char| letter.is_alphanumeric() || "._-/+=:@%".contains(letter);
        let file = if self.file.chars().all(plain) {
            self.file.clone()
        } else {
            // In single quotes a shell takes everything but these for itself.
            let file = self.file.replace('\'', "'\\''");
            format!("'{}'", file.replace(char::is_control, "?"))
        };
        format!("engraft fit --config {file}")
    }

    /// The folder of an encoder beside the file, by a name that is no preset's.
    fn encoder(&self) -> String {
        let file = Path::new(&self.file);
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let folder = file.with_file_name(format!("{stem}-encoder"));
        let folder = folder.to_string_lossy();
        if folder.starts_with(['.', '/']) {
            folder.into_owned()
        } else {
            format!("./{folder}")
        }
    }
}

/// Why there is no proposal.
#[derive(Debug, thiserror::Error)]
pub enum ProposeError {
    /// The table cannot be read, or not as what its columns seem to be.
    #[error(transparent)]
    Data(#[from] engraft_data::Error),
    /// No column can be what a model reads.
    #[error(
        "{path}: no column holds sequences or texts (there is {columns}); name them with data.x_col in an experiment of your own"
    )]
    NoText {
        /// The file or folder.
        path: String,
        /// The columns, each with what it holds.
        columns: String,
    },
    /// The backbone that the user named cannot be used.
    #[error("--model.backbone: {0}")]
    Backbone(engraft_tasks::Error),
    /// No vocabulary can be made from the texts.
    #[error("cannot make a vocabulary from the training rows: {0}")]
    Vocabulary(engraft_tasks::Error),
    /// What was written does not read, which is a mistake of ours.
    #[error("the proposal is no experiment: {0}")]
    Unreadable(#[from] Refusal),
}

/// Proposes an experiment for a file of rows, or a folder of split files.
///
/// # Errors
/// The table cannot be read, has nothing for a model to read, or its labels are not what they seem to be.
pub fn propose(path: &Path, wishes: &Wishes) -> Result<Proposal, ProposeError> {
    let survey = survey(path)?;
    let roles = Roles::of(&survey).ok_or_else(|| ProposeError::NoText {
        path: path.display().to_string(),
        columns: roles::listed(&survey),
    })?;
    let scion = Scion::choose(&roles, wishes).map_err(ProposeError::Backbone)?;
    let recipe = Recipe::of(&roles, &scion, survey.rows);
    let yaml = write::experiment(&survey, &roles, &scion, &recipe, wishes);
    let splits = load(&yaml)?;
    let files = match &scion.pretrained {
        Some(_) => encoder(&scion.name, &splits)?,
        None => Vec::new(),
    };
    let mut notes = survey.notes.clone();
    notes.extend(scion.notes.clone());
    notes.extend(roles.notes());
    if scion.from_scratch && roles.goal != roles::Goal::Nothing && survey.rows < FEW_ROWS {
        notes.push(format!(
            "{} rows are few for fresh weights, and scores on a share of them vary by chance: a pretrained backbone may do better (--model.backbone)",
            survey.rows
        ));
    }
    let mut findings = roles.findings(&survey);
    let task = roles.goal.task();
    let about = format!("{task} on {}, {}", scion.name, recipe.length());
    findings.push(("proposed".to_owned(), about));
    Ok(Proposal {
        yaml,
        files,
        table: found(&survey, &splits),
        findings,
        notes,
    })
}

/// Reads the proposal as any experiment, and the rows as its data module does.
fn load(yaml: &str) -> Result<Splits, ProposeError> {
    let composed = Composed {
        root: read_yaml(yaml.as_bytes(), "proposal")?,
        notes: Vec::new(),
    };
    let (experiment, _) = Experiment::read(&composed)?;
    let data = experiment.data.as_ref().map(|data| data.load(Stage::Fit));
    Ok(data.transpose()?.unwrap_or_default())
}

/// The files of an encoder in this folder, whose vocabulary is made from the training rows.
fn encoder(folder: &str, splits: &Splits) -> Result<Vec<(PathBuf, String)>, ProposeError> {
    let mut texts = Vec::new();
    for column in splits.train.iter().flat_map(|train| &train.texts) {
        for row in column
            .iter()
            .step_by(column.len().div_ceil(VOCABULARY_ROWS).max(1))
        {
            texts.push(row?.into_owned());
        }
    }
    let encoder = SmallEncoder::of(texts.into_iter()).map_err(ProposeError::Vocabulary)?;
    let files = encoder.files.into_iter();
    Ok(files
        .map(|(file, text)| (Path::new(folder).join(file), text))
        .collect())
}

/// The file or folder, with the rows of each split.
fn found(survey: &Survey, splits: &Splits) -> String {
    let rows = [
        ("training", &splits.train),
        ("validation", &splits.valid),
        ("test", &splits.test),
    ];
    let counted: Vec<String> = rows
        .iter()
        .filter_map(|(name, split)| Some(format!("{} {name}", split.as_ref()?.len())))
        .collect();
    let path = survey.path.display().to_string();
    format!("{path}: {} rows", counted.join(", "))
}

#[cfg(test)]
mod tests;
