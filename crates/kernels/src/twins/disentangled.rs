//! Disentangled attention against its twin and the textbook.

use std::sync::Arc;

use burn::backend::Flex;
use burn::tensor::{Int, Tensor, TensorData};

use super::{back, close, device, flex, random};
use crate::{Disentangled, Dropout, Kernels, Key, LogBuckets, Segments, plain};

const HEADS: usize = 3;
const DIM: usize = 5;

/// Lengths beyond a block and beyond the tables, empty and single; more sequences than parts of a batch.
fn calls() -> Vec<Disentangled> {
    let segments = Segments::from_lengths([3, 1, 0, 140, 7, 2, 30]);
    let base = Disentangled {
        segments,
        heads: HEADS,
        scale: 0.3,
        span: 6,
        buckets: None,
        dropout: None,
    };
    let buckets = Some(LogBuckets {
        count: 8,
        max_distance: 20,
    });
    let dropout = Some(Dropout {
        rate: 0.2,
        key: Key::new(9),
    });
    vec![
        base.clone(),
        Disentangled {
            buckets,
            span: 8,
            ..base.clone()
        },
        Disentangled {
            dropout,
            span: 200,
            ..base
        },
    ]
}

#[test]
fn disentangled_attention_agrees_with_its_twin_in_value_and_gradient() {
    for call in calls() {
        let tokens = call.segments.total();
        for present in [[true, true], [true, false], [false, true], [false, false]] {
            let inputs = [1, 2, 3].map(|seed| random(seed, tokens, HEADS * DIM));
            let tables = [0, 1].map(|table| {
                if present[table] {
                    random(4 + table as u64, 2 * call.span, HEADS * DIM)
                } else {
                    Tensor::zeros([1, 1], &device())
                }
            });
            let (twins, twin_tables) = (inputs.clone().map(flex), tables.clone().map(flex));
            let [q, k, v] = twins.clone();
            let [position_k, position_q] = twin_tables.clone();
            let shared = Arc::new(call.clone());
            let (output, log_sum) =
                Flex::disentangled_attention_forward(q, k, v, position_k, position_q, shared);
            let (twin, twin_log_sum) =
                plain::disentangled::forward::<Flex>(twins.clone(), twin_tables.clone(), &call);
            close::<2>(back(output.clone()), back(twin), 1e-5);
            close::<2>(back(log_sum.clone()), back(twin_log_sum), 1e-5);

            let gradient = random(6, tokens, HEADS * DIM);
            let saved = [output, log_sum, flex(gradient.clone())];
            let slow = plain::disentangled::backward::<Flex>(twins, twin_tables, saved, &call);
            let slow: [Tensor<2>; 5] = slow.map(back);
            let leaves = inputs.map(|tensor| tensor.autodiff().require_grad());
            let leaf_tables = tables.map(|tensor| tensor.autodiff().require_grad());
            let table = |index: usize| present[index].then(|| leaf_tables[index].clone());
            let [q, k, v] = leaves.clone();
            let output = crate::disentangled_attention(q, k, v, table(0), table(1), call.clone());
            let grads = (output * gradient.autodiff()).sum().backward();
            for (leaf, slow) in leaves.iter().zip(&slow) {
                close(leaf.grad(&grads).unwrap(), slow.clone(), 3e-5);
            }
            for (index, (leaf, slow)) in leaf_tables.iter().zip(&slow[3..]).enumerate() {
                match leaf.grad(&grads) {
                    Some(gradient) => close(gradient, slow.clone(), 1e-4),
                    None => assert!(!present[index]),
                }
            }
        }
    }
}

/// One sequence and head from Burn's own differentiable operations: each score's row of the tables is gathered.
fn textbook(inputs: [Tensor<2>; 5], call: &Disentangled) -> Tensor<2> {
    let [query, key, value, position_key, position_query] = inputs;
    let [length, dim] = query.dims();
    let rows = (0..length * length)
        .map(|place| call.row((place / length) as i64 - (place % length) as i64) as i32)
        .collect::<Vec<_>>();
    let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, [length * length]), &device());
    let expand = |table: Tensor<2>| {
        table
            .select(0, rows.clone().autodiff())
            .reshape([length, length, dim])
    };
    let (queries, keys) = (
        query.clone().reshape([length, 1, dim]),
        key.clone().reshape([1, length, dim]),
    );
    let by_position = queries * expand(position_key) + keys * expand(position_query);
    let scores = query.matmul(key.transpose()) + by_position.sum_dim(2).reshape([length, length]);
    burn::tensor::activation::softmax(scores * call.scale, 1).matmul(value)
}

#[test]
fn the_gradient_of_disentangled_attention_is_that_of_the_textbook_formula() {
    for call in calls() {
        let call = Disentangled {
            segments: Segments::from_lengths([13]),
            heads: 1,
            dropout: None,
            ..call
        };
        let tensors = || {
            let rows = [13, 13, 13, 2 * call.span, 2 * call.span];
            [0, 1, 2, 3, 4].map(|i| random(i as u64, rows[i], DIM).autodiff().require_grad())
        };
        let [ours, book] = [tensors(), tensors()];
        let weights = random(7, 13, DIM).autodiff();
        let [q, k, v, position_k, position_q] = ours.clone();
        let output = crate::disentangled_attention(
            q,
            k,
            v,
            Some(position_k),
            Some(position_q),
            call.clone(),
        );
        let expected = textbook(book.clone(), &call);
        close(output.clone().inner(), expected.clone().inner(), 1e-5);
        let grads = (output * weights.clone()).sum().backward();
        let expected_grads = (expected * weights).sum().backward();
        for (ours, book) in ours.iter().zip(&book) {
            close(
                ours.grad(&grads).unwrap(),
                book.grad(&expected_grads).unwrap(),
                2e-5,
            );
        }
    }
}
