//! Scores on the rows of one split.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use engraft_component::{Choice, NoteKind};
use engraft_data::Stage;
use engraft_tasks::Model;
use engraft_train::{Evaluation, Event, Observer, Saved, Test};

use crate::error::{Error, Result};
use crate::fold;
use crate::output::{Writers, WritingStage};
use crate::session::Session;
use crate::skipped;
use crate::work::{Purpose, Work};

impl Session {
    /// Scores the validation rows: `val_loss` and the metrics, `val_accuracy` and the like.
    ///
    /// # Errors
    /// What the user gave does not fit together, or something went wrong on the way.
    pub fn validate(
        &self,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Vec<(String, f64)>> {
        self.work(Purpose::Validate, observer, |work| {
            work.evaluate(Stage::Validate, None, stop)
        })
    }

    /// Scores the test rows, those of each class or number too, and writes a report into the folder `report`, or where it lies beside the
    /// checkpoint. Predictions of the rows go where the PredictionWriters among the callbacks say.
    ///
    /// # Errors
    /// What the user gave does not fit together, or something went wrong on the way.
    pub fn test(
        &self,
        report: Option<&Path>,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Vec<(String, f64)>> {
        self.work(Purpose::Test, observer, |work| {
            work.evaluate(Stage::Test, report, stop)
        })
    }
}

impl Work<'_> {
    fn evaluate(
        &mut self,
        stage: Stage,
        report: Option<&Path>,
        stop: &AtomicBool,
    ) -> Result<Vec<(String, f64)>> {
        let session = self.session;
        let limits = &session.plan.limits;
        let (name, limit) = match stage {
            Stage::Validate => ("val", limits.val),
            _ => ("test", limits.test),
        };
        let callbacks = match stage {
            Stage::Test => session.experiment.trainer.callbacks(),
            _ => &[],
        };
        let writers = Writers::plan(callbacks, WritingStage::Test)?;
        let data = self.data()?;
        let checkpoint = self.checkpoint()?;
        if checkpoint.is_none() {
            self.model()?;
        }
        self.check_backbone(checkpoint.as_deref())?;
        let splits = self.rows(stage, checkpoint.as_deref())?;
        if let Some(folder) = checkpoint.as_deref().filter(|it| fold::has_seen(data, it)) {
            self.note(
                NoteKind::Data,
                format!(
                    "data.path: every row of {} is scored, those that {} was trained on among them; fit itself holds rows out, and scores those at its end",
                    data.source().path.display(),
                    folder.display()
                ),
            );
        }
        let examples = match stage {
            Stage::Validate => splits.valid,
            _ => splits.test,
        };
        let examples =
            examples.ok_or_else(|| Error::of("data", format!("there are no rows to {name} on")))?;
        let model = match &checkpoint {
            Some(folder) => self.open_checkpoint(folder, None)?.model,
            // The rows to score must not decide what the classes are.
            None => self.build(None)?,
        };
        let task = model.spec.task();
        if !task.scores() {
            return Err(Error::of(
                "model",
                format!(
                    "{} only predicts, so there is nothing to score. Use predict",
                    task.name()
                ),
            ));
        }
        self.check_texts(task, &examples)?;
        self.check_alignments(&model, &[&examples])?;
        // Labels are the last thing that can be wrong with what the user gave.
        let masking = data.hiding();
        let labels = model.spec.check_labels(&examples, masking);
        labels.map_err(Error::before)?;

        self.observer.event(Event::Started);
        let examples = Arc::new(examples);
        let writers = if writers.is_empty() {
            None
        } else {
            Some(writers.open(
                &examples,
                &model.spec,
                data.batching().batch_size,
                self.observer,
            )?)
        };
        let folder = match stage {
            Stage::Test => self.report_folder(report, &model, checkpoint.as_deref())?,
            _ => None,
        };
        let of = checkpoint.as_ref().map_or_else(
            || "the preset, without a checkpoint".to_owned(),
            |folder| folder.display().to_string(),
        );
        let evaluation = Evaluation {
            of: &of,
            stage: name,
            examples: Arc::clone(&examples),
            batching: data.batching(),
            masking,
            limit,
            stop: Some(stop),
            observer: self.observer,
        };
        let tested = engraft_train::test(
            &model,
            Test {
                evaluation,
                folder: folder.as_deref(),
                config: &session.experiment.to_yaml(),
                seed: session.experiment.seed_everything.number(),
            },
        );
        if writers.is_none() {
            self.close_cache(&model);
        }
        let tested = tested?;
        match tested.report {
            Some(Ok(path)) => self.observer.event(Event::Saved {
                what: Saved::Report,
                path: &path,
            }),
            Some(Err(error)) => {
                self.note(NoteKind::Output, format!("no report was written: {error}"));
            }
            None => {}
        }
        if let Some(folder) = folder.as_deref().filter(|folder| folder.is_dir()) {
            self.list_skipped(&splits.skipped, &skipped::within(folder))?;
        }
        if let Some(mut writers) = writers {
            // A pass of its own: scoring sees only what is labelled or masked, and the file has every row whole.
            self.predict_into(&model, examples, limit, stop, |output| writers.add(output))?;
            let files = writers.files();
            writers.finish(self.observer)?;
            for file in files {
                self.list_skipped(&splits.skipped, &skipped::beside(&file))?;
            }
        }
        Ok(tested.scores)
    }

    /// Where the report of a test goes: where it is wanted, else `test/CHECKPOINT` in the folder of the checkpoint's run, or in that of all
    /// runs.
    fn report_folder(
        &self,
        wanted: Option<&Path>,
        model: &Model,
        checkpoint: Option<&Path>,
    ) -> Result<Option<PathBuf>> {
        if let Some(wanted) = wanted {
            if wanted.exists() && !wanted.is_dir() {
                return Err(Error::of(
                    "output",
                    format!(
                        "{} is a file, but the report is a folder. Name another",
                        wanted.display()
                    ),
                ));
            }
            return Ok(Some(wanted.to_owned()));
        }
        let plan = &self.session.plan;
        if !plan.report {
            return Ok(None);
        }
        let of = match checkpoint {
            Some(checkpoint) => checkpoint.to_owned(),
            None => PathBuf::from(model.spec.task().backbone().backbone().preset_name()),
        };
        let name = of.components().next_back();
        let name = match name {
            Some(Component::Normal(name)) => name.to_owned(),
            _ => "model".into(),
        };
        let run = of
            .parent()
            .filter(|parent| checkpoint.is_some() && parent.ends_with("checkpoints"))
            .and_then(Path::parent);
        let place = run.unwrap_or(&plan.root);
        Ok(Some(place.join("test").join(name)))
    }
}
