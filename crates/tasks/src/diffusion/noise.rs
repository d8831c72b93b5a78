//! How much of a row is masked.

/// The least time: its inverse is the largest weight.
const LEAST: f64 = 1e-3;

/// The time of copy number `copy` of `copies` of a row, where `drawn` is uniform in `[0, 1)`: uniform in `[copy / copies, (copy + 1) / copies)`,
/// of which the first begins a little above 0.
pub(crate) fn time(copy: usize, copies: usize, drawn: f64) -> f64 {
    let share = |copy: usize| copy as f64 / copies.max(1) as f64;
    let (low, high) = (share(copy).max(LEAST), share(copy + 1));
    low + (high - low) * drawn
}

/// How many of `count` tokens are masked at a time: one at least, where there is one.
pub(crate) fn masked(count: usize, time: f64) -> usize {
    ((count as f64 * time) as usize).max(1).min(count)
}

/// How many of `count` tokens are masked in draw number `draw` of `draws` for the bound of the likelihood: uniform in `1..=count` over all of
/// them.
pub(crate) fn stratum(count: usize, draw: usize, draws: usize, drawn: f64) -> usize {
    let share = (draw as f64 + drawn) / draws.max(1) as f64;
    ((count as f64 * share) as usize + 1).min(count)
}
