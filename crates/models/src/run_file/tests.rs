//! Every parameter of an adapter has its name in ModelGenerator's files, and every tensor there its place in the adapter.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::Device;
use engraft_hub::{TensorData, TensorToWrite, write_safetensors};
use engraft_kernels::Key;

use super::*;
use crate::adapters::{
    Adapter, LinearAdapter, LinearMeanPoolAdapter, LinearTransformerAdapter, MLPAdapter, MlpLayers,
};
use crate::conditional::{ConditionalLMAdapter, ConditionalLmHead, TokenDecoder};
use crate::config::{Activation, DenseConfig, MaskedLmConfig, NormConfig, TransformerConfig};
use crate::families::families;
use crate::fusion::{
    ConcatFusion, CrossAttentionFusion, FusionAdapter, MMFusionSeqAdapter, MMFusionTokenAdapter,
};
use crate::heads::MaskedLmHead;
use crate::initial::Initial;
use crate::layers::Linear;
use crate::names::parameters;
use crate::pairs::{MLPAdapterWithoutOutConcat, PairAdapter};

const WIDTH: usize = 24;

type Shapes = BTreeMap<String, Vec<usize>>;

fn initial() -> Initial {
    Initial {
        device: Device::flex(),
        key: Key::new(2),
    }
}

fn rnabert() -> &'static Family {
    let mut families = families().iter();
    families.find(|family| family.name == "rnabert").unwrap()
}

/// A file with the tensors of a golden head, each of whose numbers is other than all before.
fn file(name: &str) -> (tempfile::TempDir, RunFile) {
    let golden = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/golden/lightning/heads.json"
    ));
    let mut heads: BTreeMap<String, Shapes> = serde_json::from_str(golden).unwrap();
    let shapes = heads.remove(name).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    let mut next = 0u32;
    let tensors = shapes.iter().map(|(name, shape)| {
        let count = shape.iter().product::<usize>() as u32;
        let numbers: Vec<f32> = (next..next + count).map(|it| it as f32).collect();
        next += count;
        TensorToWrite {
            name: Cow::Borrowed(name.as_str()),
            shape: shape.clone(),
            data: TensorData::F32(Cow::Owned(numbers)),
        }
    });
    write_safetensors(&path, tensors, &BTreeMap::new()).unwrap();
    let run = RunFile::open(&path).unwrap();
    (folder, run)
}

/// The parameters of `head` are those of the file, but for `left`, which are the same as others.
#[track_caller]
fn fits(name: &str, head: Vec<(String, Vec<usize>)>, of: HeadUse, left: &[&str]) -> Weights {
    let (_folder, run) = file(name);
    let heads = run.heads(rnabert(), of);
    let mut read = BTreeSet::new();
    for (path, shape) in head {
        let tensor = heads.require(&format!("adapter.{path}")).unwrap();
        assert_eq!(tensor.shape(), shape, "{path}");
        read.insert(tensor.name().to_owned());
    }
    let unread: Vec<&str> = run.head_names().filter(|it| !read.contains(*it)).collect();
    assert_eq!(unread, left, "{name}");
    heads
}

fn shapes(head: &impl burn::module::Module) -> Vec<(String, Vec<usize>)> {
    let parameters = parameters(head).into_iter();
    parameters.map(|(path, shape, _)| (path, shape)).collect()
}

fn layers(hidden_sizes: &[usize]) -> MlpLayers {
    MlpLayers {
        hidden_sizes: hidden_sizes.to_vec(),
        ..MlpLayers::default()
    }
}

#[test]
fn queries_keys_and_values_of_layers_of_attention_are_parts_of_one_matrix() {
    let head = Adapter::from(LinearTransformerAdapter {}).build(WIDTH, 3, &initial());
    let heads = fits("transformer", shapes(&head), HeadUse::default(), &[]);
    let first = |projection: &str| {
        let path = format!("adapter.stage.layers.1.attention.inputs.{projection}.weight");
        heads.get(&path).unwrap().to_f32().unwrap()[0]
    };
    let step = (WIDTH * WIDTH) as f32;
    assert_eq!(first("key") - first("query"), step);
    assert_eq!(first("value") - first("query"), 2.0 * step);
}

#[test]
fn a_head_with_conditions_has_either_decoder() {
    let adapter = ConditionalLMAdapter {
        nhead: 3,
        dim_feedforward: 10,
        num_layers: 2,
    };
    let head = |decoder| {
        let head = ConditionalLmHead::new(&adapter.clone().into(), [WIDTH, 2], decoder, &initial());
        shapes(&head)
    };
    let linear = TokenDecoder::Linear(Linear::uniform([WIDTH, 16], true, &initial()));
    fits("conditional", head(linear), HeadUse::default(), &[]);
    let config = TransformerConfig::bert(16, WIDTH, 1, 3);
    let masked = MaskedLmConfig {
        dense: Some(DenseConfig {
            norm: Some(NormConfig::root_mean_square(1e-5)),
            ..DenseConfig::plain(WIDTH, Activation::Gelu)
        }),
        bias: true,
        tied: true,
        outputs: None,
    };
    let own = TokenDecoder::MaskedLm(MaskedLmHead::new(&config, &masked, &initial()));
    // The one is the embeddings, the other a second name of the decoder's bias.
    let left = [
        "adapter.lm_decoder.predictions.bias",
        "adapter.lm_decoder.predictions.decoder.weight",
    ];
    fits("conditional_own", head(own), HeadUse::default(), &left);
}

#[test]
fn fusions_of_backbones_have_a_head_of_their_own() {
    let widths = [WIDTH, 36, 12];
    let attention = FusionAdapter::from(MMFusionSeqAdapter {
        fusion: CrossAttentionFusion {
            num_attention_heads: 3,
        }
        .into(),
        adapter: LinearMeanPoolAdapter {}.into(),
    });
    let head = attention.build(&widths, 1, &initial());
    fits("attention", shapes(&head), HeadUse::default(), &[]);
    let concat = FusionAdapter::from(MMFusionTokenAdapter {
        fusion: ConcatFusion {
            project_size: 7,
            ..ConcatFusion::default()
        }
        .into(),
        adapter: MLPAdapter {
            layers: layers(&[5]),
        }
        .into(),
    });
    let head = concat.build(&widths, 1, &initial());
    fits("concat", shapes(&head), HeadUse::default(), &[]);
}

#[test]
fn of_two_outputs_of_a_pair_the_last_is_taken() {
    let of = HeadUse {
        takes_last_output: true,
        ..HeadUse::default()
    };
    let heads = [
        ("pair_linear", PairAdapter::from(LinearAdapter {})),
        (
            "pair_mlp",
            MLPAdapter {
                layers: layers(&[9]),
            }
            .into(),
        ),
        (
            "pair_split",
            MLPAdapterWithoutOutConcat {
                layers: layers(&[9, 4]),
            }
            .into(),
        ),
    ];
    for (name, adapter) in heads {
        let head = adapter.build(WIDTH, &initial());
        let read = fits(name, shapes(&head), of, &[]);
        let last = read
            .iter()
            .filter(|it| it.name().ends_with("bias"))
            .last()
            .unwrap();
        assert_eq!(last.shape(), [1], "{name}");
    }
}
