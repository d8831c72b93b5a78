//! The operations in Burn's own terms: what runs on a device without a kernel of ours, and what the kernels are tested against.
//!
//! Clarity before speed: masks and one-hot matrices are made on the host and sent over.

pub(crate) mod activation;
pub(crate) mod attention;
pub(crate) mod cached;
pub(crate) mod disentangled;
pub(crate) mod grouped;
pub(crate) mod linear_cross_entropy;
pub(crate) mod low_rank;
pub(crate) mod norm;
pub(crate) mod rotary;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, FloatDType, TensorMetadata};
use burn::tensor::{IndexingUpdateOp, Shape, TensorData};

use crate::{AdamWStep, ClassTargets, Dropout, Segments};

/// Rows added up one after the other before the partial sums are: the same on every device and with any number of threads.
pub(crate) const ROWS_PER_CHUNK: usize = 64;

/// Elements of a flat sum added up before the partial sums are.
pub(crate) const ELEMENTS_PER_CHUNK: usize = 65_536;

/// A float tensor beside `like`, from host values.
fn upload<B: Backend>(
    values: Vec<f32>,
    shape: impl Into<Shape>,
    like: &FloatTensor<B>,
) -> FloatTensor<B> {
    B::float_from_data(TensorData::new(values, shape), &like.device())
}

/// An index tensor beside `like`, from host values.
fn upload_rows<B: Backend>(
    rows: impl IntoIterator<Item = usize>,
    like: &FloatTensor<B>,
) -> IntTensor<B> {
    let rows: Vec<i32> = rows.into_iter().map(|row| row as i32).collect();
    let count = rows.len();
    B::int_from_data(TensorData::new(rows, [count]), &like.device())
}

fn zeros<B: Backend>(shape: impl Into<Shape>, like: &FloatTensor<B>) -> FloatTensor<B> {
    B::float_zeros(shape.into(), &like.device(), FloatDType::F32)
}

fn matrix<B: Backend>(tensor: &FloatTensor<B>) -> [usize; 2] {
    let shape = tensor.shape();
    [shape[0], shape[1]]
}

/// Waits for a tensor's values.
fn read(
    values: impl Future<Output = Result<TensorData, burn::backend::ExecutionError>>,
) -> TensorData {
    // There is no value to go on with once a device fails to answer.
    #[allow(clippy::expect_used)]
    burn::tensor::read_sync(values).expect("the device failed while being read")
}

/// The values of a tensor on the host, as single precision, row by row.
fn download<B: Backend>(tensor: FloatTensor<B>) -> Vec<f32> {
    read(B::float_into_data(tensor)).iter::<f32>().collect()
}

pub(crate) fn dropout<B: Backend>(input: FloatTensor<B>, dropout: Dropout) -> FloatTensor<B> {
    let [rows, columns] = matrix::<B>(&input);
    let mask = upload::<B>(dropout.mask(rows, columns), [rows, columns], &input);
    B::float_mul(input, mask)
}

pub(crate) fn linear<B: Backend>(input: FloatTensor<B>, weight: FloatTensor<B>) -> FloatTensor<B> {
    B::float_matmul(input, B::float_transpose(weight))
}

pub(crate) fn linear_bias<B: Backend>(
    input: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
) -> FloatTensor<B> {
    let bias = row::<B>(bias);
    B::float_add(linear::<B>(input, weight), bias)
}

/// A vector as a matrix of one row.
fn row<B: Backend>(vector: FloatTensor<B>) -> FloatTensor<B> {
    let length = vector.shape()[0];
    B::float_reshape(vector, Shape::new([1, length]))
}

/// `[rows, columns]` to the `[columns]` sum, in chunks of rows.
pub(crate) fn column_sum<B: Backend>(input: FloatTensor<B>) -> FloatTensor<B> {
    let [rows, columns] = matrix::<B>(&input);
    let chunks = rows.div_ceil(ROWS_PER_CHUNK);
    let missing = chunks * ROWS_PER_CHUNK - rows;
    let padding = zeros::<B>([missing, columns], &input);
    let input = if missing == 0 {
        input
    } else {
        B::float_cat(vec![input, padding], 0)
    };
    let chunked = B::float_reshape(input, Shape::new([chunks, ROWS_PER_CHUNK, columns]));
    let sums = B::float_sum_dim(B::float_sum_dim(chunked, 1), 0);
    B::float_reshape(sums, Shape::new([columns]))
}

pub(crate) fn gather_rows_backward<B: Backend>(
    gradient: FloatTensor<B>,
    rows: IntTensor<B>,
    count: usize,
) -> FloatTensor<B> {
    let table = zeros::<B>([count, gradient.shape()[1]], &gradient);
    B::float_select_assign(table, 0, rows, gradient, IndexingUpdateOp::Add)
}

pub(crate) fn shift_rows<B: Backend>(
    input: FloatTensor<B>,
    segments: &Segments,
    offset: isize,
) -> FloatTensor<B> {
    let columns = input.shape()[1];
    // Rows past either end of their sequence read an extra row of zeros.
    let padded = B::float_cat(vec![input.clone(), zeros::<B>([1, columns], &input)], 0);
    let rows = segments.iter().flat_map(|range| {
        range.clone().map(move |row| {
            row.checked_add_signed(offset)
                .filter(|row| range.contains(row))
        })
    });
    let rows = rows.map(|row| row.unwrap_or(segments.total()));
    B::float_select(padded, 0, upload_rows::<B>(rows, &input))
}

/// The `[segments, rows]` matrix that averages.
fn averaging<B: Backend>(segments: &Segments, like: &FloatTensor<B>) -> FloatTensor<B> {
    let mut values = vec![0.0; segments.len() * segments.total()];
    for (segment, range) in segments.iter().enumerate() {
        let share = 1.0 / range.len().max(1) as f32;
        values[segment * segments.total()..][range].fill(share);
    }
    upload::<B>(values, [segments.len(), segments.total()], like)
}

pub(crate) fn segment_mean<B: Backend>(
    input: FloatTensor<B>,
    segments: &Segments,
) -> FloatTensor<B> {
    B::float_matmul(averaging::<B>(segments, &input), input)
}

pub(crate) fn segment_mean_backward<B: Backend>(
    gradient: FloatTensor<B>,
    segments: &Segments,
) -> FloatTensor<B> {
    B::float_matmul(
        B::float_transpose(averaging::<B>(segments, &gradient)),
        gradient,
    )
}

pub(crate) fn segment_max<B: Backend>(
    input: FloatTensor<B>,
    segments: &Segments,
) -> (FloatTensor<B>, IntTensor<B>) {
    let [_, columns] = matrix::<B>(&input);
    let device = input.device();
    let values = download::<B>(input);
    let (maxima, rows) = host_segment_max(&values, columns, segments);
    let shape = [segments.len(), columns];
    (
        B::float_from_data(TensorData::new(maxima, shape), &device),
        B::int_from_data(TensorData::new(rows, shape), &device),
    )
}

/// The maxima of each segment's columns and the rows they stand in; row -1 for an empty segment.
pub(crate) fn host_segment_max(
    values: &[f32],
    columns: usize,
    segments: &Segments,
) -> (Vec<f32>, Vec<i32>) {
    let mut maxima = vec![0.0; segments.len() * columns];
    let mut rows = vec![-1; segments.len() * columns];
    for (segment, range) in segments.iter().enumerate() {
        let maxima = &mut maxima[segment * columns..][..columns];
        let rows = &mut rows[segment * columns..][..columns];
        for row in range {
            let candidates = &values[row * columns..][..columns];
            for ((maximum, found), &value) in maxima.iter_mut().zip(rows.iter_mut()).zip(candidates)
            {
                // NaN wins over everything, so that a broken model shows.
                if *found < 0 || value > *maximum || (value.is_nan() && !maximum.is_nan()) {
                    (*maximum, *found) = (value, row as i32);
                }
            }
        }
    }
    (maxima, rows)
}

pub(crate) fn segment_max_backward<B: Backend>(
    gradient: FloatTensor<B>,
    rows: IntTensor<B>,
    count: usize,
) -> FloatTensor<B> {
    let columns = gradient.shape()[1];
    let device = gradient.device();
    let rows = read(B::int_into_data(rows))
        .iter::<i32>()
        .collect::<Vec<_>>();
    let spread = host_segment_max_backward(&download::<B>(gradient), &rows, columns, count);
    B::float_from_data(TensorData::new(spread, [count, columns]), &device)
}

/// Each segment's gradient at the row its maximum came from.
pub(crate) fn host_segment_max_backward(
    gradient: &[f32],
    rows: &[i32],
    columns: usize,
    count: usize,
) -> Vec<f32> {
    let mut spread = vec![0.0; count * columns];
    for (index, (&gradient, &row)) in gradient.iter().zip(rows).enumerate() {
        if row >= 0 {
            spread[row as usize * columns + index % columns] += gradient;
        }
    }
    spread
}

/// The probabilities of each row, from logits.
fn softmax<B: Backend>(logits: FloatTensor<B>) -> FloatTensor<B> {
    let shifted = B::float_sub(logits.clone(), B::float_max_dim(logits, 1));
    let exponentials = B::float_exp(shifted);
    B::float_div(exponentials.clone(), B::float_sum_dim(exponentials, 1))
}

pub(crate) fn cross_entropy<B: Backend>(
    logits: FloatTensor<B>,
    targets: &ClassTargets,
) -> FloatTensor<B> {
    let [rows, columns] = matrix::<B>(&logits);
    let device = logits.device();
    let values = download::<B>(logits);
    let mut sum = 0.0f64;
    for row in 0..rows {
        sum += host_cross_entropy(&values[row * columns..][..columns], targets, row);
    }
    B::float_from_data(TensorData::new(vec![sum as f32], [1]), &device)
}

/// Weight times cross-entropy of one row.
pub(crate) fn host_cross_entropy(logits: &[f32], targets: &ClassTargets, row: usize) -> f64 {
    let maximum = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits
        .iter()
        .map(|&logit| f64::from(logit - maximum).exp())
        .sum();
    let target = logits[targets.classes[row] as usize];
    f64::from(targets.weight(row)) * (sum.ln() - f64::from(target - maximum))
}

pub(crate) fn cross_entropy_backward<B: Backend>(
    logits: FloatTensor<B>,
    targets: &ClassTargets,
    gradient: FloatTensor<B>,
) -> FloatTensor<B> {
    let [rows, columns] = matrix::<B>(&logits);
    let mut wanted = vec![0.0; rows * columns];
    for (row, &class) in targets.classes.iter().enumerate() {
        wanted[row * columns + class as usize] = 1.0;
    }
    let wanted = upload::<B>(wanted, [rows, columns], &logits);
    let weights = upload::<B>(
        (0..rows).map(|row| targets.weight(row)).collect(),
        [rows, 1],
        &logits,
    );
    let difference = B::float_sub(softmax::<B>(logits), wanted);
    B::float_mul(
        B::float_mul(difference, weights),
        B::float_reshape(gradient, Shape::new([1, 1])),
    )
}

pub(crate) fn sum_squares<B: Backend>(input: FloatTensor<B>) -> f64 {
    host_sum_squares(&download::<B>(input))
}

/// Sums of chunks, then the sum of those: every partial sum is a function of the values alone.
fn host_sum_squares(values: &[f32]) -> f64 {
    values
        .chunks(ELEMENTS_PER_CHUNK)
        .map(chunk_sum_squares)
        .sum()
}

/// One chunk in eight lanes, which compilers turn into vector instructions without reordering anything.
#[inline(always)]
pub(crate) fn chunk_sum_squares(values: &[f32]) -> f64 {
    let mut lanes = [0.0f64; 8];
    let (blocks, rest) = values.as_chunks::<8>();
    for block in blocks {
        for (lane, &value) in lanes.iter_mut().zip(block) {
            *lane += f64::from(value) * f64::from(value);
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(rest) {
        *lane += f64::from(value) * f64::from(value);
    }
    lanes.iter().sum()
}

pub(crate) fn adamw_step<B: Backend>(
    parameter: FloatTensor<B>,
    gradient: FloatTensor<B>,
    first_moment: FloatTensor<B>,
    second_moment: FloatTensor<B>,
    step: AdamWStep,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let c = step.coefficients();
    let times = |tensor: FloatTensor<B>, factor: f32| B::float_mul_scalar(tensor, factor.into());
    let gradient = times(gradient, c.gradient);
    let first = B::float_add(
        times(first_moment, c.beta1),
        times(gradient.clone(), c.rest1),
    );
    let squared = B::float_mul(gradient.clone(), gradient);
    let second = B::float_add(times(second_moment, c.beta2), times(squared, c.rest2));
    let root = B::float_add_scalar(
        times(B::float_sqrt(second.clone()), c.root),
        c.epsilon.into(),
    );
    let update = times(B::float_div(first.clone(), root), c.size);
    (
        B::float_sub(times(parameter, c.decay), update),
        first,
        second,
    )
}
