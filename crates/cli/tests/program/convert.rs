//! `engraft convert` and `engraft export --to`: presets in another library's format, and what is refused.

use std::fs;
use std::path::Path;

use crate::Workplace;

/// A workplace with folders of `tests/golden` by other names.
fn place(folders: &[(&str, &str)]) -> Workplace {
    let place = Workplace::empty();
    for (golden, name) in folders {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../tests/golden")
            .join(golden);
        copy(&golden, &place.path(name));
    }
    place
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_preset_goes_to_hugging_face_and_back_and_writes_the_same_texts() {
    let place = place(&[("keras/gpt2", "keras_gpt2")]);
    place.succeed("convert ./keras_gpt2 ./there --to hf");
    let said = place.run("convert ./there ./back --to keras");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.err.contains("GPT2CausalLM: 28 tensors written"),
        "{said:?}"
    );
    let write = |folder: &str| {
        place.run(&format!(
            "generate ./{folder} --prompt Ok --max-new-tokens 5 --sampler greedy"
        ))
    };
    let first = write("keras_gpt2");
    assert_eq!(first.code, Some(0), "{first:?}");
    for folder in ["there", "back"] {
        assert_eq!(write(folder).out, first.out, "{folder}");
    }
    let same = |file: &str| {
        let read = |folder: &str| fs::read(place.path(&format!("{folder}/{file}"))).unwrap();
        read("keras_gpt2") == read("back")
    };
    assert!(same("assets/tokenizer/merges.txt"));
    assert!(same("assets/tokenizer/vocabulary.json"));
}

#[test]
fn a_classifier_trained_here_is_exported_as_a_preset_of_keras_hub() {
    let place = place(&[("keras/bert", "keras_bert")]);
    place.write(
        "rows.tsv",
        "text\tlabel\nThe cat sat\tbad\nI run\tgood\nIt runs\tgood\nThe cat\tbad\n",
    );
    let fit = "fit --model BertTextClassifier --model.num_classes 2 --model.backbone ./keras_bert \
         --data SequenceClassificationDataModule --data.path rows.tsv --data.x_col text --data.y_col label \
         --data.test_split_size 0 --data.valid_split_size 0";
    place.succeed(&format!("{fit} --trainer.max_steps 2"));
    // What texts are cut to is left to the preset, and is the same when training goes on.
    place.succeed(&format!("{fit} --trainer.max_steps 4 --ckpt_path last"));
    let said = place.run("export --ckpt_path last --to keras --output keras_classifier");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.err.contains("BertTextClassifier: 41 tensors"),
        "{said:?}"
    );
    assert!(!said.err.contains("transformers"), "{said:?}");
    let task = place.read("keras_classifier/task.json");
    assert!(
        task.contains("\"class_name\": \"BertTextClassifier\""),
        "{task}"
    );
    assert!(task.contains("\"num_classes\": 2"), "{task}");
    // What texts are cut to.
    assert!(task.contains("\"sequence_length\": 18"), "{task}");
    place.succeed("predict --ckpt_path last --text I --output ours.tsv");
    place.succeed("predict --model TextClassifier --model.backbone ./keras_classifier --text I --output theirs.tsv");
    let probabilities = |file: &str| {
        let table = place.read(file);
        // The names of classes are not in a preset of KerasHub, and neither is their column.
        let (head, row) = table.split_once('\n').unwrap();
        let cells = head.split('\t').zip(row.trim_end().split('\t'));
        let cells = cells.filter(|(name, _)| name.starts_with("p_"));
        let cells: Vec<String> = cells.map(|(_, cell)| cell.to_owned()).collect();
        assert_eq!(cells.len(), 2, "{table}");
        cells
    };
    assert_eq!(probabilities("ours.tsv"), probabilities("theirs.tsv"));
    let left = fs::read_dir(place.path(".")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        left.iter()
            .all(|name| !name.to_string_lossy().contains(".tmp-")),
        "{left:?}"
    );
}

#[test]
fn what_cannot_be_converted_is_refused_in_a_sentence_and_leaves_nothing() {
    let place = place(&[
        ("models/bert_mlm", "bert"),
        ("keras/bert", "keras_bert"),
        ("keras/bert", "cut"),
    ]);
    let file = place.path("cut/model.weights.h5");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    fs::create_dir(place.path("taken")).unwrap();
    place.write("taken/thesis.txt", "all of it");
    let before = fs::read_dir(place.path(".")).unwrap().count();
    let cases = [
        ("convert bert out", "--to is needed: hf or keras"),
        (
            "convert bert out --to gguf",
            "--to: expected hf or keras, found \"gguf\"",
        ),
        (
            "convert bert --to keras",
            "a preset and the folder to write are needed",
        ),
        (
            "convert bert taken --to keras",
            "the folder taken holds something already",
        ),
        ("convert absent out --to keras", "the folder does not exist"),
        (
            "convert bert out --to keras",
            "KerasHub's BertMaskedLM computes something else than ./bert",
        ),
        (
            "convert bert out --to keras",
            "--approximate writes it all the same",
        ),
        ("convert ./cut out --to hf", "cut short"),
        (
            "convert bert out --to hf --max-length 3",
            "--max-length goes with --to keras",
        ),
        (
            "convert bert out --to hf --max-shard-size 0",
            "--max-shard-size: expected a number of GiB",
        ),
        (
            "export --ckpt_path x --to gguf --output y",
            "--to: expected hf or keras",
        ),
        ("fit --to keras", "--to: only export and convert take it"),
    ];
    for (words, expected) in cases {
        let words = words
            .replace("convert bert", "convert ./bert")
            .replace("convert absent", "convert ./absent");
        let said = place.run(&words);
        assert_eq!(said.code, Some(2), "{words}: {said:?}");
        assert!(said.err.contains(expected), "{words}: {}", said.err);
        assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    }
    assert_eq!(fs::read_dir(place.path(".")).unwrap().count(), before);
    let said = place.run("generate ./keras_bert --prompt a --tokens keras");
    assert!(
        said.err
            .contains("--tokens: expected keras_hub, found \"keras\""),
        "{said:?}"
    );
    let said = place.run("convert ./bert out --to keras --approximate");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.err.contains("logits differ by"), "{}", said.err);
}
