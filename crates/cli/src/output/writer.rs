//! PredictionWriter at work: the file of all rows and, where they are asked for, one of each batch beside it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engraft_data::Examples;
use engraft_tasks::output::OutputKind;
use engraft_tasks::{Model, RowEncoder, RowOutput};
use engraft_train::callback::{Callback, FileType, PredictionWriter};

use super::columns::Columns;
use super::{Form, PredictionFile, check_place};
use crate::failure::{Failure, note, say};

/// What a run does, which is in the names of its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Predicting.
    Predict,
    /// Scoring the test rows.
    Test,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::Predict => "predict",
            Self::Test => "test",
        }
    }
}

/// Every PredictionWriter among the callbacks, with the place of its file.
pub(crate) struct Writers {
    stage: Stage,
    planned: Vec<(PredictionWriter, PathBuf)>,
}

impl Writers {
    /// Finds the writers and makes their folders, before anything is read for them.
    ///
    /// # Errors
    /// A folder cannot be made or written to, or two writers have one file.
    pub(crate) fn plan(callbacks: &[Callback], stage: Stage) -> Result<Self, Failure> {
        let mut planned: Vec<(PredictionWriter, PathBuf)> = Vec::new();
        for callback in callbacks {
            let Callback::PredictionWriter(settings) = callback else {
                continue;
            };
            let folder = &settings.output_dir;
            std::fs::create_dir_all(folder).map_err(|error| {
                Failure::refused(format!(
                    "PredictionWriter: output_dir: cannot make the folder {}: {error}",
                    folder.display()
                ))
            })?;
            let extension = extension(settings);
            let path = folder.join(format!("{}_predictions.{extension}", stage.name()));
            if planned.iter().any(|(_, other)| *other == path) {
                return Err(Failure::refused(format!(
                    "PredictionWriter: two of them write {}. Give each an output_dir of its own",
                    path.display()
                )));
            }
            check_place(&path, "PredictionWriter: output_dir")?;
            planned.push((settings.clone(), path));
        }
        Ok(Self { stage, planned })
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.planned.is_empty()
    }

    /// Opens the files for what `model` says of `examples`, which come in batches of `batch_size` rows.
    ///
    /// # Errors
    /// A writer wants what the model or the rows do not have.
    pub(crate) fn open(
        self,
        examples: &Arc<Examples>,
        model: &Model,
        batch_size: usize,
    ) -> Result<AtWork, Failure> {
        let stage = self.stage;
        let opened = self.planned.into_iter().map(|(settings, path)| {
            WriterAtWork::open(settings, path, stage, examples, model, batch_size)
        });
        Ok(AtWork(opened.collect::<Result<_, _>>()?))
    }
}

/// The writers of a run, to which every row is given in its order.
pub(crate) struct AtWork(Vec<WriterAtWork>);

impl AtWork {
    /// Gives a row's prediction to each.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(crate) fn add(&mut self, output: RowOutput) -> Result<(), Failure> {
        self.0
            .iter_mut()
            .try_for_each(|writer| writer.add(output.clone()))
    }

    /// Completes the files and says where they are.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        self.0.into_iter().try_for_each(WriterAtWork::finish)
    }
}

struct WriterAtWork {
    settings: PredictionWriter,
    path: PathBuf,
    stage: Stage,
    form: Form,
    columns: Columns,
    examples: Arc<Examples>,
    /// All rows.
    whole: PredictionFile,
    /// The rows of the present batch, with its number.
    part: Option<(usize, PathBuf, PredictionFile)>,
    batch_size: usize,
    /// Files of batches that are complete.
    parts: Vec<PathBuf>,
    /// Finds special tokens, where their positions are left out.
    encoder: Option<RowEncoder>,
    /// Rows that were given, those written, and their ids where these are written once.
    given: usize,
    written: usize,
    ids: HashSet<String>,
}

impl WriterAtWork {
    fn open(
        settings: PredictionWriter,
        path: PathBuf,
        stage: Stage,
        examples: &Arc<Examples>,
        model: &Model,
        batch_size: usize,
    ) -> Result<Self, Failure> {
        let kind = model.output_kind();
        let form = match settings.filetype {
            FileType::Tsv => Form::Table,
            FileType::Pt => Form::Tensors,
        };
        let mut columns = Columns::all(Arc::clone(examples), kind.clone(), model.labels());
        if settings.argmax_predictions {
            columns = columns.argmax()?;
        }
        if let Some(names) = &settings.write_cols {
            let (chosen, notes) = columns.only(names)?;
            notes.iter().for_each(|text| note(text));
            columns = chosen;
        }
        if form == Form::Tensors && !columns.hold_predictions() {
            return Err(Failure::refused(
                "PredictionWriter: write_cols: filetype pt writes the predictions as tensors. Add predictions to the columns, or give filetype tsv",
            ));
        }
        let per_token = kind == OutputKind::Tokens;
        if settings.drop_special_tokens
            && !per_token
            && !matches!(kind, OutputKind::TokenClasses { .. })
        {
            note(
                "PredictionWriter: drop_special_tokens: there is one prediction a row and none for each token, so nothing is dropped",
            );
        }
        let encoder = (settings.drop_special_tokens && per_token).then(|| model.row_encoder());
        Ok(Self {
            whole: PredictionFile::with_columns(&path, form, columns.clone())?,
            settings,
            path,
            stage,
            form,
            columns,
            examples: Arc::clone(examples),
            part: None,
            batch_size: batch_size.max(1),
            parts: Vec::new(),
            encoder,
            given: 0,
            written: 0,
            ids: HashSet::new(),
        })
    }

    fn add(&mut self, mut output: RowOutput) -> Result<(), Failure> {
        if let Some(encoder) = &self.encoder {
            output = without_special(output, encoder, &self.examples)?;
        }
        if self.settings.writes_batches() {
            self.add_to_part(output.clone())?;
        }
        self.given += 1;
        if self.settings.remove_duplicates && !self.ids.insert(self.columns.id(output.row)) {
            return Ok(());
        }
        self.written += 1;
        self.whole.add(output)
    }

    /// Adds a row to the file of its batch.
    fn add_to_part(&mut self, output: RowOutput) -> Result<(), Failure> {
        let batch = self.given / self.batch_size;
        if self
            .part
            .as_ref()
            .is_some_and(|(number, ..)| *number != batch)
        {
            self.finish_part()?;
        }
        let (number, path, mut file) = match self.part.take() {
            Some(part) => part,
            None => {
                // The first number is that of the process, of which there is one.
                let name = format!(
                    "{}_predictions_0_{batch}.{}",
                    self.stage.name(),
                    extension(&self.settings)
                );
                let path = self.settings.output_dir.join(name);
                let file = PredictionFile::with_columns(&path, self.form, self.columns.clone())?;
                (batch, path, file)
            }
        };
        file.add(output)?;
        self.part = Some((number, path, file));
        Ok(())
    }

    fn finish_part(&mut self) -> Result<(), Failure> {
        if let Some((_, path, file)) = self.part.take() {
            file.finish()?;
            self.parts.push(path);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), Failure> {
        self.finish_part()?;
        self.whole.finish()?;
        let repeated = self.given - self.written;
        if repeated > 0 {
            note(&format!(
                "PredictionWriter: remove_duplicates: {repeated} rows have the id of an earlier row and are not in {}",
                self.path.display()
            ));
        }
        if self.settings.writes_batches() {
            let left = foreign_parts(&self.path, &self.parts);
            if let Some(one) = left.first() {
                note(&format!(
                    "PredictionWriter: output_dir: {} and what else is numbered like it ({} in all) is of another run and stays as it is",
                    one.display(),
                    left.len()
                ));
            }
        }
        if self.settings.delete_intermediate_files {
            for part in &self.parts {
                std::fs::remove_file(part).map_err(|error| {
                    Failure::Broke(format!("cannot remove {}: {error}", part.display()))
                })?;
            }
        }
        say(&format!(
            "predictions  {} ({} rows)",
            self.path.display(),
            self.written
        ));
        Ok(())
    }
}

fn extension(settings: &PredictionWriter) -> &'static str {
    match settings.filetype {
        FileType::Tsv => "tsv",
        FileType::Pt => "safetensors",
    }
}

/// A row's vectors without those of special tokens.
fn without_special(
    mut output: RowOutput,
    encoder: &RowEncoder,
    examples: &Examples,
) -> Result<RowOutput, Failure> {
    let encoded = encoder.encode(examples, &[output.row], None);
    let encoded = encoded.map_err(|error| Failure::Broke(error.to_string()))?;
    let special = encoded.into_iter().flat_map(|row| row.encoding.special);
    let vectors = output.vectors().zip(special);
    let kept: Vec<&[f32]> = vectors
        .filter(|(_, special)| !special)
        .map(|(values, _)| values)
        .collect();
    let (count, values) = (kept.len(), kept.concat());
    if let Some(tokens) = output.shape.first_mut() {
        *tokens = count;
    }
    output.values = values;
    Ok(output)
}

/// Files beside `path` that are named as its batches are and are not among `parts`.
fn foreign_parts(path: &Path, parts: &[PathBuf]) -> Vec<PathBuf> {
    let is_numbered = |file: &Path| {
        let [whole, name] =
            [path, file].map(|path| path.file_stem().and_then(|stem| stem.to_str()));
        let numbers = name
            .zip(whole)
            .and_then(|(name, whole)| name.strip_prefix(whole));
        let numbers = numbers.and_then(|numbers| numbers.strip_prefix('_')?.split_once('_'));
        let is_number =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        file.extension() == path.extension()
            && numbers.is_some_and(|(rank, batch)| is_number(rank) && is_number(batch))
    };
    let entries = path
        .parent()
        .and_then(|folder| std::fs::read_dir(folder).ok());
    let files = entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let mut found: Vec<PathBuf> = files
        .filter(|file| is_numbered(file) && !parts.contains(file))
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_other_runs_are_known_by_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in [
            "predict_predictions.tsv",
            "predict_predictions_0_0.tsv",
            "predict_predictions_0_1.tsv",
            "predict_predictions_0_1.safetensors",
            "predict_predictions_0_x.tsv",
            "test_predictions_0_1.tsv",
        ] {
            std::fs::write(at(name), "").unwrap();
        }
        let own = [at("predict_predictions_0_0.tsv")];
        let found = foreign_parts(&at("predict_predictions.tsv"), &own);
        assert_eq!(found, [at("predict_predictions_0_1.tsv")]);
    }
}
