//! Each adapter against its formula, written out with plain tensor operations.

use burn::tensor::{Device, TensorData};
use engraft_kernels::Key;

use super::*;
use crate::batch::PackedTokens;
use crate::config::TransformerConfig;

/// Two sequences, of two and three tokens, and their hidden states `[5, 4]`.
fn inputs() -> (TokenBatch, Tensor<2>) {
    let mut packed = PackedTokens::default();
    packed.push(&[1, 2], &[0, 0]);
    packed.push(&[3, 4, 5], &[0, 0, 0]);
    let config = TransformerConfig::bert(9, 4, 1, 1);
    let device = Device::flex();
    let values: Vec<f32> = (0..20).map(|i| Key::new(1).normal(i) as f32).collect();
    (
        TokenBatch::new(&packed, &config, &device),
        Tensor::from_data(TensorData::new(values, [5, 4]), &device),
    )
}

fn initial() -> Initial {
    Initial {
        device: Device::flex(),
        key: Key::new(2),
    }
}

fn linear(layer: &Linear, input: Tensor<2>) -> Tensor<2> {
    let output = input.matmul(layer.weight.val().transpose());
    layer.bias.as_ref().map_or(output.clone(), |bias| {
        output.clone() + bias.val().unsqueeze::<2>()
    })
}

#[track_caller]
fn close(left: Tensor<2>, right: Tensor<2>) {
    let difference: f32 = (left - right).abs().max().into_scalar();
    assert!(difference < 1e-6, "{difference}");
}

/// The rows of each sequence, reduced by `pool`, one above the other.
fn pooled(hidden: &Tensor<2>, pool: impl Fn(Tensor<2>) -> Tensor<2>) -> Tensor<2> {
    let part = |rows: std::ops::Range<usize>| pool(hidden.clone().slice(rows));
    Tensor::cat(vec![part(0..2), part(2..5)], 0)
}

#[test]
fn linear_adapters_are_a_linear_layer_on_what_they_pool() {
    let (batch, hidden) = inputs();
    let first = pooled(&hidden, |rows| rows.slice(0..1));
    let last = pooled(&hidden, |rows| {
        let end = rows.dims()[0];
        rows.slice(end - 1..end)
    });
    let mean = pooled(&hidden, |rows| rows.mean_dim(0));
    let largest = pooled(&hidden, |rows| rows.max_dim(0));
    let cases = [
        (Adapter::from(LinearCLSAdapter {}), first.clone()),
        (LinearLastAdapter {}.into(), last.clone()),
        (Adapter::for_backbone(false), first),
        (Adapter::for_backbone(true), last),
        (LinearMeanPoolAdapter {}.into(), mean),
        (LinearMaxPoolAdapter {}.into(), largest),
    ];
    for (adapter, pooled) in cases {
        let head = adapter.build(4, 3, &initial());
        let output = head.forward(hidden.clone(), &batch, Mode::Train(Key::new(3)));
        close(output, linear(&head.layers[0], pooled));
    }
}

#[test]
fn the_perceptron_drops_out_first_and_in_the_middle_only_if_told() {
    let (batch, hidden) = inputs();
    let mean = pooled(&hidden, |rows| rows.mean_dim(0));
    for dropout_in_middle in [false, true] {
        let adapter = Adapter::from(MLPPoolAdapter {
            layers: MlpLayers {
                hidden_sizes: vec![6, 5],
                activation_layer: ReLU {}.into(),
                dropout: 0.5,
                dropout_in_middle,
                ..MlpLayers::default()
            },
            ..MLPPoolAdapter::default()
        });
        let head = adapter.build(4, 3, &initial());
        let mode = Mode::Train(Key::new(3));
        let middle = if dropout_in_middle { 0.5 } else { 0.0 };
        let mut states = mode.at(0).dropout(mean.clone(), 0.5);
        states = mode
            .at(1)
            .dropout(linear(&head.layers[0], states).clamp_min(0.0), middle);
        states = mode
            .at(2)
            .dropout(linear(&head.layers[1], states).clamp_min(0.0), middle);
        close(
            head.forward(hidden.clone(), &batch, mode),
            linear(&head.layers[2], states),
        );
    }
}

#[test]
fn layers_start_uniform_within_the_root_of_their_inputs_and_without_bias_if_told() {
    let adapter = MLPPoolAdapter {
        layers: MlpLayers {
            hidden_sizes: vec![50],
            bias: false,
            ..MlpLayers::default()
        },
        ..MLPPoolAdapter::default()
    };
    let head = Adapter::from(adapter).build(16, 3, &initial());
    assert!(head.layers.iter().all(|layer| layer.bias.is_none()));
    let values: Vec<f32> = head.layers[0]
        .weight
        .val()
        .into_data()
        .iter::<f32>()
        .collect();
    let largest = values
        .iter()
        .fold(0f32, |largest, value| largest.max(value.abs()));
    assert!(largest <= 0.25 && largest > 0.24, "{largest}");
}

#[test]
fn a_token_adapter_is_the_same_layers_on_every_token() {
    let (batch, hidden) = inputs();
    let head = TokenAdapter::default().build(4, 3, &initial());
    let output = head.forward(hidden.clone(), &batch, Mode::Evaluate);
    close(output, linear(&head.layers[0], hidden.clone()));

    let adapter = MLPAdapter {
        layers: MlpLayers {
            hidden_sizes: vec![6],
            ..MlpLayers::default()
        },
    };
    let head = TokenAdapter::from(adapter).build(4, 3, &initial());
    let inner = linear(&head.layers[0], hidden.clone()).tanh();
    let output = head.forward(hidden, &batch, Mode::Evaluate);
    close(output, linear(&head.layers[1], inner));
}

#[test]
fn a_sequence_without_tokens_is_pooled_to_zeros() {
    let config = TransformerConfig::bert(9, 4, 1, 1);
    let device = Device::flex();
    for lengths in [&[0, 2, 0, 1, 0][..], &[0, 0]] {
        let mut packed = PackedTokens::default();
        lengths
            .iter()
            .for_each(|&length| packed.push(&vec![1; length], &vec![0; length]));
        let batch = TokenBatch::new(&packed, &config, &device);
        let hidden = Tensor::full([packed.ids.len(), 4], 2.0, &device);
        let expected = lengths.iter().flat_map(|&length| {
            let value = if length == 0 { 0.0 } else { 2.0 };
            [value; 4]
        });
        let expected: Vec<f32> = expected.collect();
        for pooling in [Pooling::Cls, Pooling::Mean, Pooling::Max] {
            let pooled = pooling.apply(hidden.clone(), &batch).into_data();
            let pooled: Vec<f32> = pooled.iter::<f32>().collect();
            assert_eq!(pooled, expected, "{pooling:?}");
        }
    }
}
