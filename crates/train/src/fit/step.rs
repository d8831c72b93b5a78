//! One optimizer step: the gradients of its micro-batches, then the update.

use burn::module::Module;
use burn::tensor::Gradients;
use engraft_kernels::{Key, sum_squares};
use engraft_models::{Mode, parameters};
use engraft_tasks::Batch;
use engraft_tasks::metrics::{Mean, Metrics};

use super::Loop;
use crate::error::{Error, Result};
use crate::optimizer::{GradientSum, first_not_finite, first_weight_not_finite};
use crate::outset::first_rows;
use crate::settings::Clip;
use crate::snapshot::Position;

/// The stream of random draws that dropout comes from.
const DROPOUT: u64 = 0xd0;

/// The paths of the head's parameters begin so.
const HEAD: &str = "head.";

/// What `log_grad_norm_step` logs.
pub(crate) const GRADIENT_NORMS: [&str; 3] =
    ["total_norm", "adaptor_param_norm", "adaptor_grad_norm"];

/// What one optimizer step gathers.
#[derive(Default)]
pub(super) struct Step {
    gradients: GradientSum,
    loss: Mean,
    metrics: Option<Metrics>,
    /// Their numbers in the split.
    rows: Vec<usize>,
    /// Micro-batches gathered so far.
    pub(super) batches: u64,
    /// Where the run stood before it.
    before: Option<(Position, Mean)>,
}

impl Loop<'_> {
    /// Adds a micro-batch's gradients to the step's.
    pub(super) fn backward(&mut self, batch: &Batch, step: &mut Step) -> Result<()> {
        let Position {
            epoch,
            batch: number,
            ..
        } = self.position;
        let key = Key::new(self.fit.seed)
            .with(DROPOUT)
            .with(epoch)
            .with(number);
        step.before.get_or_insert((self.position, self.loss));
        step.rows.extend(&batch.rows);
        self.record.trained_rows += batch.len() as u64;
        step.batches += 1;
        self.position.batch += 1;
        self.position.seen += 1;
        if batch.is_unscored() {
            return Ok(());
        }
        let loss = self.model.loss(self.network()?, batch, Mode::Train(key))?;
        let sum = f64::from(loss.sum.clone().inner().into_scalar::<f32>());
        if !sum.is_finite() {
            let place = self.place_of_anomaly(batch, Mode::Train(key))?;
            return Err(self.diverged("loss", sum, place, &batch.rows));
        }
        if step.metrics.is_none() {
            step.metrics = self.model.metrics();
        }
        if let Some(metrics) = &mut step.metrics {
            self.model.score(metrics, loss.outputs.inner(), batch)?;
        }
        let gradients = loss.sum.backward();
        self.check_gradients(&gradients, batch)?;
        step.gradients.add(self.network()?, gradients, loss.weight);
        step.loss.add(sum, loss.weight);
        self.loss.add(sum, loss.weight);
        Ok(())
    }

    /// Gives up a step that has begun: it is taken anew when the run goes on.
    pub(super) fn give_up(&mut self, step: Step) {
        if let Some(before) = step.before {
            (self.position, self.loss) = before;
        }
    }

    /// One optimizer step.
    pub(super) fn advance(&mut self, mut step: Step) -> Result<()> {
        let Position {
            epoch,
            step: number,
            ..
        } = self.position;
        let rate = self.rates.at(number, epoch)?;
        let optimizer = self.rates.optimizer(number, epoch)?;
        let norm = step.gradients.norm();
        // Rows of classes that weigh nothing teach nothing.
        let teaches = step.loss.weight > 0.0;
        if teaches && !norm.is_finite() {
            let place = match self.fit.plan.detect_anomaly {
                true => ", though each batch's gradient is finite",
                false => "; trainer.detect_anomaly: true finds where",
            };
            return Err(self.diverged("gradient's norm", norm, place.to_owned(), &step.rows));
        }
        let norms = self.norms(&step.gradients, norm)?;
        let clip = match self.fit.plan.clip {
            Some(Clip::Norm(limit)) => Some((limit, norm)),
            Some(Clip::Value(limit)) if teaches => {
                step.gradients.clip_value(limit);
                None
            }
            _ => None,
        };
        let first_of_epoch = self.position.batch == step.batches;
        if let Some(network) = self.network.take_if(|_| teaches) {
            self.network =
                Some(optimizer.step(network, step.gradients, &mut self.optimizer, rate, clip));
        }
        self.position.step += 1;

        let scores = step
            .metrics
            .as_ref()
            .map(Metrics::finish)
            .unwrap_or_default();
        let rows = step.metrics.as_ref().map_or(0, Metrics::rows) as f64;
        if let Some((_, accuracy)) = scores.iter().find(|(name, _)| name == "accuracy") {
            self.accuracy.add(accuracy * rows, rows);
        }
        let mut logged = vec![("train_loss".to_owned(), step.loss.value())];
        logged.extend(
            scores
                .into_iter()
                .map(|(name, value)| (format!("train_{name}"), value)),
        );
        let size = ("grad_norm".to_owned(), norm);
        let rates = self.rate_log.values(&optimizer, rate);
        let all = logged.iter().chain(&rates).chain([&size]).chain(&norms);
        let all: Vec<(String, f64)> = all.cloned().collect();
        let done = self.position.step;
        self.record.step(done, &all);
        self.metrics.extend(all);
        let due = done.is_multiple_of(self.fit.plan.log_every_n_steps);
        if !due {
            logged.clear();
        }
        if self.rate_log.are_due(due, first_of_epoch) {
            logged.extend(rates);
        }
        logged.extend(due.then_some(size));
        logged.extend(norms);
        if !logged.is_empty() {
            self.run.log(epoch, done, &logged)?;
        }
        Ok(())
    }

    /// The norms that `log_grad_norm_step` asks for, under ModelGenerator's names.
    fn norms(&self, gradients: &GradientSum, total: f64) -> Result<Vec<(String, f64)>> {
        let every = self.fit.training.log_grad_norm_step;
        if every == 0 || !(self.position.step + 1).is_multiple_of(every) {
            return Ok(Vec::new());
        }
        let head = parameters(&self.network()?.valid());
        let head = head.into_iter().filter(|(path, ..)| path.starts_with(HEAD));
        let squares: f64 = head.map(|(_, _, values)| sum_squares(values)).sum();
        let norms = [total, squares.sqrt(), gradients.norm_under(HEAD)];
        let named = GRADIENT_NORMS.iter().zip(norms);
        Ok(named.map(|(&name, norm)| (name.to_owned(), norm)).collect())
    }

    /// Refuses a gradient that is not finite, where such are looked for.
    fn check_gradients(&self, gradients: &Gradients, batch: &Batch) -> Result<()> {
        if !self.fit.plan.detect_anomaly {
            return Ok(());
        }
        match first_not_finite(self.network()?, gradients) {
            None => Ok(()),
            Some(parameter) => Err(self.diverged(
                &format!("gradient of {parameter}"),
                f64::NAN,
                ", the first in the backward pass".to_owned(),
                &batch.rows,
            )),
        }
    }

    /// Where a loss that is not finite comes from, if that is looked for: the batch is computed once more, with the same dropout.
    fn place_of_anomaly(&self, batch: &Batch, mode: Mode) -> Result<String> {
        if !self.fit.plan.detect_anomaly {
            return Ok("; trainer.detect_anomaly: true finds where".to_owned());
        }
        let network = self.network()?.valid();
        let place = match first_weight_not_finite(parameters(&network)) {
            Some(weight) => format!("the weight {weight}"),
            None => match self.model.first_not_finite(&network, batch, mode) {
                Some(place) => place,
                None => "the loss itself, as all it is computed from is finite".to_owned(),
            },
        };
        Ok(format!(", first in {place}"))
    }

    fn diverged(&self, what: &str, value: f64, place: String, rows: &[usize]) -> Error {
        Error::Diverged {
            what: what.to_owned(),
            value,
            place,
            step: self.position.step + 1,
            epoch: self.position.epoch,
            rows: first_rows(rows),
        }
    }
}
