//! Vectors of positions that are sines and cosines, computed as far as they are needed.

use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::{Tensor, TensorData};

use crate::batch::TokenBatch;
use crate::config::Sinusoids;

/// Sines in the first half of the columns, cosines in the second; one for all copies of a model.
#[derive(Clone, Debug)]
pub(crate) struct SinusoidTable {
    /// By how much the angle of each sine grows from one position to the next.
    rates: Arc<[f64]>,
    width: usize,
    /// `[positions, width]`, of as many positions as were asked for.
    known: Arc<Mutex<Vec<f32>>>,
}

impl SinusoidTable {
    pub(crate) fn new(rule: Sinusoids, width: usize) -> Self {
        // Of an odd width the middle column is a sine, or nothing.
        let (sines, cosines) = match rule {
            Sinusoids::Halves => (width.div_ceil(2), width / 2),
            Sinusoids::WholeRange => (width / 2, width / 2),
        };
        let rate = |column: usize| {
            let share = match rule {
                Sinusoids::Halves => 2.0 * column as f64 / width as f64,
                Sinusoids::WholeRange => column as f64 / (cosines as f64 - 1.0).max(1.0),
            };
            10_000f64.powf(-share)
        };
        Self {
            rates: (0..sines).map(rate).collect(),
            width,
            known: Arc::default(),
        }
    }

    /// The vectors of all tokens of a batch, `[tokens, width]`; sequences begin at position `first`.
    pub(crate) fn of(&self, batch: &TokenBatch, first: usize) -> Tensor<2> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let width = self.width;
        for position in known.len() / width.max(1)..first + batch.longest() {
            let angle = |rate: &f64| position as f64 * rate;
            let end = known.len() + width;
            known.extend(self.rates.iter().map(|rate| angle(rate).sin() as f32));
            let cosines = &self.rates[..width / 2];
            known.extend(cosines.iter().map(|rate| angle(rate).cos() as f32));
            known.resize(end, 0.0);
        }
        let mut values = Vec::with_capacity(batch.segments.total() * width);
        for (start, length) in batch.starts.iter().zip(batch.segments.lengths()) {
            let positions = first + start..first + start + length;
            values.extend_from_slice(&known[positions.start * width..positions.end * width]);
        }
        let shape = [batch.segments.total(), width];
        Tensor::from_data(TensorData::new(values, shape), &batch.ids.device())
    }
}
