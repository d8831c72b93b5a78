//! What a model says of a row.

/// What the numbers of a [`RowOutput`] are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputKind {
    /// Logits of classes of which one holds.
    Classes,
    /// Logits of classes of which any may hold.
    Flags,
    /// Logits of classes of each letter or word.
    TokenClasses,
    /// Numbers under these names, in the units of the data.
    Numbers(Vec<String>),
    /// One vector.
    Vector,
    /// One vector a token.
    Tokens,
}

/// What a model says of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct RowOutput {
    /// The number of the row in its split.
    pub row: usize,
    /// `[values]` for one vector a row, `[tokens, values]` for one a token, `[units, values]` for one a letter or word.
    pub shape: Vec<usize>,
    /// The values, token by token.
    pub values: Vec<f32>,
}

impl RowOutput {
    /// The softmax of the values: each class's probability.
    pub fn probabilities(&self) -> Vec<f32> {
        softmax(&self.values)
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

/// Each logit's share, computed in double precision.
pub fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits
        .iter()
        .map(|&logit| f64::from(logit - largest).exp())
        .collect();
    let sum: f64 = powers.iter().sum();
    powers
        .into_iter()
        .map(|power| (power / sum) as f32)
        .collect()
}

/// The probability that a logit stands for by itself.
pub fn sigmoid(logit: f32) -> f32 {
    (1.0 / (1.0 + f64::from(-logit).exp())) as f32
}

/// The index of the largest value, the first of equals.
pub fn largest(values: &[f32]) -> usize {
    let values = values.iter().enumerate();
    values
        .reduce(|best, other| if other.1 > best.1 { other } else { best })
        .map_or(0, |(index, _)| index)
}
