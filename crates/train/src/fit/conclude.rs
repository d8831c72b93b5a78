//! Scores on rows that are not trained on: in between on the validation rows, at the end on the test rows.

use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use engraft_tasks::Model;

use super::{FitOutcome, Loop};
use crate::error::{Error, Result};
use crate::evaluate::{Evaluation, score};
use crate::progress::{Display, Progress};
use crate::report::Testing;
use crate::run::Run;

impl Loop<'_> {
    /// Scores the validation rows.
    pub(super) fn validate(&mut self) -> Result<()> {
        let Some(valid) = self.valid.clone() else {
            return Ok(());
        };
        let mut sight = self.record.validation_sight(&self.model);
        let evaluation = Evaluation {
            stage: "val",
            examples: valid,
            batching: self.fit.batching,
            masking: self.fit.masking,
            limit: self.fit.plan.limits.val,
            stop: Some(&self.fit.stop),
            progress: &mut Progress::new(Display::Silent),
        };
        let network = self.network()?.valid();
        let scoring = score(&self.model, &network, evaluation, &mut sight)?;
        self.record.validated(self.position.step, &scoring, sight);
        let scores = scoring.scores;
        self.metrics.extend(scores.iter().cloned());
        self.run
            .log(self.position.epoch, self.position.step, &scores)
    }

    /// Saves what is not saved, and scores the test split.
    pub(super) fn conclude(mut self) -> Result<FitOutcome> {
        self.record.trained();
        let network = self.network()?.valid();
        let mut run = std::mem::replace(&mut self.run, Run::new_empty());
        run.keep_last(self.fit.plan.checkpoints, self.present(&network))?;
        if !self.interrupted {
            run.drop_stale_last();
        }
        (self.model.network, self.network) = (network, None);
        let testing = match self.test(&mut run) {
            Err(Error::Interrupted) => {
                self.interrupted = true;
                None
            }
            tested => tested?,
        };
        let test = testing.as_ref();
        let test = test.map(|testing| testing.scoring.scores.clone());
        let report = self.report(&run, testing);
        Ok(FitOutcome {
            report,
            folder: run.folder().map(Path::to_owned),
            checkpoint: run.checkpoint(),
            steps: self.position.step,
            metrics: self.metrics.into_iter().collect(),
            model: self.model,
            test,
            stopped: self.stopped.or(self.out_of_time),
            interrupted: self.interrupted,
        })
    }

    /// Scores the test rows by the best checkpoint, or by the present weights without one.
    fn test(&mut self, run: &mut Run) -> Result<Option<Testing>> {
        let examples = self.fit.splits.test.take();
        let Some(examples) = examples.filter(|test| !test.is_empty() && !self.interrupted) else {
            return Ok(None);
        };
        let mut best = run.best().map(|(path, _)| open(&path)).transpose()?;
        if let Some(best) = &mut best {
            best.share_cache(&self.model);
        }
        let evaluation = Evaluation {
            stage: "test",
            examples: Arc::new(examples),
            batching: self.fit.batching,
            masking: self.fit.masking,
            limit: self.fit.plan.limits.test,
            stop: Some(&self.fit.stop),
            progress: self.fit.progress,
        };
        let scored = best.as_ref().unwrap_or(&self.model);
        let mut sight = self.record.test_sight(scored);
        let scoring = score(scored, &scored.network, evaluation, &mut sight)?;
        run.log(self.position.epoch, self.position.step, &scoring.scores)?;
        Ok(Some(Testing {
            scoring,
            findings: sight.findings(),
        }))
    }
}

/// Opens a checkpoint for scoring.
fn open(path: &Path) -> Result<Model> {
    let preset = engraft_hub::Preset::open(&engraft_hub::Handle::Folder(path.to_owned()))?;
    Ok(Model::open(preset, &burn::tensor::Device::default())?)
}
