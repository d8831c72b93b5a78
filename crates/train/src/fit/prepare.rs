//! What is settled before the first step: that everything fits together, and where a resumed run goes on.

use std::sync::Arc;

use burn::module::Module;
use engraft_component::{Note, NoteKind};
use engraft_data::Examples;
use engraft_tasks::{Model, Network};

use super::{Fit, Loop};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::loader::Loader;
use crate::outset::{Length, Outset, known_metrics, warn_about_schedule};
use crate::rate::Rates;
use crate::rate_log::RateLog;
use crate::record::Record;
use crate::run::{Deciders, Opening, Run};
use crate::signature::Signature;
use crate::snapshot::State;
use crate::standing::Standing;
use crate::unfreezing::Unfreezing;

/// A run that can begin.
pub(super) struct Prepared<'a> {
    pub(super) trainer: Loop<'a>,
    /// The weights to train.
    pub(super) network: Network,
    /// The state that a resumed run stopped in, after which something may still be due.
    pub(super) resumed: Option<State>,
}

impl<'a> Loop<'a> {
    /// Checks all there is to check, opens the run's folder, and takes up a checkpoint where there is one.
    pub(super) fn prepare(model: Model, fit: Fit<'a>) -> Result<Prepared<'a>> {
        let Fit {
            training,
            plan,
            callbacks,
            splits,
            batching,
            masking,
            seed,
            config,
            optimizer,
            resume,
            fold,
            stop,
            observer,
        } = fit;
        let Model { spec, network } = model;
        training.check()?;
        if !spec.learns() {
            return Err(Error::refused(
                "model",
                "this task only predicts and cannot be fitted; use predict",
            ));
        }
        spec.task().check_training()?;

        let mut record = Record::new(&splits, plan.report);
        let present = |rows: Option<Examples>| rows.filter(|rows| !rows.is_empty()).map(Arc::new);
        let train = present(splits.train)
            .ok_or_else(|| Error::refused("data", "there are no training rows"))?;
        let order = batching.shuffle.then_some(seed);
        let train = Loader::new(&spec, train, masking, batching, order)?;
        train.check_rows()?;
        let scored = |rows: Option<Examples>| {
            let Some(rows) = present(rows) else {
                return Ok(None);
            };
            let loader = Loader::in_order(&spec, rows, masking, batching)?;
            loader.check_rows()?;
            Ok::<_, Error>(Some(loader))
        };
        let valid = scored(splits.valid)?;
        let test = scored(splits.test)?;

        let batches = train.plan(0).len() as u64;
        if plan.limits.train.of(batches) == 0 {
            return Err(Error::refused(
                "trainer.limit_train_batches",
                "leaves no batch to train on",
            ));
        }
        let valid_batches = valid.as_ref().map_or(0, |it| it.plan(0).len() as u64);
        let validation = plan.validation(valid_batches);
        let validation_interval = plan.validation_interval(batches)?;
        let is_scored = valid_batches > 0 && plan.limits.val.of(valid_batches) > 0;
        let valid = valid.filter(|_| is_scored);
        let length = Length::of(plan, &train);
        let total_steps = length.map(|length| length.steps);
        let outset = Outset {
            spec: &spec,
            training,
            plan,
            callbacks,
            batching,
            seed,
        };
        let known = known_metrics(&outset, valid.is_some())?;
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let deciders = Deciders::new(plan, callbacks, &known, validation)?;
        if let Some(note) = warn_about_schedule(&outset, batches, total_steps)? {
            observer.note(Note::new(NoteKind::Training, note));
        }
        let whole = [total_steps, plan.max_epochs];
        let mut rates = Rates::new(training, whole, &known, validation)?;

        let mut clock = Clock::start(plan.max_time);
        let network = network.train();
        let unfreezing = Unfreezing::of(callbacks, &spec, &network)?;
        let signature = Signature {
            data: outset.signature(&train)?,
            machine: Signature::machine(),
        };
        let restored = match &resume {
            Some(resume) => Self::restore(
                resume.checkpoint(),
                &signature,
                training,
                unfreezing.as_ref(),
                network,
                observer,
            )?,
            None => super::restore::Restored::anew(network),
        };
        let (mut standing, mut optimizer) = (Standing::default(), optimizer);
        if let Some(state) = &restored.state {
            standing = Standing::of(state);
            clock.resume(state.elapsed);
            if !training.reset_optimizer_states {
                rates.restore(state.plateau.clone());
                optimizer = restored.optimizer;
            }
        }
        let from = resume
            .as_ref()
            .filter(|_| restored.state.is_some())
            .map(|resume| resume.checkpoint().to_owned());
        let run = Run::open(Opening {
            plan,
            deciders,
            fold,
            resumed: resume.zip(restored.state.as_ref()),
            config,
        })?;
        let network = restored.network;
        let step = standing.position.step;
        let log = run.folder().filter(|_| plan.log);
        let from = from.as_deref().map(|path| (path, step));
        // An earlier log that cannot be read is no reason to stop.
        if let Err(error) = record.begin(&spec, &network, from, log) {
            let text = format!("the curves of the report begin at step {step}: {error}");
            observer.note(Note::new(NoteKind::Output, text));
        }
        let trainer = Self {
            validation_interval,
            length,
            training,
            plan,
            seed,
            config,
            stop,
            observer,
            spec,
            optimizer,
            train,
            valid,
            test,
            run,
            signature,
            standing,
            rates,
            unfreezing,
            record,
            interrupted: false,
            clock,
            out_of_time: None,
            rate_log: RateLog::new(callbacks),
        };
        Ok(Prepared {
            trainer,
            network,
            resumed: restored.state,
        })
    }
}
