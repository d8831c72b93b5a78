//! Rules that look at the probabilities of all tokens that are left, and at their entropy.

use super::candidates::{Candidate, Logits};

/// How many tokens [`top_h`] looks at.
const LOOKED_AT: usize = 100;

/// The logarithms of the candidates' probabilities among themselves, and the entropy.
fn logarithms(row: &Logits<'_>, candidates: &[Candidate]) -> (Vec<f64>, f64) {
    let exponents: Vec<f64> = candidates.iter().map(|it| row.exponent(it.logit)).collect();
    let total: f64 = exponents.iter().map(|it| it.exp()).sum();
    let logarithms: Vec<f64> = exponents.iter().map(|it| it - total.ln()).collect();
    let entropy = logarithms.iter().map(|it| term(*it)).sum();
    (logarithms, entropy)
}

/// What a token of this logarithm adds to the entropy; 0 for one that is impossible.
fn term(logarithm: f64) -> f64 {
    let term = -logarithm * logarithm.exp();
    if term.is_nan() { 0.0 } else { term }
}

/// Of the most probable tokens, those that make up `share` of the entropy at most, the most probable one at least; the most probable first.
pub(super) fn top_h(row: &Logits<'_>, share: f64) -> Vec<Candidate> {
    let mut ranked = row.top(LOOKED_AT);
    let (logarithms, entropy) = logarithms(row, &ranked);
    let mut sum = 0.0;
    let fits = logarithms.iter().take_while(|logarithm| {
        sum += term(**logarithm);
        sum <= entropy * share
    });
    ranked.truncate(fits.count().max(1));
    ranked
}

/// The tokens whose information is nearest to the entropy: as many as make up `share` of the probability, and those that are as near.
pub(super) fn typical(row: &Logits<'_>, candidates: Vec<Candidate>, share: f64) -> Vec<Candidate> {
    let (logarithms, entropy) = logarithms(row, &candidates);
    let distance = |at: &usize| (logarithms[*at] + entropy).abs();
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
    let mut sum = 0.0;
    let below = order.iter().take_while(|at| {
        sum += logarithms[**at].exp();
        sum < share
    });
    let last = below.count().min(order.len().saturating_sub(1));
    let farthest = order.get(last).map_or(0.0, distance);
    let near = order.into_iter().take_while(|at| distance(at) <= farthest);
    near.map(|at| candidates[at]).collect()
}

/// The tokens with a probability of `least` or more, and the most probable one.
pub(super) fn epsilon(row: &Logits<'_>, candidates: Vec<Candidate>, least: f64) -> Vec<Candidate> {
    at_least(row, candidates, |_| least)
}

/// The same with a bound that is lower where the entropy is high.
pub(super) fn eta(row: &Logits<'_>, candidates: Vec<Candidate>, eta: f64) -> Vec<Candidate> {
    at_least(row, candidates, |entropy| {
        eta.min(eta.sqrt() * (-entropy).exp())
    })
}

fn at_least(
    row: &Logits<'_>,
    candidates: Vec<Candidate>,
    bound: impl Fn(f64) -> f64,
) -> Vec<Candidate> {
    let (logarithms, entropy) = logarithms(row, &candidates);
    let bound = bound(entropy);
    let logits = candidates.iter().map(|it| it.logit);
    let largest = logits.fold(f32::NEG_INFINITY, f32::max);
    let both = candidates.into_iter().zip(logarithms);
    let kept = both.filter(|(it, logarithm)| it.logit == largest || logarithm.exp() >= bound);
    kept.map(|(candidate, _)| candidate).collect()
}
