//! Each kernel against its plain twin, and each node's gradient against Burn's own autodiff of the same formula.

#![allow(clippy::single_range_in_vec_init)]

use std::sync::Arc;

use burn::backend::Flex;
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_flex::FlexTensor;
use proptest::prelude::*;

use crate::{
    AdamWStep, Attention, Buckets, ClassTargets, Dropout, Gelu, Kernels, Key, Mask, ScoreBias,
    Segments, plain,
};

fn device() -> Device {
    Device::flex()
}

/// A matrix of normal draws.
fn random(seed: u64, rows: usize, columns: usize) -> Tensor<2> {
    let key = Key::new(seed);
    let values: Vec<f32> = (0..rows * columns)
        .map(|i| key.normal(i as u64) as f32)
        .collect();
    Tensor::from_data(TensorData::new(values, [rows, columns]), &device())
}

fn vector(seed: u64, length: usize) -> Tensor<1> {
    random(seed, 1, length).reshape([length])
}

fn flex<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    tensor.try_into_primitive::<Flex>().unwrap()
}

fn back<const D: usize>(tensor: FlexTensor) -> Tensor<D> {
    Tensor::from_primitive::<Flex>(tensor)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

#[track_caller]
fn close<const D: usize>(left: Tensor<D>, right: Tensor<D>, tolerance: f32) {
    assert_eq!(left.dims(), right.dims());
    for (index, (left, right)) in values(left).into_iter().zip(values(right)).enumerate() {
        assert!(
            (left - right).abs() <= tolerance * (1.0 + right.abs()),
            "element {index}: {left} against {right}"
        );
    }
}

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

#[test]
fn linear_layers_agree_with_their_twins_and_pass_gradients_to_all_three() {
    let (x, w, b) = (random(1, 70, 33), random(2, 21, 33), vector(3, 21));
    close::<2>(
        back(<Flex as Kernels>::linear_bias(
            flex(x.clone()),
            flex(w.clone()),
            flex(b.clone()),
        )),
        back(plain::linear_bias::<Flex>(
            flex(x.clone()),
            flex(w.clone()),
            flex(b.clone()),
        )),
        1e-5,
    );
    let [ours, book] = [0, 1].map(|_| {
        (
            x.clone().autodiff().require_grad(),
            w.clone().autodiff().require_grad(),
            b.clone().autodiff().require_grad(),
        )
    });
    let weights = random(4, 70, 21).autodiff();
    let output = crate::linear(ours.0.clone(), ours.1.clone(), Some(ours.2.clone()));
    let grads = (output * weights.clone()).sum().backward();
    let expected =
        book.0.clone().matmul(book.1.clone().transpose()) + book.2.clone().unsqueeze::<2>();
    let expected_grads = (expected * weights).sum().backward();
    close(
        ours.0.grad(&grads).unwrap(),
        book.0.grad(&expected_grads).unwrap(),
        1e-4,
    );
    close(
        ours.1.grad(&grads).unwrap(),
        book.1.grad(&expected_grads).unwrap(),
        1e-4,
    );
    close(
        ours.2.grad(&grads).unwrap(),
        book.2.grad(&expected_grads).unwrap(),
        1e-4,
    );
}

#[test]
fn a_frozen_weight_gets_no_gradient_while_its_input_does() {
    let x = random(1, 3, 4).autodiff().require_grad();
    let w = random(2, 5, 4).autodiff();
    let grads = crate::linear(x.clone(), w.clone(), None).sum().backward();
    assert!(x.grad(&grads).is_some());
    assert!(w.grad(&grads).is_none());
}

#[test]
fn layer_norm_agrees_with_its_twin_and_with_autodiff() {
    let (x, w, b) = (random(1, 130, 37), vector(2, 37), vector(3, 37));
    let gradient = random(4, 130, 37);
    let (output, statistics) =
        Flex::layer_norm_forward(flex(x.clone()), flex(w.clone()), flex(b.clone()), 1e-5);
    let (twin, _) =
        plain::layer_norm::<Flex>(flex(x.clone()), flex(w.clone()), flex(b.clone()), 1e-5);
    close::<2>(back(output), back(twin), 1e-5);
    let fast = Flex::layer_norm_backward(
        flex(x.clone()),
        flex(w.clone()),
        statistics.clone(),
        flex(gradient.clone()),
    );
    let slow = plain::layer_norm_backward::<Flex>(
        flex(x.clone()),
        flex(w.clone()),
        statistics,
        flex(gradient.clone()),
    );
    close::<2>(back(fast.0.clone()), back(slow.0), 1e-5);
    close::<1>(back(fast.1.clone()), back(slow.1), 1e-4);
    close::<1>(back(fast.2), back(slow.2), 1e-4);

    let input = x.autodiff().require_grad();
    let weight = w.autodiff().require_grad();
    let mean = input.clone().mean_dim(1);
    let centred = input.clone() - mean;
    let variance = centred.clone().powi_scalar(2).mean_dim(1);
    let formula = centred / (variance + 1e-5).sqrt() * weight.clone().unsqueeze::<2>()
        + b.autodiff().unsqueeze::<2>();
    let grads = (formula * gradient.autodiff()).sum().backward();
    close(back(fast.0), input.grad(&grads).unwrap(), 2e-5);
    close(back(fast.1), weight.grad(&grads).unwrap(), 1e-4);
}

#[test]
fn both_kinds_of_gelu_agree_with_their_twins() {
    let (x, gradient) = (random(1, 50, 41) * 3.0, random(2, 50, 41));
    for kind in [Gelu::Exact, Gelu::Tanh] {
        close::<2>(
            back(<Flex as Kernels>::gelu(flex(x.clone()), kind)),
            back(plain::gelu::<Flex>(flex(x.clone()), kind)),
            2e-6,
        );
        close::<2>(
            back(<Flex as Kernels>::gelu_backward(
                flex(x.clone()),
                flex(gradient.clone()),
                kind,
            )),
            back(plain::gelu_backward::<Flex>(
                flex(x.clone()),
                flex(gradient.clone()),
                kind,
            )),
            2e-6,
        );
        let input = x.clone().autodiff().require_grad();
        let book = match kind {
            Gelu::Exact => burn::tensor::activation::gelu(input.clone()),
            Gelu::Tanh => burn::tensor::activation::gelu_approximate(input.clone()),
        };
        let grads = (book * gradient.clone().autodiff()).sum().backward();
        let ours = <Flex as Kernels>::gelu_backward(flex(x.clone()), flex(gradient.clone()), kind);
        close(back(ours), input.grad(&grads).unwrap(), 5e-6);
    }
}

#[test]
fn dropout_is_its_twin_keeps_the_expectation_and_masks_the_gradient_alike() {
    let x = random(1, 130, 77);
    let dropout = Dropout {
        rate: 0.3,
        key: Key::new(4),
    };
    close::<2>(
        back(Flex::dropout(flex(x.clone()), dropout)),
        back(plain::dropout::<Flex>(flex(x.clone()), dropout)),
        0.0,
    );
    let ones = Tensor::<2>::ones([130, 77], &device())
        .autodiff()
        .require_grad();
    let dropped = crate::dropout(ones.clone(), dropout);
    let grads = dropped.clone().sum().backward();
    close(ones.grad(&grads).unwrap(), dropped.clone().inner(), 0.0);
    let mean: f32 = dropped.inner().mean().into_scalar();
    assert!((mean - 1.0).abs() < 0.02, "{mean}");
}

#[test]
fn gathering_rows_agrees_with_its_twin_and_adds_gradients_of_repeated_rows() {
    let table = random(1, 6, 3);
    let rows = Tensor::<1, Int>::from_data([4, 0, 4, 5], &device());
    close(
        crate::gather_rows(table.clone(), rows.clone()),
        table.clone().select(0, rows.clone()),
        0.0,
    );
    let table = table.autodiff().require_grad();
    let grads = crate::gather_rows(table.clone(), rows.autodiff())
        .sum()
        .backward();
    let counts: Vec<f32> = [1, 0, 0, 0, 2, 1]
        .into_iter()
        .flat_map(|n| [n as f32; 3])
        .collect();
    assert_eq!(values(table.grad(&grads).unwrap()), counts);
}

#[test]
fn pooling_agrees_with_its_twins_and_with_autodiff_even_for_empty_segments() {
    let segments = Segments::from_lengths([2, 0, 5, 1]);
    let x = random(1, 8, 4);
    let gradient = random(2, 4, 4);
    close::<2>(
        back(Flex::segment_mean(flex(x.clone()), segments.clone())),
        back(plain::segment_mean::<Flex>(flex(x.clone()), &segments)),
        1e-6,
    );
    close::<2>(
        back(Flex::segment_mean_backward(
            flex(gradient.clone()),
            segments.clone(),
        )),
        back(plain::segment_mean_backward::<Flex>(
            flex(gradient.clone()),
            &segments,
        )),
        1e-6,
    );
    for (range, segment) in segments
        .iter()
        .zip(0..)
        .filter(|(range, _)| !range.is_empty())
    {
        let part = x.clone().slice([range]);
        let pooled = |tensor: Tensor<2>| tensor.slice([segment..segment + 1]);
        close(
            pooled(crate::segment_mean(x.clone(), segments.clone())),
            part.clone().mean_dim(0),
            1e-6,
        );
        close(
            pooled(crate::segment_max(x.clone(), segments.clone())),
            part.max_dim(0),
            0.0,
        );
    }
    let input = x.autodiff().require_grad();
    let grads = (crate::segment_max(input.clone(), segments) * gradient.clone().autodiff())
        .sum()
        .backward();
    let spread: f32 = input.grad(&grads).unwrap().sum().into_scalar();
    let given: f32 = gradient
        .select(0, Tensor::from_data([0, 2, 3], &device()))
        .sum()
        .into_scalar();
    assert!((spread - given).abs() < 1e-5, "{spread} {given}");
}

#[test]
fn cross_entropy_agrees_with_its_twin_and_with_autodiff_under_weights() {
    let logits = random(1, 7, 5) * 2.0;
    let targets = ClassTargets {
        classes: vec![0, 4, 2, 2, 1, 3, 0],
        weights: vec![1.0, 0.5, 2.0, 0.0, 1.0, 1.5, 1.0],
    };
    let scale = Tensor::<1>::from_data([0.7], &device());
    close::<2>(
        back(Flex::cross_entropy_backward(
            flex(logits.clone()),
            Arc::new(targets.clone()),
            flex(scale.clone()),
        )),
        back(plain::cross_entropy_backward::<Flex>(
            flex(logits.clone()),
            &targets,
            flex(scale),
        )),
        1e-6,
    );
    let [ours, book] = [0, 1].map(|_| logits.clone().autodiff().require_grad());
    let loss = crate::cross_entropy(ours.clone(), targets.clone());
    let log_probabilities = burn::tensor::activation::log_softmax(book.clone(), 1);
    let rows = Tensor::<1, Int>::from_data(
        TensorData::new(
            targets
                .classes
                .iter()
                .map(|&c| c as i32)
                .collect::<Vec<_>>(),
            [7],
        ),
        &device(),
    );
    let picked = log_probabilities
        .gather(1, rows.autodiff().reshape([7, 1]))
        .reshape([7]);
    let weights =
        Tensor::<1>::from_data(TensorData::new(targets.weights.clone(), [7]), &device()).autodiff();
    let expected = -(picked * weights).sum();
    close(loss.clone().inner(), expected.clone().inner(), 1e-6);
    let (grads, expected_grads) = (loss.backward(), expected.backward());
    close(
        ours.grad(&grads).unwrap(),
        book.grad(&expected_grads).unwrap(),
        1e-6,
    );
}

#[test]
fn sums_agree_with_their_twins_and_do_not_depend_on_the_number_of_threads() {
    let x = random(1, 300, 500);
    close::<1>(
        back(Flex::column_sum(flex(x.clone()))),
        back(plain::column_sum::<Flex>(flex(x.clone()))),
        1e-5,
    );
    let large = x.repeat_dim(0, 31);
    let sums: Vec<f64> = [1, 2, 5]
        .into_iter()
        .map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| crate::sum_squares(large.clone()))
        })
        .collect();
    assert!(large.dims()[0] * large.dims()[1] > 4 << 20);
    assert_eq!(sums[0], sums[1]);
    assert_eq!(sums[0], sums[2]);
    assert_eq!(sums[0], plain::sum_squares::<Flex>(flex(large)));
}

#[test]
fn a_step_of_adamw_agrees_with_its_twin_and_leaves_shared_tensors_alone() {
    let [p, g, m] = [1, 2, 3].map(|seed| random(seed, 130, 150));
    let v = random(4, 130, 150).powi_scalar(2);
    let step = AdamWStep {
        learning_rate: 1e-2,
        betas: [0.9, 0.999],
        epsilon: 1e-8,
        weight_decay: 0.01,
        step: 3,
        gradient_scale: 0.5,
    };
    let (before, kept) = (values(p.clone()), p.clone());
    let (parameter, moments) =
        crate::adamw_step(p.clone(), g.clone(), [m.clone(), v.clone()], step);
    let twin = plain::adamw_step::<Flex>(flex(p), flex(g), flex(m), flex(v), step);
    close(parameter, back(twin.0), 1e-6);
    close(moments[0].clone(), back(twin.1), 1e-6);
    close(moments[1].clone(), back(twin.2), 1e-6);
    assert_eq!(values(kept), before);
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
