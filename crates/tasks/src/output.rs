//! What a model says of a row.

use engraft_data::Cell;

/// What there is one prediction of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// A row.
    Row,
    /// Each letter or word of a row.
    Unit,
    /// Each pair of letters or words of a row.
    Pair,
    /// Each token of a row, special ones included, which fits no table.
    Token,
}

/// What of a prediction is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// All of it.
    Values,
    /// The place of the largest value.
    Largest,
}

/// What a model says of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct RowOutput {
    /// The number of the row in its split.
    pub row: usize,
    /// `[values]` for one vector a row, `[tokens, values]` for one a token, `[units, values]` for one a letter or word,
    /// `[units, units]` for one value a pair of them.
    pub shape: Vec<usize>,
    /// The values, token by token.
    pub values: Vec<f32>,
}

impl RowOutput {
    /// The softmax of the values: each class's probability.
    pub fn probabilities(&self) -> Vec<f32> {
        softmax(&self.values).collect()
    }

    /// The index of the largest value, the first of equals.
    pub fn largest(&self) -> usize {
        largest(&self.values)
    }

    /// The vectors of a row that has several.
    pub fn vectors(&self) -> impl Iterator<Item = &[f32]> {
        let width = self.shape.last().copied().unwrap_or(1).max(1);
        self.values.chunks_exact(width)
    }
}

/// Each class's probability by its logit, computed in `f64` and rounded once to `f32`.
pub fn softmax(logits: &[f32]) -> impl Iterator<Item = f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let power = move |logit: f32| (f64::from(logit) - f64::from(largest)).exp();
    let total: f64 = logits.iter().map(|&logit| power(logit)).sum();
    logits
        .iter()
        .map(move |&logit| (power(logit) / total) as f32)
}

/// The probability that a logit stands for by itself, computed in `f64` and rounded once to `f32`.
pub fn sigmoid(logit: f32) -> f32 {
    (1.0 / (1.0 + (-f64::from(logit)).exp())) as f32
}

/// The place of the first of the largest values; NaN is never the largest, and 0 is the answer when nothing else is.
pub fn largest(values: &[f32]) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (index, &value) in values.iter().enumerate() {
        if value > best.1 {
            best = (index, value);
        }
    }
    best.0
}

/// A place, such as that of the largest value, as a cell of a table.
pub fn place(index: usize) -> Cell {
    Cell::Integer(i64::try_from(index).unwrap_or(i64::MAX))
}

/// A number as the shortest text that is the same single-precision number.
pub fn number(value: f32) -> Cell {
    Cell::Float(value.to_string().parse().unwrap_or(f64::from(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_is_the_first_of_equals_and_never_nan() {
        assert_eq!(largest(&[1.0, 3.0, 3.0, 2.0]), 1);
        assert_eq!(largest(&[f32::NAN, -2.0, f32::NAN, -1.0]), 3);
        assert_eq!(largest(&[f32::NAN, f32::NEG_INFINITY]), 0);
        assert_eq!(largest(&[]), 0);
    }

    #[test]
    fn probabilities_add_up_however_large_the_logits() {
        let probabilities: Vec<f32> = softmax(&[1000.0, 1000.0, -1000.0]).collect();
        assert_eq!(probabilities, [0.5, 0.5, 0.0]);
        assert_eq!(
            [sigmoid(0.0), sigmoid(-1000.0), sigmoid(1000.0)],
            [0.5, 0.0, 1.0]
        );
    }
}
