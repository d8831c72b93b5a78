//! Attention on a rectangle: one gather to `[sequences, heads, longest, dim]`, batched products, one gather back.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{IndexingUpdateOp, Shape};

use super::{upload, upload_rows, zeros};
use crate::attention::rounded_alibi;
use crate::{Attention, ScoreBias, Segments};

/// What stands in a score that must not count.
const HIDDEN: f32 = -1e30;

/// The sizes of one call.
pub(super) struct Layout<'a> {
    pub(super) call: &'a Attention,
    pub(super) sequences: usize,
    pub(super) queries: usize,
    pub(super) keys: usize,
}

impl<'a> Layout<'a> {
    pub(super) fn new(call: &'a Attention) -> Self {
        Self {
            call,
            sequences: call.query_segments.len(),
            queries: call.query_segments.longest().max(1),
            keys: call.key_segments.longest().max(1),
        }
    }

    /// `[rows, heads * dim]` to `[sequences, heads, longest, dim]`, repeating shared key and value heads.
    pub(super) fn to_rectangle<B: Backend>(
        &self,
        tensor: FloatTensor<B>,
        segments: &Segments,
        heads: usize,
    ) -> FloatTensor<B> {
        let longest = segments.longest().max(1);
        let dim = tensor.shape()[1] / heads;
        // Positions past a sequence's end read an extra row of zeros.
        let padded = B::float_cat(
            vec![tensor.clone(), zeros::<B>([1, heads * dim], &tensor)],
            0,
        );
        let rows = segments
            .iter()
            .flat_map(|range| (0..longest).map(move |i| (range.start + i, i < range.len())));
        let rows = rows.map(|(row, inside)| if inside { row } else { segments.total() });
        let picked = B::float_select(padded, 0, upload_rows::<B>(rows, &tensor));
        let picked = B::float_reshape(picked, Shape::new([self.sequences, longest, heads, dim]));
        let repeats = self.call.heads / heads;
        let shared = upload_rows::<B>((0..self.call.heads).map(|head| head / repeats), &tensor);
        B::float_permute(B::float_select(picked, 2, shared), &[0, 2, 1, 3])
    }

    /// `[sequences, heads, longest, dim]` back to `[rows, heads * dim]`, adding up what shared heads were repeated for.
    pub(super) fn to_rows<B: Backend>(
        &self,
        tensor: FloatTensor<B>,
        segments: &Segments,
        heads: usize,
    ) -> FloatTensor<B> {
        let shape = tensor.shape();
        let (longest, dim) = (shape[2], shape[3]);
        let repeats = self.call.heads / heads;
        let grouped = B::float_reshape(
            tensor,
            Shape::new([self.sequences, heads, repeats, longest * dim]),
        );
        let summed = B::float_reshape(
            B::float_sum_dim(grouped, 2),
            Shape::new([self.sequences, heads, longest, dim]),
        );
        let rows = B::float_reshape(
            B::float_permute(summed, &[0, 2, 1, 3]),
            Shape::new([self.sequences * longest, heads * dim]),
        );
        let places = segments
            .iter()
            .enumerate()
            .flat_map(|(i, range)| (0..range.len()).map(move |row| i * longest + row));
        let places = upload_rows::<B>(places, &rows);
        B::float_select(rows, 0, places)
    }

    /// A value for each (sequence, head, query, key), made on the host.
    fn make<B: Backend>(
        &self,
        like: &FloatTensor<B>,
        value: impl Fn(Place) -> f32,
    ) -> FloatTensor<B> {
        let heads = self.call.heads;
        let mut values = vec![0.0; self.sequences * heads * self.queries * self.keys];
        let mut slots = values.iter_mut();
        for sequence in 0..self.sequences {
            let (queries, keys) = (
                self.call.query_segments.range(sequence),
                self.call.key_segments.range(sequence),
            );
            for head in 0..heads {
                for query in 0..self.queries {
                    let visible = if query < queries.len() {
                        self.call.visible(query, queries.len(), keys.len())
                    } else {
                        0..0
                    };
                    for (key, slot) in (0..self.keys).zip(&mut slots) {
                        *slot = value(Place {
                            head,
                            row: queries.start + query,
                            key,
                            distance: key as i64 - (query + keys.len()) as i64
                                + queries.len() as i64,
                            visible: visible.contains(&key),
                        });
                    }
                }
            }
        }
        upload::<B>(
            values,
            [self.sequences, heads, self.queries, self.keys],
            like,
        )
    }
}

/// Where a score stands.
struct Place {
    head: usize,
    row: usize,
    key: usize,
    distance: i64,
    visible: bool,
}

/// Scores after scale, cap, bias and mask; and the derivative of the cap.
fn scores<B: Backend>(
    layout: &Layout<'_>,
    query: &FloatTensor<B>,
    key: &FloatTensor<B>,
    table: &FloatTensor<B>,
) -> (FloatTensor<B>, Option<FloatTensor<B>>) {
    let call = layout.call;
    let product = B::float_matmul(query.clone(), B::float_swap_dims(key.clone(), 2, 3));
    let mut scores = B::float_mul_scalar(product, call.scale.into());
    let mut slope = None;
    if let Some(cap) = call.soft_cap {
        let tanh = B::float_tanh(B::float_div_scalar(scores, cap.into()));
        slope = Some(B::float_add_scalar(
            B::float_neg(B::float_mul(tanh.clone(), tanh.clone())),
            1f32.into(),
        ));
        scores = B::float_mul_scalar(tanh, cap.into());
    }
    match &call.bias {
        ScoreBias::None => {}
        ScoreBias::Alibi(slopes) => {
            let bias = layout.make::<B>(query, |place| {
                -slopes[place.head] * place.distance.abs() as f32
            });
            scores = B::float_add(scores, bias);
        }
        ScoreBias::RoundedAlibi { slopes, scale } => {
            let bias = layout.make::<B>(query, |place| {
                rounded_alibi(slopes[place.head], place.key, *scale)
            });
            scores = B::float_add(scores, bias);
        }
        ScoreBias::Buckets(_) => {
            scores = B::float_add(
                scores,
                B::float_permute(
                    B::float_reshape(
                        B::float_select(table.clone(), 0, buckets::<B>(layout, query)),
                        Shape::new([layout.sequences, layout.queries, layout.keys, call.heads]),
                    ),
                    &[0, 3, 1, 2],
                ),
            )
        }
    }
    (hide::<B>(layout, scores), slope)
}

/// Scores that must not count are moved out of sight.
pub(super) fn hide<B: Backend>(layout: &Layout<'_>, scores: FloatTensor<B>) -> FloatTensor<B> {
    let mask = layout.make::<B>(&scores, |place| if place.visible { 0.0 } else { HIDDEN });
    B::float_add(scores, mask)
}

/// The bucket of each (sequence, query, key), flat.
fn buckets<B: Backend>(
    layout: &Layout<'_>,
    like: &FloatTensor<B>,
) -> burn::backend::tensor::IntTensor<B> {
    let ScoreBias::Buckets(rule) = &layout.call.bias else {
        return upload_rows::<B>([], like);
    };
    let mut rows = Vec::with_capacity(layout.sequences * layout.queries * layout.keys);
    for (queries, keys) in layout
        .call
        .query_segments
        .lengths()
        .zip(layout.call.key_segments.lengths())
    {
        for query in 0..layout.queries {
            let position = (query + keys) as i64 - queries as i64;
            rows.extend((0..layout.keys).map(|key| rule.of(key as i64 - position)));
        }
    }
    upload_rows::<B>(rows, like)
}

/// The dropout factor of each probability, if there is dropout.
fn dropout<B: Backend>(layout: &Layout<'_>, like: &FloatTensor<B>) -> Option<FloatTensor<B>> {
    layout.call.dropout.map(|dropout| {
        let (threshold, scale) = (dropout.threshold(), dropout.scale());
        layout.make::<B>(like, |place| {
            let row = dropout.row(layout.call.dropout_row(place.row, place.head));
            crate::Dropout::factor(row, place.key as u32, threshold, scale)
        })
    })
}

pub(crate) fn forward<B: Backend>(
    query: FloatTensor<B>,
    key: FloatTensor<B>,
    value: FloatTensor<B>,
    table: FloatTensor<B>,
    call: &Attention,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let layout = Layout::new(call);
    let query = layout.to_rectangle::<B>(query, &call.query_segments, call.heads);
    let key = layout.to_rectangle::<B>(key, &call.key_segments, call.key_value_heads);
    let value = layout.to_rectangle::<B>(value, &call.key_segments, call.key_value_heads);
    let (scores, _) = scores::<B>(&layout, &query, &key, &table);
    attend::<B>(&layout, scores, value)
}

/// From scores and values, as rectangles, to the output and the logarithm of each row's sum of exponentials, as rows.
pub(super) fn attend<B: Backend>(
    layout: &Layout<'_>,
    scores: FloatTensor<B>,
    value: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let call = layout.call;
    let visible = layout.make::<B>(&scores, |place| f32::from(u8::from(place.visible)));
    let maximum = B::float_max_dim(scores.clone(), 3);
    let weights = B::float_mul(B::float_exp(B::float_sub(scores, maximum.clone())), visible);
    let sum = B::float_clamp_min(
        B::float_sum_dim(weights.clone(), 3),
        f32::MIN_POSITIVE.into(),
    );
    let mut probabilities = B::float_div(weights, sum.clone());
    if let Some(mask) = dropout::<B>(layout, &probabilities) {
        probabilities = B::float_mul(probabilities, mask);
    }
    let output = B::float_matmul(probabilities, value);
    let log_sum = B::float_add(B::float_log(sum), maximum);
    (
        layout.to_rows::<B>(output, &call.query_segments, call.heads),
        layout.to_rows::<B>(log_sum, &call.query_segments, call.heads),
    )
}

#[allow(clippy::too_many_arguments)]
pub(crate) fn backward<B: Backend>(
    query: FloatTensor<B>,
    key: FloatTensor<B>,
    value: FloatTensor<B>,
    table: FloatTensor<B>,
    output: FloatTensor<B>,
    log_sum: FloatTensor<B>,
    gradient: FloatTensor<B>,
    call: &Attention,
) -> (
    FloatTensor<B>,
    FloatTensor<B>,
    FloatTensor<B>,
    FloatTensor<B>,
) {
    let layout = Layout::new(call);
    let query = layout.to_rectangle::<B>(query, &call.query_segments, call.heads);
    let key = layout.to_rectangle::<B>(key, &call.key_segments, call.key_value_heads);
    let value = layout.to_rectangle::<B>(value, &call.key_segments, call.key_value_heads);
    let output = layout.to_rectangle::<B>(output, &call.query_segments, call.heads);
    let gradient = layout.to_rectangle::<B>(gradient, &call.query_segments, call.heads);
    let log_sum = layout.to_rectangle::<B>(log_sum, &call.query_segments, call.heads);

    let (scores, slope) = scores::<B>(&layout, &query, &key, &table);
    let (to_value, to_scores) =
        softmax_backward::<B>(&layout, scores, value, [output, log_sum, gradient]);
    let to_table = match call.bias {
        ScoreBias::Buckets(_) => {
            let flat = B::float_reshape(
                B::float_permute(to_scores.clone(), &[0, 2, 3, 1]),
                Shape::new([layout.sequences * layout.queries * layout.keys, call.heads]),
            );
            let rows = buckets::<B>(&layout, &flat);
            B::float_select_assign(
                zeros::<B>(table.shape(), &table),
                0,
                rows,
                flat,
                IndexingUpdateOp::Add,
            )
        }
        _ => zeros::<B>(table.shape(), &table),
    };
    let to_product = match slope {
        Some(slope) => B::float_mul(to_scores, slope),
        None => to_scores,
    };
    let to_product = B::float_mul_scalar(to_product, call.scale.into());
    let to_query = B::float_matmul(to_product.clone(), key);
    let to_key = B::float_matmul(B::float_swap_dims(to_product, 2, 3), query);
    (
        layout.to_rows::<B>(to_query, &call.query_segments, call.heads),
        layout.to_rows::<B>(to_key, &call.key_segments, call.key_value_heads),
        layout.to_rows::<B>(to_value, &call.key_segments, call.key_value_heads),
        to_table,
    )
}

/// The gradients of values and scores, all as rectangles.
pub(super) fn softmax_backward<B: Backend>(
    layout: &Layout<'_>,
    scores: FloatTensor<B>,
    value: FloatTensor<B>,
    [output, log_sum, gradient]: [FloatTensor<B>; 3],
) -> (FloatTensor<B>, FloatTensor<B>) {
    let visible = layout.make::<B>(&scores, |place| f32::from(u8::from(place.visible)));
    // Hidden scores are first moved to the row's own level, or their exponential could overflow where a row sees nothing.
    let level = B::float_mul(B::float_sub(scores, log_sum), visible.clone());
    let probabilities = B::float_mul(B::float_exp(level), visible);
    let mask = dropout::<B>(layout, &probabilities);
    let masked = |tensor: FloatTensor<B>| match &mask {
        Some(mask) => B::float_mul(tensor, mask.clone()),
        None => tensor,
    };
    let to_value = B::float_matmul(
        B::float_swap_dims(masked(probabilities.clone()), 2, 3),
        gradient.clone(),
    );
    let to_probabilities = masked(B::float_matmul(
        gradient.clone(),
        B::float_swap_dims(value, 2, 3),
    ));
    let row = B::float_sum_dim(B::float_mul(gradient, output), 3);
    (
        to_value,
        B::float_mul(probabilities, B::float_sub(to_probabilities, row)),
    )
}
