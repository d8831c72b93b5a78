//! Data modules as a user writes them: from YAML and files to examples.

#![allow(clippy::unwrap_used, clippy::panic)]

mod arguments;
mod bad_rows;
mod columns;
mod folds;
mod formats;
mod hostile;
mod pairs;
mod retrieval;
mod splits;
mod structures;
mod targets;
mod texts_to_write;
mod tokens;

use std::fs;

use engraft_component::{decode, read_yaml};
use engraft_data::{DataModule, Examples, Label, Splits, Stage};

/// A folder of files, and the data module that `yaml` describes with its path put in for `DIR`.
struct Case {
    folder: tempfile::TempDir,
    module: DataModule,
}

fn module(yaml: &str) -> (DataModule, Vec<String>) {
    let (module, notes) = decode(&read_yaml(yaml.as_bytes(), "e.yaml").unwrap()).unwrap();
    (module, notes.iter().map(ToString::to_string).collect())
}

fn case(files: &[(&str, &str)], yaml: &str) -> Case {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let yaml = yaml.replace("DIR", &folder.path().display().to_string());
    Case {
        module: module(&yaml).0,
        folder,
    }
}

impl Case {
    fn load(&self, stage: Stage) -> Splits {
        self.module.load(stage).unwrap()
    }

    fn error(&self, stage: Stage) -> String {
        let error = self.module.load(stage).unwrap_err().to_string();
        let folder = self.folder.path().display().to_string();
        error
            .replace(&format!("{folder}/"), "")
            .replace(&folder, "DIR")
    }
}

fn ids(examples: &Option<Examples>) -> Vec<usize> {
    let ids = examples
        .as_ref()
        .and_then(|examples| examples.ids.clone())
        .unwrap_or_default();
    ids.iter().map(|id| id.parse().unwrap()).collect()
}

fn labels(examples: &Option<Examples>) -> Vec<Label> {
    examples.as_ref().unwrap().classes().unwrap().to_vec()
}

/// A table of `rows` rows with the columns `sequences` and `labels`.
fn table(rows: usize) -> String {
    let rows = (0..rows).map(|row| format!("S{row}\t{}\n", row % 3));
    format!("sequences\tlabels\n{}", rows.collect::<String>())
}

const CLASSIFY: &str = "class_path: SequenceClassificationDataModule\ninit_args: {path: DIR}";

/// Classification, with all rows of one file.
fn classify(file: &str) -> String {
    CLASSIFY.replace("DIR", &format!("DIR/{file}"))
}
