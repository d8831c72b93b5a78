//! Norms and activations against their twins and against autodiff of their formulas.

use burn::backend::Flex;
use burn::tensor::{Tensor, TensorData};

use super::{back, close, device, flex, random, values, vector};
use crate::{Dropout, GateActivation, Gelu, Kernels, Key, LowRank, RotaryLayout, plain};

#[test]
fn layer_norm_agrees_with_its_twin_and_with_autodiff() {
    let (x, w, b) = (random(1, 130, 37), vector(2, 37), vector(3, 37));
    let gradient = random(4, 130, 37);
    let (output, statistics) =
        Flex::layer_norm_forward(flex(x.clone()), flex(w.clone()), flex(b.clone()), 1e-5);
    let (twin, _) =
        plain::norm::layer_norm::<Flex>(flex(x.clone()), flex(w.clone()), flex(b.clone()), 1e-5);
    close::<2>(back(output), back(twin), 1e-5);
    let fast = Flex::layer_norm_backward(
        flex(x.clone()),
        flex(w.clone()),
        statistics.clone(),
        flex(gradient.clone()),
    );
    let slow = plain::norm::layer_norm_backward::<Flex>(
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
            back(plain::activation::gelu::<Flex>(flex(x.clone()), kind)),
            2e-6,
        );
        close::<2>(
            back(<Flex as Kernels>::gelu_backward(
                flex(x.clone()),
                flex(gradient.clone()),
                kind,
            )),
            back(plain::activation::gelu_backward::<Flex>(
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
fn rms_norm_agrees_with_its_twin_and_with_autodiff() {
    let (x, w) = (random(1, 130, 37), vector(2, 37));
    let gradient = random(3, 130, 37);
    let (output, inverse) = Flex::rms_norm_forward(flex(x.clone()), flex(w.clone()), 1e-3);
    let (twin, twin_inverse) =
        plain::norm::rms_norm::<Flex>(flex(x.clone()), flex(w.clone()), 1e-3);
    close::<2>(back(output), back(twin), 1e-5);
    close::<2>(back(inverse.clone()), back(twin_inverse), 1e-5);
    let slow = plain::norm::rms_norm_backward::<Flex>(
        flex(x.clone()),
        flex(w.clone()),
        inverse,
        flex(gradient.clone()),
    );

    let [ours, book] = [0, 1].map(|_| {
        (
            x.clone().autodiff().require_grad(),
            w.clone().autodiff().require_grad(),
        )
    });
    let output = crate::rms_norm(ours.0.clone(), ours.1.clone(), 1e-3);
    let square = book.0.clone().powi_scalar(2).mean_dim(1);
    let formula = book.0.clone() / (square + 1e-3).sqrt() * book.1.clone().unsqueeze::<2>();
    close(output.clone().inner(), formula.clone().inner(), 1e-5);
    let weights = gradient.autodiff();
    let grads = (output * weights.clone()).sum().backward();
    let expected = (formula * weights).sum().backward();
    let to_input = ours.0.grad(&grads).unwrap();
    let to_weight = ours.1.grad(&grads).unwrap();
    close(to_input.clone(), back(slow.0), 1e-5);
    close(to_weight.clone(), back(slow.1), 1e-4);
    close(to_input, book.0.grad(&expected).unwrap(), 2e-5);
    close(to_weight, book.1.grad(&expected).unwrap(), 1e-4);
}

#[test]
fn silu_agrees_with_its_twin_and_with_autodiff() {
    let (x, gradient) = (random(1, 450, 41) * 6.0, random(2, 450, 41));
    let [ours, book] = [0, 1].map(|_| x.clone().autodiff().require_grad());
    let output = crate::silu(ours.clone());
    let twin = plain::activation::silu::<Flex>(flex(x.clone()));
    close(output.clone().inner(), back(twin), 2e-6);
    let weights = gradient.clone().autodiff();
    let grads = (output * weights.clone()).sum().backward();
    let formula = burn::tensor::activation::silu(book.clone());
    let expected = (formula * weights).sum().backward();
    let twin = plain::activation::silu_backward::<Flex>(flex(x), flex(gradient));
    let ours = ours.grad(&grads).unwrap();
    close(ours.clone(), back(twin), 5e-6);
    close(ours, book.grad(&expected).unwrap(), 5e-6);
}

#[test]
fn low_rank_updates_agree_with_their_twin_and_with_the_layers_they_are_made_of() {
    let dropout = Some(Dropout {
        rate: 0.3,
        key: Key::new(4),
    });
    for dropout in [None, dropout] {
        let call = LowRank {
            scale: 1.7,
            dropout,
        };
        // More rows than one task handles.
        let base = random(1, 600, 21);
        let factors = [random(2, 600, 33), random(3, 5, 33), random(4, 21, 5)];
        let gradient = random(5, 600, 21);
        let kept = values(base.clone());
        let [x, a, b] = factors.clone().map(flex);
        let twin = plain::low_rank::forward::<Flex>(flex(base.clone()), x, a, b, call);
        let [x, a, b] = factors.clone().map(flex);
        let slow = plain::low_rank::backward::<Flex>(x, a, b, twin.1, flex(gradient.clone()), call);

        let leaves = || {
            [&base, &factors[0], &factors[1], &factors[2]]
                .map(|tensor| tensor.clone().autodiff().require_grad())
        };
        let [ours, book] = [leaves(), leaves()];
        let [y, x, a, b] = ours.clone();
        let output = crate::add_low_rank(y, x, a, b, call);
        let [y, x, a, b] = book.clone();
        let x = match dropout {
            Some(dropout) => crate::dropout(x, dropout),
            None => x,
        };
        let formula = y + x.matmul(a.transpose()).matmul(b.transpose()) * 1.7;
        close(output.clone().inner(), back(twin.0), 1e-5);
        close(output.clone().inner(), formula.clone().inner(), 1e-5);
        assert_eq!(values(base.clone()), kept, "the base belongs to others too");
        let weights = gradient.clone().autodiff();
        let grads = (output * weights.clone()).sum().backward();
        let expected = (formula * weights).sum().backward();
        let slow = [gradient, back(slow.0), back(slow.1), back(slow.2)];
        for ((ours, book), slow) in ours.iter().zip(&book).zip(slow) {
            let ours = ours.grad(&grads).unwrap();
            close(ours.clone(), slow, 1e-4);
            close(ours, book.grad(&expected).unwrap(), 1e-4);
        }
    }
}

/// `activation(gate) * up` from Burn's own differentiable operations.
fn textbook_gate(gate: Tensor<2>, up: Tensor<2>, activation: GateActivation) -> Tensor<2> {
    use burn::tensor::activation::{gelu, gelu_approximate, silu};
    up * match activation {
        GateActivation::Silu => silu(gate),
        GateActivation::Gelu(Gelu::Exact) => gelu(gate),
        GateActivation::Gelu(Gelu::Tanh) => gelu_approximate(gate),
    }
}

#[test]
fn gates_agree_with_their_twins_and_with_autodiff() {
    // More elements than one task handles, and arguments far into both tails.
    let (gate, up) = (random(1, 450, 41) * 6.0, random(2, 450, 41));
    let gradient = random(3, 450, 41);
    for activation in [
        GateActivation::Silu,
        GateActivation::Gelu(Gelu::Exact),
        GateActivation::Gelu(Gelu::Tanh),
    ] {
        let inputs = || (flex(gate.clone()), flex(up.clone()));
        let ((g, u), (twin_g, twin_u)) = (inputs(), inputs());
        close::<2>(
            back(Flex::gated(g, u, activation)),
            back(plain::activation::gated::<Flex>(twin_g, twin_u, activation)),
            2e-6,
        );
        let (twin_g, twin_u) = inputs();
        let slow = plain::activation::gated_backward::<Flex>(
            twin_g,
            twin_u,
            flex(gradient.clone()),
            activation,
        );
        let [ours, book] =
            [0, 1].map(|_| [&gate, &up].map(|tensor| tensor.clone().autodiff().require_grad()));
        let [g, u] = ours.clone();
        let weights = gradient.clone().autodiff();
        let grads = (crate::gated(g, u, activation) * weights.clone())
            .sum()
            .backward();
        let [g, u] = book.clone();
        let expected = (textbook_gate(g, u, activation) * weights).sum().backward();
        let ours = ours.map(|tensor| tensor.grad(&grads).unwrap());
        let book = book.map(|tensor| tensor.grad(&expected).unwrap());
        for ((ours, twin), book) in ours.into_iter().zip([slow.0, slow.1]).zip(book) {
            close::<2>(ours.clone(), back(twin), 5e-6);
            close(ours, book, 1e-5);
        }
    }
}

/// Angles of a batch whose positions begin anew in the middle.
fn angles(tokens: usize, count: usize) -> [Tensor<2>; 2] {
    let angle = |token: usize, i: usize| (token % 60) as f32 * 0.3f32.powi(i as i32);
    [f32::cos, f32::sin].map(|f| {
        let values: Vec<f32> = (0..tokens)
            .flat_map(|token| (0..count).map(move |i| f(angle(token, i))))
            .collect();
        Tensor::from_data(TensorData::new(values, [tokens, count]), &device())
    })
}

#[test]
fn rotary_positions_agree_with_their_twin_in_value_and_gradient() {
    for layout in [RotaryLayout::Halves, RotaryLayout::Interleaved] {
        // All channels of a head turn, some, none.
        for count in [4, 3, 0] {
            let (x, gradient) = (random(1, 130, 24), random(2, 130, 24));
            let [cos, sin] = angles(130, count);
            let twin = |x: &Tensor<2>, sin: Tensor<2>| {
                let [x, cos, sin] = [x.clone(), cos.clone(), sin].map(flex);
                back::<2>(plain::rotary::rotary::<Flex>(x, cos, sin, 3, layout))
            };
            let input = x.clone().autodiff().require_grad();
            let [c, s] = [&cos, &sin].map(|angles| angles.clone().autodiff());
            let output = crate::rotary(input.clone(), c, s, 3, layout);
            close(output.clone().inner(), twin(&x, sin.clone()), 1e-6);
            let grads = (output * gradient.clone().autodiff()).sum().backward();
            close(input.grad(&grads).unwrap(), twin(&gradient, -sin), 1e-6);
        }
    }
}

#[test]
fn rotary_layouts_pair_the_channels_they_say() {
    let x = Tensor::from_data([[1.0, 2.0, 3.0, 4.0, 5.0]], &device());
    let [cos, sin] =
        [[[0.6, 0.0]], [[0.8, 1.0]]].map(|angles| Tensor::<2>::from_data(angles, &device()));
    for (layout, expected) in [
        // (1, 3) turns by the first angle and (2, 4) by the second, or (1, 2) and (3, 4); the fifth channel stays.
        (RotaryLayout::Halves, [-1.8, -4.0, 2.6, 2.0, 5.0]),
        (RotaryLayout::Interleaved, [-1.0, 2.0, -4.0, 3.0, 5.0]),
    ] {
        close(
            crate::rotary(x.clone(), cos.clone(), sin.clone(), 1, layout),
            Tensor::from_data([expected], &device()),
            1e-6,
        );
    }
}

#[test]
fn the_gradient_of_a_rotation_is_that_of_the_textbook_formula() {
    let (x, gradient) = (random(1, 9, 8), random(2, 9, 8).autodiff());
    let [cos, sin] = angles(9, 4).map(|angles| angles.autodiff());
    let [ours, book] = [0, 1].map(|_| x.clone().autodiff().require_grad());
    let output = crate::rotary(
        ours.clone(),
        cos.clone(),
        sin.clone(),
        1,
        RotaryLayout::Halves,
    );
    let double = |angles: Tensor<2>| Tensor::cat(vec![angles.clone(), angles], 1);
    let [first, second] = [0..4, 4..8].map(|half| book.clone().slice([0..9, half]));
    let turned = Tensor::cat(vec![-second, first], 1);
    let formula = book.clone() * double(cos) + turned * double(sin);
    close(output.clone().inner(), formula.clone().inner(), 1e-6);
    let grads = (output * gradient.clone()).sum().backward();
    let expected = (formula * gradient).sum().backward();
    close(
        ours.grad(&grads).unwrap(),
        book.grad(&expected).unwrap(),
        1e-6,
    );
}
