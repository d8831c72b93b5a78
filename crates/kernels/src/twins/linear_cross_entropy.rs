//! The fused loss of a projection against its twin, and against the product and the loss that it is made of.

use std::sync::Arc;

use burn::backend::Flex;
use burn::tensor::{Tensor, TensorData};

use super::{back, close, device, flex, random, values};
use crate::plain::linear_cross_entropy::chunks;
use crate::{ClassTargets, Kernels, LinearCrossEntropy, cross_entropy, linear, plain};

const CAPS: [Option<f64>; 2] = [None, Some(3.0)];

fn call(rows: usize, classes: usize, soft_cap: Option<f64>) -> LinearCrossEntropy {
    let classes = (0..rows).map(|row| (row * 7 % classes) as u32).collect();
    let weights = (0..rows).map(|row| (row % 5) as f32 * 0.5).collect();
    LinearCrossEntropy {
        targets: ClassTargets { classes, weights },
        soft_cap,
        bias: None,
    }
}

/// The same with something added to the logits of every class.
fn biased(call: LinearCrossEntropy, classes: usize) -> LinearCrossEntropy {
    let bias = values(random(5, 1, classes));
    LinearCrossEntropy {
        bias: Some(bias.into()),
        ..call
    }
}

/// The same by operations that know nothing of chunks.
fn composed(hidden: Tensor<2>, projection: Tensor<2>, call: &LinearCrossEntropy) -> Tensor<1> {
    let device = hidden.device();
    let bias = call.bias.as_ref();
    let bias = bias.map(|bias| Tensor::<1>::from_data(&bias[..], &device));
    let logits = linear(hidden, projection, bias);
    let logits = match call.soft_cap {
        Some(cap) => (logits / cap).tanh() * cap,
        None => logits,
    };
    cross_entropy(logits, call.targets.clone())
}

#[test]
fn chunks_cover_the_rows_once_in_order() {
    let covered = chunks(1_000, 300_000).flatten();
    assert!(covered.eq(0..1_000));
    assert!(chunks(1_000, 300_000).all(|range| range.len() * 300_000 <= 1 << 23));
    assert_eq!(chunks(0, 7).count(), 0);
    assert_eq!(chunks(5, 1 << 30).next(), Some(0..5));
}

#[test]
fn the_loss_of_a_projection_agrees_with_its_twin_in_value_and_gradients() {
    for cap in CAPS {
        // Several chunks, the last of them short.
        let (rows, classes) = (41, 450_001);
        assert!(chunks(rows, classes).count() > 2);
        let (x, w) = (random(1, rows, 3), random(2, classes, 3));
        let call = Arc::new(biased(call(rows, classes, cap), classes));
        let (sum, told) =
            <Flex as Kernels>::linear_cross_entropy(flex(x.clone()), flex(w.clone()), call.clone());
        let (plain_sum, plain_told) =
            plain::linear_cross_entropy::forward::<Flex>(flex(x.clone()), flex(w.clone()), &call);
        close::<1>(back(sum), back(plain_sum), 1e-5);
        close::<2>(back(told), back(plain_told), 1e-5);
        let gradient = || flex(Tensor::<1>::from_data([0.7], &device()));
        let both = [true, true];
        let fast = Flex::linear_cross_entropy_backward(
            flex(x.clone()),
            flex(w.clone()),
            call.clone(),
            gradient(),
            both,
        );
        let slow = plain::linear_cross_entropy::backward::<Flex>(
            flex(x),
            flex(w),
            &call,
            gradient(),
            both,
        );
        close::<2>(back(fast.0), back(slow.0), 1e-5);
        close::<2>(back(fast.1), back(slow.1), 1e-6);
    }
}

#[test]
fn the_loss_of_a_projection_is_that_of_its_logits() {
    for cap in CAPS {
        let (rows, classes) = (300, 37);
        let (x, w) = (random(1, rows, 21), random(2, classes, 21) * 0.4);
        let call = biased(call(rows, classes, cap), classes);
        let [ours, book] = [0, 1].map(|_| {
            (
                x.clone().autodiff().require_grad(),
                w.clone().autodiff().require_grad(),
            )
        });
        let (sum, told) = crate::linear_cross_entropy(ours.0.clone(), ours.1.clone(), call.clone());
        let expected = composed(book.0.clone(), book.1.clone(), &call);
        close(sum.clone().inner(), expected.clone().inner(), 1e-5);
        let bias = Tensor::<1>::from_data(&call.bias.clone().unwrap()[..], &device());
        let best = linear(x.clone(), w.clone(), Some(bias));
        let best = best.argmax(1).into_data();
        let hits = best.iter::<i64>().zip(&call.targets.classes);
        let hits: Vec<f32> = hits
            .map(|(best, &wanted)| f32::from(best == i64::from(wanted)))
            .collect();
        let told = values(told.inner());
        assert!(hits.contains(&1.0) && hits.contains(&0.0));
        assert!(told.chunks(2).map(|row| row[1]).eq(hits));
        let grads = (sum * 0.3).backward();
        let expected = (expected * 0.3).backward();
        for (ours, book) in [(&ours.0, &book.0), (&ours.1, &book.1)] {
            close(
                ours.grad(&grads).unwrap(),
                book.grad(&expected).unwrap(),
                1e-5,
            );
        }
    }
}

#[test]
fn a_projection_that_is_the_embeddings_gets_both_their_gradients() {
    let table = random(3, 11, 6);
    let call = call(11, 11, None);
    let [ours, book] = [0, 1].map(|_| table.clone().autodiff().require_grad());
    let (sum, _) = crate::linear_cross_entropy(ours.clone() * 2.0, ours.clone(), call.clone());
    let expected = composed(book.clone() * 2.0, book.clone(), &call);
    let (grads, expected) = (sum.backward(), expected.backward());
    close(
        ours.grad(&grads).unwrap(),
        book.grad(&expected).unwrap(),
        1e-5,
    );
}

#[test]
fn a_frozen_projection_gets_no_gradient_and_frozen_states_none_either() {
    for frozen in [0, 1] {
        let tracked = |at: usize, tensor: Tensor<2>| {
            if at == frozen {
                tensor.autodiff()
            } else {
                tensor.autodiff().require_grad()
            }
        };
        let (x, w) = (tracked(0, random(1, 9, 4)), tracked(1, random(2, 5, 4)));
        let (sum, _) = crate::linear_cross_entropy(x.clone(), w.clone(), call(9, 5, None));
        let grads = sum.backward();
        let found = [x.grad(&grads), w.grad(&grads)];
        assert_eq!(
            found.each_ref().map(Option::is_none),
            [frozen == 0, frozen == 1]
        );
        let dims = [[9, 4], [5, 4]][1 - frozen];
        assert!(found.into_iter().flatten().all(|grad| grad.dims() == dims));
    }
}

#[test]
fn the_loss_of_no_rows_is_nothing() {
    let empty = Tensor::<2>::from_data(TensorData::new(Vec::<f32>::new(), [0, 4]), &device());
    let (sum, told) = crate::linear_cross_entropy(empty, random(2, 5, 4), call(0, 5, None));
    assert_eq!((values(sum), told.dims()), (vec![0.0], [0, 2]));
}
