//! The learning rate of a run: what its schedule gives, or what a plateau has left of it.

use std::borrow::Cow;

use crate::callback::{Moment, Validation};
use crate::error::Result;
use crate::optimizer::Optimizer;
use crate::schedule::{LrScheduler, Plateau, PlateauState, Point};
use crate::training::{Interval, Training};

/// The learning rate of each step of a run.
pub(crate) struct Rates<'a> {
    training: &'a Training,
    /// Steps and epochs of the whole run.
    steps: Option<u64>,
    epochs: Option<u64>,
    plateau: Option<Plateau>,
    validation: Validation,
}

impl<'a> Rates<'a> {
    /// The rates of a run of `steps` and `epochs` in all that produces the metrics `known`.
    ///
    /// # Errors
    /// The schedule needs to know the end of the run and there is none, it ends before the run does, or it follows a metric that there is not.
    pub(crate) fn new(
        training: &'a Training,
        [steps, epochs]: [Option<u64>; 2],
        known: &[&str],
        validation: Validation,
    ) -> Result<Self> {
        let plateau = match &training.lr_scheduler {
            Some(LrScheduler::ReduceLROnPlateau(settings)) => {
                let base = training.optimizer.learning_rate();
                Some(Plateau::new(settings, base, known)?)
            }
            _ => None,
        };
        let rates = Self {
            training,
            steps,
            epochs,
            plateau,
            validation,
        };
        rates.at(0, 0)?;
        let last = |total: Option<u64>| total.map_or(0, |total| total.saturating_sub(1));
        rates.at(last(steps), last(epochs))?;
        Ok(rates)
    }

    /// The rate of optimizer step `step` in `epoch`, both from 0.
    ///
    /// # Errors
    /// The schedule has ended.
    pub(crate) fn at(&self, step: u64, epoch: u64) -> Result<f64> {
        match (&self.plateau, &self.training.lr_scheduler) {
            (Some(plateau), _) => Ok(plateau.rate()),
            (None, Some(schedule)) => Ok(schedule.rate(self.point(step, epoch))?),
            (None, None) => Ok(self.training.optimizer.learning_rate()),
        }
    }

    /// The optimizer of a step: with the momentum that the schedule gives, where it gives one.
    ///
    /// # Errors
    /// The schedule has ended.
    pub(crate) fn optimizer(&self, step: u64, epoch: u64) -> Result<Cow<'a, Optimizer>> {
        let optimizer = &self.training.optimizer;
        let momentum = match &self.training.lr_scheduler {
            Some(schedule) => schedule.momentum(self.point(step, epoch))?,
            None => None,
        };
        Ok(match momentum {
            Some(momentum) => Cow::Owned(optimizer.with_momentum(momentum)),
            None => Cow::Borrowed(optimizer),
        })
    }

    fn point(&self, step: u64, epoch: u64) -> Point {
        let (step, total) = match self.training.lr_scheduler_interval {
            Interval::Step => (step, self.steps),
            Interval::Epoch => (epoch, self.epochs),
        };
        Point {
            step,
            total,
            base: self.training.optimizer.learning_rate(),
        }
    }

    /// Lets a plateau look at the metrics, if it is due.
    pub(crate) fn observe(&mut self, moment: Moment, metrics: &[(String, f64)]) {
        let validation = self.validation;
        if let Some(plateau) = &mut self.plateau
            && plateau.due(moment, validation)
        {
            plateau.observe(metrics);
        }
    }

    /// What to save with a checkpoint.
    pub(crate) fn state(&self) -> Option<PlateauState> {
        self.plateau.as_ref().map(|plateau| plateau.state().clone())
    }

    /// Goes on from a saved state.
    pub(crate) fn restore(&mut self, state: Option<PlateauState>) {
        if let (Some(plateau), Some(state)) = (&mut self.plateau, state) {
            plateau.restore(state);
        }
    }
}
