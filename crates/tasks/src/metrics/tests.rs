//! The scores against torchmetrics, and their state against itself.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Golden {
    cases: BTreeMap<String, Case>,
}

#[derive(Deserialize)]
struct Case {
    classes: usize,
    logits: Vec<Vec<f32>>,
    labels: Vec<usize>,
    probabilities: Vec<Vec<f32>>,
    expected: BTreeMap<String, Option<f64>>,
}

fn golden() -> BTreeMap<String, Case> {
    let text = include_str!("../../../../tests/golden/metrics/metrics.json");
    serde_json::from_str::<Golden>(text).unwrap().cases
}

fn scored(case: &Case) -> Classification {
    let mut scores = Classification::new(case.classes);
    for (row, label) in case.logits.iter().zip(&case.labels) {
        scores.update(row, *label).unwrap();
    }
    scores
}

#[test]
fn every_score_is_torchmetrics_score() {
    let cases = golden();
    assert!(cases.len() > 10);
    for (name, case) in &cases {
        let mut scores = scored(case);
        // Rows whose probabilities are equal on paper tie or not by the last bit of an f32 softmax, and
        // the area follows; so it is compared on the reference's own probabilities.
        let positive = usize::from(case.classes == 2);
        let theirs = case.probabilities.iter().flat_map(|row| &row[positive..]);
        let theirs: Vec<f32> = theirs.copied().collect();
        for (one, other) in scores.scores.iter().zip(&theirs) {
            assert!((one - other).abs() < 1e-6, "{name}: {one} for {other}");
        }
        assert_eq!(scores.scores.len(), theirs.len());
        scores.scores = theirs;
        for (metric, value) in scores.finish() {
            match case.expected[metric] {
                Some(expected) if !case.labels.is_empty() => assert!(
                    (value - expected).abs() < 1e-6,
                    "{name}: {metric} is {value}, torchmetrics has {expected}"
                ),
                _ => assert!(value.is_nan(), "{name}: {metric} is {value}"),
            }
        }
    }
}

#[test]
fn a_state_that_was_saved_and_read_goes_on_to_the_same_scores() {
    for (name, case) in &golden() {
        let mut resumed = Classification::new(case.classes);
        for (row, label) in case.logits.iter().zip(&case.labels) {
            let saved = serde_json::to_string(&resumed).unwrap();
            resumed = serde_json::from_str(&saved).unwrap();
            resumed.update(row, *label).unwrap();
        }
        assert_eq!(resumed, scored(case), "{name}");
    }
}

#[test]
fn scores_do_not_depend_on_the_order_of_the_rows() {
    for (name, mut case) in golden() {
        let forwards = scored(&case).finish();
        case.logits.reverse();
        case.labels.reverse();
        for (one, other) in forwards.iter().zip(scored(&case).finish()) {
            assert_eq!(one.1.to_bits(), other.1.to_bits(), "{name}: {}", one.0);
        }
    }
}

#[test]
fn a_row_that_does_not_fit_is_refused_and_leaves_no_trace() {
    let mut scores = Classification::new(3);
    let fresh = scores.clone();
    let label = scores.update(&[0.0; 3], 3).unwrap_err();
    assert_eq!(
        label.to_string(),
        "label 3 is not one of the 3 classes; labels run from 0 to 2"
    );
    assert!(scores.update(&[0.0; 2], 0).is_err());
    assert_eq!(scores, fresh);
}

#[test]
fn a_logit_that_is_nan_makes_the_area_nan_and_nothing_else() {
    let mut scores = Classification::new(2);
    scores.update(&[0.0, f32::NAN], 0).unwrap();
    scores.update(&[0.0, 1.0], 1).unwrap();
    let scores: BTreeMap<_, _> = scores.finish().into_iter().collect();
    assert!(scores["auroc"].is_nan());
    assert!(scores["accuracy"].is_finite());
}

#[test]
fn the_area_is_the_share_of_pairs_in_order() {
    let rows = [
        (0.1, false),
        (0.4, true),
        (0.35, false),
        (0.8, true),
        (0.4, false),
    ];
    // Six pairs: five in order, one tied.
    assert_eq!(auroc(rows.into_iter()), 5.5 / 6.0);
    assert_eq!(auroc([(0.5, true)].into_iter()), 0.0);
}

#[test]
fn a_mean_weighs_what_it_is_given_and_survives_json_to_the_bit() {
    let mut mean = Mean::default();
    assert!(mean.value().is_nan());
    mean.add(3.0, 1.0);
    mean.add(0.1 + 0.2, 2.0);
    assert_eq!(mean.value(), (3.0 + (0.1 + 0.2)) / 3.0);
    for sum in [
        0.1 + 0.2,
        f64::NAN,
        f64::INFINITY,
        -0.0,
        f64::MIN_POSITIVE / 3.0,
    ] {
        let mean = Mean { sum, weight: 7.0 };
        let text = serde_json::to_string(&mean).unwrap();
        let back: Mean = serde_json::from_str(&text).unwrap();
        assert_eq!(back.sum.to_bits(), sum.to_bits(), "{text}");
    }
}

#[test]
fn damaged_scores_are_an_error() {
    for scores in [
        "3f80000",
        "3f80000g",
        "+f800000",
        "\u{e9}\u{e9}\u{e9}\u{e9}",
    ] {
        let text = format!(r#"{{"counts":[],"labels":[],"scores":"{scores}"}}"#);
        assert!(
            serde_json::from_str::<Classification>(&text).is_err(),
            "{scores}"
        );
    }
}
