//! The loss of masked tokens.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};

use crate::output::largest;

/// The share of the loss that asks for all tokens alike.
pub(crate) const SMOOTHING: f64 = 0.05;

/// What is lost at each of some sites.
pub(crate) struct Smoothed {
    /// With label smoothing, `[sites, 1]`.
    pub(crate) losses: Tensor<2>,
    /// The negative logarithm of the token's probability, and 1 if it was the likeliest, `[sites, 2]`.
    pub(crate) plain: Tensor<2>,
}

/// The cross-entropy of logits `[sites, vocabulary]` with a token each, smoothed: `0.95 (-log q[y]) + 0.05 mean_v (-log q[v])`.
pub(crate) fn smoothed(logits: Tensor<2>, tokens: &[u32]) -> Smoothed {
    let device = logits.device();
    let tokens: Vec<i64> = tokens.iter().map(|&token| i64::from(token)).collect();
    let tokens = TensorData::new(tokens.clone(), [tokens.len(), 1]);
    let tokens = Tensor::<2, Int>::from_data(tokens, &device);
    let hits = logits.clone().argmax(1).equal(tokens.clone()).float();
    let log = log_softmax(logits, 1);
    let own = log.clone().gather(1, tokens).neg();
    let all = log.mean_dim(1).neg();
    Smoothed {
        losses: own.clone().mul_scalar(1.0 - SMOOTHING) + all.mul_scalar(SMOOTHING),
        plain: Tensor::cat(vec![own, hits], 1),
    }
}

/// What is lost at one site where `logits` are all at hand: the negative logarithm of the token's probability, and the same of all tokens on
/// average.
pub(crate) fn negative_log(logits: &[f32], token: u32) -> [f64; 2] {
    let most = f64::from(logits.get(largest(logits)).copied().unwrap_or(0.0));
    let powers = logits.iter().map(|&logit| (f64::from(logit) - most).exp());
    let total = most + powers.sum::<f64>().ln();
    let own = logits.get(token as usize).copied().unwrap_or(f32::NAN);
    let mean = logits.iter().copied().map(f64::from).sum::<f64>() / logits.len().max(1) as f64;
    [total - f64::from(own), total - mean]
}

/// A row's loss where it was written: the sum over passes of the mean over the tokens that each revealed. `losses` are of places, `passes` say
/// which pass revealed each place, from 1.
pub(crate) fn loss_of_passes(losses: &[(usize, f64)], passes: &[u32]) -> f64 {
    let last = passes.iter().copied().max().unwrap_or(0);
    let means = (1..=last).map(|pass| {
        let own = losses.iter().filter(|(place, _)| passes[*place] == pass);
        let add = |(count, sum): (usize, f64), (_, loss): &(usize, f64)| (count + 1, sum + loss);
        let (count, sum) = own.fold((0, 0.0), add);
        sum / count.max(1) as f64
    });
    means.sum()
}
