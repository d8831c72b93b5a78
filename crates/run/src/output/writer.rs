//! PredictionWriter at work: the file of all rows and, where they are asked for, one of each batch beside it.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engraft_component::{Note, NoteKind};
use engraft_data::Examples;
use engraft_tasks::output::Grain;
use engraft_tasks::{RowEncoder, RowOutput, TaskSpec};
use engraft_train::callback::{Callback, FileType, PredictionWriter};
use engraft_train::{Event, Observer, Saved};

use super::columns::Columns;
use super::{FileKind, PredictionFile};
use crate::error::{Error, Result};
use crate::output::check_place;

/// Where the writers are asked for.
const KEY: &str = "trainer.callbacks";

/// What a run does, which is in the names of its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WritingStage {
    /// Predicting.
    Predict,
    /// Scoring the test rows.
    Test,
}

impl WritingStage {
    fn name(self) -> &'static str {
        match self {
            Self::Predict => "predict",
            Self::Test => "test",
        }
    }
}

/// Every PredictionWriter among the callbacks, with the place of its file.
pub(crate) struct Writers {
    stage: WritingStage,
    planned: Vec<(PredictionWriter, PathBuf)>,
}

impl Writers {
    /// Finds the writers and makes their folders, before anything is read for them.
    ///
    /// # Errors
    /// A folder cannot be made or written to, or two writers have one file.
    pub(crate) fn plan(callbacks: &[Callback], stage: WritingStage) -> Result<Self> {
        let mut planned: Vec<(PredictionWriter, PathBuf)> = Vec::new();
        for callback in callbacks {
            let Callback::PredictionWriter(settings) = callback else {
                continue;
            };
            let folder = &settings.output_dir;
            fs::create_dir_all(folder).map_err(|error| {
                Error::of(
                    KEY,
                    format!(
                        "PredictionWriter: output_dir: cannot make the folder {}: {error}",
                        folder.display()
                    ),
                )
            })?;
            let extension = extension(settings);
            let path = folder.join(format!("{}_predictions.{extension}", stage.name()));
            if planned.iter().any(|(_, other)| *other == path) {
                return Err(Error::of(
                    KEY,
                    format!(
                        "PredictionWriter: two of them write {}. Give each an output_dir of its own",
                        path.display()
                    ),
                ));
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

    /// Opens the files for what is predicted of `examples`, which come in batches of `batch_size` rows.
    ///
    /// # Errors
    /// A writer wants what the model or the rows do not have.
    pub(crate) fn open(
        self,
        examples: &Arc<Examples>,
        spec: &TaskSpec,
        batch_size: usize,
        observer: &mut dyn Observer,
    ) -> Result<AtWork> {
        let stage = self.stage;
        let opened = self.planned.into_iter().map(|(settings, path)| {
            WriterAtWork::open(settings, path, stage, examples, spec, batch_size, observer)
        });
        Ok(AtWork(opened.collect::<Result<_>>()?))
    }
}

/// The writers of a run, to which every row is given in its order.
pub(crate) struct AtWork(Vec<WriterAtWork>);

impl AtWork {
    /// Gives a row's prediction to each.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(crate) fn add(&mut self, output: RowOutput) -> Result<()> {
        let Some((last, others)) = self.0.split_last_mut() else {
            return Ok(());
        };
        for writer in others {
            writer.add(output.clone())?;
        }
        last.add(output)
    }

    /// The files of all rows.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        self.0.iter().map(|writer| writer.path.clone()).collect()
    }

    /// Completes the files and says where they are.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(crate) fn finish(self, observer: &mut dyn Observer) -> Result<()> {
        let mut writers = self.0.into_iter();
        writers.try_for_each(|writer| writer.finish(observer))
    }
}

struct WriterAtWork {
    settings: PredictionWriter,
    path: PathBuf,
    stage: WritingStage,
    kind: FileKind,
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
        stage: WritingStage,
        examples: &Arc<Examples>,
        spec: &TaskSpec,
        batch_size: usize,
        observer: &mut dyn Observer,
    ) -> Result<Self> {
        let objective = spec.objective();
        let kind = match settings.filetype {
            FileType::Tsv => FileKind::Table,
            FileType::Pt => FileKind::Tensors,
        };
        let mut columns = Columns::all(Arc::clone(examples), Arc::clone(objective));
        if settings.argmax_predictions {
            columns = columns.argmax()?;
        }
        if let Some(names) = &settings.write_cols {
            let (chosen, notes) = columns.only(names)?;
            notes.into_iter().for_each(|text| note(observer, text));
            columns = chosen;
        }
        if kind == FileKind::Tensors && !columns.hold_predictions() {
            return Err(Error::of(
                KEY,
                "PredictionWriter: write_cols: filetype pt writes the predictions as tensors. Add predictions to the columns, or give filetype tsv",
            ));
        }
        let per_token = objective.grain() == Grain::Token;
        if settings.drop_special_tokens && objective.grain() == Grain::Row {
            note(
                observer,
                "PredictionWriter: drop_special_tokens: there is one prediction a row and none for each token, so nothing is dropped",
            );
        }
        // Of a row with an alignment, the tokens of its own sequence alone are predicted.
        let has_special = per_token && examples.alignments.is_none();
        let encoder = (settings.drop_special_tokens && has_special).then(|| spec.row_encoder());
        Ok(Self {
            whole: PredictionFile::with_columns(&path, kind, columns.clone())?,
            settings,
            path,
            stage,
            kind,
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

    fn add(&mut self, mut output: RowOutput) -> Result<()> {
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
    fn add_to_part(&mut self, output: RowOutput) -> Result<()> {
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
                let file = PredictionFile::with_columns(&path, self.kind, self.columns.clone())?;
                (batch, path, file)
            }
        };
        file.add(output)?;
        self.part = Some((number, path, file));
        Ok(())
    }

    fn finish_part(&mut self) -> Result<()> {
        if let Some((_, path, file)) = self.part.take() {
            file.finish()?;
            self.parts.push(path);
        }
        Ok(())
    }

    fn finish(mut self, observer: &mut dyn Observer) -> Result<()> {
        self.finish_part()?;
        self.whole.finish()?;
        let repeated = self.given - self.written;
        if repeated > 0 {
            note(
                observer,
                format!(
                    "PredictionWriter: remove_duplicates: {repeated} rows have the id of an earlier row and are not in {}",
                    self.path.display()
                ),
            );
        }
        if self.settings.writes_batches() {
            let left = foreign_parts(&self.path, &self.parts);
            if let Some(one) = left.first() {
                note(
                    observer,
                    format!(
                        "PredictionWriter: output_dir: {} and what else is numbered like it ({} in all) is of another run and stays as it is",
                        one.display(),
                        left.len()
                    ),
                );
            }
        }
        if self.settings.delete_intermediate_files {
            for part in &self.parts {
                fs::remove_file(part).map_err(|error| {
                    let text = format!("cannot remove {}: {error}", part.display());
                    Error::Broke(text.into())
                })?;
            }
        }
        observer.event(Event::Saved {
            what: Saved::Predictions(self.written),
            path: &self.path,
        });
        Ok(())
    }
}

/// Says something about the files.
fn note(observer: &mut dyn Observer, text: impl Into<String>) {
    observer.note(Note::new(NoteKind::Output, text));
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
) -> Result<RowOutput> {
    let encoded = encoder.encode(examples, &[output.row], None);
    let encoded = encoded.map_err(Error::during)?;
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
    let entries = path.parent().and_then(|folder| fs::read_dir(folder).ok());
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
            fs::write(at(name), "").unwrap();
        }
        let own = [at("predict_predictions_0_0.tsv")];
        let found = foreign_parts(&at("predict_predictions.tsv"), &own);
        assert_eq!(found, [at("predict_predictions_0_1.tsv")]);
    }
}
