//! Files of predictions: a table with a row for each, or tensors.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engraft_data::{Cell, Examples, OutputFormat, RowWriter};
use engraft_hub::atomic::Writer;
use engraft_hub::{TensorData, TensorToWrite, write_safetensors};
use engraft_tasks::{LabelSpace, RowOutput};
use serde_json::json;

use crate::failure::Failure;

/// What a file of predictions is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A table.
    Table,
    /// A safetensors file.
    Tensors,
}

impl Form {
    /// What the extension of a file asks for.
    pub(crate) fn of(path: &Path) -> Result<Self, Failure> {
        let extension = path
            .extension()
            .map(|extension| extension.to_ascii_lowercase());
        match OutputFormat::of(path) {
            Some(_) => Ok(Self::Table),
            None if extension.is_some_and(|extension| extension == "safetensors") => {
                Ok(Self::Tensors)
            }
            None => Err(Failure::refused(format!(
                "--output: {}: unknown output format; predictions are written as {}, .safetensors",
                path.display(),
                OutputFormat::known()
            ))),
        }
    }
}

/// Refuses a place where no file can be written, before anything is computed for it.
pub(crate) fn check_place(path: &Path) -> Result<(), Failure> {
    // The file it begins is removed when it is dropped.
    Writer::create(path)
        .map(drop)
        .map_err(|error| Failure::refused(format!("--output: {error}")))
}

/// Predictions on their way into a file, which appears when all are there.
pub(crate) struct PredictionFile {
    path: PathBuf,
    form: Form,
    examples: Arc<Examples>,
    labels: Option<LabelSpace>,
    /// Opened with the first row, which says how many columns there are.
    table: Option<RowWriter>,
    tensors: Vec<RowOutput>,
}

impl PredictionFile {
    /// Begins a file; `labels` are the classes of a classifier.
    pub(crate) fn new(
        path: &Path,
        form: Form,
        examples: Arc<Examples>,
        labels: Option<&LabelSpace>,
    ) -> Result<Self, Failure> {
        let file = Self {
            path: path.to_owned(),
            form,
            examples,
            labels: labels.cloned(),
            table: None,
            tensors: Vec::new(),
        };
        if form == Form::Table {
            file.check_columns()?;
        }
        Ok(file)
    }

    /// Adds a row's prediction.
    pub(crate) fn add(&mut self, output: RowOutput) -> Result<(), Failure> {
        if self.form == Form::Tensors {
            self.tensors.push(output);
            return Ok(());
        }
        let mut cells = vec![Cell::Text(self.id(output.row))];
        match &self.labels {
            Some(labels) => cells.extend(classified(&output.values, labels)),
            None => cells.extend(output.values.iter().map(|value| number(*value))),
        }
        let extra = self.examples.extra.iter();
        cells.extend(
            extra.map(|(_, cells)| cells.get(output.row).cloned().unwrap_or(Cell::Missing)),
        );
        self.table(output.values.len())?
            .write(&cells)
            .map_err(|error| Failure::Broke(error.to_string()))
    }

    /// Completes the file and puts it in place.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        let broke = |error: &dyn std::fmt::Display| Failure::Broke(error.to_string());
        match self.form {
            Form::Table => {
                self.table(0)?;
                let finished = self.table.map(RowWriter::finish).transpose();
                finished.map(drop).map_err(|error| broke(&error))
            }
            Form::Tensors => self.write_tensors().map_err(|error| broke(&error)),
        }
    }

    fn table(&mut self, width: usize) -> Result<&mut RowWriter, Failure> {
        let table = match self.table.take() {
            Some(table) => table,
            None => {
                let columns = self.columns(width);
                RowWriter::create(&self.path, &columns)
                    .map_err(|error| Failure::Broke(error.to_string()))?
            }
        };
        Ok(self.table.insert(table))
    }

    /// The names of the columns, where outputs are of `width` values.
    fn columns(&self, width: usize) -> Vec<String> {
        let mut columns = vec!["id".to_owned()];
        match &self.labels {
            Some(labels) => {
                columns.push("prediction".to_owned());
                columns.extend(labels.names().map(|_| "label".to_owned()));
                columns.extend(
                    labels
                        .names_or_numbers()
                        .iter()
                        .map(|name| format!("p_{name}")),
                );
            }
            None => columns.extend((0..width).map(|value| format!("e{value}"))),
        }
        columns.extend(self.examples.extra.iter().map(|(name, _)| name.clone()));
        columns
    }

    /// Refuses columns that are carried along under a name that predictions have.
    fn check_columns(&self) -> Result<(), Failure> {
        let columns = self.columns(0);
        let own = columns.len() - self.examples.extra.len();
        let (own, extra) = columns.split_at(own);
        match extra.iter().find(|name| own.contains(name)) {
            None => Ok(()),
            Some(name) => Err(Failure::refused(format!(
                "data.extra_cols: \"{name}\" is also a column of the predictions. Leave it out, or rename it in the file"
            ))),
        }
    }

    fn id(&self, row: usize) -> String {
        let ids = self.examples.ids.as_ref();
        ids.and_then(|ids| ids.get(row).cloned())
            .unwrap_or_else(|| row.to_string())
    }

    fn write_tensors(self) -> engraft_hub::Result<()> {
        let ids: Vec<String> = self
            .tensors
            .iter()
            .map(|output| self.id(output.row))
            .collect();
        let notes = BTreeMap::from([("ids".to_owned(), json!(ids).to_string())]);
        let tensor = |name: String, shape: Vec<usize>, values: Vec<f32>| TensorToWrite {
            name: Cow::Owned(name),
            shape,
            data: TensorData::F32(Cow::Owned(values)),
        };
        let shape = self
            .tensors
            .first()
            .map(|output| output.shape.clone())
            .unwrap_or_default();
        let rows = self.tensors.len();
        if self.tensors.iter().all(|output| output.shape == shape) {
            let shape: Vec<usize> = std::iter::once(rows).chain(shape).collect();
            let values: Vec<f32> = self
                .tensors
                .into_iter()
                .flat_map(|output| output.values)
                .collect();
            return write_safetensors(
                &self.path,
                vec![tensor("predictions".to_owned(), shape, values)],
                &notes,
            );
        }
        let numbered = self.tensors.into_iter().enumerate();
        let tensors = numbered
            .map(|(row, output)| tensor(format!("predictions.{row}"), output.shape, output.values));
        write_safetensors(&self.path, tensors, &notes)
    }
}

/// The cells of a classifier's row: the class, its name if classes have names, and each class's probability.
fn classified(logits: &[f32], labels: &LabelSpace) -> Vec<Cell> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let class = logits
        .iter()
        .position(|logit| *logit == largest)
        .unwrap_or(0);
    let mut cells = vec![Cell::Integer(i64::try_from(class).unwrap_or(i64::MAX))];
    let name = |names: &[String]| Cell::Text(names.get(class).cloned().unwrap_or_default());
    cells.extend(labels.names().map(name));
    let powers: Vec<f64> = logits
        .iter()
        .map(|logit| f64::from(logit - largest).exp())
        .collect();
    let sum: f64 = powers.iter().sum();
    cells.extend(powers.iter().map(|power| number((power / sum) as f32)));
    cells
}

/// A number as the shortest text that is the same single-precision number.
fn number(value: f32) -> Cell {
    Cell::Float(value.to_string().parse().unwrap_or(f64::from(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples() -> Arc<Examples> {
        let mut examples = Examples::from_texts(["x", "y"]);
        examples.ids = Some(vec!["first".to_owned(), "second".to_owned()]);
        examples.extra = vec![("source".to_owned(), vec![Cell::Integer(7), Cell::Missing])];
        Arc::new(examples)
    }

    fn output(row: usize, shape: &[usize], values: &[f32]) -> RowOutput {
        RowOutput {
            row,
            shape: shape.to_vec(),
            values: values.to_vec(),
        }
    }

    /// The text of a file of these outputs.
    fn table(name: &str, labels: Option<&LabelSpace>, outputs: [RowOutput; 2]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        let mut file =
            PredictionFile::new(&path, Form::of(&path).unwrap(), examples(), labels).unwrap();
        outputs
            .into_iter()
            .for_each(|output| file.add(output).unwrap());
        assert!(!path.exists());
        file.finish().unwrap();
        std::fs::read_to_string(&path).unwrap()
    }

    #[test]
    fn a_classifier_writes_class_name_and_probabilities() {
        let labels = LabelSpace::new(2, Some(vec!["no".to_owned(), "yes".to_owned()]));
        let outputs = || {
            [
                output(0, &[2], &[0.0, 0.0]),
                output(1, &[2], &[-200.0, 200.0]),
            ]
        };
        assert_eq!(
            table("a.tsv", Some(&labels), outputs()),
            "id\tprediction\tlabel\tp_no\tp_yes\tsource\nfirst\t0\tno\t0.5\t0.5\t7\nsecond\t1\tyes\t0.0\t1.0\t\n"
        );
        let numbered = LabelSpace::new(2, None);
        let text = table("a.jsonl", Some(&numbered), outputs());
        assert!(
            text.starts_with(
                "{\"id\":\"first\",\"prediction\":0,\"p_0\":0.5,\"p_1\":0.5,\"source\":7}"
            ),
            "{text}"
        );
    }

    #[test]
    fn vectors_become_columns() {
        let text = table(
            "a.csv",
            None,
            [output(0, &[2], &[0.1, -2.0]), output(1, &[2], &[1e-8, 3.0])],
        );
        assert_eq!(text.lines().next(), Some("id,e0,e1,source"));
        assert_eq!(text.lines().nth(1), Some("first,0.1,-2.0,7"));
    }

    #[test]
    fn tensors_of_one_shape_are_stacked_and_others_are_numbered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let write = |outputs: [RowOutput; 2]| {
            let mut file =
                PredictionFile::new(&path, Form::of(&path).unwrap(), examples(), None).unwrap();
            outputs
                .into_iter()
                .for_each(|output| file.add(output).unwrap());
            file.finish().unwrap();
            engraft_hub::Weights::open_file(&path).unwrap()
        };
        let weights = write([output(0, &[2], &[1.0, 2.0]), output(1, &[2], &[3.0, 4.0])]);
        let stacked = weights.get("predictions").unwrap();
        assert_eq!(
            (stacked.shape(), stacked.to_f32().unwrap()),
            (&[2, 2][..], vec![1.0, 2.0, 3.0, 4.0])
        );
        assert_eq!(weights.notes()["ids"], "[\"first\",\"second\"]");
        let weights = write([
            output(0, &[1, 2], &[1.0, 2.0]),
            output(1, &[2, 1], &[3.0, 4.0]),
        ]);
        assert_eq!(weights.get("predictions.1").unwrap().shape(), [2, 1]);
        assert!(weights.get("predictions").is_none());
    }

    #[test]
    fn a_column_that_predictions_have_themselves_is_refused() {
        let mut examples = (*examples()).clone();
        examples.extra = vec![("p_1".to_owned(), vec![Cell::Missing; 2])];
        let labels = LabelSpace::new(2, None);
        let file = PredictionFile::new(
            Path::new("a.tsv"),
            Form::Table,
            Arc::new(examples),
            Some(&labels),
        );
        let Err(Failure::Refused(message)) = file else {
            panic!("accepted")
        };
        assert!(
            message.starts_with("data.extra_cols: \"p_1\" is also"),
            "{message}"
        );
    }

    #[test]
    fn a_form_is_known_by_its_extension() {
        assert_eq!(Form::of(Path::new("a.TSV")), Ok(Form::Table));
        assert_eq!(Form::of(Path::new("a.safetensors")), Ok(Form::Tensors));
        for name in ["a.parquet", "a", ".tsv"] {
            assert!(Form::of(Path::new(name)).is_err(), "{name}");
        }
    }
}
