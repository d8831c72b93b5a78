//! Every row's prediction into a file, in the order of the rows.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engraft_component::{Choice, Mistake, NoteKind, Refusal};
use engraft_data::{Batching, Cell, DataModule, Examples, Stage};
use engraft_tasks::{Model, RowOutput, Task};
use engraft_train::settings::Amount;
use engraft_train::{Event, Observer, Prediction, Saved};

use crate::checkpoint::{KEY, in_checkpoint, is_file, preset_in};
use crate::error::{Error, Result};
use crate::fold;
use crate::output::{
    AtWork, FileKind, PredictedRows, PredictionFile, RecordFormat, Scans, Writers, WritingStage,
    check_other, check_place,
};
use crate::session::Session;
use crate::skipped;
use crate::work::{Purpose, Work};

/// The column of texts that lie in no file.
const TEXT: &str = "text";

impl Session {
    /// Predicts every row, into the file `output` or where the PredictionWriters among the callbacks say.
    ///
    /// # Errors
    /// What the user gave does not fit together, or something went wrong on the way.
    pub fn predict(
        &self,
        output: Option<&Path>,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        self.work(Purpose::Predict, observer, |work| {
            work.predict(output, stop)
        })
    }
}

impl Session {
    /// Predicts texts that lie in no file, into the file `output`, or else as what is returned.
    ///
    /// # Errors
    /// What the user gave does not fit together, or something went wrong on the way.
    pub fn predict_texts(
        &self,
        texts: Vec<String>,
        output: Option<&Path>,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Option<PredictedRows>> {
        self.work(Purpose::Predict, observer, |work| {
            work.predict_texts(texts, output, stop)
        })
    }
}

impl Work<'_> {
    fn predict_texts(
        &mut self,
        texts: Vec<String>,
        output: Option<&Path>,
        stop: &AtomicBool,
    ) -> Result<Option<PredictedRows>> {
        if let Some(data) = &self.session.experiment.data
            && data.text_names().len() > 1
        {
            let problem = format!(
                "the model reads several columns of each row ({}), and a text is one. Give a table as data.path",
                data.text_names().join(", ")
            );
            return Err(Error::of("text", problem));
        }
        let checkpoint = self.checkpoint()?;
        let task = self.task(checkpoint.as_deref())?;
        let is_saved = checkpoint.is_some();
        let place = match output {
            Some(path) => {
                let kind = FileKind::of(path)?;
                check_kind(path, kind, &task, is_saved)?;
                Some((path, kind))
            }
            None if task.predicts_tokens(is_saved) => {
                let problem = "missing: predictions for every token are not printed. Name a .safetensors file";
                return Err(Error::of("output", problem));
            }
            None => None,
        };
        self.check_backbone(checkpoint.as_deref())?;
        let cells = texts.iter().map(|text| Cell::Text(text.clone()));
        let extra = vec![(TEXT.to_owned(), cells.collect())];
        let examples = Examples {
            extra,
            ..Examples::from_texts(texts)
        };
        self.check_texts(&task, &examples)?;
        let examples = Arc::new(examples);
        let model = match &checkpoint {
            Some(folder) => self.open_checkpoint(folder, None)?.model,
            None => self.build(None)?,
        };
        self.check_alignments(&model, &[&*examples])?;
        let told = model.spec.objective().check_rows(&examples);
        told.map_err(Error::before)?;
        let mut file = match place {
            Some((path, kind)) => {
                let examples = Arc::clone(&examples);
                Some((
                    path,
                    PredictionFile::new(path, kind, examples, &model.spec)?,
                ))
            }
            None => None,
        };
        self.observer.event(Event::Started);
        let mut outputs = Vec::new();
        let limit = self.session.plan.limits.predict;
        self.predict_into(
            &model,
            Arc::clone(&examples),
            limit,
            stop,
            |output| match &mut file {
                Some((_, file)) => file.add(output),
                None => {
                    outputs.push(output);
                    Ok(())
                }
            },
        )?;
        let Some((path, file)) = file else {
            return Ok(Some(PredictedRows::of(&outputs, examples, &model.spec)));
        };
        file.finish()?;
        self.observer.event(Event::Saved {
            what: Saved::Predictions(examples.len()),
            path,
        });
        Ok(None)
    }

    fn predict(&mut self, output: Option<&Path>, stop: &AtomicBool) -> Result<()> {
        let data = self.data()?;
        let checkpoint = self.checkpoint()?;
        let task = self.task(checkpoint.as_deref())?;
        let place = self.place(output)?;
        if let Place::File(path, kind) = &place {
            check_kind(path, *kind, &task, checkpoint.is_some())?;
        }
        self.check_backbone(checkpoint.as_deref())?;
        let rows = self.rows(Stage::Predict, checkpoint.as_deref())?;
        let skipped = rows.skipped;
        let examples = rows.test;
        if let Some(folder) = checkpoint.as_deref().filter(|it| fold::has_seen(data, it)) {
            self.note(
                NoteKind::Data,
                format!(
                    "data.path: every row of {} is predicted, those that {} was trained on among them",
                    data.source().path.display(),
                    folder.display()
                ),
            );
        }
        let examples = examples.ok_or_else(|| Error::of("data", "there are no rows to predict"))?;
        self.check_texts(&task, &examples)?;
        if let Place::File(path, _) = &place {
            let mut read: Vec<&Path> = examples.origins.iter().map(|it| &*it.file).collect();
            read.dedup();
            read.extend(data.source().label_table.as_deref());
            let backbone = Path::new(&task.backbone().backbone().preset);
            let weights = [checkpoint.as_deref().unwrap_or(backbone), backbone]
                .map(|folder| folder.join("model.safetensors"));
            read.extend(weights.iter().map(PathBuf::as_path));
            read.extend(
                checkpoint
                    .as_deref()
                    .filter(|checkpoint| is_file(checkpoint)),
            );
            check_other(path, read, "output")?;
        }
        let examples = Arc::new(examples);
        let model = match &checkpoint {
            Some(folder) => self.open_checkpoint(folder, None)?.model,
            // Labels among the rows, if any, decide nothing.
            None => self.build(None)?,
        };
        self.check_alignments(&model, &[&*examples])?;
        let told = model.spec.objective().check_rows(&examples);
        told.map_err(Error::before)?;

        let mut destination = match place {
            Place::File(path, kind) => {
                let file = PredictionFile::new(&path, kind, Arc::clone(&examples), &model.spec)?;
                Destination::File(path, Box::new(file), 0)
            }
            Place::Writers(writers) => Destination::Writers(writers.open(
                &examples,
                &model.spec,
                data.batching().batch_size,
                self.observer,
            )?),
        };
        let mut scans = data.scans().then(|| Scans::new(&examples, &model.spec));
        self.observer.event(Event::Started);
        let limit = self.session.plan.limits.predict;
        self.predict_into(&model, examples, limit, stop, |output| {
            if let Some(scans) = &mut scans {
                scans.add(&output);
            }
            destination.add(output)
        })?;
        let files = destination.files();
        destination.finish(self.observer)?;
        if let (Some(scans), Some(file)) = (scans, files.first()) {
            scans.finish(file, self.observer)?;
        }
        let mut lists = files.iter().map(|file| skipped::beside(file));
        lists.try_for_each(|list| self.list_skipped(&skipped, &list))
    }

    /// Runs `model` over rows, each of which is given to `sink` in its order, and says what was done to them.
    pub(crate) fn predict_into(
        &mut self,
        model: &Model,
        examples: Arc<Examples>,
        limit: Amount,
        stop: &AtomicBool,
        mut sink: impl FnMut(RowOutput) -> Result<()>,
    ) -> Result<()> {
        let batching = Batching::default();
        let data = self.session.experiment.data.as_ref();
        let prediction = Prediction {
            examples,
            batching: data.map_or(&batching, DataModule::batching),
            limit,
            seed: self.session.experiment.seed_everything.number(),
            observer: self.observer,
        };
        let result = engraft_train::predict(model, prediction, |output| {
            if stop.load(Ordering::SeqCst) {
                return Err(Error::Interrupted);
            }
            sink(output)
        });
        self.close_cache(model);
        result.map(drop)
    }

    /// What is computed: what the checkpoint says of itself, else what the experiment says.
    fn task(&self, checkpoint: Option<&Path>) -> Result<Task> {
        let saved = match checkpoint {
            Some(file) if is_file(file) => return Ok(self.model()?.task()),
            Some(folder) => Model::saved_task(&preset_in(folder)?).map_err(in_checkpoint)?,
            None => None,
        };
        match saved {
            Some(task) => Ok(task),
            None if checkpoint.is_some() && self.session.experiment.model.is_none() => {
                Err(Error::of(
                    KEY,
                    "the folder holds no engraft.yaml, so it is no checkpoint. Name it as model.backbone instead",
                ))
            }
            None => Ok(self.model()?.task()),
        }
    }

    fn place(&self, output: Option<&Path>) -> Result<Place> {
        if let Some(path) = output {
            return Ok(Place::File(path.to_owned(), FileKind::of(path)?));
        }
        let callbacks = self.session.experiment.trainer.callbacks();
        let writers = Writers::plan(callbacks, WritingStage::Predict)?;
        if writers.is_empty() {
            let owner = "predict";
            let problem = "missing, predict requires a file, such as predictions.tsv, or a PredictionWriter among trainer.callbacks";
            let refusal = Refusal::of("output", problem);
            return Err(Error::Refused(refusal.of_kind(Mistake::Missing { owner })));
        }
        Ok(Place::Writers(writers))
    }
}

/// Where predictions go.
enum Place {
    /// One file.
    File(PathBuf, FileKind),
    /// What the PredictionWriters among the callbacks say.
    Writers(Writers),
}

/// Files being written.
enum Destination {
    /// One, with the number of its rows so far.
    File(PathBuf, Box<PredictionFile>, usize),
    Writers(AtWork),
}

impl Destination {
    fn add(&mut self, output: RowOutput) -> Result<()> {
        match self {
            Self::File(_, file, rows) => {
                *rows += 1;
                file.add(output)
            }
            Self::Writers(writers) => writers.add(output),
        }
    }

    /// The files that appear when it is finished, of all rows each.
    fn files(&self) -> Vec<PathBuf> {
        match self {
            Self::File(path, ..) => vec![path.clone()],
            Self::Writers(writers) => writers.files(),
        }
    }

    fn finish(self, observer: &mut dyn Observer) -> Result<()> {
        match self {
            Self::File(path, file, rows) => {
                file.finish()?;
                observer.event(Event::Saved {
                    what: Saved::Predictions(rows),
                    path: &path,
                });
                Ok(())
            }
            Self::Writers(writers) => writers.finish(observer),
        }
    }
}

/// Refuses a file that cannot hold what the task predicts, or cannot be written.
fn check_kind(path: &Path, kind: FileKind, task: &Task, is_saved: bool) -> Result<()> {
    if let FileKind::Records(format) = kind {
        let (holds, is_predicted) = match format {
            RecordFormat::Fasta => ("FASTA holds sequences", task.predicts_sequences()),
            RecordFormat::Structures(_) => (
                "it is to hold structures of RNA",
                task.predicts_structures(),
            ),
        };
        if !is_predicted {
            let problem = format!(
                "{}: {holds}, which {} does not predict. Name a table, such as predictions.tsv",
                path.display(),
                task.name()
            );
            return Err(Error::of("output", problem));
        }
    }
    if kind != FileKind::Tensors && task.predicts_tokens(is_saved) {
        let whole = match kind {
            FileKind::Array => "one array",
            _ => "a table",
        };
        let classes = Task::info().variants();
        let own = classes.iter().find(|info| info.name == task.name());
        let pools = own.is_some_and(|info| info.arguments().iter().any(|it| it.name == "pooling"));
        let or_pooled = if pools {
            ", or choose a model.pooling"
        } else {
            ""
        };
        return Err(Error::of(
            "output",
            format!(
                "{}: predictions for every token do not fit {whole}. Name a .safetensors file{or_pooled}",
                path.display()
            ),
        ));
    }
    check_place(path, "output")
}
