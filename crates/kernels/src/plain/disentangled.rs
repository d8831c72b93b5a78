//! Disentangled attention on a rectangle: products with the whole position tables, then one lookup by relative position.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{IndexingUpdateOp, Shape};

use super::attention::{Layout, attend, hide, softmax_backward};
use super::{upload_rows, zeros};
use crate::Disentangled;

/// The position tables as `[sequences, heads, 2 * span, dim]`, if present.
struct Tables<B: Backend> {
    key: Option<FloatTensor<B>>,
    query: Option<FloatTensor<B>>,
    /// The table row of each (sequence, head, query, key).
    by_query: IntTensor<B>,
    /// The table row of each (sequence, head, key, query).
    by_key: IntTensor<B>,
}

impl<B: Backend> Tables<B> {
    fn new(layout: &Layout<'_>, call: &Disentangled, [key, query]: [FloatTensor<B>; 2]) -> Self {
        let lookup = |sign: i64| {
            let square = (0..layout.queries as i64)
                .flat_map(|i| (0..layout.queries as i64).map(move |j| call.row(sign * (i - j))));
            let square: Vec<usize> = square.collect();
            let all = square.repeat(layout.sequences * call.heads);
            let shape = [layout.sequences, call.heads, layout.queries, layout.queries];
            B::int_reshape(upload_rows::<B>(all, &key), Shape::new(shape))
        };
        let (by_query, by_key) = (lookup(1), lookup(-1));
        let spread = |table: FloatTensor<B>| {
            let [rows, width] = super::matrix::<B>(&table);
            Disentangled::is_table(rows).then(|| {
                let dim = width / call.heads;
                let table = B::float_reshape(table, Shape::new([1, rows, call.heads, dim]));
                B::float_expand(
                    B::float_permute(table, &[0, 2, 1, 3]),
                    Shape::new([layout.sequences, call.heads, rows, dim]),
                )
            })
        };
        Self {
            key: spread(key),
            query: spread(query),
            by_query,
            by_key,
        }
    }
}

/// Every product of contents with the table's rows, looked up.
fn products<B: Backend>(
    contents: &FloatTensor<B>,
    table: &FloatTensor<B>,
    lookup: &IntTensor<B>,
) -> FloatTensor<B> {
    let all = B::float_matmul(contents.clone(), B::float_swap_dims(table.clone(), 2, 3));
    B::float_gather(3, all, lookup.clone())
}

/// The gradients of contents and table, as rectangles, from that of the products looked up.
fn products_backward<B: Backend>(
    contents: &FloatTensor<B>,
    table: &FloatTensor<B>,
    lookup: &IntTensor<B>,
    gradient: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let [sequences, heads, rows] = [0, 1, 2].map(|axis| table.shape()[axis]);
    let longest = contents.shape()[2];
    let all = zeros::<B>([sequences, heads, longest, rows], contents);
    let all = B::float_scatter(3, all, lookup.clone(), gradient, IndexingUpdateOp::Add);
    (
        B::float_matmul(all.clone(), table.clone()),
        B::float_matmul(B::float_swap_dims(all, 2, 3), contents.clone()),
    )
}

fn scores<B: Backend>(
    layout: &Layout<'_>,
    query: &FloatTensor<B>,
    key: &FloatTensor<B>,
    tables: &Tables<B>,
) -> FloatTensor<B> {
    let mut sum = B::float_matmul(query.clone(), B::float_swap_dims(key.clone(), 2, 3));
    if let Some(table) = &tables.key {
        sum = B::float_add(sum, products::<B>(query, table, &tables.by_query));
    }
    if let Some(table) = &tables.query {
        let by_key = products::<B>(key, table, &tables.by_key);
        sum = B::float_add(sum, B::float_swap_dims(by_key, 2, 3));
    }
    hide::<B>(layout, B::float_mul_scalar(sum, layout.call.scale.into()))
}

pub(crate) fn forward<B: Backend>(
    inputs: [FloatTensor<B>; 3],
    tables: [FloatTensor<B>; 2],
    call: &Disentangled,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let contents = call.contents();
    let layout = Layout::new(&contents);
    let [query, key, value] =
        inputs.map(|input| layout.to_rectangle::<B>(input, &call.segments, call.heads));
    let tables = Tables::<B>::new(&layout, call, tables);
    let scores = scores::<B>(&layout, &query, &key, &tables);
    attend::<B>(&layout, scores, value)
}

/// Gradients of query, key, value, position keys and position queries.
pub(crate) fn backward<B: Backend>(
    inputs: [FloatTensor<B>; 3],
    tables: [FloatTensor<B>; 2],
    saved: [FloatTensor<B>; 3],
    call: &Disentangled,
) -> [FloatTensor<B>; 5] {
    let contents = call.contents();
    let layout = Layout::new(&contents);
    let rectangle =
        |tensor: FloatTensor<B>| layout.to_rectangle::<B>(tensor, &call.segments, call.heads);
    let [query, key, value] = inputs.map(rectangle);
    let absent = tables
        .clone()
        .map(|table| zeros::<B>(table.shape(), &table));
    let tables = Tables::<B>::new(&layout, call, tables);
    let scores = scores::<B>(&layout, &query, &key, &tables);
    let (to_value, to_scores) = softmax_backward::<B>(&layout, scores, value, saved.map(rectangle));
    let to_product = B::float_mul_scalar(to_scores, call.scale.into());
    let mut to_query = B::float_matmul(to_product.clone(), key.clone());
    let mut to_key = B::float_matmul(B::float_swap_dims(to_product.clone(), 2, 3), query.clone());
    let [mut to_position_key, mut to_position_query] = absent;
    if let Some(table) = &tables.key {
        let (more, to_table) =
            products_backward::<B>(&query, table, &tables.by_query, to_product.clone());
        to_query = B::float_add(to_query, more);
        to_position_key = gather_table::<B>(to_table);
    }
    if let Some(table) = &tables.query {
        let transposed = B::float_swap_dims(to_product, 2, 3);
        let (more, to_table) = products_backward::<B>(&key, table, &tables.by_key, transposed);
        to_key = B::float_add(to_key, more);
        to_position_query = gather_table::<B>(to_table);
    }
    let [to_query, to_key, to_value] = [to_query, to_key, to_value]
        .map(|gradient| layout.to_rows::<B>(gradient, &call.segments, call.heads));
    [
        to_query,
        to_key,
        to_value,
        to_position_key,
        to_position_query,
    ]
}

/// `[sequences, heads, rows, dim]` summed over the sequences, `[rows, heads * dim]`.
fn gather_table<B: Backend>(gradient: FloatTensor<B>) -> FloatTensor<B> {
    let [heads, rows, dim] = [1, 2, 3].map(|axis| gradient.shape()[axis]);
    let sum = B::float_permute(B::float_sum_dim(gradient, 0), &[0, 2, 1, 3]);
    B::float_reshape(sum, Shape::new([rows, heads * dim]))
}
