//! Training, scoring and predicting are the same wherever texts lie.

use engraft::data::Examples;
use engraft::prelude::{Fit, TextClassifier};

fn classifier() -> TextClassifier {
    let classifier = TextClassifier::from_preset("sapiens_vh").unwrap();
    classifier.num_classes(2).build().unwrap()
}

#[test]
fn rows_in_a_temporary_file_train_and_score_as_rows_in_memory_do() {
    let text = |row: usize| {
        format!(
            "EVQLVESGG{}{}",
            ["W", "K"][row % 2].repeat(3),
            "GAS".repeat(row % 5)
        )
    };
    let held = Examples::from_texts((0..20).map(text))
        .labelled((0..20).map(|row: usize| row % 2))
        .unwrap();
    let stored = held.clone().stored().unwrap();
    let [first, second] = [held, stored].map(|examples| {
        let mut classifier = classifier();
        let fit = Fit {
            epochs: 2,
            batch_size: Some(3),
            validation: Some(&examples),
            verbose: false,
            ..Fit::default()
        };
        let learned = classifier.fit(&examples, fit).unwrap();
        let scores = classifier.evaluate(&examples).unwrap();
        let learned = learned.epochs().last().unwrap().values.to_vec();
        let bits = |scores: Vec<(String, f64)>| -> Vec<(String, u64)> {
            // The time that it took is no score.
            let scores = scores
                .into_iter()
                .filter(|(name, _)| !name.contains("second"));
            scores
                .map(|(name, value)| (name, value.to_bits()))
                .collect()
        };
        (bits(learned), bits(scores.to_vec()))
    });
    assert_eq!(first, second);
}
