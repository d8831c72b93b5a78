//! How long the kernels take beside their plain twins and beside Burn's own operations.
//!
//! `cargo test --release -p engraft-kernels figures -- --ignored --nocapture --test-threads 1`

use std::sync::Arc;
use std::time::{Duration, Instant};

use burn::backend::Flex;
use burn::tensor::Tensor;
use burn::tensor::activation::silu;

use super::{flex, random, vector};
use crate::{
    Disentangled, Dropout, GateActivation, Gelu, Kernels, Key, LogBuckets, LowRank, RotaryLayout,
    Segments, plain,
};

/// Sequences and tokens of a batch of Reuters, as MiniLM sees it.
const LENGTHS: [usize; 16] = [
    256, 40, 95, 61, 180, 77, 52, 143, 88, 36, 201, 66, 119, 72, 90, 99,
];

/// The median duration of each body; the bodies take turns, so that load from elsewhere meets all of them.
fn medians<const N: usize>(mut bodies: [&mut dyn FnMut(); N]) -> [Duration; N] {
    const TURNS: usize = 15;
    let mut durations = [const { Vec::new() }; N];
    for turn in 0..TURNS + 3 {
        for (body, durations) in bodies.iter_mut().zip(&mut durations) {
            let start = Instant::now();
            body();
            if turn >= 3 {
                durations.push(start.elapsed());
            }
        }
    }
    durations.map(|mut durations| {
        durations.sort();
        durations[TURNS / 2]
    })
}

/// Prints and compares the durations of a kernel and of its twin.
#[track_caller]
fn compare(name: &str, mut kernel: impl FnMut(), mut twin: impl FnMut()) {
    let [kernel, twin] = medians([&mut kernel, &mut twin]);
    println!(
        "{name:40} {:8.3} ms, plain {:8.3} ms, {:5.1} times",
        kernel.as_secs_f64() * 1e3,
        twin.as_secs_f64() * 1e3,
        twin.as_secs_f64() / kernel.as_secs_f64()
    );
    assert!(kernel < twin, "{name}");
}

#[test]
#[ignore = "prints figures"]
fn kernels_are_faster_than_their_twins() {
    let segments = Segments::from_lengths(LENGTHS);
    let tokens = segments.total();
    let (x, g) = (flex(random(1, tokens, 384)), flex(random(2, tokens, 384)));
    for layout in [RotaryLayout::Halves, RotaryLayout::Interleaved] {
        let [cos, sin] = [3, 4].map(|seed| flex(random(seed, tokens, 16)));
        compare(
            &format!("rotary {layout:?}"),
            || {
                drop(Flex::rotary(
                    x.clone(),
                    cos.clone(),
                    sin.clone(),
                    12,
                    layout,
                ))
            },
            || {
                let (x, cos, sin) = (x.clone(), cos.clone(), sin.clone());
                drop(plain::rotary::rotary::<Flex>(x, cos, sin, 12, layout));
            },
        );
    }

    let weight = flex(vector(3, 384));
    compare(
        "rms_norm",
        || drop(Flex::rms_norm_forward(x.clone(), weight.clone(), 1e-6)),
        || {
            drop(plain::norm::rms_norm::<Flex>(
                x.clone(),
                weight.clone(),
                1e-6,
            ))
        },
    );
    let (_, inverse) = Flex::rms_norm_forward(x.clone(), weight.clone(), 1e-6);
    let inputs = || (x.clone(), weight.clone(), inverse.clone(), g.clone());
    compare(
        "rms_norm backward",
        || {
            let (x, weight, inverse, g) = inputs();
            drop(Flex::rms_norm_backward(x, weight, inverse, g));
        },
        || {
            let (x, weight, inverse, g) = inputs();
            drop(plain::norm::rms_norm_backward::<Flex>(
                x, weight, inverse, g,
            ));
        },
    );
    compare(
        "shift_rows",
        || drop(Flex::shift_rows(x.clone(), segments.clone(), 1)),
        || drop(plain::shift_rows::<Flex>(x.clone(), &segments, 1)),
    );

    let [gate, up, gradient] = [1, 2, 3].map(|seed| flex(random(seed, tokens, 1536)));
    for kind in [
        GateActivation::Silu,
        GateActivation::Gelu(Gelu::Exact),
        GateActivation::Gelu(Gelu::Tanh),
    ] {
        compare(
            &format!("gated {kind:?}"),
            || drop(Flex::gated(gate.clone(), up.clone(), kind)),
            || {
                drop(plain::activation::gated::<Flex>(
                    gate.clone(),
                    up.clone(),
                    kind,
                ));
            },
        );
        let inputs = || (gate.clone(), up.clone(), gradient.clone());
        compare(
            &format!("gated {kind:?} backward"),
            || {
                let (gate, up, gradient) = inputs();
                drop(Flex::gated_backward(gate, up, gradient, kind));
            },
            || {
                let (gate, up, gradient) = inputs();
                drop(plain::activation::gated_backward::<Flex>(
                    gate, up, gradient, kind,
                ));
            },
        );
    }
}

#[test]
#[ignore = "prints figures"]
fn disentangled_attention_is_faster_than_its_twin() {
    let call = Disentangled {
        segments: Segments::from_lengths(LENGTHS),
        heads: 12,
        scale: 1.0 / (3.0 * 64f32).sqrt(),
        span: 256,
        buckets: Some(LogBuckets {
            count: 256,
            max_distance: 512,
        }),
        dropout: Some(Dropout {
            rate: 0.1,
            key: Key::new(1),
        }),
    };
    let tokens = call.segments.total();
    let inputs = [1, 2, 3].map(|seed| flex(random(seed, tokens, 768)));
    let tables = [4, 5].map(|seed| flex(random(seed, 512, 768)));
    let shared = Arc::new(call.clone());
    let forward = || {
        let ([q, k, v], [position_k, position_q]) = (inputs.clone(), tables.clone());
        Flex::disentangled_attention_forward(q, k, v, position_k, position_q, shared.clone())
    };
    compare(
        "disentangled_attention",
        || drop(forward()),
        || {
            let (inputs, tables) = (inputs.clone(), tables.clone());
            drop(plain::disentangled::forward::<Flex>(inputs, tables, &call));
        },
    );
    let (output, log_sum) = forward();
    let gradient = flex(random(6, tokens, 768));
    let saved = [output, log_sum, gradient];
    compare(
        "disentangled_attention backward",
        || {
            let ([q, k, v], [position_k, position_q]) = (inputs.clone(), tables.clone());
            let [output, log_sum, gradient] = saved.clone();
            drop(Flex::disentangled_attention_backward(
                q,
                k,
                v,
                position_k,
                position_q,
                output,
                log_sum,
                gradient,
                shared.clone(),
            ));
        },
        || {
            let (inputs, tables) = (inputs.clone(), tables.clone());
            drop(plain::disentangled::backward::<Flex>(
                inputs,
                tables,
                saved.clone(),
                &call,
            ));
        },
    );
    let plain_call = Arc::new(call.contents());
    let attention = || {
        let ([q, k, v], table) = (inputs.clone(), tables[0].clone());
        Flex::attention_forward(q, k, v, table, plain_call.clone())
    };
    let (output, log_sum) = attention();
    let [forward, backward] = medians([&mut || drop(attention()), &mut || {
        let ([q, k, v], table) = (inputs.clone(), tables[0].clone());
        let [_, _, gradient] = saved.clone();
        drop(Flex::attention_backward(
            q,
            k,
            v,
            table,
            output.clone(),
            log_sum.clone(),
            gradient,
            plain_call.clone(),
        ));
    }]);
    println!("the same without positions: {forward:?}, backward {backward:?}");
}

#[test]
#[ignore = "prints figures"]
fn one_node_is_faster_than_burns_own_under_autodiff() {
    let [gate, up, weights] = [1, 2, 3].map(|seed| random(seed, 1675, 1536).autodiff());
    let (gate, up) = (gate.require_grad(), up.require_grad());
    let step = |f: &dyn Fn(Tensor<2>, Tensor<2>) -> Tensor<2>| {
        let output = f(gate.clone(), up.clone());
        drop((output * weights.clone()).sum().backward());
    };
    let [ours, ours_alone, burn, alone, nothing] = medians([
        &mut || step(&|gate, up| crate::gated(gate, up, GateActivation::Silu)),
        &mut || step(&|gate, _| crate::silu(gate)),
        &mut || step(&|gate, up| silu(gate) * up),
        &mut || step(&|gate, _| silu(gate)),
        &mut || step(&|gate, _| gate),
    ]);
    println!(
        "gated {ours:?}, of Burn {burn:?}; silu {ours_alone:?}, of Burn {alone:?}; loss alone {nothing:?}"
    );
    assert!(ours < burn && ours_alone < alone);
}

#[test]
#[ignore = "prints figures"]
fn low_rank_updates_in_one_node_are_faster_than_their_layers() {
    for (tokens, inner, outer, rank) in [
        (1675, 384, 384, 8),
        (1675, 384, 384, 16),
        (1675, 768, 768, 16),
        (1675, 384, 1536, 16),
    ] {
        let x = random(1, tokens, inner).autodiff().require_grad();
        let w = random(2, outer, inner).autodiff();
        let b = vector(3, outer).autodiff();
        let down = random(4, rank, inner).autodiff().require_grad();
        let up = random(5, outer, rank).autodiff().require_grad();
        let g = random(6, tokens, outer).autodiff();
        let base = || crate::linear(x.clone(), w.clone(), Some(b.clone()));
        let update = |input: Tensor<2>| {
            let low = crate::linear(input, down.clone(), None);
            crate::linear(low, up.clone(), None) * 2.0
        };
        let dropout = Dropout {
            rate: 0.05,
            key: Key::new(1),
        };
        let step = |output: Tensor<2>| drop((output * g.clone()).sum().backward());
        let trained = w.clone().require_grad();
        let call = |dropout| LowRank {
            scale: 2.0,
            dropout,
        };
        let fused = |dropout| {
            let factors = (down.clone(), up.clone());
            crate::add_low_rank(base(), x.clone(), factors.0, factors.1, call(dropout))
        };
        let [frozen, full, lora, dropped, ours, ours_dropped, loss] = medians([
            &mut || step(base()),
            &mut || step(crate::linear(x.clone(), trained.clone(), Some(b.clone()))),
            &mut || step(base() + update(x.clone())),
            &mut || step(base() + update(crate::dropout(x.clone(), dropout))),
            &mut || step(fused(None)),
            &mut || step(fused(Some(dropout))),
            &mut || {
                let output = g.clone().require_grad();
                step(output);
            },
        ]);
        println!(
            "{tokens} x {inner} -> {outer}, rank {rank}: frozen {frozen:?}, trained {full:?}, low rank {lora:?}, with dropout {dropped:?}, in one node {ours:?}, with dropout {ours_dropped:?}; loss alone {loss:?}"
        );
        assert!(ours_dropped < dropped);
    }
}
