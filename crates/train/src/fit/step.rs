//! One optimizer step: the gradients of its micro-batches, then the update.

use engraft_kernels::Key;
use engraft_models::Mode;
use engraft_tasks::Batch;
use engraft_tasks::metrics::{Mean, Metrics};

use super::Loop;
use crate::error::{Error, Result};
use crate::optimizer::GradientSum;
use crate::outset::first_rows;
use crate::snapshot::Position;

/// The stream of random draws that dropout comes from.
const DROPOUT: u64 = 0xd0;

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
        step.rows.extend(&batch.rows);
        step.batches += 1;
        self.position.batch += 1;
        self.position.seen += 1;
        if batch.is_unscored() {
            return Ok(());
        }
        let loss = self.model.loss(self.network()?, batch, Mode::Train(key))?;
        let sum = f64::from(loss.sum.clone().inner().into_scalar::<f32>());
        if !sum.is_finite() {
            return Err(Error::Diverged {
                what: "loss",
                value: sum,
                step: self.position.step + 1,
                epoch,
                rows: first_rows(&batch.rows),
            });
        }
        if step.metrics.is_none() {
            step.metrics = self.model.metrics();
        }
        if let Some(metrics) = &mut step.metrics {
            self.model.score(metrics, loss.outputs.inner(), batch)?;
        }
        step.gradients
            .add(self.network()?, loss.sum.backward(), loss.weight);
        step.loss.add(sum, loss.weight);
        self.loss.add(sum, loss.weight);
        Ok(())
    }

    /// One optimizer step.
    pub(super) fn advance(&mut self, step: Step) -> Result<()> {
        let Position {
            epoch,
            step: number,
            ..
        } = self.position;
        let rate = self.rates.at(number, epoch)?;
        let norm = step.gradients.norm();
        // Rows of classes that weigh nothing teach nothing.
        let teaches = step.loss.weight > 0.0;
        if teaches && !norm.is_finite() {
            return Err(Error::Diverged {
                what: "gradient's norm",
                value: norm,
                step: number + 1,
                epoch,
                rows: first_rows(&step.rows),
            });
        }
        let clip = self.fit.plan.clip_norm.map(|limit| (limit, norm));
        if let Some(network) = self.network.take_if(|_| teaches) {
            let optimizer = self.rates.optimizer(number, epoch)?;
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
        logged.push(("lr".to_owned(), rate));
        logged.push(("grad_norm".to_owned(), norm));
        self.metrics.extend(logged.iter().cloned());
        if self
            .position
            .step
            .is_multiple_of(self.fit.plan.log_every_n_steps)
        {
            self.run.log(epoch, self.position.step, &logged)?;
        }
        Ok(())
    }
}
