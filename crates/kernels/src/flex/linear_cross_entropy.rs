//! Cross-entropy of a projection on the CPU: the logits of one chunk of rows are all that is ever held of them.

use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::buffer::{contiguous, matrix, tensor, unwritten, values, vectorised};
use super::math;
use super::product::{Before, Matrix, Target, Threads, multiply};
use crate::LinearCrossEntropy;
use crate::plain::linear_cross_entropy::{chunks, total};

/// The inputs and their sizes.
struct Operands {
    hidden: FlexTensor,
    projection: FlexTensor,
    rows: usize,
    classes: usize,
    width: usize,
}

impl Operands {
    fn new(hidden: FlexTensor, projection: FlexTensor) -> Self {
        let ([rows, width], [classes, _]) = (matrix(&hidden), matrix(&projection));
        Self {
            hidden: contiguous(hidden),
            projection: contiguous(projection),
            rows,
            classes,
            width,
        }
    }

    /// `length` rows of hidden states from `start`.
    fn hidden(&self, start: usize, length: usize) -> Matrix<'_> {
        let values = &values(&self.hidden)[start * self.width..][..length * self.width];
        Matrix::whole(values, [length, self.width])
    }

    fn projection(&self) -> Matrix<'_> {
        Matrix::whole(values(&self.projection), [self.classes, self.width])
    }

    /// Memory for the logits of the longest chunk. Zeros, because a product over no columns writes nothing.
    fn buffer(&self) -> Vec<f32> {
        let longest = chunks(self.rows, self.classes).map(|range| range.len());
        vec![0.0; longest.max().unwrap_or(0) * self.classes]
    }

    /// The logits of `length` rows from `start`, before they are capped.
    fn logits(&self, start: usize, length: usize, call: &LinearCrossEntropy, logits: &mut [f32]) {
        assert_eq!(logits.len(), length * self.classes, "logits of a chunk");
        let target = Target::new(logits, self.classes);
        let (left, right) = (self.hidden(start, length), self.projection().transposed());
        // SAFETY: `logits` has exactly the product's size and is borrowed here alone.
        unsafe { multiply(left, right, 1.0, target, Before::Unwritten, Threads::All) };
        if let Some(bias) = &call.bias {
            let rows = logits.par_chunks_mut(self.classes.max(1));
            rows.for_each(|row| {
                for (logit, bias) in row.iter_mut().zip(bias.iter()) {
                    *logit += bias;
                }
            });
        }
    }
}

/// Logits become `cap * tanh(logit / cap)`.
#[inline(always)]
fn cap_logits(logits: &mut [f32], cap: f32) {
    for logit in logits {
        *logit = cap * math::tanh(*logit / cap);
    }
}

/// Logits become their powers beneath the largest of them; the sum of these, and the largest.
#[inline(always)]
fn to_powers(logits: &mut [f32]) -> (f32, f32) {
    let maximum = math::maximum(logits);
    for logit in logits.iter_mut() {
        *logit = math::exp(*logit - maximum);
    }
    (math::sum(logits), maximum)
}

pub(crate) fn forward(
    hidden: FlexTensor,
    projection: FlexTensor,
    call: &LinearCrossEntropy,
) -> (FlexTensor, FlexTensor) {
    let operands = Operands::new(hidden, projection);
    let cap = call.soft_cap.map(|cap| cap as f32);
    let mut buffer = operands.buffer();
    let mut told = vec![0.0; 2 * operands.rows];
    for range in chunks(operands.rows, operands.classes) {
        let logits = &mut buffer[..range.len() * operands.classes];
        operands.logits(range.start, range.len(), call, logits);
        let told = &mut told[2 * range.start..2 * range.end];
        let classes = &call.targets.classes[range];
        let rows = logits.par_chunks_mut(operands.classes.max(1));
        let rows = rows.zip(told.par_chunks_mut(2)).zip(classes);
        rows.for_each(|((logits, told), &class)| {
            let class = class as usize;
            if let Some(cap) = cap {
                vectorised(|| cap_logits(logits, cap));
            }
            let target = logits[class];
            let precedes = logits[..class].iter().any(|&logit| logit >= target);
            let (sum, maximum) = vectorised(|| to_powers(logits));
            let loss = f64::from(sum).ln() - (f64::from(target) - f64::from(maximum));
            told[0] = loss as f32;
            told[1] = f32::from(target == maximum && !precedes);
        });
    }
    let sum = total(&told, &call.targets);
    let rows = operands.rows;
    (tensor(vec![sum], [1]), tensor(told, [rows, 2]))
}

pub(crate) fn backward(
    hidden: FlexTensor,
    projection: FlexTensor,
    call: &LinearCrossEntropy,
    gradient: FlexTensor,
    [to_hidden, to_projection]: [bool; 2],
) -> (FlexTensor, FlexTensor) {
    let scale = values(&contiguous(gradient))[0];
    let operands = Operands::new(hidden, projection);
    let Operands {
        rows,
        classes,
        width,
        ..
    } = operands;
    let cap = call.soft_cap.map(|cap| cap as f32);
    let mut buffer = operands.buffer();
    let mut hidden_gradient = if to_hidden {
        unwritten(rows * width)
    } else {
        vec![0.0]
    };
    let mut projection_gradient = if to_projection {
        vec![0.0; classes * width]
    } else {
        vec![0.0]
    };
    for range in chunks(rows, classes) {
        let length = range.len();
        let logits = &mut buffer[..length * classes];
        operands.logits(range.start, length, call, logits);
        let rows = logits.par_chunks_mut(classes.max(1)).enumerate();
        rows.for_each_init(Vec::new, |slopes, (at, logits)| {
            let row = range.start + at;
            let weight = scale * call.targets.weight(row);
            let class = call.targets.classes[row] as usize;
            vectorised(|| {
                if let Some(cap) = cap {
                    cap_logits(logits, cap);
                    slopes.clear();
                    let squared = logits.iter().map(|logit| (logit / cap) * (logit / cap));
                    slopes.extend(squared.map(|square| 1.0 - square));
                }
                let (sum, _) = to_powers(logits);
                let share = weight / sum;
                for power in logits.iter_mut() {
                    *power *= share;
                }
            });
            logits[class] -= weight;
            for (gradient, slope) in logits.iter_mut().zip(slopes.iter()) {
                *gradient *= slope;
            }
        });
        let gradient = Matrix::whole(logits, [length, classes]);
        if to_hidden {
            let target = &mut hidden_gradient[range.start * width..][..length * width];
            let target = Target::new(target, width);
            let right = operands.projection();
            // SAFETY: the chunk of the gradient has exactly the product's size and is borrowed here alone.
            unsafe {
                multiply(
                    gradient,
                    right,
                    1.0,
                    target,
                    Before::Unwritten,
                    Threads::All,
                );
            };
        }
        if to_projection {
            let target = Target::new(&mut projection_gradient, width);
            let right = operands.hidden(range.start, length);
            let left = gradient.transposed();
            // SAFETY: the gradient has exactly the product's size and is borrowed here alone.
            unsafe { multiply(left, right, 1.0, target, Before::Addend, Threads::All) };
        }
    }
    let shape = |needed: bool, shape: [usize; 2]| if needed { shape } else { [1, 1] };
    (
        tensor(hidden_gradient, shape(to_hidden, [rows, width])),
        tensor(projection_gradient, shape(to_projection, [classes, width])),
    )
}
