//! Which tokens stay, and the draw among them.

use super::Distribution;
use super::candidates::{Candidate, Logits, by_rank};
use super::entropy;
use crate::error::Result;

/// The tokens that may be chosen: those that pass every rule given, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rule {
    /// The most probable ones up to this share of the entropy.
    pub(super) top_h: Option<f64>,
    /// The most probable ones, this many.
    pub(super) top_k: Option<usize>,
    /// The most probable ones up to this share of the probability.
    pub(super) top_p: Option<f64>,
    /// Those with at least this share of the largest probability.
    pub(super) min_p: Option<f64>,
    /// Those nearest to the entropy up to this share of the probability.
    pub(super) typical_p: Option<f64>,
    /// Those with at least this probability.
    pub(super) epsilon_cutoff: Option<f64>,
    /// Those with at least this probability, or less where the entropy is high.
    pub(super) eta_cutoff: Option<f64>,
    /// Whether shares are of what `top_k` left, rather than of all tokens.
    pub(super) renormalizes: bool,
}

impl Rule {
    /// Draws one of the tokens that stay, in proportion to their probabilities.
    pub(super) fn choose(self, logits: &[f32], temperature: f32, draw: f64) -> Result<u32> {
        let row = Logits::new(logits, temperature)?;
        let Some(mut kept) = self.kept(&row) else {
            return Ok(row.at_share(draw));
        };
        // By id: in the order of rank, two tokens that change places by a rounding error would change the choice.
        kept.sort_unstable_by_key(|candidate| candidate.id);
        let weights: Vec<f64> = kept
            .iter()
            .map(|candidate| f64::from(row.weight(candidate.logit)))
            .collect();
        let mut left = draw * weights.iter().sum::<f64>();
        let mut chosen = None;
        for (candidate, weight) in kept.iter().zip(weights) {
            if weight > 0.0 {
                chosen = Some(candidate.id);
                if left < weight {
                    break;
                }
                left -= weight;
            }
        }
        Ok(chosen.unwrap_or_default())
    }

    /// The probability of every token that stays, by rising id.
    pub(super) fn distribution(self, logits: &[f32], temperature: f32) -> Result<Distribution> {
        let row = Logits::new(logits, temperature)?;
        let mut kept = self.kept(&row).unwrap_or_else(|| row.above(0.0));
        kept.sort_unstable_by_key(|candidate| candidate.id);
        let weight = |it: &Candidate| f64::from(row.weight(it.logit));
        let total: f64 = kept.iter().map(weight).sum();
        let shares = kept.iter().map(|it| (it.id, weight(it) / total));
        Ok(shares.filter(|(_, share)| *share > 0.0).collect())
    }

    /// The tokens that stay; none if that is all of them.
    pub(super) fn kept(self, row: &Logits<'_>) -> Option<Vec<Candidate>> {
        let mut kept = self.top_h.map(|share| entropy::top_h(row, share));
        if let Some(k) = self.top_k {
            kept = Some(match kept {
                Some(mut ranked) => {
                    ranked.truncate(k);
                    ranked
                }
                None => row.top(k),
            });
        }
        if let Some(share) = self.top_p.filter(|&share| share < 1.0) {
            kept = Some(match kept {
                Some(ranked) if self.renormalizes => {
                    let total = ranked.iter().map(|it| f64::from(row.weight(it.logit)));
                    let total = total.sum();
                    nucleus(row, ranked, total, share).0
                }
                Some(ranked) => nucleus(row, ranked, row.total(), share).0,
                None => nucleus_of_all(row, share),
            });
        }
        if let Some(share) = self.min_p.filter(|&share| share > 0.0) {
            kept = Some(match kept {
                Some(mut kept) => {
                    let bound = row.bound(share);
                    kept.retain(|candidate| candidate.logit >= bound);
                    kept
                }
                None => row.above(share),
            });
        }
        type Rule = fn(&Logits<'_>, Vec<Candidate>, f64) -> Vec<Candidate>;
        let rules: [(Option<f64>, Rule); 3] = [
            (self.typical_p.filter(|&it| it < 1.0), entropy::typical),
            (self.epsilon_cutoff.filter(|&it| it > 0.0), entropy::epsilon),
            (self.eta_cutoff.filter(|&it| it > 0.0), entropy::eta),
        ];
        for (share, rule) in rules {
            if let Some(share) = share {
                let candidates = kept.unwrap_or_else(|| row.above(0.0));
                kept = Some(rule(row, candidates, share));
            }
        }
        kept
    }
}

/// Of `candidates` the most probable one, and every other if those before it have `share` of `total` or less together, compared in single
/// precision as the reference has it. Also how many of them, at the front, are surely before the last.
///
/// Halves are summed instead of sorting all: whether the share ends in the more probable one decides which to look into.
fn nucleus(
    row: &Logits<'_>,
    mut candidates: Vec<Candidate>,
    total: f64,
    share: f64,
) -> (Vec<Candidate>, usize) {
    const FEW: usize = 64;
    let exceeds = |sum: f64| (sum / total) as f32 > share as f32;
    let weight = |candidate: &Candidate| f64::from(row.weight(candidate.logit));
    let (mut start, mut end) = (0, candidates.len());
    let mut before = 0.0;
    while end - start > FEW {
        let Some(part) = candidates.get_mut(start..end) else {
            break;
        };
        let half = part.len() / 2;
        part.select_nth_unstable_by(half, by_rank);
        let sum: f64 = part.iter().take(half).map(weight).sum();
        if exceeds(before + sum) {
            end = start + half;
        } else {
            before += sum;
            start += half;
        }
    }
    let mut count = start;
    if let Some(part) = candidates.get_mut(start..end) {
        part.sort_unstable_by(by_rank);
        for candidate in part {
            if count > 0 && exceeds(before) {
                break;
            }
            before += weight(candidate);
            count += 1;
        }
    }
    candidates.truncate(count);
    (candidates, start)
}

/// [`nucleus`] of all tokens, by rising id. It looks at the tokens near the most probable one first, then at those farther away.
fn nucleus_of_all(row: &Logits<'_>, share: f64) -> Vec<Candidate> {
    let total = row.total();
    let near = [1, 2, 4, 8, 16, 32].into_iter().find_map(|distance| {
        let near = row.above((-f64::from(distance)).exp());
        let sum: f64 = near.iter().map(|it| f64::from(row.weight(it.logit))).sum();
        // A little more than the share, so that rounding decides nothing here.
        (sum / total > share + 1e-4).then_some(near)
    });
    let all = near.unwrap_or_else(|| row.above(0.0));
    let (kept, start) = nucleus(row, all, total, share);
    match kept.iter().skip(start).max_by(|a, b| by_rank(a, b)) {
        Some(last) => row.up_to(*last),
        None => kept,
    }
}
