//! Encoder-decoders whose files hold other tensors than the golden cases do: tables under one of their names alone, copies of them, heads
//! of their own, no prefix.

use std::path::Path;

use burn::tensor::Device;
use engraft_hub::Weights;
use engraft_models::{HeadKind, Mode, Problem};
use serde_json::Value;

use crate::reference::{golden, largest_difference, values};
use crate::seq2seq::{Case, open_stored};
use crate::tied::write;

const KIND: HeadKind = HeadKind::Seq2SeqLm;

/// A tensor of a file: its name, its shape and its values.
type Stored = (String, Vec<usize>, Vec<f32>);

/// A golden case, each of whose tensors is stored as `change` has it.
fn stored(name: &str, folder: &Path, change: impl Fn(Stored) -> Vec<Stored>) -> Case {
    let golden = golden("seq2seq").join(name);
    std::fs::copy(golden.join("config.json"), folder.join("config.json")).unwrap();
    let weights = Weights::open_file(&golden.join("model.safetensors")).unwrap();
    let tensors = weights.iter().flat_map(|tensor| {
        let values = tensor.to_f32().unwrap();
        change((tensor.name().to_owned(), tensor.shape().to_vec(), values))
    });
    write(folder, tensors);
    open_stored(name, folder, Device::flex())
}

/// Cases with a tied head: the name of the table that it is, and the head's own.
const TABLES: [(&str, &str, &str); 4] = [
    ("bart", "model.shared.weight", "lm_head.weight"),
    ("t5", "shared.weight", "lm_head.weight"),
    (
        "marian_separate",
        "model.decoder.embed_tokens.weight",
        "lm_head.weight",
    ),
    (
        "t5gemma",
        "model.decoder.embed_tokens.weight",
        "lm_head.out_proj.weight",
    ),
];

fn check_tied(case: &Case, what: &str) {
    assert_eq!(case.differences(), Vec::<String>::new(), "{what}");
    assert!(case.checkpoint.config().is_tied(KIND), "{what}");
    let report = case.checkpoint.report();
    assert!(report.is_complete(), "{what}: {report}");
    assert!(report.unexpected.is_empty(), "{what}: {report}");
}

#[test]
fn a_table_that_several_read_may_be_stored_under_any_one_of_its_names() {
    let both = [
        (
            "bart",
            "model.shared.weight",
            "model.encoder.embed_tokens.weight",
        ),
        (
            "bart",
            "model.shared.weight",
            "model.decoder.embed_tokens.weight",
        ),
        ("t5", "shared.weight", "encoder.embed_tokens.weight"),
        ("t5", "shared.weight", "decoder.embed_tokens.weight"),
    ];
    for (name, table, other) in both.into_iter().chain(TABLES) {
        let folder = tempfile::tempdir().unwrap();
        let case = stored(name, folder.path(), |(stored, shape, values)| {
            let stored = if stored == table {
                other.to_owned()
            } else {
                stored
            };
            vec![(stored, shape, values)]
        });
        check_tied(&case, &format!("{name}: {other}"));
    }
}

#[test]
fn a_head_that_repeats_its_table_stays_tied() {
    for (name, table, head) in TABLES {
        let folder = tempfile::tempdir().unwrap();
        let case = stored(name, folder.path(), |tensor| {
            let copy =
                (tensor.0 == table).then(|| (head.to_owned(), tensor.1.clone(), tensor.2.clone()));
            copy.into_iter().chain([tensor]).collect()
        });
        check_tied(&case, name);
    }
}

fn logits(case: &Case) -> Vec<f32> {
    let encoded = case.encoded(&case.read(), Mode::Evaluate);
    let hidden = case.decoded(&encoded, &case.written(), Mode::Evaluate);
    values(case.head().forward(hidden, &case.words()))
}

/// Half the table as head: logits before the bias, or before the cap, are half of what they were.
#[test]
fn a_head_that_is_not_its_table_is_the_files_own_and_saved_so() {
    for (name, table, head) in TABLES {
        let folder = tempfile::tempdir().unwrap();
        let case = stored(name, folder.path(), |tensor| {
            let half = || tensor.2.iter().map(|value| value / 2.0).collect();
            let own = (tensor.0 == table).then(|| (head.to_owned(), tensor.1.clone(), half()));
            own.into_iter().chain([tensor]).collect()
        });
        let checkpoint = &case.checkpoint;
        assert!(!checkpoint.config().is_tied(KIND), "{name}");
        let found = logits(&case);
        let expected = case.tensors.require("logits").unwrap().to_f32().unwrap();
        let cap = checkpoint.decoder_config().unwrap().head.soft_cap;
        let bias = Weights::open(checkpoint.preset()).unwrap();
        let bias = bias.get("final_logits_bias");
        let bias = bias.map(|bias| bias.to_f32().unwrap());
        let halved = expected.iter().enumerate().map(|(at, logit)| {
            let bias = bias.as_ref().map_or(0.0, |bias| bias[at % bias.len()]);
            match cap.map(|cap| cap as f32) {
                Some(cap) => cap * ((logit / cap).atanh() / 2.0).tanh(),
                None => (logit - bias) / 2.0 + bias,
            }
        });
        let error = largest_difference(&found, &halved.collect::<Vec<_>>());
        assert!(error < 1e-3, "{name}: {error}");

        let again = tempfile::tempdir().unwrap();
        let mut saved = checkpoint.named(&case.encoder, HeadKind::None, KIND);
        saved.extend(checkpoint.named(&case.decoder, HeadKind::Decoder, KIND));
        saved.extend(checkpoint.named(&case.head(), KIND, KIND));
        saved.extend(checkpoint.named_logits_bias(&case.head()));
        let config = checkpoint.config_json(KIND, Problem::SingleLabel, None);
        let config = serde_json::to_vec(&config).unwrap();
        std::fs::write(again.path().join("config.json"), config).unwrap();
        let saved = saved.into_iter();
        write(
            again.path(),
            saved.map(|tensor| (tensor.name, tensor.shape, tensor.values)),
        );
        let again = open_stored(name, again.path(), Device::flex());
        assert_eq!(logits(&again), found, "{name}");
        assert!(again.checkpoint.report().unexpected.is_empty(), "{name}");
    }
}

/// As the first BART models were published: of the body alone, with the table under all of its names.
#[test]
fn a_body_without_prefix_is_read_with_its_copies() {
    let folder = tempfile::tempdir().unwrap();
    let case = stored("bart", folder.path(), |(name, shape, values)| {
        let Some(bare) = name.strip_prefix("model.") else {
            return Vec::new();
        };
        let names = match bare {
            "shared.weight" => vec![
                bare,
                "encoder.embed_tokens.weight",
                "decoder.embed_tokens.weight",
            ],
            _ => vec![bare],
        };
        let names = names.into_iter();
        names
            .map(|name| (name.to_owned(), shape.clone(), values.clone()))
            .collect()
    });
    let differences = case.differences();
    // What is added to logits is not stored.
    assert!(
        matches!(differences.as_slice(), [logits] if logits.contains("logits")),
        "{differences:?}"
    );
    assert!(case.head().bias().is_none());
    let report = case.checkpoint.report();
    assert!(
        report.is_complete() && report.unexpected.is_empty(),
        "{report}"
    );
}

/// The reference library's encoders refuse a description of both stacks.
#[test]
fn an_encoder_alone_is_described_as_one() {
    for (name, class) in [("t5gemma", "T5GemmaEncoderModel"), ("t5", "T5EncoderModel")] {
        let case = open_stored(name, &golden("seq2seq").join(name), Device::flex());
        let config = |head| {
            let checkpoint = &case.checkpoint;
            checkpoint.config_json(head, Problem::SingleLabel, None)
        };
        let alone = config(HeadKind::None);
        assert_eq!(alone["architectures"][0], class);
        assert_eq!(alone["is_encoder_decoder"], Value::Bool(false), "{name}");
        let whole = config(KIND);
        assert_eq!(whole["is_encoder_decoder"], Value::Bool(true), "{name}");
    }
}
