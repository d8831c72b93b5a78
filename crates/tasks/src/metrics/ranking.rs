//! What is known from the order of scores alone: the area under the ROC curve, and ranks.

/// The probability that a positive row scores above a negative one, ties counting half.
///
/// Takes `(score, is positive)` for each row, in any order. Whole numbers are counted and divided
/// once, so the result does not depend on the order. 0 without positive or without negative rows, as
/// torchmetrics has it; NaN when a score is.
pub fn auroc(rows: impl Iterator<Item = (f32, bool)>) -> f64 {
    let mut rows: Vec<(f32, bool)> = rows.collect();
    if rows.iter().any(|(score, _)| score.is_nan()) {
        return f64::NAN;
    }
    rows.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));

    let (mut positives, mut negatives) = (0_u128, 0_u128);
    // Twice the number of pairs in which the positive row is above, so that a tie is a whole 1.
    let mut ordered = 0_u128;
    for tied in rows.chunk_by(|one, other| one.0 == other.0) {
        let above = tied.iter().filter(|(_, positive)| *positive).count() as u128;
        let below = tied.len() as u128 - above;
        ordered += above * (2 * negatives + below);
        positives += above;
        negatives += below;
    }
    let pairs = 2 * positives * negatives;
    if pairs == 0 {
        0.0
    } else {
        ordered as f64 / pairs as f64
    }
}

/// The average precision: over the scores from the largest down, the precision of all rows so far times the recall that those of this score
/// add.
///
/// Takes `(score, is positive)` for each row, in any order. 0 without positive rows; NaN when a score is.
pub fn average_precision(rows: impl Iterator<Item = (f32, bool)>) -> f64 {
    let mut rows: Vec<(f32, bool)> = rows.collect();
    if rows.iter().any(|(score, _)| score.is_nan()) {
        return f64::NAN;
    }
    rows.sort_unstable_by(|one, other| other.0.total_cmp(&one.0));

    let positives = rows.iter().filter(|(_, positive)| *positive).count();
    let (mut found, mut seen) = (0, 0);
    let mut area = 0.0;
    for tied in rows.chunk_by(|one, other| one.0 == other.0) {
        let gained = tied.iter().filter(|(_, positive)| *positive).count();
        found += gained;
        seen += tied.len();
        let precision = found as f64 / seen as f64;
        area += gained as f64 / positives.max(1) as f64 * precision;
    }
    area
}

/// The rank of each value, 1 for the smallest; equal values share the mean of their ranks.
///
/// NaN has a rank of no meaning.
pub(super) fn average_ranks(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<(f64, usize)> = values.iter().copied().zip(0..).collect();
    sorted.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));

    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tied in sorted.chunk_by(|one, other| one.0 == other.0) {
        // The mean of `before + 1` to `before + tied.len()`.
        let rank = before as f64 + (tied.len() + 1) as f64 / 2.0;
        for &(_, place) in tied {
            ranks[place] = rank;
        }
        before += tied.len();
    }
    ranks
}
