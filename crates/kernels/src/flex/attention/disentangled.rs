//! Disentangled attention on the CPU: products with the position rows that occur, then looked up by relative position.

use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::block::{Block, Inputs};
use crate::Disentangled;
use crate::flex::buffer::{contiguous, matrix, tensor, values};
use crate::flex::product::{Before, Matrix, Target, Threads, multiply};

/// Parts of a batch whose gradients of the tables are summed apart, so that several threads can work on one head.
const PARTS: usize = 4;

/// The position tables that the call has.
struct Tables {
    /// What queries are compared with, `[2 * span, heads * dim]`.
    key: Option<FlexTensor>,
    /// What keys are compared with.
    query: Option<FlexTensor>,
}

impl Tables {
    fn new(key: FlexTensor, query: FlexTensor) -> Self {
        let present = |table: FlexTensor| {
            Disentangled::is_table(matrix(&table)[0]).then(|| contiguous(table))
        };
        Self {
            key: present(key),
            query: present(query),
        }
    }
}

/// The table row of each relative position, for sequences up to the longest.
struct Rows {
    /// By key position less query position, from the most negative.
    rows: Vec<u32>,
    longest: usize,
}

impl Rows {
    fn new(call: &Disentangled) -> Self {
        let longest = call.segments.longest();
        let last = longest as i64 - 1;
        Self {
            rows: (-last..=last)
                .map(|relative| call.row(-relative) as u32)
                .collect(),
            longest,
        }
    }

    /// The rows that a sequence of `length` meets; none if it is empty.
    fn of(&self, length: usize) -> Option<Met<'_>> {
        let rows = &self.rows[self.longest - length..][..(2 * length).saturating_sub(1)];
        let (&first, &last) = (rows.iter().min()?, rows.iter().max()?);
        Some(Met {
            rows,
            length,
            first,
            count: (last - first) as usize + 1,
        })
    }
}

/// The rows that one sequence meets: `count` of them from `first` on.
#[derive(Clone, Copy)]
struct Met<'a> {
    rows: &'a [u32],
    length: usize,
    first: u32,
    count: usize,
}

impl Met<'_> {
    /// The rows that query `query` meets, key by key.
    #[inline(always)]
    fn keys_of(&self, query: usize) -> &[u32] {
        &self.rows[self.length - 1 - query..][..self.length]
    }

    /// The met rows of one head of a table.
    fn matrix<'m>(&self, table: &'m FlexTensor, head: usize, dim: usize) -> Matrix<'m> {
        let width = matrix(table)[1];
        let start = self.first as usize * width + head * dim;
        Matrix::new(values(table), start, [self.count, dim], width)
    }
}

/// What one task works with, reused from task to task.
#[derive(Default)]
struct Scratch {
    /// Scores, then probabilities, then the gradient of the scores.
    scores: Vec<f32>,
    /// Gradient of the probabilities.
    gradients: Vec<f32>,
    /// A block's queries by the met rows of the key table, then the gradient of these products.
    by_query: Vec<f32>,
    /// A sequence's keys by the met rows of the query table.
    by_key: Vec<f32>,
    /// The gradient of these products.
    to_by_key: Vec<f32>,
}

/// One sequence and head.
struct Task<'a> {
    inputs: &'a Inputs<'a>,
    tables: &'a Tables,
    met: Met<'a>,
    head: usize,
}

impl Task<'_> {
    /// `scale * contents * table^T`, `[contents, count]`.
    fn multiply(&self, contents: Matrix<'_>, table: &FlexTensor, products: &mut Vec<f32>) {
        products.resize(contents.rows() * self.met.count, 0.0);
        let table = self.met.matrix(table, self.head, self.inputs.dim);
        let target = Target::new(products, self.met.count);
        let (scale, right) = (self.inputs.call.scale, table.transposed());
        // SAFETY: `products` holds the product exactly and is borrowed here alone.
        unsafe {
            multiply(
                contents,
                right,
                scale,
                target,
                Before::Unwritten,
                Threads::One,
            )
        };
    }

    /// The products of all keys, which every block of the sequence uses.
    fn multiply_keys(&self, block: &Block, scratch: &mut Scratch) {
        if let Some(table) = &self.tables.query {
            let keys = block.key_matrix(values(&self.inputs.key), self.inputs);
            self.multiply(keys, table, &mut scratch.by_key);
        }
    }

    /// The scores of a block.
    fn scores(&self, block: &Block, scratch: &mut Scratch) {
        let (first, count) = (self.met.first, self.met.count);
        let scores = &mut scratch.scores;
        scores.resize(block.count * block.keys, 0.0);
        block.scores(self.inputs, scores);
        if let Some(table) = &self.tables.key {
            let queries = block.query_matrix(values(&self.inputs.query), self.inputs);
            self.multiply(queries, table, &mut scratch.by_query);
            let products = scratch.by_query.chunks_exact(count);
            let scores = scores.chunks_exact_mut(block.keys).zip(products);
            for (index, (scores, products)) in scores.enumerate() {
                let rows = self.met.keys_of(block.query + index);
                for (score, &row) in scores.iter_mut().zip(rows) {
                    *score += products[(row - first) as usize];
                }
            }
        }
        if self.tables.query.is_some() {
            for (index, scores) in scores.chunks_exact_mut(block.keys).enumerate() {
                let rows = self.met.keys_of(block.query + index);
                let products = scratch.by_key.chunks_exact(count);
                for ((score, &row), products) in scores.iter_mut().zip(rows).zip(products) {
                    *score += products[(row - first) as usize];
                }
            }
        }
    }

    /// From the gradient of a block's scores to that of the products: writes the queries' and adds to the keys'.
    fn spread(&self, block: &Block, scratch: &mut Scratch) {
        let (first, count) = (self.met.first, self.met.count);
        let gradients = scratch.scores.chunks_exact(block.keys);
        if self.tables.key.is_some() {
            scratch.by_query.fill(0.0);
            let products = scratch.by_query.chunks_exact_mut(count);
            for (index, (gradients, products)) in gradients.clone().zip(products).enumerate() {
                let rows = self.met.keys_of(block.query + index);
                for (&gradient, &row) in gradients.iter().zip(rows) {
                    products[(row - first) as usize] += gradient;
                }
            }
        }
        if self.tables.query.is_some() {
            for (index, gradients) in gradients.enumerate() {
                let rows = self.met.keys_of(block.query + index);
                let products = scratch.to_by_key.chunks_exact_mut(count);
                for ((&gradient, &row), products) in gradients.iter().zip(rows).zip(products) {
                    products[(row - first) as usize] += gradient;
                }
            }
        }
    }

    /// Adds to the gradients of the contents and of the table's head, `[2 * span, dim]`, from that of their products.
    ///
    /// # Safety
    /// `target` is the contents' own place in their gradient.
    unsafe fn add(
        &self,
        to_products: &[f32],
        contents: Matrix<'_>,
        table: &FlexTensor,
        target: Target,
        to_table: &mut [f32],
    ) {
        let (scale, dim) = (self.inputs.call.scale, self.inputs.dim);
        let to_products = Matrix::whole(to_products, [contents.rows(), self.met.count]);
        let table = self.met.matrix(table, self.head, dim);
        let met = &mut to_table[self.met.first as usize * dim..][..self.met.count * dim];
        let table_target = Target::new(met, dim);
        let transposed = to_products.transposed();
        // SAFETY: the caller's promise for `target`; `met` holds a row for each row met and is borrowed here alone.
        unsafe {
            multiply(
                to_products,
                table,
                scale,
                target,
                Before::Addend,
                Threads::One,
            );
            multiply(
                transposed,
                contents,
                scale,
                table_target,
                Before::Addend,
                Threads::One,
            );
        }
    }
}

pub(crate) fn forward(
    [query, key, value]: [FlexTensor; 3],
    [position_key, position_query]: [FlexTensor; 2],
    call: &Disentangled,
) -> (FlexTensor, FlexTensor) {
    let contents = call.contents();
    let inputs = Inputs::new(query, key, value, no_table(), &contents);
    let tables = Tables::new(position_key, position_query);
    let rows = Rows::new(call);
    let (tokens, width) = (matrix(&inputs.query)[0], inputs.query_width);
    let mut output = vec![0.0; tokens * width];
    let mut log_sums = vec![0.0; tokens * call.heads];
    let output_target = Target::new(&mut output, width);
    let log_sum_target = Target::new(&mut log_sums, call.heads);
    (0..call.segments.len() * call.heads)
        .into_par_iter()
        .for_each_init(Scratch::default, |scratch, task| {
            let (sequence, head) = (task / call.heads, task % call.heads);
            let Some(met) = rows.of(call.segments.range(sequence).len()) else {
                return;
            };
            let task = Task {
                inputs: &inputs,
                tables: &tables,
                met,
                head,
            };
            for block in Block::of(&contents, sequence, head) {
                if block.query == 0 {
                    task.multiply_keys(&block, scratch);
                }
                task.scores(&block, scratch);
                // SAFETY: both are whole tensors, and this task alone has this sequence and head.
                unsafe {
                    block.attend(&inputs, &mut scratch.scores, output_target, log_sum_target)
                };
            }
        });
    (
        tensor(output, [tokens, width]),
        tensor(log_sums, [tokens, call.heads]),
    )
}

/// What stands in for the table of a bias that there is not.
fn no_table() -> FlexTensor {
    tensor(Vec::new(), [0, 0])
}

/// Gradients of query, key, value, position keys and position queries.
pub(crate) fn backward(
    [query, key, value]: [FlexTensor; 3],
    [position_key, position_query]: [FlexTensor; 2],
    [output, log_sum, gradient]: [FlexTensor; 3],
    call: &Disentangled,
) -> [FlexTensor; 5] {
    let contents = call.contents();
    let inputs = Inputs::new(query, key, value, no_table(), &contents);
    let [output, log_sum, gradient] = [output, log_sum, gradient].map(contiguous);
    let table_shapes = [matrix(&position_key), matrix(&position_query)];
    let tables = Tables::new(position_key, position_query);
    let rows = Rows::new(call);
    let (tokens, width, dim) = (matrix(&inputs.query)[0], inputs.query_width, inputs.dim);
    let mut to_inputs = [(); 3].map(|()| vec![0.0; tokens * width]);
    let targets = to_inputs
        .each_mut()
        .map(|gradient| Target::new(gradient, width));

    let sequences = call.segments.len();
    let part = sequences.div_ceil(PARTS).max(1);
    let tasks: Vec<_> = (0..sequences)
        .step_by(part)
        .flat_map(|start| (0..call.heads).map(move |head| (start, head)))
        .collect();
    let partial: Vec<[Vec<f32>; 2]> = tasks
        .par_iter()
        .map_init(Scratch::default, |scratch, &(start, head)| {
            let mut to_tables = [&tables.key, &tables.query].map(|table| match table {
                Some(_) => vec![0.0; 2 * call.span * dim],
                None => Vec::new(),
            });
            for sequence in start..(start + part).min(sequences) {
                let range = call.segments.range(sequence);
                let Some(met) = rows.of(range.len()) else {
                    continue;
                };
                let task = Task {
                    inputs: &inputs,
                    tables: &tables,
                    met,
                    head,
                };
                // SAFETY: inside the three gradients; this task alone writes the sequence's rows in the head's columns.
                let targets = targets
                    .map(|target| unsafe { target.offset(range.start * width + head * dim) });
                let saved = [&output, &log_sum, &gradient];
                // SAFETY: as above.
                unsafe { task.backward(sequence, saved, targets, &mut to_tables, scratch) };
            }
            to_tables
        })
        .collect();

    let [to_query, to_key, to_value] = to_inputs.map(|gradient| tensor(gradient, [tokens, width]));
    let [to_position_key, to_position_query] = [0, 1].map(|table| {
        let mut sum = vec![0.0; table_shapes[table].iter().product()];
        for (&(_, head), part) in tasks.iter().zip(&partial) {
            let rows = sum.chunks_exact_mut(width);
            for (sum, part) in rows.zip(part[table].chunks_exact(dim)) {
                for (sum, &value) in sum[head * dim..][..dim].iter_mut().zip(part) {
                    *sum += value;
                }
            }
        }
        tensor(sum, table_shapes[table])
    });
    [
        to_query,
        to_key,
        to_value,
        to_position_key,
        to_position_query,
    ]
}

impl Task<'_> {
    /// Writes the sequence's gradients of query, key and value, and adds to the head's gradients of the tables.
    ///
    /// # Safety
    /// The targets are the sequence's own places in the three gradients.
    unsafe fn backward(
        &self,
        sequence: usize,
        [output, log_sum, gradient]: [&FlexTensor; 3],
        [to_query, to_key, to_value]: [Target; 3],
        [to_position_key, to_position_query]: &mut [Vec<f32>; 2],
        scratch: &mut Scratch,
    ) {
        let inputs = self.inputs;
        let mut before = Before::Unwritten;
        for block in Block::of(inputs.call, sequence, self.head) {
            if block.query == 0 {
                self.multiply_keys(&block, scratch);
                scratch.to_by_key.clear();
                scratch.to_by_key.resize(scratch.by_key.len(), 0.0);
            }
            self.scores(&block, scratch);
            let Scratch {
                scores, gradients, ..
            } = scratch;
            gradients.resize(scores.len(), 0.0);
            block.recompute(inputs, log_sum, scores, gradients);
            // SAFETY: the caller's promise; the block's queries stand `block.query` rows into the sequence.
            unsafe {
                let to_query = to_query.offset(block.query * inputs.query_width);
                block.to_values(inputs, gradient, gradients, to_value, before);
                block.to_scores(inputs, [output, gradient], scores, gradients);
                block.to_query_and_key(inputs, scores, [to_query, to_key], before);
                self.spread(&block, scratch);
                if let Some(table) = &self.tables.key {
                    let queries = block.query_matrix(values(&inputs.query), inputs);
                    let to_products = &scratch.by_query;
                    self.add(to_products, queries, table, to_query, to_position_key);
                }
                if let Some(table) = &self.tables.query
                    && block.query + block.count == block.queries
                {
                    let keys = block.key_matrix(values(&inputs.key), inputs);
                    let to_products = &scratch.to_by_key;
                    self.add(to_products, keys, table, to_key, to_position_query);
                }
            }
            before = Before::Addend;
        }
    }
}
