//! Attention against its twin, the textbook and itself.

use std::sync::Arc;

use burn::backend::Flex;
use burn::tensor::Tensor;
use proptest::prelude::*;

use super::{back, close, flex, random};
use crate::{Attention, Buckets, Dropout, Kernels, Key, Mask, ScoreBias, Segments, plain};

/// The kinds of attention there are, on lengths that catch mistakes (empty, single, longer than a block).
fn calls() -> Vec<(&'static str, Attention)> {
    let segments = Segments::from_lengths([3, 1, 0, 140, 7]);
    let base = Attention::new(segments, 4, 0.3);
    let dropout = Some(Dropout {
        rate: 0.2,
        key: Key::new(9),
    });
    let shared = Attention {
        key_value_heads: 2,
        ..base.clone()
    };
    let cached = Attention {
        query_segments: Segments::from_lengths([1, 1, 0, 3, 2]),
        mask: Mask::Causal,
        ..shared.clone()
    };
    let cross = Attention {
        query_segments: Segments::from_lengths([5, 0, 2, 9, 1]),
        ..base.clone()
    };
    let buckets = ScoreBias::Buckets(Buckets {
        count: 8,
        max_distance: 20,
        bidirectional: true,
    });
    vec![
        ("full", base.clone()),
        (
            "dropout",
            Attention {
                dropout,
                ..base.clone()
            },
        ),
        (
            "causal",
            Attention {
                mask: Mask::Causal,
                ..base.clone()
            },
        ),
        (
            "window",
            Attention {
                window: Some(3),
                ..base.clone()
            },
        ),
        (
            "causal window",
            Attention {
                window: Some(5),
                mask: Mask::Causal,
                ..base.clone()
            },
        ),
        (
            "soft cap",
            Attention {
                soft_cap: Some(1.5),
                ..base.clone()
            },
        ),
        (
            "alibi",
            Attention {
                bias: ScoreBias::Alibi([0.5, 0.25, 0.1, 0.01].into()),
                mask: Mask::Causal,
                ..base.clone()
            },
        ),
        (
            "buckets",
            Attention {
                bias: buckets.clone(),
                ..base.clone()
            },
        ),
        ("shared heads", shared.clone()),
        ("cached", cached),
        ("cross", cross),
        (
            "everything",
            Attention {
                bias: buckets,
                soft_cap: Some(2.0),
                window: Some(6),
                mask: Mask::Causal,
                dropout,
                ..shared
            },
        ),
    ]
}

const DIM: usize = 5;

fn attention_inputs(call: &Attention) -> [Tensor<2>; 4] {
    let (queries, keys) = (call.query_segments.total(), call.key_segments.total());
    [
        random(1, queries, call.heads * DIM),
        random(2, keys, call.key_value_heads * DIM),
        random(3, keys, call.key_value_heads * DIM),
        random(4, 8, call.heads),
    ]
}

#[test]
fn attention_agrees_with_its_plain_twin_in_value_and_gradient() {
    for (name, call) in calls() {
        let inputs = attention_inputs(&call);
        let [query, key, value, table] = inputs.clone().map(flex);
        let (output, log_sum) =
            Flex::attention_forward(query, key, value, table, Arc::new(call.clone()));
        let [query, key, value, table] = inputs.clone().map(flex);
        let (twin, twin_log_sum) =
            plain::attention::forward::<Flex>(query, key, value, table, &call);
        println!("{name}");
        close::<2>(back(output.clone()), back(twin), 1e-5);
        if call
            .key_segments
            .lengths()
            .zip(call.query_segments.lengths())
            .all(|(keys, queries)| keys > 0 || queries == 0)
        {
            close::<2>(back(log_sum.clone()), back(twin_log_sum), 1e-5);
        }
        let gradient = flex(random(5, call.query_segments.total(), call.heads * DIM));
        let [query, key, value, table] = inputs.clone().map(flex);
        let fast = Flex::attention_backward(
            query,
            key,
            value,
            table,
            output.clone(),
            log_sum.clone(),
            gradient.clone(),
            Arc::new(call.clone()),
        );
        let [query, key, value, table] = inputs.map(flex);
        let slow = plain::attention::backward::<Flex>(
            query, key, value, table, output, log_sum, gradient, &call,
        );
        close::<2>(back(fast.0), back(slow.0), 2e-5);
        close::<2>(back(fast.1), back(slow.1), 2e-5);
        close::<2>(back(fast.2), back(slow.2), 2e-5);
        close::<2>(back(fast.3), back(slow.3), 1e-4);
    }
}

/// Attention of one sequence and head from Burn's own differentiable operations.
fn textbook(
    query: Tensor<2>,
    key: Tensor<2>,
    value: Tensor<2>,
    scale: f32,
    cap: Option<f32>,
) -> Tensor<2> {
    let mut scores = query.matmul(key.transpose()) * scale;
    if let Some(cap) = cap {
        scores = (scores / cap).tanh() * cap;
    }
    burn::tensor::activation::softmax(scores, 1).matmul(value)
}

#[test]
fn the_gradient_of_attention_is_that_of_the_textbook_formula() {
    for cap in [None, Some(1.2)] {
        let tensors = || [1, 2, 3].map(|seed| random(seed, 9, DIM).autodiff().require_grad());
        let weights = random(7, 9, DIM).autodiff();
        let call = Attention {
            soft_cap: cap,
            ..Attention::new(Segments::from_lengths([9]), 1, 0.4)
        };
        let [ours, book] = [tensors(), tensors()];
        let [q, k, v] = ours.clone();
        let output = crate::attention(q, k, v, None, call);
        let [q, k, v] = book.clone();
        let expected = textbook(q, k, v, 0.4, cap);
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn ragged_attention_is_attention_of_each_sequence_alone(lengths in prop::collection::vec(0usize..300, 1..6), seed in 0u64..1000) {
        let segments = Segments::from_lengths(lengths);
        let [q, k, v] = [0, 1, 2].map(|i| random(seed * 3 + i, segments.total(), 2 * DIM));
        let together = crate::attention(q.clone(), k.clone(), v.clone(), None, Attention::new(segments.clone(), 2, 0.5));
        for range in segments.iter().filter(|range| !range.is_empty()) {
            let part = |tensor: &Tensor<2>| tensor.clone().slice([range.clone()]);
            let call = Attention::new(Segments::from_lengths([range.len()]), 2, 0.5);
            let alone = crate::attention(part(&q), part(&k), part(&v), None, call);
            close(part(&together), alone, 1e-5);
        }
    }
}
