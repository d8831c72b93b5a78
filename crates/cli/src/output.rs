//! Files of predictions: a table with a row for each, or tensors.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engraft_data::{Cell, Examples, OutputFormat, RowWriter};
use engraft_hub::atomic::Writer;
use engraft_hub::{TensorData, TensorToWrite, write_safetensors};
use engraft_tasks::output::{OutputKind, largest, sigmoid, softmax};
use engraft_tasks::{LabelSpace, Model, RowOutput};
use serde_json::{Value, json};

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
    kind: OutputKind,
    /// The classes, where there are any.
    labels: Option<LabelSpace>,
    /// Opened with the first row, which says how many columns there are.
    table: Option<RowWriter>,
    tensors: Vec<RowOutput>,
}

impl PredictionFile {
    /// Begins a file for what `model` says.
    pub(crate) fn new(
        path: &Path,
        form: Form,
        examples: Arc<Examples>,
        model: &Model,
    ) -> Result<Self, Failure> {
        Self::of_kind(path, form, examples, model.output_kind(), model.labels())
    }

    fn of_kind(
        path: &Path,
        form: Form,
        examples: Arc<Examples>,
        kind: OutputKind,
        labels: Option<&LabelSpace>,
    ) -> Result<Self, Failure> {
        let file = Self {
            path: path.to_owned(),
            form,
            examples,
            kind,
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
        cells.extend(self.cells(&output));
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
        match (&self.kind, &self.labels) {
            (OutputKind::TokenClasses { .. }, _) => columns.push("prediction".to_owned()),
            (OutputKind::Numbers(names), _) => columns.extend(numbered(names)),
            (kind, Some(labels)) => {
                columns.push("prediction".to_owned());
                let named = labels.names().filter(|_| *kind == OutputKind::Classes);
                columns.extend(named.map(|_| "label".to_owned()));
                columns.extend(
                    labels
                        .names_or_numbers()
                        .iter()
                        .map(|name| format!("p_{name}")),
                );
            }
            (_, None) => columns.extend((0..width).map(|value| format!("e{value}"))),
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
                "data: the column \"{name}\" that is carried along is also a column of the predictions. Leave it out (extra_cols), or give it another name (rename_cols, out_cols)"
            ))),
        }
    }

    /// The cells of a row's prediction.
    fn cells(&self, output: &RowOutput) -> Vec<Cell> {
        match (&self.kind, &self.labels) {
            (OutputKind::Classes, Some(labels)) => classified(&output.values, labels),
            (OutputKind::Flags, Some(labels)) => flagged(&output.values, labels),
            (OutputKind::TokenClasses { words }, Some(labels)) => {
                vec![spelled(output, labels, *words)]
            }
            _ => output.values.iter().map(|value| number(*value)).collect(),
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
        let mut notes = BTreeMap::from([("ids".to_owned(), json!(ids).to_string())]);
        let columns: serde_json::Map<String, Value> = self
            .examples
            .extra
            .iter()
            .map(|(name, cells)| {
                let rows = self.tensors.iter().map(|output| cells.get(output.row));
                let cells = rows.map(|cell| cell.map_or(Value::Null, Cell::to_json));
                (name.clone(), cells.collect())
            })
            .collect();
        if !columns.is_empty() {
            notes.insert("columns".to_owned(), Value::from(columns).to_string());
        }
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
    let class = largest(logits);
    let mut cells = vec![Cell::Integer(i64::try_from(class).unwrap_or(i64::MAX))];
    let name = |names: &[String]| Cell::Text(names.get(class).cloned().unwrap_or_default());
    cells.extend(labels.names().map(name));
    cells.extend(softmax(logits).map(number));
    cells
}

/// The cells of a row that may have several classes: those likelier than not, and each one's probability.
fn flagged(logits: &[f32], labels: &LabelSpace) -> Vec<Cell> {
    let probabilities: Vec<f32> = logits.iter().copied().map(sigmoid).collect();
    let names = labels.names_or_numbers().into_iter().zip(&probabilities);
    let held = names.filter(|(_, probability)| **probability > 0.5);
    let held: Vec<String> = held.map(|(name, _)| name).collect();
    let mut cells = vec![Cell::from(held)];
    cells.extend(probabilities.into_iter().map(number));
    cells
}

/// The classes of a row's letters or words, written as such labels are read: one character each for letters if all names are one, else a
/// list.
fn spelled(output: &RowOutput, labels: &LabelSpace, words: bool) -> Cell {
    let names = labels.names_or_numbers();
    let told = output.vectors().map(|logits| {
        let name = names.get(largest(logits));
        name.cloned().unwrap_or_default()
    });
    if !words && names.iter().all(|name| name.chars().count() == 1) {
        return Cell::Text(told.collect());
    }
    Cell::from(told.collect::<Vec<_>>())
}

/// The columns of predicted numbers.
fn numbered(names: &[String]) -> Vec<String> {
    match names {
        [_] => vec!["prediction".to_owned()],
        names => names
            .iter()
            .map(|name| format!("prediction_{name}"))
            .collect(),
    }
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
        let kind = labels.map_or(OutputKind::Vector, |_| OutputKind::Classes);
        table_of(name, kind, labels, outputs)
    }

    fn table_of(
        name: &str,
        kind: OutputKind,
        labels: Option<&LabelSpace>,
        outputs: [RowOutput; 2],
    ) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        let form = Form::of(&path).unwrap();
        let mut file = PredictionFile::of_kind(&path, form, examples(), kind, labels).unwrap();
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
    fn several_classes_a_row_are_listed_with_their_probabilities() {
        let labels = LabelSpace::new(2, Some(vec!["a".to_owned(), "b".to_owned()]));
        let outputs = [output(0, &[2], &[3.0, 0.0]), output(1, &[2], &[1.0, 2.0])];
        let text = table_of("a.csv", OutputKind::Flags, Some(&labels), outputs);
        assert_eq!(text.lines().next(), Some("id,prediction,p_a,p_b,source"));
        assert!(
            text.contains("first,\"[\"\"a\"\"]\",0.95257413,0.5,7"),
            "{text}"
        );
    }

    #[test]
    fn classes_of_letters_are_spelled_and_those_of_longer_names_listed() {
        let outputs = || {
            [
                output(0, &[2, 2], &[3.0, 0.0, 1.0, 2.0]),
                output(1, &[1, 2], &[0.0, 1.0]),
            ]
        };
        let kind = OutputKind::TokenClasses { words: false };
        let letters = LabelSpace::new(2, Some(vec!["H".to_owned(), "E".to_owned()]));
        assert_eq!(
            table_of("a.tsv", kind.clone(), Some(&letters), outputs()),
            "id\tprediction\tsource\nfirst\tHE\t7\nsecond\tE\t\n"
        );
        let words = LabelSpace::new(2, Some(vec!["O".to_owned(), "PER".to_owned()]));
        let text = table_of("a.jsonl", kind, Some(&words), outputs());
        assert!(text.contains("\"prediction\":[\"O\",\"PER\"]"), "{text}");
    }

    #[test]
    fn numbers_are_named_by_their_columns() {
        let outputs = || [output(0, &[2], &[3.0, 0.5]), output(1, &[2], &[1.0, 2.0])];
        let kind = OutputKind::Numbers(vec!["kd".to_owned(), "tm".to_owned()]);
        let text = table_of("a.csv", kind, None, outputs());
        assert!(
            text.starts_with("id,prediction_kd,prediction_tm,source\nfirst,3.0,0.5,7\n"),
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
            let form = Form::of(&path).unwrap();
            let kind = OutputKind::Tokens;
            let mut file = PredictionFile::of_kind(&path, form, examples(), kind, None).unwrap();
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
        assert_eq!(weights.notes()["columns"], "{\"source\":[7,null]}");
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
        let file = PredictionFile::of_kind(
            Path::new("a.tsv"),
            Form::Table,
            Arc::new(examples),
            OutputKind::Classes,
            Some(&labels),
        );
        let Err(Failure::Refused(message)) = file else {
            panic!("accepted")
        };
        assert!(
            message.starts_with("data: the column \"p_1\" that is carried along is also"),
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
