//! PyTorch checkpoints as a user opens them: what `torch.save` wrote is read to the bit, and nothing in a file is ever run.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use engraft_hub::{Preset, Weights};
use proptest::prelude::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/pickles")
}

/// The names of the checkpoints in a folder of golden cases, without their ending.
fn checkpoints(kind: &str) -> Vec<String> {
    let files = fs::read_dir(folder().join(kind)).unwrap();
    let mut names: Vec<_> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".bin").map(str::to_owned))
        .collect();
    names.sort();
    names
}

fn open(kind: &str, name: &str) -> engraft_hub::Result<Weights> {
    Weights::open_file(&folder().join(kind).join(name).with_extension("bin"))
}

fn twin(name: &str) -> Weights {
    Weights::open_file(
        &folder()
            .join("good")
            .join(name)
            .with_extension("safetensors"),
    )
    .unwrap()
}

fn assert_equal(read: &Weights, twin: &Weights) {
    let label = read.label();
    assert_eq!(
        read.names().collect::<Vec<_>>(),
        twin.names().collect::<Vec<_>>(),
        "{label}"
    );
    for expected in twin.iter() {
        let found = read.require(expected.name()).unwrap();
        assert_eq!(
            found.dtype(),
            expected.dtype(),
            "{label}: {}",
            expected.name()
        );
        assert_eq!(
            found.shape(),
            expected.shape(),
            "{label}: {}",
            expected.name()
        );
        assert_eq!(
            found.bytes(),
            expected.bytes(),
            "{label}: {}",
            expected.name()
        );
        assert_eq!(
            found.non_finite(),
            expected.non_finite(),
            "{label}: {}",
            expected.name()
        );
    }
    assert_eq!(read.fingerprint(), twin.fingerprint(), "{label}");
}

/// A preset with these golden cases as its files.
fn preset(files: &[(&str, &str)]) -> (tempfile::TempDir, Preset) {
    let root = tempfile::tempdir().unwrap();
    for (from, to) in files {
        fs::copy(folder().join("good").join(from), root.path().join(to)).unwrap();
    }
    let preset = Preset::from_name(root.path().to_str().unwrap()).unwrap();
    (root, preset)
}

#[test]
fn every_checkpoint_is_read_as_its_safetensors_twin() {
    let names = checkpoints("good");
    assert!(names.len() > 15, "{names:?}");
    for name in names {
        let read = open("good", &name).unwrap_or_else(|error| panic!("{error}"));
        assert_equal(&read, &twin(&name));
    }
}

#[test]
fn tensors_in_any_order_read_as_floats() {
    for name in ["zip", "plain"] {
        let weights = open("good", name).unwrap();
        let twin = twin(name);
        for tensor in [
            "transposed",
            "permuted",
            "expanded",
            "transposed_f16",
            "transposed_f64",
            "scalar",
            "empty",
        ] {
            let read = weights.require(tensor).unwrap().to_f32().unwrap();
            assert_eq!(
                read,
                twin.require(tensor).unwrap().to_f32().unwrap(),
                "{name}: {tensor}"
            );
        }
        let message = weights
            .require("i64")
            .unwrap()
            .to_f32()
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("tensor \"i64\" has the type I64"),
            "{message}"
        );
    }
}

#[test]
fn what_is_not_a_tensor_by_name_is_left_out() {
    let weights = open("good", "lightning").unwrap();
    assert!(weights.get("0.weight").is_some() && weights.get("other").is_none());
    let weights = open("good", "zip").unwrap();
    assert!(
        weights.get("epoch").is_none()
            && weights.get("nested").is_none()
            && weights.get("x").is_none()
    );
}

#[test]
fn a_preset_with_a_pytorch_checkpoint_opens() {
    let (_root, single) = preset(&[("module.bin", "pytorch_model.bin")]);
    let weights = Weights::open(&single).unwrap();
    assert!(weights.label().ends_with("pytorch_model.bin"));
    assert_equal(&weights, &twin("module"));
}

#[test]
fn shards_are_read_as_their_index_says() {
    let index = "pytorch_model.bin.index.json";
    let shards = [
        "pytorch_model-00001-of-00002.bin",
        "pytorch_model-00002-of-00002.bin",
    ];
    let places: Vec<_> = [index, shards[0], shards[1]]
        .map(|file| (format!("sharded/{file}"), file))
        .into();
    let files: Vec<_> = places
        .iter()
        .map(|(from, to)| (from.as_str(), *to))
        .collect();
    let (root, sharded) = preset(&files);
    assert_equal(&Weights::open(&sharded).unwrap(), &twin("sharded"));

    fs::remove_file(root.path().join(shards[1])).unwrap();
    let message = Weights::open(&sharded).unwrap_err().to_string();
    assert!(
        message.contains(
            "has no pytorch_model-00002-of-00002.bin; pytorch_model.bin.index.json lists it"
        ),
        "{message}"
    );
    fs::copy(root.path().join(shards[0]), root.path().join(shards[1])).unwrap();
    let message = Weights::open(&sharded).unwrap_err().to_string();
    assert!(
        message.contains("should be in pytorch_model-00002-of-00002.bin but is not there"),
        "{message}"
    );
    fs::write(
        root.path().join(index),
        r#"{"weight_map":{"f32":"../pytorch_model.bin"}}"#,
    )
    .unwrap();
    let message = Weights::open(&sharded).unwrap_err().to_string();
    assert!(message.contains("not a plain file name"), "{message}");
}

#[test]
fn safetensors_are_preferred_even_in_parts() {
    let (root, both) = preset(&[
        ("module.safetensors", "model.safetensors"),
        ("zip.bin", "pytorch_model.bin"),
    ]);
    assert!(
        Weights::open(&both)
            .unwrap()
            .label()
            .ends_with("model.safetensors")
    );
    fs::rename(
        root.path().join("model.safetensors"),
        root.path().join("one.safetensors"),
    )
    .unwrap();
    let index = r#"{"weight_map":{"0.weight":"one.safetensors"}}"#;
    fs::write(root.path().join("model.safetensors.index.json"), index).unwrap();
    assert!(
        Weights::open(&both)
            .unwrap()
            .label()
            .ends_with("model.safetensors.index.json")
    );
    fs::remove_file(root.path().join("model.safetensors.index.json")).unwrap();
    fs::write(root.path().join("pytorch_model.bin.index.json"), "{}").unwrap();
    assert!(
        Weights::open(&both)
            .unwrap()
            .label()
            .ends_with("pytorch_model.bin")
    );
}

#[test]
fn a_file_is_known_by_its_content_and_not_by_its_name() {
    let files = [
        ("plain.bin", "a.ckpt"),
        ("zip.bin", "b.weights"),
        ("zip.safetensors", "c.pt"),
    ];
    let (root, _) = preset(&files);
    for (_, file) in files {
        let read = Weights::open_file(&root.path().join(file)).unwrap();
        assert_equal(&read, &twin("zip"));
    }
}

#[test]
fn a_checkpoint_of_a_training_program_has_its_tensors_and_the_numbers_beside_them() {
    let lightning = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/lightning");
    let read = Weights::open_file(&lightning.join("structure.ckpt")).unwrap();
    assert_eq!(read.notes()["threshold"], "0.17");
    let last = read.require("adapter.conv_to_output.weight").unwrap();
    assert_eq!(last.shape(), [1, 6, 3, 3]);
    // Of the optimizer's state and the settings nothing is read.
    let of_model =
        |name: &str| name.starts_with("backbone.encoder.") || name.starts_with("adapter.");
    assert!(read.names().all(of_model));
    let said = Weights::open_file(&lightning.join("hostile.ckpt")).unwrap_err();
    assert!(said.to_string().contains("it names posix.system"), "{said}");
}

#[test]
fn a_checkpoint_cut_anywhere_is_refused_or_complete() {
    for name in ["module", "plain_protocol_4", "wide", "python2"] {
        let whole = fs::read(folder().join("good").join(name).with_extension("bin")).unwrap();
        for length in 0..whole.len() {
            let cut = whole[..length].to_vec();
            assert!(
                Weights::from_bytes("cut.bin", cut).is_err(),
                "{name} cut to {length} bytes"
            );
        }
    }
}

/// Reads every tensor of a file that was changed, if it still opens; none may take more room than the file.
fn read_all(bytes: Vec<u8>) {
    let size = bytes.len();
    if let Ok(weights) = Weights::from_bytes("changed.bin", bytes) {
        for tensor in weights.iter() {
            assert!(tensor.bytes().len() <= size);
            let count: usize = tensor.shape().iter().product();
            assert_eq!(tensor.bytes().len(), count * (tensor.dtype().bitsize() / 8));
        }
    }
}

fn any_case() -> impl Strategy<Value = Vec<u8>> {
    let files: Vec<_> = ["good", "attacks"]
        .iter()
        .flat_map(|kind| {
            checkpoints(kind)
                .into_iter()
                .map(move |name| folder().join(kind).join(name))
        })
        .map(|path| fs::read(path.with_extension("bin")).unwrap())
        .filter(|bytes| bytes.len() < 20_000)
        .collect();
    prop::sample::select(files)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_changed_checkpoint_is_read_or_refused(
        mut bytes in any_case(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        removed in prop::option::of((any::<prop::sample::Index>(), 1usize..40)),
    ) {
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some((from, count)) = removed {
            let from = from.index(bytes.len());
            bytes.drain(from..(from + count).min(bytes.len()));
        }
        read_all(bytes);
    }

    #[test]
    fn any_operations_are_run_or_refused(operations in prop::collection::vec(any::<u8>(), 0..60)) {
        let mut pickle = vec![0x80, 2];
        pickle.extend(operations);
        read_all(pickle);
    }
}
