//! Presets in other formats: what is written is what the other libraries opened, and what they cannot hold is refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engraft::convert::{Conversion, Converted, Error, Format, SHARD, convert};
use engraft::hub::{Preset, TensorData, TensorToWrite, Weights, write_safetensors};
use engraft::prelude::{Regressor, TextClassifier};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/golden")
        .join(name)
}

fn open(folder: &Path) -> Preset {
    Preset::from_name(folder.to_str().unwrap()).unwrap()
}

const TO_KERAS: Conversion = Conversion {
    to: Format::Keras,
    approximate: false,
    max_length: None,
    shard: SHARD,
};

const TO_HUGGING_FACE: Conversion = Conversion {
    to: Format::HuggingFace,
    ..TO_KERAS
};

const APPROXIMATE_HUGGING_FACE: Conversion = Conversion {
    approximate: true,
    ..TO_HUGGING_FACE
};

/// A preset of `tests/golden`, written in another format into a folder of its own.
fn converted(name: &str, how: Conversion) -> (tempfile::TempDir, Result<Converted, Error>) {
    let folder = tempfile::tempdir().unwrap();
    let done = convert(&open(&golden(name)), &folder.path().join("written"), how);
    (folder, done)
}

/// The sha256 of each file of a folder, but for what says when and by what it was written.
fn hashes(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
            let hash = Sha256::digest(std::fs::read(&path).unwrap());
            let hash: Vec<String> = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            found.insert(name.replace('\\', "/"), hash.concat());
        }
    }
    found.remove("metadata.json");
    found
}

/// What is written otherwise than another library opened it; `list` has what that was.
fn changed(list: &str, how: Conversion) -> Vec<String> {
    let noted = std::fs::read(golden(list)).unwrap();
    let noted: BTreeMap<String, BTreeMap<String, String>> = serde_json::from_slice(&noted).unwrap();
    assert!(noted.len() >= 30, "{list} has {} cases", noted.len());
    let mut found = Vec::new();
    for (name, expected) in noted {
        let shard = match name.as_str() {
            "llama_sharded" => 21_474,
            _ => how.shard,
        };
        let (folder, done) = converted(&format!("keras/{name}"), Conversion { shard, ..how });
        match done {
            Err(error) => found.push(format!("{name}: {error}")),
            Ok(_) => {
                let written = hashes(&folder.path().join("written"));
                if written != expected {
                    let same = |name: &&String| written.get(*name) == expected.get(*name);
                    let names = written.keys().chain(expected.keys());
                    let other: Vec<_> = names.filter(|name| !same(name)).collect();
                    found.push(format!("{name}: {other:?}"));
                }
            }
        }
    }
    found
}

#[test]
fn presets_are_written_as_keras_hub_opened_them() {
    let found = changed("keras/written.json", TO_KERAS);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn presets_of_keras_hub_are_written_as_transformers_opened_them() {
    let found = changed("keras/hugging_face.json", TO_HUGGING_FACE);
    assert!(found.is_empty(), "{found:#?}");
}

/// The folders of golden models.
fn models(group: &str) -> Vec<String> {
    let folders = std::fs::read_dir(golden(group)).unwrap();
    let names = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .map(|name| format!("{group}/{name}"))
        .filter(|name| golden(name).join("config.json").is_file())
        .collect();
    names.sort();
    names
}

#[test]
fn models_of_hugging_face_are_written_again_with_the_same_weights() {
    let names = [models("models"), models("decoders"), models("seq2seq")].concat();
    assert!(names.len() > 100, "{}", names.len());
    for name in names {
        let source = open(&golden(&name));
        let Ok(weights) = Weights::open(&source) else {
            continue;
        };
        let (folder, done) = converted(&name, TO_HUGGING_FACE);
        done.unwrap_or_else(|error| panic!("{name}: {error}"));
        let written = Weights::open(&open(&folder.path().join("written"))).unwrap();
        assert_eq!(written.fingerprint(), weights.fingerprint(), "{name}");
    }
}

#[test]
fn what_keras_hub_cannot_hold_is_refused_by_its_key() {
    let mut written = Vec::new();
    let mut refused = BTreeMap::new();
    for name in [models("models"), models("decoders"), models("seq2seq")].concat() {
        let (folder, done) = converted(&name, TO_KERAS);
        match done {
            Ok(_) => written.push(name),
            Err(error) => {
                assert!(!folder.path().join("written").exists(), "{name}");
                refused.insert(name, error.to_string());
            }
        }
    }
    let says = |name: &str, expected: &str| {
        let found = refused.get(name).map(String::as_str).unwrap_or("written");
        assert!(found.contains(expected), "{name}: {found}");
    };
    says(
        "models/bert_base",
        "hidden_act is \"gelu\", and \"gelu_new\" there",
    );
    says(
        "models/bert_nopooler",
        "the source has no bert.pooler.dense",
    );
    says("models/esm_mlm", "token_dropout is true, and false there");
    says(
        "models/modernbert_base",
        "model_type \"modernbert\": KerasHub 0.32 has no such model",
    );
    says("models/bert_tokens", "BertForTokenClassification");
    says("decoders/gpt2_untied", "tie_word_embeddings is false");
    says("decoders/llama_rope_yarn", "rope_");
    says("decoders/llama_tied_bias", "bias is true");
    says(
        "decoders/qwen3",
        "keras_hub.query_key_norm_eps is 0.00001 there",
    );
    says("decoders/falcon_7b", "multi_query is true");
    says("seq2seq/marian", "model_type \"marian\"");
    let exact = [
        "models/albert_cls",
        "models/bert_gelu_new",
        "models/distilbert_cls",
        "models/esm_cls",
        "models/esm_no_token_dropout",
        "models/roberta_cls",
        "decoders/llama_rope_llama3",
        "decoders/mistral",
        "decoders/opt",
        "decoders/qwen2",
        "decoders/smollm3",
    ];
    for name in exact {
        let is_written = written.iter().any(|other| other == name);
        assert!(is_written, "{name}: {:?}", refused.get(name));
    }
}

#[test]
fn vectors_of_tokens_are_written_as_the_model_reads_them() {
    // A model of proteins with a tokenizer.
    let source = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors"] {
        let from = golden("models/esm_cls").join(file);
        std::fs::copy(from, source.path().join(file)).unwrap();
    }
    let letters = golden("keras/esm/assets/tokenizer/vocabulary.txt");
    std::fs::copy(letters, source.path().join("vocab.txt")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("written");
    let done = convert(&open(source.path()), &target, TO_KERAS).unwrap();
    let notes = done.notes.join("\n");
    assert!(notes.contains("token_dropout is in the table"), "{notes}");
    let [ours, theirs] = [source.path(), &target].map(|folder| {
        let classifier = TextClassifier::from_preset(folder.to_str().unwrap());
        let rows = classifier.unwrap().build().unwrap();
        let rows = rows.predict(["LAGVSERT", "MKTVRQ"]).unwrap();
        let rows = rows.into_iter().map(|row| row.probabilities);
        rows.collect::<Vec<_>>()
    });
    assert_eq!(ours, theirs);
    // The table is multiplied, and the row of what is masked is zero.
    let [ours, theirs] = [source.path(), &target].map(|folder| {
        let weights = Weights::open(&open(folder)).unwrap();
        let table = weights.get("esm.embeddings.word_embeddings.weight");
        table.unwrap().to_f32().unwrap().to_vec()
    });
    let (mask, width) = (32, 24);
    for (row, (ours, theirs)) in ours.chunks(width).zip(theirs.chunks(width)).enumerate() {
        let factor = if row == mask { 0.0 } else { 0.88 };
        let expected: Vec<f32> = ours.iter().map(|number| number * factor).collect();
        assert_eq!(theirs, expected, "row {row}");
    }
}

#[test]
fn a_model_whose_names_have_no_prefix_is_written_whole() {
    let (folder, done) = converted("models/albert_base", TO_KERAS);
    assert!(done.unwrap().left_out.is_empty());
    let written = Weights::open(&open(&folder.path().join("written"))).unwrap();
    let source = Weights::open(&open(&golden("models/albert_base"))).unwrap();
    let of = "encoder.albert_layer_groups.0.albert_layers.0.ffn.weight";
    let [one, other] = [source.get(of), written.get(&format!("albert.{of}"))];
    assert!(one.unwrap().equals(&other.unwrap()).unwrap());
}

#[test]
fn a_masked_language_model_needs_no_pooler() {
    // Of KerasHub's own, without the pooler: as it is when it was trained.
    let (whole, done) = converted("keras/bert_masked_lm", APPROXIMATE_HUGGING_FACE);
    done.unwrap();
    let source = whole.path().join("written");
    let weights = Weights::open(&open(&source)).unwrap();
    let kept = weights
        .iter()
        .filter(|tensor| !tensor.name().contains("pooler"));
    let kept = kept.map(|tensor| TensorToWrite {
        name: tensor.name().to_owned().into(),
        shape: tensor.shape().to_vec(),
        data: TensorData::F32(tensor.to_f32().unwrap().to_vec().into()),
    });
    let kept: Vec<_> = kept.collect();
    let bare = tempfile::tempdir().unwrap();
    write_safetensors(
        &bare.path().join("model.safetensors"),
        kept,
        &BTreeMap::new(),
    )
    .unwrap();
    let config = open(&golden("keras/bert_masked_lm")).config().unwrap();
    std::fs::write(
        bare.path().join("config.json"),
        Value::Object(config).to_string(),
    )
    .unwrap();
    let done = convert(&open(bare.path()), &bare.path().join("written"), TO_KERAS).unwrap();
    assert_eq!(done.class, "BertMaskedLM");
    assert!(
        done.notes.join("\n").contains("the source has no pooler"),
        "{:?}",
        done.notes
    );
}

#[test]
fn a_tensor_of_another_shape_cannot_be_approximated() {
    for approximate in [false, true] {
        let how = Conversion {
            approximate,
            ..TO_KERAS
        };
        let error = converted("decoders/llama", how).1.unwrap_err();
        assert!(!error.can_be_approximated());
        let expected =
            "model.layers.0.self_attn.k_proj.weight has the shape [20, 32], and [16, 32] there";
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.to_string().len() < 1000, "{error}");
    }
}

#[test]
fn norms_without_weights_multiply_by_one() {
    let how = Conversion {
        approximate: true,
        ..TO_KERAS
    };
    let (folder, done) = converted("decoders/opt_no_bias", how);
    let deviation = done.unwrap().deviation.unwrap();
    assert!(deviation.largest < deviation.scale * 0.01, "{deviation}");
    let written = Weights::open(&open(&folder.path().join("written"))).unwrap();
    let norm = written
        .get("model.decoder.final_layer_norm.weight")
        .unwrap();
    assert!(norm.to_f32().unwrap().iter().all(|number| *number == 1.0));
}

#[test]
fn the_tokens_of_keras_hub_that_a_model_was_trained_with_go_back_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    let preset = open(&golden("keras/esm"));
    convert(&preset, &source, TO_HUGGING_FACE).unwrap();
    for (name, bytes) in preset.tokenizer_of_keras_hub().unwrap().unwrap() {
        std::fs::write(source.join(name), bytes).unwrap();
    }
    std::fs::remove_file(source.join("vocab.txt")).unwrap();
    let written = folder.path().join("written");
    convert(&open(&source), &written, TO_KERAS).unwrap();
    let list = "assets/tokenizer/vocabulary.txt";
    let [ours, theirs] =
        [golden("keras/esm"), written].map(|it| std::fs::read(it.join(list)).unwrap());
    assert_eq!(String::from_utf8(ours), String::from_utf8(theirs));
}

#[test]
fn an_approximation_says_by_how_much_it_is_one() {
    let how = Conversion {
        approximate: true,
        ..TO_KERAS
    };
    let (folder, done) = converted("models/bert_mlm", how);
    let done = done.unwrap();
    let keys: Vec<&str> = done.differences.iter().map(|it| it.key()).collect();
    assert!(keys.contains(&"keras_hub.masked_lm_norm_eps"), "{keys:?}");
    let notes = done.notes.join("\n");
    assert!(notes.contains("the source has no pooler"), "{notes}");
    let deviation = done.deviation.unwrap();
    assert!(
        deviation.of_logits && deviation.largest > 0.0,
        "{deviation}"
    );
    assert!(deviation.largest < 0.1 * deviation.scale, "{deviation}");
    assert!(folder.path().join("written/task.weights.h5").is_file());
}

#[test]
fn a_row_of_segments_is_added_to_the_positions() {
    // A row that is not zero.
    let source = open(&golden("models/roberta_base"));
    let weights = Weights::open(&source).unwrap();
    let row = weights
        .require("embeddings.token_type_embeddings.weight")
        .unwrap();
    assert!(row.to_f32().unwrap().iter().all(|number| *number != 0.0));
    let (folder, done) = converted("models/roberta_base", TO_KERAS);
    done.unwrap();
    let written = Weights::open(&open(&folder.path().join("written"))).unwrap();
    let positions = written
        .require("roberta.embeddings.position_embeddings.weight")
        .unwrap();
    let before = weights
        .require("embeddings.position_embeddings.weight")
        .unwrap();
    let sums = before.to_f32().unwrap();
    let row = row.to_f32().unwrap();
    let sums: Vec<f32> = sums
        .iter()
        .zip(row.iter().cycle())
        .map(|(one, other)| one + other)
        .collect();
    // The two rows before the first position are not of KerasHub's.
    assert_eq!(
        positions.to_f32().unwrap()[2 * row.len()..],
        sums[2 * row.len()..]
    );
}

/// The golden Mistral, said to be tied or not, with or without its matrix of logits.
fn mistral(is_tied: bool, has_head: bool) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let config = std::fs::read(golden("decoders/mistral/config.json")).unwrap();
    let mut config: Value = serde_json::from_slice(&config).unwrap();
    config["tie_word_embeddings"] = json!(is_tied);
    std::fs::write(copy.path().join("config.json"), config.to_string()).unwrap();
    let source = Weights::open(&open(&golden("decoders/mistral"))).unwrap();
    let table = source.require("model.embed_tokens.weight").unwrap();
    let tensors = source
        .iter()
        .filter(|tensor| has_head || tensor.name() != HEAD);
    let tensors = tensors.map(|tensor| TensorToWrite {
        name: tensor.name().to_owned().into(),
        shape: tensor.shape().to_vec(),
        data: TensorData::Bytes {
            dtype: tensor.dtype(),
            bytes: if tensor.name() == HEAD && is_tied {
                table.bytes()
            } else {
                tensor.bytes()
            },
        },
    });
    let file = copy.path().join("model.safetensors");
    write_safetensors(&file, tensors, &BTreeMap::new()).unwrap();
    copy
}

const HEAD: &str = "lm_head.weight";

#[test]
fn a_tied_matrix_is_written_twice_and_one_that_is_missing_is_missed() {
    for has_head in [false, true] {
        let folder = mistral(true, has_head);
        let target = folder.path().join("written");
        let done = convert(&open(folder.path()), &target, TO_KERAS).unwrap();
        let says = |note: &String| note.contains("beside the table of tokens");
        assert_eq!(done.notes.iter().any(says), !has_head, "{done:?}");
        let written = Weights::open(&open(&target)).unwrap();
        let [head, table] =
            [HEAD, "model.embed_tokens.weight"].map(|name| written.require(name).unwrap());
        assert_eq!(head.to_f32().unwrap(), table.to_f32().unwrap());
    }
    let folder = mistral(false, false);
    let error = convert(
        &open(folder.path()),
        &folder.path().join("written"),
        TO_KERAS,
    );
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("the source has no lm_head.weight"),
        "{error}"
    );
}

#[test]
fn what_has_no_place_is_said_and_a_head_of_ours_is_refused() {
    let (_folder, done) = converted("models/distilbert_cls", TO_KERAS);
    let done = done.unwrap();
    let says = |note: &String| note.contains("low, middle, high");
    assert!(done.notes.iter().any(says), "{done:?}");

    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("saved");
    let regressor = Regressor::from_preset("sapiens_vh")
        .unwrap()
        .build()
        .unwrap();
    regressor.save_to_preset(&saved).unwrap();
    for how in [TO_KERAS, TO_HUGGING_FACE] {
        let error = convert(&open(&saved), &folder.path().join("out"), how).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("its head is engraft's own (adapter."),
            "{error}"
        );
    }
}

#[test]
fn a_head_without_weights_is_told() {
    let source = tempfile::tempdir().unwrap();
    for file in ["config.json", "task.json", "model.weights.h5"] {
        let from = golden("keras/distil_bert").join(file);
        std::fs::copy(from, source.path().join(file)).unwrap();
    }
    for (how, name) in [(TO_HUGGING_FACE, "there"), (TO_KERAS, "here")] {
        let done = convert(&open(source.path()), &source.path().join(name), how).unwrap();
        let notes = done.notes.join("\n");
        let expected =
            "its task is a DistilBertTextClassifier, of whose head there is no task.weights.h5";
        assert!(notes.contains(expected), "{notes}");
    }
}

/// A preset of KerasHub with another list of words, made of its own.
fn with_vocabulary(change: impl Fn(&mut Vec<String>)) -> tempfile::TempDir {
    let source = tempfile::tempdir().unwrap();
    let assets = source.path().join("assets/tokenizer");
    std::fs::create_dir_all(&assets).unwrap();
    for file in ["config.json", "tokenizer.json", "model.weights.h5"] {
        let from = golden("keras/distil_bert").join(file);
        std::fs::copy(from, source.path().join(file)).unwrap();
    }
    let list = golden("keras/distil_bert/assets/tokenizer/vocabulary.txt");
    let list = std::fs::read_to_string(list).unwrap();
    let mut list: Vec<String> = list.lines().map(str::to_owned).collect();
    change(&mut list);
    std::fs::write(assets.join("vocabulary.txt"), list.join("\n")).unwrap();
    source
}

#[test]
fn a_vocabulary_beyond_the_table_of_tokens_is_refused() {
    let source = with_vocabulary(|list| list.extend((0..200).map(|it| format!("more{it}"))));
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("written");
    for how in [TO_HUGGING_FACE, TO_KERAS] {
        let error = convert(&open(source.path()), &target, how).unwrap_err();
        let expected = "the tokenizer gives \"more199\" the id";
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!target.exists());
    }
}

#[test]
fn a_vocabulary_that_was_cut_is_told() {
    let source = with_vocabulary(|list| list.truncate(20));
    for (how, name) in [(TO_HUGGING_FACE, "there"), (TO_KERAS, "here")] {
        let done = convert(&open(source.path()), &source.path().join(name), how).unwrap();
        let notes = done.notes.join("\n");
        assert!(notes.contains("its vocabulary has 20 tokens"), "{notes}");
    }
}

#[test]
fn a_folder_that_holds_something_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("thesis.txt"), "all of it").unwrap();
    let error = convert(&open(&golden("keras/bert")), folder.path(), TO_KERAS).unwrap_err();
    assert!(
        error.to_string().contains("holds something already"),
        "{error}"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
