//! Each kernel against its plain twin, and each node's gradient against Burn's own autodiff of the same formula.

#![allow(clippy::single_range_in_vec_init)]

mod attention;
mod cached;
mod disentangled;
mod figures;
mod layers;
mod linear;
mod linear_cross_entropy;

use std::sync::Arc;

use burn::backend::Flex;
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_flex::FlexTensor;

use crate::{AdamWStep, ClassTargets, Dropout, Kernels, Key, Segments, plain};

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
fn shifted_rows_stay_in_their_sequence_and_their_gradient_goes_back() {
    let segments = Segments::from_lengths([3, 0, 1, 4]);
    let column =
        Tensor::<2>::from_data([[1.], [2.], [3.], [4.], [5.], [6.], [7.], [8.]], &device());
    let x = column.repeat_dim(1, 2);
    let gradient = random(1, 8, 2);
    for (offset, expected) in [
        (0, [1., 2., 3., 4., 5., 6., 7., 8.]),
        (1, [2., 3., 0., 0., 6., 7., 8., 0.]),
        (-2, [0., 0., 1., 0., 0., 0., 5., 6.]),
        (9, [0.; 8]),
        (isize::MIN + 1, [0.; 8]),
    ] {
        let input = x.clone().autodiff().require_grad();
        let shifted = crate::shift_rows(input.clone(), segments.clone(), offset);
        let ours = shifted.clone().inner();
        assert_eq!(values(ours.clone()), expected.map(|x| [x; 2]).concat());
        let twin = plain::shift_rows::<Flex>(flex(x.clone()), &segments, offset);
        close(ours, back(twin), 0.0);
        // The adjoint of a shift: <g, shift x> = <shift^T g, x>.
        let grads = (shifted.clone() * gradient.clone().autodiff())
            .sum()
            .backward();
        let transposed = input.grad(&grads).unwrap();
        let twin = plain::shift_rows::<Flex>(flex(gradient.clone()), &segments, -offset);
        close(transposed.clone(), back(twin), 0.0);
        close(
            (transposed * x.clone()).sum(),
            (shifted.inner() * gradient.clone()).sum(),
            1e-5,
        );
    }
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
