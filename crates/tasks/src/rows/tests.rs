//! Which tokens a row's words have, as the reference library has it.

use std::path::{Path, PathBuf};

use engraft_component::{decode, read_yaml};
use engraft_data::{DataModule, Label, Stage};
use serde_json::{Map, Value};

use super::*;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden")
}

fn json(path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(golden().join(path)).unwrap()).unwrap()
}

/// The rows of a file in the usual form.
fn examples(file: &str) -> Examples {
    let yaml = format!(
        "class_path: TokenClassificationDataModule\ninit_args: {{path: {}, x_col: tokens, y_col: ner_tags}}",
        golden().join("word_labels").join(file).display()
    );
    let (module, _): (DataModule, _) =
        decode(&read_yaml(yaml.as_bytes(), "e.yaml").unwrap()).unwrap();
    module.load(Stage::Test).unwrap().test.unwrap()
}

fn encoder(tokenizer: Tokenizer, max_length: Option<usize>) -> RowEncoder {
    RowEncoder {
        tokenizer,
        max_length,
        longest: None,
        vocabularies: [usize::MAX; 2],
        segments: 2,
        reading: Reading::Units(None),
        alignments: AlignmentReading::default(),
    }
}

fn tokenizer(group: &Value) -> Tokenizer {
    let folder = golden().join(group["folder"].as_str().unwrap());
    let read = |file: &str| match (file, &group["tokenizer_config"]) {
        ("tokenizer_config.json", config) if !config.is_null() => {
            Ok(Some(config.to_string().into_bytes()))
        }
        _ => Ok(std::fs::read(folder.join(file)).ok()),
    };
    Tokenizer::from_preset_files(&read, &Map::new()).unwrap()
}

/// The class beside each token, -100 where there is none.
fn beside(row: &EncodedRow, classes: &[Option<Label>]) -> Vec<i64> {
    let mut found = vec![-100; row.encoding.len()];
    for unit in row.units.iter().flatten() {
        if let Some(Some(Label::Index(class))) = classes.get(unit.unit) {
            found[unit.token] = i64::try_from(*class).unwrap();
        }
    }
    found
}

#[test]
fn classes_of_words_stand_beside_the_tokens_that_the_reference_puts_them_beside() {
    let all = json("word_labels/cases.json");
    let rows = examples("rows.jsonl");
    assert_eq!(rows.texts, examples("rows.parquet").texts);
    assert_eq!(rows.labels, examples("rows.parquet").labels);
    let classes = rows.tokens().unwrap();
    let mut checked = 0;
    for (name, group) in all.as_object().unwrap() {
        let tokenizer = tokenizer(group);
        for case in group["cases"].as_array().unwrap() {
            let row = usize::try_from(case["row"].as_u64().unwrap()).unwrap();
            let length = case["max_length"].as_u64();
            let length = length.map(|length| usize::try_from(length).unwrap());
            let encoder = encoder(tokenizer.clone(), length);
            let encoded = encoder
                .encode(&rows, &[row], Some(TokenUnit::Word))
                .unwrap();
            let encoded = &encoded[0];
            assert_eq!(
                serde_json::to_value(&encoded.encoding.ids).unwrap(),
                case["ids"],
                "{name}: {case}"
            );
            let labels = serde_json::to_value(beside(encoded, &classes[row])).unwrap();
            assert_eq!(labels, case["labels"], "{name}: {case}");
            checked += 1;
        }
    }
    assert_eq!(checked, 5 * 11 * 3);
}

#[test]
fn words_without_a_token_are_named_and_the_others_keep_their_classes() {
    let group = &json("word_labels/cases.json")["wordpiece"];
    let encoder = encoder(tokenizer(group), None);
    let rows = Examples::from_words([vec!["the", "\u{200b}", "bank", ""], vec!["boat"]]);
    let encoded = encoder
        .encode(&rows, &[0, 1], Some(TokenUnit::Word))
        .unwrap();
    let unsaid = [(1, "\u{200b}".to_owned()), (3, String::new())];
    assert_eq!(encoded[0].unsaid, unsaid);
    assert_eq!(encoded[1].unsaid, []);
    // The same words as a text, where white space is between words and none of them is empty.
    let texts = Examples::from_texts(["the \u{200b} bank", "boat"]);
    let texts = encoder
        .encode(&texts, &[0, 1], Some(TokenUnit::Word))
        .unwrap();
    assert_eq!(texts[0].unsaid, unsaid[..1]);
    assert_eq!(texts[0].encoding, encoded[0].encoding);
    assert_eq!(texts[0].units, encoded[0].units);
    // A letter that is left out stays an error: a sequence of such letters is not what the model reads.
    let letters = Examples::from_texts(["a\u{200b}"]);
    let refused = encoder
        .encode(&letters, &[0], Some(TokenUnit::Letter))
        .unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("leaves out 1 of the 2 letters"),
        "{refused}"
    );
}
