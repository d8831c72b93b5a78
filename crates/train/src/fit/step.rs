//! One optimizer step: the gradients of its micro-batches, then the update.

use burn::module::Module;
use burn::tensor::Gradients;
use engraft_kernels::{Key, sum_squares};
use engraft_models::{Mode, parameters};
use engraft_tasks::metrics::{Mean, staged};
use engraft_tasks::{Handled, Network, Pass, Scores};

use super::Loop;
use crate::error::{Error, Result};
use crate::optimizer::{GradientSum, first_not_finite, first_weight_not_finite};
use crate::outset::{GRADIENT_NORMS, first_rows};
use crate::settings::Clip;
use crate::snapshot::Position;

/// The stream of random draws that dropout comes from.
const DROPOUT: u64 = 0xd0;

/// The paths of the head's parameters begin so.
const HEAD: &str = "head.";

/// What one optimizer step gathers.
#[derive(Default)]
pub(super) struct Step {
    gradients: GradientSum,
    loss: Mean,
    /// Their numbers in the split.
    rows: Vec<usize>,
    /// Micro-batches gathered so far.
    pub(super) batches: u64,
    /// Where the run stood before it.
    before: Option<(Position, Mean)>,
}

impl Loop<'_> {
    /// Adds the gradients of the present micro-batch of `pass` to the step's.
    pub(super) fn backward(
        &mut self,
        network: &Network,
        pass: &mut dyn Pass,
        batch: &Handled,
        step: &mut Step,
    ) -> Result<()> {
        let position = &mut self.standing.position;
        let key = Key::new(self.seed)
            .with(DROPOUT)
            .with(position.epoch)
            .with(position.batch);
        step.before.get_or_insert((*position, self.standing.loss));
        step.rows.extend(&batch.rows);
        step.batches += 1;
        position.batch += 1;
        position.seen += 1;
        self.record.trained_rows += batch.rows.len() as u64;
        let Some(loss) = pass.loss(network, Mode::Train(key))? else {
            return Ok(());
        };
        let sum = f64::from(loss.sum.clone().inner().into_scalar::<f32>());
        if !sum.is_finite() {
            let place = self.place_of_anomaly(network, pass, Mode::Train(key));
            return Err(self.diverged("loss", sum, place, &batch.rows));
        }
        pass.score(loss.outputs.inner(), &mut ())?;
        let gradients = loss.sum.backward();
        self.check_gradients(network, &gradients, &batch.rows)?;
        step.gradients.add(network, gradients, loss.weight);
        step.loss.add(sum, loss.weight);
        self.standing.loss.add(sum, loss.weight);
        Ok(())
    }

    /// Gives up a step that has begun: it is taken anew when the run goes on.
    pub(super) fn give_up(&mut self, step: Step) {
        if let Some((position, loss)) = step.before {
            (self.standing.position, self.standing.loss) = (position, loss);
        }
    }

    /// The network after one optimizer step: clip, update, log.
    pub(super) fn update(
        &mut self,
        network: Network,
        mut step: Step,
        scores: Scores,
    ) -> Result<Network> {
        let Position {
            epoch,
            step: number,
            batch,
            ..
        } = self.standing.position;
        let rate = self.rates.at(number, epoch)?;
        let optimizer = self.rates.optimizer(number, epoch)?;
        let norm = step.gradients.norm();
        // Rows of classes that weigh nothing teach nothing.
        let teaches = step.loss.weight > 0.0 && !self.spec.objective().skips_updates_in(epoch);
        if teaches && !norm.is_finite() {
            return Err(self.norm_diverged(norm, &step.rows));
        }
        let norms = self.norms(&network, &step.gradients, norm);

        let clip = match self.plan.clip {
            Some(Clip::Norm(limit)) => Some((limit, norm)),
            Some(Clip::Value(limit)) if teaches => {
                step.gradients.clip_value(limit);
                None
            }
            _ => None,
        };
        let network = if teaches {
            optimizer.step(network, step.gradients, &mut self.optimizer, rate, clip)
        } else {
            network
        };
        self.standing.position.step += 1;

        let rates = self.rate_log.values(&optimizer, rate);
        let first_of_epoch = batch == step.batches;
        self.log_step(step.loss, scores, norm, norms, rates, first_of_epoch)?;
        Ok(network)
    }

    /// Notes what came of the step that was just taken, and logs what is due.
    fn log_step(
        &mut self,
        loss: Mean,
        scores: Scores,
        norm: f64,
        norms: Vec<(String, f64)>,
        rates: Vec<(String, f64)>,
        first_of_epoch: bool,
    ) -> Result<()> {
        let Position { epoch, step, .. } = self.standing.position;
        let mut logged = vec![("train_loss".to_owned(), loss.value())];
        if scores.rows > 0 {
            let accuracy = scores.all.iter().find(|(name, _)| name == "accuracy");
            if let Some((_, accuracy)) = accuracy {
                let rows = scores.rows as f64;
                self.standing.accuracy.add(accuracy * rows, rows);
            }
            self.standing.add_means(&scores);
            let scores = scores.all.into_iter();
            logged.extend(scores.map(|(name, value)| (staged("train", &name), value)));
        }
        let size = ("grad_norm".to_owned(), norm);
        let all = logged.iter().chain(&rates).chain([&size]).chain(&norms);
        let all: Vec<(String, f64)> = all.cloned().collect();
        self.record.step(step, &all);
        self.standing.metrics.extend(all);
        let is_due = step.is_multiple_of(self.plan.log_every_n_steps);
        if !is_due {
            logged.clear();
        }
        if self.rate_log.are_due(is_due, first_of_epoch) {
            logged.extend(rates);
        }
        logged.extend(is_due.then_some(size));
        logged.extend(norms);
        if !logged.is_empty() {
            self.run.log(epoch, step, &logged)?;
        }
        Ok(())
    }

    /// The norms that `log_grad_norm_step` asks for, under ModelGenerator's names.
    fn norms(&self, network: &Network, gradients: &GradientSum, total: f64) -> Vec<(String, f64)> {
        let every = self.training.log_grad_norm_step;
        if every == 0 || !(self.standing.position.step + 1).is_multiple_of(every) {
            return Vec::new();
        }
        let head = parameters(&network.valid());
        let head = head.into_iter().filter(|(path, ..)| path.starts_with(HEAD));
        let squares: f64 = head.map(|(_, _, values)| sum_squares(values)).sum();
        let norms = [total, squares.sqrt(), gradients.norm_under(HEAD)];
        let named = GRADIENT_NORMS.iter().zip(norms);
        named.map(|(&name, norm)| (name.to_owned(), norm)).collect()
    }

    /// Refuses a gradient that is not finite, where such are looked for.
    fn check_gradients(
        &self,
        network: &Network,
        gradients: &Gradients,
        rows: &[usize],
    ) -> Result<()> {
        if !self.plan.detect_anomaly {
            return Ok(());
        }
        match first_not_finite(network, gradients) {
            None => Ok(()),
            Some(parameter) => Err(self.diverged(
                &format!("gradient of {parameter}"),
                f64::NAN,
                ", the first in the backward pass".to_owned(),
                rows,
            )),
        }
    }

    /// Where a loss that is not finite comes from, if that is looked for: the batch is computed once more, with the same dropout.
    fn place_of_anomaly(&self, network: &Network, pass: &dyn Pass, mode: Mode) -> String {
        if !self.plan.detect_anomaly {
            return "; trainer.detect_anomaly: true finds where".to_owned();
        }
        let network = network.valid();
        let place = match first_weight_not_finite(parameters(&network)) {
            Some(weight) => format!("the weight {weight}"),
            None => match pass.first_not_finite(&network, mode) {
                Some(place) => place,
                None => "the loss itself, as all it is computed from is finite".to_owned(),
            },
        };
        format!(", first in {place}")
    }

    fn norm_diverged(&self, norm: f64, rows: &[usize]) -> Error {
        let place = if self.plan.detect_anomaly {
            ", though each batch's gradient is finite"
        } else {
            "; trainer.detect_anomaly: true finds where"
        };
        self.diverged("gradient's norm", norm, place.to_owned(), rows)
    }

    fn diverged(&self, what: &str, value: f64, place: String, rows: &[usize]) -> Error {
        let Position { epoch, step, .. } = self.standing.position;
        Error::Diverged {
            what: what.to_owned(),
            value,
            place,
            step: step + 1,
            epoch,
            rows: first_rows(rows),
        }
    }
}
