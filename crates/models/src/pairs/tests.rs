//! Heads on pairs against PyTorch, and in tiles against all at once.

use std::any::Any;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, TensorData};
use engraft_component::{decode, read_yaml};
use engraft_kernels::Key;
use serde_json::Value;

use super::*;
use crate::adapters::{MlpLayers, ReLU};
use crate::batch::{PackedTokens, TokenBatch};
use crate::config::TransformerConfig;
use crate::head::{Head, HeadInput};
use crate::layers::Linear;
use crate::mode::Mode;
use crate::towers::Towers;
use crate::transformer::Transformer;

fn numbers(value: &Value) -> Vec<f32> {
    match value {
        Value::Array(list) => list.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap() as f32],
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

fn matrix(values: Vec<f32>, columns: usize, device: &Device) -> Tensor<2> {
    let shape = [values.len() / columns, columns];
    Tensor::from_data(TensorData::new(values, shape), device)
}

#[track_caller]
fn close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        let allowed = 1e-5 * expected.abs().max(1.0);
        assert!(
            (found - expected).abs() <= allowed,
            "{what}: {found} {expected}"
        );
    }
}

/// The weight and the bias, if any, of each layer in order.
fn stored(layers: &Value) -> Vec<Vec<f32>> {
    let layers = layers.as_array().unwrap().iter();
    let parts = layers.flat_map(|layer| layer.as_array().unwrap());
    parts.filter(|part| part.is_array()).map(numbers).collect()
}

/// Puts stored values in the place of a module's parameters, in order.
struct Stored(Vec<Vec<f32>>);

impl ModuleMapper for Stored {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let values = self.0.remove(0);
        let tensor = param.val();
        let data = TensorData::new(values, tensor.dims());
        Param::from_tensor(Tensor::from_data(data, &tensor.device()))
    }
}

/// The gradients of a module's parameters, in order.
struct Found<'a> {
    grads: &'a Gradients,
    gradients: Vec<Vec<f32>>,
}

impl ModuleVisitor for Found<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.gradients
            .push(values(param.val().grad(self.grads).unwrap()));
    }
}

/// What a head says of rows of these many letters: the sum of its losses, and its logits.
fn losses(
    head: &dyn Head,
    hidden: Tensor<2>,
    targets: &PairTargets,
    mode: Mode,
) -> (Tensor<1>, Tensor<2>) {
    let config = TransformerConfig::bert(9, 4, 1, 1);
    let device = hidden.device();
    let initial = Initial {
        device: device.clone(),
        key: Key::new(1),
    };
    let transformer = Transformer::new(&config, &initial);
    let of_row: Vec<usize> = targets.planes.iter().map(|plane| plane.length).collect();
    let input = HeadInput {
        hidden,
        of_row: &of_row,
        tokens: &TokenBatch::new(&PackedTokens::default(), &config, &device),
        is_pooled: false,
        towers: &Towers::one(transformer),
        others: &[],
        sites: None,
        conditions: None,
    };
    head.pair_losses(input, targets, mode)
}

fn plane(labels: &Value) -> Plane {
    let rows = labels.as_array().unwrap();
    let mut plane = Plane::new(rows.len());
    for (row, labels) in rows.iter().enumerate() {
        for (column, label) in labels.as_array().unwrap().iter().enumerate() {
            let class = label.as_i64().unwrap();
            plane.set(
                [row, column],
                u8::try_from(class).unwrap_or(Plane::UNSCORED),
            );
        }
    }
    plane
}

#[test]
fn heads_on_pairs_are_those_of_the_reference_and_so_are_their_gradients() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/golden/pairs/pairs.json"
    );
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let device = Device::flex().autodiff();
    let initial = Initial {
        device: device.clone(),
        key: Key::new(2),
    };
    let mut checked = 0;
    for (name, case) in file["cases"].as_object().unwrap() {
        let yaml =
            serde_json::json!({"class_path": case["adapter"], "init_args": case["settings"]});
        let node = read_yaml(yaml.to_string().as_bytes(), "case").unwrap();
        let (adapter, _) = decode::<PairAdapter>(&node).unwrap();
        adapter.check().unwrap();
        let width = case["hidden"][0][0].as_array().unwrap().len();
        let head = adapter
            .build(width, &initial)
            .map(&mut Stored(stored(&case["layers"])));
        let hidden = matrix(numbers(&case["hidden"]), width, &device).require_grad();
        let weights = numbers(&case["weights"]);
        let targets = PairTargets {
            planes: case["labels"]
                .as_array()
                .unwrap()
                .iter()
                .map(plane)
                .collect(),
            weights: [weights[0], weights[1]],
            diagonal: case["adapter"] != "ResNet2DAdapter",
        };
        let mode = Mode::Train(Key::new(4));
        let (sum, logits) = losses(head.head(), hidden.clone(), &targets, mode);
        close(&values(logits), &numbers(&case["logits"]), name);
        let loss = sum / targets.weight_of_all();
        close(&values(loss.clone()), &numbers(&case["loss"]), name);
        let grads = loss.backward();
        let gradient = values(hidden.grad(&grads).unwrap());
        close(&gradient, &numbers(&case["gradients"]["hidden"]), name);
        let mut found = Found {
            grads: &grads,
            gradients: Vec::new(),
        };
        head.visit(&mut found);
        let expected = stored(&case["gradients"]["layers"]);
        assert_eq!(found.gradients.len(), expected.len(), "{name}");
        for (found, expected) in found.gradients.iter().zip(&expected) {
            close(found, expected, name);
        }
        // Outside training the same, without a graph.
        let inner = hidden.inner();
        let evaluated = head.valid();
        let (sum, logits) = losses(evaluated.head(), inner, &targets, Mode::Evaluate);
        close(&values(logits), &numbers(&case["logits"]), name);
        let loss = sum / targets.weight_of_all();
        close(&values(loss), &numbers(&case["loss"]), name);
        checked += 1;
    }
    assert_eq!(checked, 6);
}

/// A perceptron wide enough that a plane of a hundred letters takes several tiles.
fn wide(dropout: f64, device: &Device) -> PairMlp {
    let adapter = PairAdapter::from(MLPAdapter {
        layers: MlpLayers {
            hidden_sizes: vec![512],
            activation_layer: ReLU {}.into(),
            dropout,
            ..MlpLayers::default()
        },
    });
    let initial = Initial {
        device: device.clone(),
        key: Key::new(6),
    };
    let head = adapter.build(3, &initial);
    let head: &dyn Any = head.head();
    head.downcast_ref::<PairMlp>().unwrap().clone()
}

fn drawn(key: u64, shape: [usize; 2], device: &Device) -> Tensor<2> {
    let draws = (0..(shape[0] * shape[1]) as u64).map(|at| Key::new(key).normal(at) as f32);
    matrix(draws.collect(), shape[1], device)
}

fn striped(length: usize) -> Plane {
    let mut plane = Plane::new(length);
    for row in 0..length {
        plane.set([row, (row * 7) % length], 1);
    }
    plane
}

/// The same loss with the features of all pairs at once, in the graph.
fn at_once(layers: &[Linear], hidden: Tensor<2>, targets: &PairTargets) -> Tensor<1> {
    let [length, width] = hidden.dims();
    let shape = [length, length, width, 1];
    let first = hidden.clone().reshape([length, 1, width, 1]).expand(shape);
    let second = hidden.reshape([1, length, width, 1]).expand(shape);
    let both = Tensor::cat(vec![first, second], 3).reshape([length * length, 2 * width]);
    let inner = layers[0].forward(both, Mode::Evaluate).clamp_min(0.0);
    targets.loss_of_all(layers[1].forward(inner, Mode::Evaluate))
}

#[test]
fn a_plane_in_tiles_is_the_plane_at_once() {
    let device = Device::flex().autodiff();
    let head = wide(0.0, &device);
    let targets = PairTargets {
        planes: vec![striped(100)],
        weights: [1.0, 3.0],
        diagonal: true,
    };
    let hidden = drawn(7, [100, 3], &device).require_grad();
    let gradients = |loss: Tensor<1>| {
        let grads = (loss.clone() / 1e4).backward();
        let layers = head.layers.iter();
        let weights = layers.map(|it| values(it.weight.val().grad(&grads).unwrap()));
        let mut all: Vec<Vec<f32>> = weights.collect();
        all.push(values(hidden.grad(&grads).unwrap()));
        (values(loss / 1e4), all)
    };
    let (sum, _) = losses(&head, hidden.clone(), &targets, Mode::Train(Key::new(1)));
    let (loss, found) = gradients(sum);
    let (expected_loss, expected) = gradients(at_once(&head.layers, hidden.clone(), &targets));
    close(&loss, &expected_loss, "loss");
    for (found, expected) in found.iter().zip(&expected) {
        close(found, expected, "gradient");
    }
}

#[test]
fn dropout_of_pairs_has_the_gradient_of_its_own_draws() {
    let device = Device::flex().autodiff();
    let head = wide(0.3, &device);
    let targets = PairTargets {
        planes: vec![striped(6), striped(4)],
        weights: [1.0; 2],
        diagonal: false,
    };
    let (at, along) = (drawn(8, [10, 3], &device), drawn(9, [10, 3], &device));
    let mode = Mode::Train(Key::new(5));
    let loss = |hidden: Tensor<2>| losses(&head, hidden, &targets, mode).0;
    let hidden = at.clone().require_grad();
    let grads = loss(hidden.clone()).backward();
    let gradient = hidden.grad(&grads).unwrap();
    let slope = values((gradient * along.clone().inner()).sum())[0];
    let step = 1e-3;
    let moved = |step: f64| values(loss(at.clone() + along.clone() * step))[0];
    let expected = (moved(step) - moved(-step)) / (2.0 * step as f32);
    assert!(
        (slope - expected).abs() < 2e-2 * expected.abs().max(1.0),
        "{slope} {expected}"
    );
    let other = losses(&head, at.clone(), &targets, Mode::Train(Key::new(6))).0;
    assert!((values(other)[0] - moved(0.0)).abs() > 1e-4);
}
