//! Running a model: its loss, its scores and its outputs.

use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};
use engraft_kernels::{ClassTargets, cross_entropy, gather_rows, sum_squares};
use engraft_models::{Mode, PackedTokens, TokenBatch};

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::loss::{binary_cross_entropy, matrix};
use crate::metrics::{MetricError, Metrics};
use crate::model::Model;
use crate::network::{Network, TaskHead};
use crate::observer::Observer;
use crate::output::{OutputKind, RowOutput};
use crate::parts::TOKENS_AT_ONCE;
use crate::targets::BatchTargets;
use crate::task::{EmbedPooling, LossDenominator, Task};
use crate::told::Told;

/// The loss of one batch: divide the sums of all batches of a step by the sums of their weights.
pub struct Loss {
    /// The weighted sum over rows, or over tokens that are scored, `[1]`.
    pub sum: Tensor<1>,
    /// The sum of their weights.
    pub weight: f64,
    /// What the head gives for each, `[rows, values]`; of a causal language model each token's loss, and 1 if it was the likeliest.
    pub outputs: Tensor<2>,
}

impl Model {
    /// The loss of `batch`, which is scored somewhere, by `network`, which may be this model's own under autodiff.
    ///
    /// # Errors
    /// The task has no loss, or the batch has no targets of its kind.
    pub fn loss(&self, network: &Network, batch: &Batch, mode: Mode) -> Result<Loss> {
        if let (Told::NextTokens, BatchTargets::Classes(tokens)) = (&self.told, &batch.targets) {
            let (sum, outputs) = self.next_tokens(network, batch, tokens, mode)?;
            let weight = match &self.task {
                Task::CausalLM(task) if task.loss_denominator == LossDenominator::Padded => {
                    batch.len() * self.max_length().unwrap_or(1)
                }
                _ => tokens.len(),
            };
            return Ok(Loss {
                sum,
                weight: weight as f64,
                outputs,
            });
        }
        let outputs = self.forward(network, batch, mode);
        let values = outputs.dims().iter().product::<usize>();
        let (sum, weight) = match (&self.told, &batch.targets) {
            (
                Told::Classes(_) | Told::TokenClasses(..) | Told::Tokens,
                BatchTargets::Classes(classes),
            ) => {
                let targets = ClassTargets {
                    classes: classes.clone(),
                    weights: self.weights_of(classes),
                };
                let weight = (0..classes.len()).map(|row| f64::from(targets.weight(row)));
                let weight = weight.sum();
                (cross_entropy(outputs.clone(), targets), weight)
            }
            (Told::Flags(space), BatchTargets::Flags(flags)) => {
                let flags = flags.iter().map(|&flag| f32::from(flag)).collect();
                let flags = matrix(flags, space.count(), &outputs);
                (binary_cross_entropy(outputs.clone(), flags), values as f64)
            }
            (Told::Numbers { names, scaling }, BatchTargets::Numbers(numbers)) => {
                let targets = matrix(scaling.scale(numbers), names.len(), &outputs);
                let Task::SequenceRegression(task) = &self.task else {
                    return Err(no_loss());
                };
                (task.loss_func.sum(outputs.clone(), targets), values as f64)
            }
            _ => return Err(no_loss()),
        };
        Ok(Loss {
            sum,
            weight,
            outputs,
        })
    }

    /// Takes what a loss was computed from into metrics of this model.
    ///
    /// # Errors
    /// The metrics are another model's.
    pub fn score(&self, metrics: &mut Metrics, outputs: Tensor<2>, batch: &Batch) -> Result<()> {
        self.score_seen(metrics, outputs, batch, &mut ())
    }

    /// [`score`](Self::score) with somebody who looks at each row; masked tokens are not shown, being as wide as the vocabulary.
    ///
    /// # Errors
    /// The metrics are another model's.
    pub fn score_seen(
        &self,
        metrics: &mut Metrics,
        outputs: Tensor<2>,
        batch: &Batch,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        let width = outputs.dims()[1].max(1);
        if let (Metrics::MaskedTokens(metrics), BatchTargets::Classes(classes)) =
            (&mut *metrics, &batch.targets)
        {
            // Rows as wide as the vocabulary stay where they are.
            let told = outputs.argmax(1).into_data();
            let told = told.iter::<i64>().zip(classes);
            told.for_each(|(told, class)| metrics.update(told == i64::from(*class)));
            return Ok(());
        }
        let values: Vec<f32> = outputs.into_data().iter::<f32>().collect();
        if let Metrics::NextTokens(metrics) = metrics {
            let (tokens, _) = values.as_chunks::<2>();
            tokens
                .iter()
                .for_each(|[loss, hit]| metrics.update(*loss, *hit > 0.5));
            return Ok(());
        }
        let rows = values.chunks_exact(width);
        let scored: std::result::Result<(), MetricError> = match (metrics, &batch.targets) {
            (Metrics::Classification(metrics), BatchTargets::Classes(classes)) => {
                rows.zip(classes).try_for_each(|(row, &class)| {
                    observer.class(row, class as usize);
                    metrics.update(row, class as usize)
                })
            }
            (Metrics::MultiLabel(metrics), BatchTargets::Flags(flags)) => rows
                .zip(flags.chunks_exact(width))
                .try_for_each(|(row, flags)| {
                    observer.flags(row, flags);
                    metrics.update(row, flags)
                }),
            (Metrics::Regression(metrics), BatchTargets::Numbers(numbers)) => {
                let restored = self.restored(values);
                let numbers: Vec<f32> = numbers.iter().map(|&number| number as f32).collect();
                restored
                    .chunks_exact(width)
                    .zip(numbers.chunks_exact(width))
                    .try_for_each(|(row, numbers)| {
                        observer.numbers(row, numbers);
                        metrics.update(row, numbers)
                    })
            }
            _ => return Err(no_loss()),
        };
        Ok(scored?)
    }

    /// What the model says of each row of `batch`, in order.
    pub fn outputs(&self, network: &Network, batch: &Batch) -> Vec<RowOutput> {
        if let (Told::NextTokens, BatchTargets::Classes(tokens)) = (&self.told, &batch.targets) {
            return self.likelihoods(network, batch, tokens);
        }
        let (width, values) = if batch.is_unscored() {
            (self.told.outputs().unwrap_or_default(), Vec::new())
        } else {
            let mut width = 0;
            let mut values = Vec::new();
            for output in self.forward_parts(network, batch) {
                width = output.dims()[1];
                values.extend(output.into_data().iter::<f32>());
            }
            (width, self.restored(values))
        };
        let kind = self.output_kind();
        let mut start = 0;
        let rows = batch.rows.iter().enumerate().map(|(at, &row)| {
            let several = match kind {
                OutputKind::Tokens => Some(batch.tokens.lengths[at]),
                OutputKind::TokenClasses { .. } => Some(batch.heads_of_row[at]),
                _ => None,
            };
            let end = start + several.unwrap_or(1) * width;
            let shape = several.map_or(vec![width], |several| vec![several, width]);
            let values = values[start..end].to_vec();
            start = end;
            RowOutput { row, shape, values }
        });
        rows.collect()
    }

    /// What a forward pass first makes a value of that is not finite, in words; none if all are finite.
    ///
    /// `network` is one that is not trained; with the mode of a training step its dropout is the same.
    pub fn first_not_finite(&self, network: &Network, batch: &Batch, mode: Mode) -> Option<String> {
        let device = network.devices().into_iter().next().unwrap_or_default();
        let shape = &self.checkpoint.config().transformer;
        let tokens = TokenBatch::new(&batch.tokens, shape, &device);
        let mut found = None;
        let encoder = &network.encoder;
        encoder.forward_seen(&tokens, mode.at(0), &mut |name, hidden| {
            if found.is_none() && !sum_squares(hidden.clone()).is_finite() {
                found = Some(format!("the hidden states after {name}"));
            }
        });
        let head = || match &batch.targets {
            BatchTargets::Classes(tokens) if self.told == Told::NextTokens => self
                .next_tokens(network, batch, tokens, mode)
                .is_ok_and(|(_, told)| !sum_squares(told).is_finite()),
            _ => !sum_squares(self.forward(network, batch, mode)).is_finite(),
        };
        found.or_else(|| head().then(|| "the outputs of the head".to_owned()))
    }

    /// The weight of each row or token of these classes; none where they weigh the same.
    fn weights_of(&self, classes: &[u32]) -> Vec<f32> {
        match self.class_weights.is_empty() {
            true => Vec::new(),
            false => classes
                .iter()
                .map(|&class| self.class_weights[class as usize])
                .collect(),
        }
    }

    /// Outputs in the units of the data.
    fn restored(&self, outputs: Vec<f32>) -> Vec<f32> {
        match &self.told {
            Told::Numbers { scaling, .. } => scaling.restore(&outputs),
            _ => outputs,
        }
    }

    /// The sum of the losses of a causal language model, and each token's loss and hit, `[tokens that are told, 2]`.
    fn next_tokens(
        &self,
        network: &Network,
        batch: &Batch,
        tokens: &[u32],
        mode: Mode,
    ) -> Result<(Tensor<1>, Tensor<2>)> {
        let Some(TaskHead::CausalLm(head)) = &network.head else {
            return Err(no_loss());
        };
        let hidden = match mode {
            Mode::Evaluate => {
                let parts = batch.parts(TOKENS_AT_ONCE).map(|part| {
                    let heads = part.heads.as_deref();
                    self.hidden(network, &part.tokens, heads, mode).0
                });
                Tensor::cat(parts.collect(), 0)
            }
            Mode::Train(_) => {
                let heads = batch.heads.as_deref();
                self.hidden(network, &batch.tokens, heads, mode).0
            }
        };
        let targets = ClassTargets::new(tokens.to_vec());
        Ok(head.loss(hidden, &network.encoder, targets))
    }

    /// The negative logarithm of each row's probability, and how many tokens it is that of.
    fn likelihoods(&self, network: &Network, batch: &Batch, tokens: &[u32]) -> Vec<RowOutput> {
        let told = match batch.is_unscored() {
            true => None,
            false => self
                .next_tokens(network, batch, tokens, Mode::Evaluate)
                .ok(),
        };
        let values: Vec<f32> = told.map_or_else(Vec::new, |(_, told)| {
            told.into_data().iter::<f32>().collect()
        });
        let (mut rest, _) = values.as_chunks::<2>();
        let rows = batch.rows.iter().zip(&batch.heads_of_row);
        let rows = rows.map(|(&row, &count)| {
            let (own, after) = rest.split_at(count.min(rest.len()));
            rest = after;
            let loss: f64 = own.iter().map(|[loss, _]| f64::from(*loss)).sum();
            RowOutput {
                row,
                shape: vec![2],
                values: vec![loss as f32, count as f32],
            }
        });
        rows.collect()
    }

    /// `[rows, ..]` or `[tokens, ..]`, as the task has it; of the tokens only those that the batch asks for.
    fn forward(&self, network: &Network, batch: &Batch, mode: Mode) -> Tensor<2> {
        match mode {
            Mode::Evaluate => {
                let mut parts: Vec<_> = self.forward_parts(network, batch).collect();
                match parts.len() {
                    1 => parts.swap_remove(0),
                    _ => Tensor::cat(parts, 0),
                }
            }
            // What dropout draws depends on a token's place in its batch.
            Mode::Train(_) => {
                self.forward_at_once(network, &batch.tokens, batch.heads.as_deref(), mode)
            }
        }
    }

    /// [`Self::forward`] outside training, a few rows at a time: one after the other they are the whole.
    fn forward_parts(&self, network: &Network, batch: &Batch) -> impl Iterator<Item = Tensor<2>> {
        // Hidden states that are kept are computed one row a thread, however many rows there are.
        let tokens = match &self.cached {
            Some(_) => usize::MAX,
            None => TOKENS_AT_ONCE,
        };
        batch.parts(tokens).map(|part| {
            let heads = part.heads.as_deref();
            self.forward_at_once(network, &part.tokens, heads, Mode::Evaluate)
        })
    }

    /// [`Self::forward`] of all rows together.
    fn forward_at_once(
        &self,
        network: &Network,
        packed: &PackedTokens,
        heads: Option<&[u32]>,
        mode: Mode,
    ) -> Tensor<2> {
        let (hidden, tokens, pooled) = self.hidden(network, packed, heads, mode);
        let mode = mode.at(1);
        match &network.head {
            Some(TaskHead::Adapter(head)) if pooled => head.after_pooling(hidden, mode),
            Some(TaskHead::Adapter(head)) => head.forward(hidden, &tokens, mode),
            Some(TaskHead::Classifier(head)) if pooled => head.after_pooling(hidden, mode),
            Some(TaskHead::Classifier(head) | TaskHead::TokenClassifier(head)) => {
                head.forward(hidden, &tokens, mode)
            }
            Some(TaskHead::MaskedLm(head)) => head.forward(hidden, &network.encoder),
            Some(TaskHead::CausalLm(head)) => head.forward(hidden, &network.encoder),
            None => match self.pooling {
                EmbedPooling::By(pooling) if !pooled => {
                    self.normalized(pooling.apply(hidden, &tokens))
                }
                _ => self.normalized(hidden),
            },
        }
    }

    /// The hidden states that the head is computed from, their tokens, and whether they are pooled already.
    fn hidden(
        &self,
        network: &Network,
        packed: &PackedTokens,
        heads: Option<&[u32]>,
        mode: Mode,
    ) -> (Tensor<2>, TokenBatch, bool) {
        let device = network.devices().into_iter().next().unwrap_or_default();
        let tokens = TokenBatch::new(packed, &self.checkpoint.config().transformer, &device);
        let (mut hidden, pooled) = match &self.cached {
            Some(cached) => (cached.forward(packed, &device), cached.pooling().is_some()),
            None => (network.encoder.forward(&tokens, mode.at(0)), false),
        };
        // Where every token is asked for, all are there in order.
        if let Some(heads) = heads.filter(|heads| heads.len() < packed.ids.len()) {
            let rows: Vec<i32> = heads.iter().map(|&row| row as i32).collect();
            let count = rows.len();
            let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, [count]), &device);
            hidden = gather_rows(hidden, rows);
        }
        (hidden, tokens, pooled)
    }

    /// Vectors of length 1, if they are to be.
    fn normalized(&self, pooled: Tensor<2>) -> Tensor<2> {
        if !self.normalize {
            return pooled;
        }
        // The floor that PyTorch's normalize has.
        let length = pooled
            .clone()
            .powi_scalar(2)
            .sum_dim(1)
            .sqrt()
            .clamp_min(1e-12);
        pooled / length
    }
}

fn no_loss() -> Error {
    Error::Argument("this task only predicts: it has no loss to train or score".into())
}

#[cfg(test)]
mod tests;
