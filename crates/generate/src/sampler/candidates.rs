//! Passes over a row of logits that never sort all of it: the largest, those above a bound, and sums of exponentials.

use std::cmp::Ordering;

use crate::error::{Error, Result};

/// A token that may be chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) id: u32,
    pub(crate) logit: f32,
}

/// A row of logits with their largest, which is finite, and the temperature that divides them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Logits<'a> {
    logits: &'a [f32],
    largest: f32,
    temperature: f32,
}

/// How many logits are summed together. The block that a draw falls into is summed again one by one.
const BLOCK: usize = 256;

impl<'a> Logits<'a> {
    /// # Errors
    /// A logit that is not a number or plus infinity, or none that is finite.
    pub(super) fn new(logits: &'a [f32], temperature: f32) -> Result<Self> {
        let largest = largest(logits)?;
        Ok(Self {
            logits,
            largest,
            temperature,
        })
    }

    /// `e^((logit - largest) / temperature)`: the token's probability relative to the most probable one's.
    #[inline(always)]
    pub(super) fn weight(&self, logit: f32) -> f32 {
        ((logit - self.largest) / self.temperature).exp()
    }

    /// The logarithm of the weight, in double precision.
    pub(super) fn exponent(&self, logit: f32) -> f64 {
        (f64::from(logit) - f64::from(self.largest)) / f64::from(self.temperature)
    }

    /// The sum of the weights of all tokens, at least 1.
    pub(super) fn total(&self) -> f64 {
        self.logits.chunks(BLOCK).map(|block| self.sum(block)).sum()
    }

    fn sum(&self, block: &[f32]) -> f64 {
        let mut lanes = [0.0f32; 8];
        let (wholes, rest) = block.as_chunks::<8>();
        for whole in wholes {
            for (lane, &logit) in lanes.iter_mut().zip(whole) {
                *lane += self.weight(logit);
            }
        }
        for (lane, &logit) in lanes.iter_mut().zip(rest) {
            *lane += self.weight(logit);
        }
        lanes.iter().map(|&lane| f64::from(lane)).sum()
    }

    /// The token at share `draw` of the sum of all weights, in the order of the ids.
    pub(super) fn at_share(&self, draw: f64) -> u32 {
        let sums: Vec<f64> = self
            .logits
            .chunks(BLOCK)
            .map(|block| self.sum(block))
            .collect();
        let mut left = draw * sums.iter().sum::<f64>();
        // Rounding may carry the draw past the last token that has a weight.
        let mut last = 0;
        for (block, sum) in sums.into_iter().enumerate() {
            if left >= sum {
                left -= sum;
                continue;
            }
            let start = block * BLOCK;
            for (id, &logit) in (start..).zip(self.logits.iter().skip(start).take(BLOCK)) {
                let weight = f64::from(self.weight(logit));
                if weight > 0.0 {
                    last = id;
                    if left < weight {
                        return id as u32;
                    }
                    left -= weight;
                }
            }
            return last as u32;
        }
        self.last_with_weight()
    }

    fn last_with_weight(&self) -> u32 {
        let at = self
            .logits
            .iter()
            .rposition(|&logit| self.weight(logit) > 0.0);
        at.unwrap_or_default() as u32
    }

    /// The tokens with at least `share` of the largest probability, by rising id.
    pub(super) fn above(&self, share: f64) -> Vec<Candidate> {
        self.above_logit(self.bound(share))
    }

    fn above_logit(&self, bound: f32) -> Vec<Candidate> {
        let mut kept = Vec::new();
        for (id, &logit) in (0..).zip(self.logits) {
            if logit >= bound {
                kept.push(Candidate { id, logit });
            }
        }
        kept
    }

    /// The tokens that rank before `last`, and that one, by rising id.
    pub(super) fn up_to(&self, last: Candidate) -> Vec<Candidate> {
        let mut kept = self.above_logit(last.logit);
        kept.retain(|it| it.logit > last.logit || it.id <= last.id);
        kept
    }

    /// The logit at which a token has `share` of the largest probability.
    pub(super) fn bound(&self, share: f64) -> f32 {
        let bound = f64::from(self.largest) + f64::from(self.temperature) * share.ln();
        // All but impossible tokens for a share of 0; the largest itself whatever the rounding.
        (bound as f32).clamp(f32::MIN, self.largest)
    }

    /// The `k` most probable tokens, or all where there are fewer, the most probable first, equals by rising id.
    ///
    /// One pass: a buffer of twice `k` keeps what beats the `k`-th so far.
    pub(super) fn top(&self, k: usize) -> Vec<Candidate> {
        let k = k.min(self.logits.len());
        let room = (2 * k).max(64);
        let mut kept: Vec<Candidate> = Vec::with_capacity(room);
        let mut bound = f32::NEG_INFINITY;
        for (id, &logit) in (0..).zip(self.logits) {
            // An equal that comes later has the higher id, and loses.
            if logit > bound {
                kept.push(Candidate { id, logit });
                if kept.len() == room && k < room {
                    kept.select_nth_unstable_by(k - 1, by_rank);
                    kept.truncate(k);
                    bound = kept.last().map_or(bound, |last| last.logit);
                }
            }
        }
        kept.sort_unstable_by(by_rank);
        kept.truncate(k);
        kept
    }
}

/// The most probable first, equals by rising id.
pub(super) fn by_rank(a: &Candidate, b: &Candidate) -> Ordering {
    b.logit.total_cmp(&a.logit).then(a.id.cmp(&b.id))
}

/// The largest logit.
fn largest(logits: &[f32]) -> Result<f32> {
    let mut lanes = [f32::NEG_INFINITY; 16];
    let mut numbers = true;
    let (blocks, rest) = logits.as_chunks::<16>();
    for block in blocks {
        for (lane, &logit) in lanes.iter_mut().zip(block) {
            *lane = if logit > *lane { logit } else { *lane };
            numbers &= !logit.is_nan();
        }
    }
    for (lane, &logit) in lanes.iter_mut().zip(rest) {
        *lane = lane.max(logit);
        numbers &= !logit.is_nan();
    }
    let largest = lanes.into_iter().fold(f32::NEG_INFINITY, f32::max);
    if !numbers {
        Err(Error::Logits("is not a number (NaN)"))
    } else if largest == f32::INFINITY {
        Err(Error::Logits("is infinite"))
    } else if largest == f32::NEG_INFINITY {
        Err(Error::Logits("leaves none possible"))
    } else {
        Ok(largest)
    }
}

/// The token with the largest logit, the lowest id of equals.
///
/// # Errors
/// Those of [`Logits::new`].
pub(super) fn largest_one(logits: &[f32]) -> Result<u32> {
    let largest = largest(logits)?;
    let at = logits.iter().position(|&logit| logit == largest);
    Ok(at.unwrap_or_default() as u32)
}

/// `ln softmax(logits)` at token `id`: how probable the model itself finds it, before temperature and sampler.
///
/// Minus infinity for a token that is impossible or that there is not.
///
/// # Errors
/// [`Error::Logits`] if a logit is not a number or infinite, or none is possible.
pub fn log_probability(logits: &[f32], id: u32) -> Result<f64> {
    let row = Logits::new(logits, 1.0)?;
    let logit = usize::try_from(id).ok().and_then(|id| logits.get(id));
    let logit = logit.copied().unwrap_or(f32::NEG_INFINITY);
    Ok(f64::from(logit) - f64::from(row.largest) - row.total().ln())
}

/// Makes logits their log-probabilities at `temperature`.
///
/// # Errors
/// Those of [`Logits::new`].
pub(crate) fn log_softmax(logits: &mut [f32], temperature: f32) -> Result<()> {
    let row = Logits::new(logits, temperature)?;
    let (largest, sum) = (f64::from(row.largest), row.total().ln());
    let temperature = f64::from(temperature);
    for logit in logits {
        *logit = ((f64::from(*logit) - largest) / temperature - sum) as f32;
    }
    Ok(())
}

/// The `k` largest, or all that are possible where there are fewer, the largest first, equals by rising id; none where none is possible.
///
/// # Errors
/// [`Error::Logits`] if one is not a number or infinite.
pub(crate) fn possible(logits: &[f32], k: usize) -> Result<Vec<Candidate>> {
    if logits.iter().all(|&logit| logit == f32::NEG_INFINITY) {
        return Ok(Vec::new());
    }
    Ok(Logits::new(logits, 1.0)?.top(k))
}

#[cfg(test)]
mod tests {
    use engraft_kernels::Key;
    use proptest::prelude::*;

    use super::*;

    fn ids(candidates: &[Candidate]) -> Vec<u32> {
        candidates.iter().map(|it| it.id).collect()
    }

    proptest! {
        #[test]
        fn the_top_k_are_those_of_a_full_sort(
            values in prop::collection::vec(-6i8..6, 1..700), k in 1usize..800
        ) {
            let logits: Vec<f32> = values.iter().map(|&value| f32::from(value)).collect();
            let mut all: Vec<u32> = (0..logits.len() as u32).collect();
            all.sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]));
            all.truncate(k);
            prop_assert_eq!(ids(&Logits::new(&logits, 1.0).unwrap().top(k)), all);
        }

        #[test]
        fn a_share_of_all_weights_falls_on_the_token_that_adding_one_by_one_finds(
            values in prop::collection::vec(-30i8..30, 1..900), draw in 0.0f64..1.0
        ) {
            let logits: Vec<f32> = values.iter().map(|&value| f32::from(value) / 4.0).collect();
            let row = Logits::new(&logits, 0.7).unwrap();
            let weights: Vec<f64> = logits.iter().map(|&it| f64::from(row.weight(it))).collect();
            let total: f64 = weights.iter().sum();
            let id = row.at_share(draw) as usize;
            let before: f64 = weights[..id].iter().sum::<f64>() / total;
            let after: f64 = weights[..=id].iter().sum::<f64>() / total;
            prop_assert!(before - 1e-6 <= draw && draw <= after + 1e-6, "{before} {draw} {after}");
        }
    }

    #[test]
    fn impossible_and_vanishing_tokens_are_never_the_share() {
        let mut logits = vec![f32::NEG_INFINITY; 600];
        (logits[3], logits[300], logits[301]) = (0.0, 0.0, -200.0);
        let row = Logits::new(&logits, 1.0).unwrap();
        assert_eq!(row.at_share(0.0), 3);
        assert_eq!(row.at_share(0.499_999), 3);
        assert_eq!(row.at_share(0.5), 300);
        assert_eq!(row.at_share(1.0f64.next_down()), 300);
        assert_eq!(row.last_with_weight(), 300);
    }

    #[test]
    fn log_probabilities_are_those_of_the_softmax_and_sum_to_one() {
        let logits: Vec<f32> = (0..1000)
            .map(|i| Key::new(1).normal(i) as f32 * 3.0)
            .collect();
        let exact: f64 = logits
            .iter()
            .map(|&it| f64::from(it).exp())
            .sum::<f64>()
            .ln();
        let mut sum = 0.0;
        for (id, &logit) in (0..).zip(&logits) {
            let found = log_probability(&logits, id).unwrap();
            assert!((found - (f64::from(logit) - exact)).abs() < 1e-6);
            sum += found.exp();
        }
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
        assert_eq!(log_probability(&logits, 1000).unwrap(), f64::NEG_INFINITY);
    }

    #[test]
    fn logits_that_are_no_numbers_are_refused() {
        let refusal = |logits: &[f32]| largest_one(logits).unwrap_err().to_string();
        let start = "no token can be chosen, because the model's output ";
        for at in [0, 5, 17, 39] {
            let mut logits = vec![0.0; 40];
            logits[at] = f32::NAN;
            assert_eq!(refusal(&logits), format!("{start}is not a number (NaN)"));
            logits[at] = f32::INFINITY;
            assert_eq!(refusal(&logits), format!("{start}is infinite"));
        }
        assert_eq!(
            refusal(&[f32::NEG_INFINITY; 3]),
            format!("{start}leaves none possible")
        );
        assert_eq!(refusal(&[]), format!("{start}leaves none possible"));
    }
}
