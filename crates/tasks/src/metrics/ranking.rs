//! Area under the ROC curve, counted exactly.

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
