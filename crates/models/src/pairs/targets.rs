//! What pairs are to be predicted as, and the loss.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData, activation};

/// What the pairs of one row are to be predicted as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plane {
    /// Letters of the row, `n`.
    pub length: usize,
    /// What the pair `[i, j]`, i no larger than j, is, at `i * n + j`: 0 no, 1 yes, [`Plane::UNSCORED`] for neither.
    pub classes: Vec<u8>,
}

impl Plane {
    /// The class of a pair that is not scored.
    pub const UNSCORED: u8 = u8::MAX;

    /// A row of `length` letters none of which belong together.
    pub fn new(length: usize) -> Self {
        Self {
            length,
            classes: vec![0; length * length],
        }
    }

    /// Says what a pair is, in both its orders; a pair outside the row is left out.
    pub fn set(&mut self, [one, other]: [usize; 2], class: u8) {
        let length = self.length;
        for [row, column] in [[one, other], [other, one]] {
            let inside = row < length && column < length;
            if let Some(place) = self
                .classes
                .get_mut(row * length + column)
                .filter(|_| inside)
            {
                *place = class;
            }
        }
    }

    /// What a pair is.
    pub fn class(&self, row: usize, column: usize) -> u8 {
        let at = row * self.length + column;
        self.classes.get(at).copied().unwrap_or(Self::UNSCORED)
    }
}

/// What the pairs of the rows of a batch are to be predicted as, and how much each counts.
#[derive(Clone, Debug, PartialEq)]
pub struct PairTargets {
    /// Each row's.
    pub planes: Vec<Plane>,
    /// What a pair weighs that is not to be predicted, and one that is.
    pub weights: [f32; 2],
    /// Whether a letter with itself is a pair. Of two different letters both orders count, so it weighs half of what they do.
    pub diagonal: bool,
}

impl PairTargets {
    /// What a pair weighs in the loss; 0 below the diagonal, since the pair above stands for both.
    fn weight(&self, row: usize, column: usize, class: u8) -> f32 {
        let own = self.weights.get(usize::from(class)).copied().unwrap_or(0.0);
        match column.cmp(&row) {
            std::cmp::Ordering::Less => 0.0,
            std::cmp::Ordering::Equal => f32::from(self.diagonal) * own,
            std::cmp::Ordering::Greater => 2.0 * own,
        }
    }

    /// The sum of all weights, which the loss is divided by.
    pub fn weight_of_all(&self) -> f64 {
        let of_plane = |plane: &Plane| {
            let rows = 0..plane.length;
            let pairs = rows.flat_map(|row| (row..plane.length).map(move |column| (row, column)));
            let weights = pairs
                .map(|(row, column)| f64::from(self.weight(row, column, plane.class(row, column))));
            weights.sum::<f64>()
        };
        self.planes.iter().map(of_plane).sum()
    }

    /// The loss of all pairs, of logits `[pairs of all rows, 1]`, `[1]`.
    pub(crate) fn loss_of_all(&self, logits: Tensor<2>) -> Tensor<1> {
        let mut sum = Tensor::zeros([1], &logits.device());
        let mut start = 0;
        for plane in &self.planes {
            let (length, end) = (plane.length, start + plane.length * plane.length);
            if length > 0 {
                let logits = logits.clone().slice(start..end);
                sum = sum + self.loss(plane, 0..length, 0..length, logits);
            }
            start = end;
        }
        sum
    }

    /// The weighted sum of the binary cross-entropy of logits `[rows * columns, 1]` of a tile of a plane, `[1]`.
    pub(super) fn loss(
        &self,
        plane: &Plane,
        rows: Range<usize>,
        columns: Range<usize>,
        logits: Tensor<2>,
    ) -> Tensor<1> {
        let (mut wanted, mut weights) = (Vec::new(), Vec::new());
        for row in rows {
            for column in columns.clone() {
                let class = plane.class(row, column);
                wanted.push(f32::from(class == 1));
                weights.push(self.weight(row, column, class));
            }
        }
        let device = logits.device();
        let (wanted, weights) = (column(wanted, &device), column(weights, &device));
        // -y log s(x) - (1 - y) log(1 - s(x)) = (1 - y) x - log s(x)
        let rest = wanted.neg().add_scalar(1.0) * logits.clone();
        ((rest - activation::log_sigmoid(logits)) * weights).sum()
    }
}

/// `[values, 1]`.
fn column(values: Vec<f32>, device: &Device) -> Tensor<2> {
    let shape = [values.len(), 1];
    Tensor::from_data(TensorData::new(values, shape), device)
}
