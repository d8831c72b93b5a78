//! Single-label classification.

use super::*;

#[derive(Deserialize)]
pub(super) struct Case {
    pub(super) classes: usize,
    pub(super) logits: Vec<Vec<f32>>,
    pub(super) labels: Vec<usize>,
    probabilities: Vec<Vec<f32>>,
    expected: BTreeMap<String, Option<f64>>,
    details: BTreeMap<String, Vec<Option<f64>>>,
}

pub(super) fn golden() -> BTreeMap<String, Case> {
    cases(include_str!(
        "../../../../../tests/golden/metrics/metrics.json"
    ))
}

/// The scores of a case on the reference's own probabilities: rows whose probabilities are equal on
/// paper tie or not by the last bit of an `f32` softmax, and the area follows.
fn scored_on_their_probabilities(name: &str, case: &Case) -> Classification {
    let mut scores = scored(case);
    let positive = usize::from(case.classes == 2);
    let theirs = case.probabilities.iter().flat_map(|row| &row[positive..]);
    let theirs: Vec<f32> = theirs.copied().collect();
    assert_eq!(scores.scores.len(), theirs.len());
    for (one, other) in scores.scores.iter().zip(&theirs) {
        assert!((one - other).abs() < 1e-6, "{name}: {one} for {other}");
    }
    scores.scores = theirs;
    scores
}

pub(super) fn scored(case: &Case) -> Classification {
    let mut scores = Classification::new(case.classes);
    for (row, label) in case.logits.iter().zip(&case.labels) {
        scores.update(row, *label).unwrap();
    }
    scores
}

#[test]
fn every_score_is_torchmetrics_score() {
    for (name, case) in &golden() {
        let scores = scored_on_their_probabilities(name, case);
        for (metric, value) in scores.finish() {
            let expected = case.expected[metric].filter(|_| !case.labels.is_empty());
            assert_score(&format!("{name}: {metric}"), value, expected, 1e-6);
        }
    }
}

#[test]
fn every_score_of_a_class_is_torchmetrics_score() {
    for (name, case) in &golden() {
        let details = scored_on_their_probabilities(name, case).details();
        if case.labels.is_empty() {
            assert!(details.iter().all(|it| it.value.is_nan()), "{name}");
        } else {
            assert_details(name, &details, &case.details, 1e-6);
        }
    }
}

#[test]
fn classes_are_named_by_number_and_two_classes_have_no_details() {
    let mut scores = Classification::new(3);
    scores.update(&[1.0, 0.0, 0.0], 0).unwrap();
    let details = scores.details().into_iter();
    let names: Vec<(&str, usize)> = details.map(|it| (it.score, it.number)).collect();
    assert_eq!(
        names,
        [
            ("accuracy", 0),
            ("f1", 0),
            ("auroc", 0),
            ("accuracy", 1),
            ("f1", 1),
            ("auroc", 1),
            ("accuracy", 2),
            ("f1", 2),
            ("auroc", 2)
        ]
    );
    let mut scores = Classification::new(2);
    scores.update(&[1.0, 0.0], 0).unwrap();
    assert_eq!(scores.details(), []);
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
