//! What is settled before the first step: that everything fits together, and where a resumed run goes on.

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::module::Module;
use engraft_data::Examples;
use engraft_tasks::Model;
use engraft_tasks::metrics::Mean;

use super::{Fit, Loop};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::loader::Loader;
use crate::optimizer::OptimizerState;
use crate::outset::{data_signature, known_metrics, total_steps, warn_about_schedule};
use crate::rate::Rates;
use crate::rate_log::RateLog;
use crate::record::Record;
use crate::run::Run;
use crate::snapshot::{Position, Signature};
use crate::unfreezing::Unfreezing;

impl<'a> Loop<'a> {
    pub(super) fn prepare(mut model: Model, mut fit: Fit<'a>) -> Result<Self> {
        fit.training.check()?;
        if !model.task().is_trainable() {
            return Err(Error::Argument(
                "model: this task only predicts and cannot be fitted; use predict".into(),
            ));
        }
        model.task().check_training()?;
        let record = Record::new(&fit.splits, fit.plan.report);
        let train = fit.splits.train.take().filter(|train| !train.is_empty());
        let train = Arc::new(
            train.ok_or_else(|| Error::Argument("data: there are no training rows".into()))?,
        );
        let targets = model.targets(&train, fit.masking)?;
        let valid = fit
            .splits
            .valid
            .take()
            .filter(|valid| !valid.is_empty())
            .map(Arc::new);
        let seed = fit.batching.shuffle.then_some(fit.seed);
        let loader = Loader::new(&model, train, targets, fit.batching, seed)?;

        loader.check_rows()?;
        let scored = |examples: Arc<Examples>| {
            let targets = model.targets(&examples, fit.masking)?;
            let loader = Loader::in_order(&model, examples, targets, fit.batching)?;
            loader.check_rows()?;
            Ok::<_, Error>(loader.plan(0).len() as u64)
        };
        let valid_batches = valid.clone().map_or(Ok(0), scored)?;
        fit.splits
            .test
            .clone()
            .map(Arc::new)
            .map_or(Ok(0), scored)?;

        let batches = loader.plan(0).len() as u64;
        if fit.plan.limits.train.of(batches) == 0 {
            return Err(Error::Argument(
                "trainer.limit_train_batches: leaves no batch to train on".into(),
            ));
        }
        let validation = fit.plan.validation(valid_batches);
        let valid =
            valid.filter(|_| valid_batches > 0 && fit.plan.limits.val.of(valid_batches) > 0);
        let total_steps = total_steps(fit.plan, &loader);
        let known = known_metrics(&model, &fit, valid.is_some());
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let mut run = Run::new(fit.plan, fit.callbacks, &known, validation, fit.config)?;
        warn_about_schedule(&fit, batches, total_steps)?;
        let whole = [total_steps, fit.plan.max_epochs];
        let rates = Rates::new(fit.training, whole, &known, validation)?;

        let clock = Clock::start(fit.plan.max_time);
        let rate_log = RateLog::new(fit.callbacks);
        let network = model.take_network().train();
        let unfreezing = Unfreezing::of(fit.callbacks, &model, &network)?;
        let network = Some(network);
        let signature = Signature {
            data: data_signature(&model, &fit, &loader)?,
            machine: Signature::machine(),
        };
        let mut trainer = Self {
            validation_interval: fit.plan.validation_interval(batches)?,
            fit,
            model,
            network,
            optimizer: OptimizerState::default(),
            loader,
            valid,
            run: Run::new_empty(),
            signature,
            position: Position::default(),
            rates,
            unfreezing,
            loss: Mean::default(),
            accuracy: Mean::default(),
            metrics: BTreeMap::new(),
            record,
            stopped: None,
            clock,
            out_of_time: None,
            rate_log,
            owes_validation: false,
            interrupted: false,
        };
        let resume = trainer.fit.resume.take();
        let resumed = match &resume {
            Some(resume) => trainer.restore(resume.checkpoint())?,
            None => None,
        };
        let resuming = resume.zip(resumed.as_ref());
        let from = resuming.as_ref().map(|(it, _)| it.checkpoint().to_owned());
        run.open(trainer.fit.plan, trainer.fit.fold.take(), resuming)?;
        trainer.run = run;
        trainer.begin_record(from.as_deref());
        if let Some(moment) = resumed.and_then(|state| state.moment) {
            trainer.catch_up(moment)?;
        }
        Ok(trainer)
    }
}
