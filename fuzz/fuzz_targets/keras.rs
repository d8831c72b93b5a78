//! The weights and the description of a preset of KerasHub: what is not refused is read as a whole.
//!
//! The first byte says which: an even one that the rest is HDF5, an odd one that it is `config.json`. The other files are those of a golden case.

#![no_main]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use engraft_hub::{Preset, Weights};
use libfuzzer_sys::fuzz_target;

/// The weights and the description of the case.
static CASE: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/keras/bert");
    ["model.weights.h5", "config.json"]
        .map(|file| std::fs::read(Path::new(folder).join(file)).expect("the case is there"))
});

/// A folder of this process.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("engraft-fuzz-keras-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    folder
});

fuzz_target!(|input: &[u8]| {
    let Some((which, rest)) = input.split_first() else {
        return;
    };
    let [weights, config] = CASE.each_ref().map(Vec::as_slice);
    let files = match which % 2 {
        0 => [("model.weights.h5", rest), ("config.json", config)],
        _ => [("model.weights.h5", weights), ("config.json", rest)],
    };
    // A file that is copied would not be when a signal of the fuzzer comes.
    for (name, bytes) in files {
        std::fs::write(FOLDER.join(name), bytes).expect("a file can be written");
    }
    let preset = Preset::from_name(FOLDER.to_str().expect("it is UTF-8"));
    let weights = preset.and_then(|preset| Weights::open(&preset));
    for tensor in weights.iter().flat_map(Weights::iter) {
        let count: usize = tensor.shape().iter().product();
        assert_eq!(tensor.to_f32().expect("weights are floats").len(), count);
    }
});
