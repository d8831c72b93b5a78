//! Every name against hubs that have under it what KerasHub writes into a preset of its family.

use std::ffi::OsString;

use engraft_loopback::{Hub, KaggleModel as Published, Origin, Repository};

use super::*;
use crate::{Kind as ModelKind, NamedPreset, named_presets};
use engraft_fetch::Settings;

/// The vocabulary that tokenizers of a family have.
fn vocabulary(family: &str) -> &'static [&'static str] {
    match family {
        "bert" | "distil_bert" | "electra" | "esm" => &["vocabulary.txt"],
        "albert" | "deberta_v3" | "f_net" | "gemma" | "gemma3" | "gemma3n" | "gemma4" | "llama"
        | "mistral" | "mixtral" | "phi3" | "t5" | "t5gemma" | "t5gemma2" | "xlm_roberta" => {
            &["vocabulary.spm"]
        }
        _ => &["merges.txt", "vocabulary.json"],
    }
}

/// The weights that KerasHub writes: several files of more than ten gibibytes.
fn weights(preset: &NamedPreset) -> &'static [&'static str] {
    let is_large = preset.parameters.ends_with("billion")
        && preset
            .parameters
            .split('.')
            .next()
            .and_then(|it| it.parse().ok())
            > Some(5);
    if is_large {
        &[
            "model.weights.json",
            "model_00000.weights.h5",
            "model_00001.weights.h5",
        ]
    } else {
        &["model.weights.h5"]
    }
}

/// What a preset has at Kaggle, in order.
fn listing(preset: &NamedPreset, family: &str) -> Vec<String> {
    let vocabulary = vocabulary(family).iter();
    let mut files: Vec<String> = vocabulary
        .map(|name| format!("assets/tokenizer/{name}"))
        .collect();
    let own = [
        "README.md",
        "config.json",
        "metadata.json",
        "preprocessor.json",
        "task.json",
        "tokenizer.json",
    ];
    files.extend(own.map(str::to_owned));
    files.extend(weights(preset).iter().map(|name| (*name).to_owned()));
    files.sort();
    files
}

fn hubs(hub: &Hub, cache: &tempfile::TempDir) -> &'static Hubs {
    let settings = Settings::from_variables(|name| match name {
        "HF_ENDPOINT" | "KAGGLE_API_ENDPOINT" => Some(OsString::from(hub.url())),
        "HF_HOME" | "KAGGLEHUB_CACHE" => Some(cache.path().into()),
        _ => None,
    });
    Box::leak(Box::new(Hubs::new(settings)))
}

#[test]
fn every_name_of_keras_hub_resolves_to_the_files_that_its_preset_has_at_kaggle() {
    let (hub, cache) = (Hub::start().unwrap(), tempfile::tempdir().unwrap());
    let hubs = hubs(&hub, &cache);
    let mut count = 0;
    for preset in named_presets() {
        let (Some(family), Handle::Kaggle(model)) = (preset.family, preset.handle()) else {
            continue;
        };
        let files = listing(preset, family);
        let name = format!(
            "{}/{}/{}/{}",
            model.owner, model.model, model.framework, model.variation
        );
        // Another version beside the one that the name stands for.
        let other = Published::new(&name)
            .version(99)
            .file("config.json", &b"another"[..]);
        let published = Published::new(&name).version(model.version.unwrap());
        let published = files
            .iter()
            .fold(published, |it, path| it.file(path, &b"{}"[..]));
        hub.add_kaggle(other);
        hub.add_kaggle(published);
        let found = look(&preset.handle(), hubs, Wish::AsCached).unwrap();
        let has = found.files();
        let needed: Vec<String> = needs::by_names(&has)
            .into_iter()
            .map(str::to_owned)
            .collect();
        let expected: Vec<String> = files
            .into_iter()
            .filter(|path| path != "README.md")
            .collect();
        assert_eq!(needed, expected, "{}", preset.name);
        let folder = cache
            .path()
            .join("models")
            .join(&name)
            .join(model.version.unwrap().to_string());
        assert_eq!(found.folder(), folder, "{}", preset.name);
        count += 1;
    }
    assert_eq!(count, 285);
    assert!(
        hub.seen()
            .iter()
            .all(|request| request.origin == Origin::Hub)
    );
}

#[test]
fn every_name_of_model_generator_resolves_to_its_repository() {
    let (hub, cache) = (Hub::start().unwrap(), tempfile::tempdir().unwrap());
    let hubs = hubs(&hub, &cache);
    for preset in named_presets() {
        let Handle::HuggingFace { repository, .. } = preset.handle() else {
            continue;
        };
        // What AIDO's repositories have: shards of PyTorch's, and a vocabulary.
        let files = [
            "README.md",
            "config.json",
            "pytorch_model-00001-of-00002.bin",
            "pytorch_model-00002-of-00002.bin",
            "pytorch_model.bin.index.json",
            "vocab.txt",
        ];
        let published = Repository::model(&repository);
        hub.add(
            files
                .iter()
                .fold(published, |it, path| it.file(path, &b"{}"[..])),
        );
        let found = look(&preset.handle(), hubs, Wish::AsCached).unwrap();
        let has = found.files();
        assert_eq!(needs::by_names(&has), files[1..], "{}", preset.name);
    }
    let kinds = named_presets().iter().map(|preset| preset.kind);
    assert!(kinds.clone().any(|kind| kind == ModelKind::Decoder));
    assert!(kinds.clone().any(|kind| kind == ModelKind::EncoderDecoder));
}
