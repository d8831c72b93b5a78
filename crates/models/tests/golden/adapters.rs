//! Adapters against ModelGenerator's formulas, on the hidden states of `tests/golden/adapters`.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};
use engraft_hub::{Handle, Preset, Weights};
use engraft_models::{
    Adapter, BoxedHead, Checkpoint, ConcatFusion, CrossAttentionFusion, FusionAdapter, HeadInput,
    LinearCLSAdapter, LinearTransformerAdapter, MLPAdapter, MMFusionSeqAdapter,
    MMFusionTokenAdapter, MlpLayers, Mode, PackedTokens, ParameterPath, Pooling, ResNet1DAdapter,
    TokenBatch, TowerStates, Towers, parameters,
};
use serde_json::Map;

use crate::reference::{
    check_gradient, golden, gradients_in_order, initial, largest_difference, values, whole,
};

const CASES: [&str; 7] = [
    "resnet",
    "resnet_of_two",
    "linear_transformer",
    "cross_attention",
    "cross_attention_of_three",
    "concat",
    "concat_of_three",
];

/// The adapter of a case, with fresh weights.
fn fresh(name: &str, device: &Device) -> BoxedHead {
    let initial = initial(device);
    let resnet = |channels, num_blocks| ResNet1DAdapter {
        channels,
        num_blocks,
        dropout: 0.5,
    };
    let attending = |heads| {
        FusionAdapter::from(MMFusionSeqAdapter {
            fusion: CrossAttentionFusion {
                num_attention_heads: heads,
            }
            .into(),
            adapter: LinearCLSAdapter {}.into(),
        })
    };
    let side_by_side = |project_size, pooling, middle| {
        FusionAdapter::from(MMFusionTokenAdapter {
            fusion: ConcatFusion {
                project_size,
                pooling,
            }
            .into(),
            adapter: MLPAdapter {
                layers: MlpLayers {
                    hidden_sizes: vec![middle],
                    ..MlpLayers::default()
                },
            }
            .into(),
        })
    };
    let (mean, cls) = (Pooling::Mean, Pooling::Cls);
    match name {
        "resnet" => BoxedHead::new(Adapter::from(resnet(5, 2)).build(6, 1, &initial)),
        "resnet_of_two" => BoxedHead::new(Adapter::from(resnet(7, 3)).build(5, 2, &initial)),
        "linear_transformer" => {
            let adapter = Adapter::from(LinearTransformerAdapter {});
            BoxedHead::new(adapter.build(16, 3, &initial))
        }
        "cross_attention" => BoxedHead::new(attending(2).build(&[8, 5], 3, &initial)),
        "cross_attention_of_three" => BoxedHead::new(attending(3).build(&[6, 5, 7], 2, &initial)),
        "concat" => BoxedHead::new(side_by_side(4, mean, 7).build(&[6, 5], 3, &initial)),
        "concat_of_three" => BoxedHead::new(side_by_side(3, cls, 8).build(&[4, 6, 5], 2, &initial)),
        other => panic!("unknown case {other}"),
    }
}

/// Puts the stored weights in the place of fresh ones.
struct Filler<'a> {
    path: ParameterPath,
    tensors: &'a Weights,
    device: Device,
    filled: usize,
}

impl ModuleMapper for Filler<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.leave(container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = format!("weights.{}", self.path.joined());
        let stored = self.tensors.require(&name).unwrap();
        assert_eq!(stored.shape(), &*param.lazy_shape(), "{name}");
        self.filled += 1;
        let values = TensorData::new(stored.to_f32().unwrap(), stored.shape().to_vec());
        let tensor = Tensor::from_data(values, &self.device);
        Param::initialized(param.id, tensor).set_require_grad(true)
    }
}

struct Case {
    tensors: Weights,
    head: BoxedHead,
    device: Device,
    /// A transformer that heads of other kinds would read, and whose shape tokens are put in.
    towers: Towers,
}

/// Hidden states of a tower, and the tokens of each sequence.
#[derive(Clone)]
struct Stream {
    hidden: Tensor<2>,
    lengths: Vec<usize>,
}

fn open(name: &str) -> Case {
    let device = Device::flex().autodiff();
    let file = golden("adapters").join(format!("{name}.safetensors"));
    let tensors = Weights::open_file(&file).unwrap();
    let mut filler = Filler {
        path: ParameterPath::default(),
        tensors: &tensors,
        device: device.clone(),
        filled: 0,
    };
    let head = fresh(name, &device).map(&mut filler);
    let filled = filler.filled;
    let stored = tensors.names().filter(|name| name.starts_with("weights."));
    assert_eq!(filled, stored.count(), "{name}");
    let folder = golden("models").join("bert_base");
    let preset = Preset::open(&Handle::Folder(folder)).unwrap();
    let checkpoint = Checkpoint::open(preset, &Map::new(), false).unwrap();
    let encoder = checkpoint.encoder(&initial(&device)).unwrap();
    Case {
        tensors,
        head,
        device,
        towers: Towers::one(encoder),
    }
}

impl Case {
    fn streams(&self) -> Vec<Stream> {
        let suffixes = ["", "1", "2"].into_iter();
        let stream = |suffix| {
            let stored = self.tensors.get(&format!("hidden{suffix}"))?;
            let values = TensorData::new(stored.to_f32().unwrap(), stored.shape().to_vec());
            let lengths = whole(&self.tensors, &format!("lengths{suffix}")).into_iter();
            Some(Stream {
                hidden: Tensor::from_data(values, &self.device).require_grad(),
                lengths: lengths.map(|length| length as usize).collect(),
            })
        };
        suffixes.map_while(stream).collect()
    }

    fn run(&self, streams: &[Stream]) -> Tensor<2> {
        let states = |stream: &Stream| {
            let mut packed = PackedTokens::default();
            for &length in &stream.lengths {
                packed.push(&vec![1; length], &vec![0; length]);
            }
            TowerStates {
                hidden: stream.hidden.clone(),
                tokens: TokenBatch::new(&packed, self.towers.first().config(), &self.device),
            }
        };
        let first = states(&streams[0]);
        let others: Vec<TowerStates> = streams[1..].iter().map(states).collect();
        let input = HeadInput {
            hidden: first.hidden,
            of_row: &streams[0].lengths,
            tokens: &first.tokens,
            is_pooled: false,
            towers: &self.towers,
            others: &others,
            sites: None,
            conditions: None,
        };
        self.head.head().forward(input, Mode::Evaluate)
    }
}

#[test]
fn outputs_agree_with_the_formulas() {
    for name in CASES {
        let case = open(name);
        let output = values(case.run(&case.streams()));
        let expected = case.tensors.require("output").unwrap().to_f32().unwrap();
        let error = largest_difference(&output, &expected);
        assert!(error < 1e-4, "{name}: the output differs by {error}");
    }
}

#[test]
fn a_batch_equals_its_rows_one_by_one() {
    for name in CASES {
        let case = open(name);
        let streams = case.streams();
        let together = values(case.run(&streams));
        let mut starts = vec![0; streams.len()];
        let mut alone = Vec::new();
        for row in 0..streams[0].lengths.len() {
            let of_row = streams.iter().zip(&mut starts).map(|(stream, start)| {
                let length = stream.lengths[row];
                let rows = *start..*start + length;
                *start = rows.end;
                Stream {
                    hidden: stream.hidden.clone().slice([rows]),
                    lengths: vec![length],
                }
            });
            alone.extend(values(case.run(&of_row.collect::<Vec<_>>())));
        }
        let error = largest_difference(&together, &alone);
        assert!(error < 1e-5, "{name}: {error}");
    }
}

#[test]
fn the_gradient_of_every_parameter_and_of_the_hidden_states_agrees() {
    for name in CASES {
        let case = open(name);
        let streams = case.streams();
        let output = case.run(&streams);
        let stored = case.tensors.require("coefficients").unwrap();
        let coefficients = TensorData::new(stored.to_f32().unwrap(), stored.shape().to_vec());
        let coefficients = Tensor::<2>::from_data(coefficients, &case.device);
        let grads = (output * coefficients).sum().backward();
        let paths = parameters(&case.head).into_iter().map(|it| it.0);
        let found = paths.zip(gradients_in_order(&case.head, &grads));
        let mut ours: BTreeMap<String, Option<Vec<f32>>> = found.collect();
        for (stream, suffix) in streams.iter().zip(["", "1", "2"]) {
            let gradient = stream.hidden.grad(&grads).map(values);
            ours.insert(format!("hidden{suffix}"), gradient);
        }
        let mut compared = 0;
        for tensor in case.tensors.iter() {
            let Some(path) = tensor.name().strip_prefix("gradients.") else {
                continue;
            };
            let gradient = ours.get(path).and_then(Option::as_ref);
            let gradient = gradient.unwrap_or_else(|| panic!("{name}: no gradient for {path}"));
            check_gradient(name, path, gradient, &tensor.to_f32().unwrap());
            compared += 1;
        }
        assert!(compared > ours.len() / 2, "{name}: {compared}");
    }
}
