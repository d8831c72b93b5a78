//! Multi-label classification.

use super::*;

#[derive(Deserialize)]
struct Case {
    labels: usize,
    logits: Vec<Vec<f32>>,
    flags: Vec<Vec<bool>>,
    probabilities: Vec<Vec<f32>>,
    expected: BTreeMap<String, Option<f64>>,
    details: BTreeMap<String, Vec<Option<f64>>>,
}

fn golden() -> BTreeMap<String, Case> {
    cases(include_str!(
        "../../../../../tests/golden/metrics/multi_label.json"
    ))
}

fn scored(case: &Case) -> MultiLabel {
    let mut scores = MultiLabel::new(case.labels);
    for (logits, flags) in case.logits.iter().zip(&case.flags) {
        scores.update(logits, flags).unwrap();
    }
    scores
}

#[test]
fn every_score_is_torchmetrics_score() {
    for (name, case) in &golden() {
        let mut scores = scored(case);
        // Sigmoids that are equal on paper may differ by a last bit, and the area follows.
        let theirs: Vec<f32> = case.probabilities.concat();
        assert_eq!(scores.scores.len(), theirs.len());
        for (one, other) in scores.scores.iter().zip(&theirs) {
            assert!((one - other).abs() < 1e-6, "{name}: {one} for {other}");
        }
        scores.scores = theirs;
        for (metric, value) in scores.finish() {
            let what = format!("{name}: {metric}");
            assert_score(&what, value, case.expected[metric], 1e-6);
        }
        assert_details(name, &scores.details(), &case.details, 1e-6);
    }
}

#[test]
fn each_label_scores_as_a_task_of_two_classes() {
    for (name, case) in &golden() {
        let details = scored(case).details();
        for label in 0..case.labels {
            let mut alone = Classification::new(2);
            for (logits, flags) in case.logits.iter().zip(&case.flags) {
                // The softmax of a logit beside 0 is its sigmoid.
                let row = [0.0, logits[label]];
                alone.update(&row, usize::from(flags[label])).unwrap();
            }
            for (score, value) in alone.finish() {
                let detail = Detail {
                    score,
                    number: label,
                    value,
                };
                assert!(details.contains(&detail), "{name}: {detail:?}");
            }
        }
    }
}

#[test]
fn a_probability_of_one_half_does_not_apply() {
    let mut scores = MultiLabel::new(2);
    // A logit so small that its sigmoid rounds to one half.
    scores.update(&[0.0, 1e-9], &[false, false]).unwrap();
    assert_eq!(scores.finish()[0], ("accuracy", 1.0));
}

#[test]
fn a_row_that_does_not_fit_is_refused_and_leaves_no_trace() {
    let mut scores = MultiLabel::new(3);
    let fresh = scores.clone();
    let error = scores.update(&[0.0; 3], &[true; 2]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a row of 3 logits and 2 flags cannot be scored against 3 labels; all must be equal"
    );
    assert!(scores.update(&[0.0; 2], &[true; 3]).is_err());
    assert_eq!(scores, fresh);
}

#[test]
fn a_logit_that_is_nan_makes_the_areas_of_its_label_nan_and_nothing_else() {
    let mut scores = MultiLabel::new(2);
    scores.update(&[f32::NAN, 1.0], &[true, true]).unwrap();
    scores.update(&[1.0, -1.0], &[false, false]).unwrap();
    let details = scores.details().into_iter();
    let all: BTreeMap<_, _> = details
        .map(|it| ((it.score, it.number), it.value))
        .collect();
    assert!(all[&("auroc", 0)].is_nan());
    assert_eq!(all[&("auroc", 1)], 1.0);
    assert_eq!(all[&("accuracy", 0)], 0.0);
    assert!(scores.finish()[3].1.is_nan());
}
