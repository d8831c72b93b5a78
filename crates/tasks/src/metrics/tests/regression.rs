//! Regression.

use super::*;

#[derive(Deserialize)]
struct Case {
    outputs: usize,
    predictions: Vec<Vec<Option<f32>>>,
    targets: Vec<Vec<Option<f32>>>,
    expected: BTreeMap<String, Option<f64>>,
    details: BTreeMap<String, Vec<Option<f64>>>,
    instead: BTreeMap<String, Vec<Option<f64>>>,
}

fn golden() -> BTreeMap<String, Case> {
    cases(include_str!(
        "../../../../../tests/golden/metrics/regression.json"
    ))
}

fn scored(case: &Case) -> Regression {
    let mut scores = Regression::new(case.outputs);
    let row = |row: &[Option<f32>]| -> Vec<f32> {
        row.iter().map(|value| value.unwrap_or(f32::NAN)).collect()
    };
    for (predictions, targets) in case.predictions.iter().zip(&case.targets) {
        scores.update(&row(predictions), &row(targets)).unwrap();
    }
    scores
}

fn of(predictions: &[f32], targets: &[f32]) -> BTreeMap<&'static str, f64> {
    let mut scores = Regression::new(1);
    for (prediction, target) in predictions.iter().zip(targets) {
        scores.update(&[*prediction], &[*target]).unwrap();
    }
    scores.finish().into_iter().collect()
}

#[test]
fn every_score_is_torchmetrics_score_but_where_the_documentation_says_otherwise() {
    for (name, mut case) in golden() {
        let scores = scored(&case);
        for (metric, values) in std::mem::take(&mut case.instead) {
            let sum: Option<f64> = values.iter().copied().sum();
            case.expected
                .insert(metric.clone(), sum.map(|sum| sum / values.len() as f64));
            case.details.insert(metric, values);
        }
        for (metric, value) in scores.finish() {
            let what = format!("{name}: {metric}");
            assert_score(&what, value, case.expected[metric], 1e-9);
        }
        if case.outputs > 1 {
            assert_details(&name, &scores.details(), &case.details, 1e-9);
        } else {
            assert_eq!(scores.details(), []);
        }
    }
}

#[test]
fn outputs_are_named_by_number() {
    let mut scores = Regression::new(2);
    scores.update(&[0.0, 1.0], &[0.5, 1.0]).unwrap();
    let details = scores.details().into_iter();
    let names: Vec<(&str, usize)> = details.map(|it| (it.score, it.number)).collect();
    let expected = ["pearson", "spearman", "mae", "r2", "mse"];
    assert_eq!(names[..5], expected.map(|name| (name, 0)));
    assert_eq!(names[5..], expected.map(|name| (name, 1)));
}

#[test]
fn scores_of_values_far_from_zero_are_those_near_zero() {
    let predictions = [1.0, 2.5, 2.0, -3.0, 0.5, 7.0_f32];
    let targets = [0.5, 2.0, 3.0, -2.5, 0.0, 6.5_f32];
    let near = of(&predictions, &targets);
    let far = of(
        &predictions.map(|value| value + 1e6),
        &targets.map(|value| value + 1e6),
    );
    for (name, value) in near {
        assert!((far[name] - value).abs() < 1e-9, "{name}: {far:?}");
    }
}

#[test]
fn ranks_are_shared_by_equal_values_and_zeros_of_either_sign_are_equal() {
    use super::super::ranking::average_ranks;
    assert_eq!(
        average_ranks(&[3.0, 1.0, 3.0, 2.0, 3.0]),
        [4.0, 1.0, 4.0, 2.0, 4.0]
    );
    assert_eq!(average_ranks(&[0.0, -0.0, -1.0]), [2.5, 2.5, 1.0]);
    assert!(average_ranks(&[]).is_empty());
}

#[test]
fn infinite_predictions_have_infinite_errors_and_still_a_rank() {
    let scores = of(&[1.0, 2.0, f32::INFINITY], &[1.0, 2.0, 3.0]);
    assert!(scores["pearson"].is_nan());
    assert!(scores["spearman"] > 0.999);
    assert_eq!(scores["mae"], f64::INFINITY);
    assert_eq!(scores["mse"], f64::INFINITY);
    assert_eq!(scores["r2"], f64::NEG_INFINITY);
}

#[test]
fn the_largest_and_smallest_floats_neither_overflow_nor_vanish() {
    for scale in [f32::MAX, f32::MIN_POSITIVE * f32::EPSILON] {
        let scores = of(&[-scale, 0.0, scale], &[-scale, 0.0, scale]);
        assert!((scores["pearson"] - 1.0).abs() < 1e-9, "{scores:?}");
        assert_eq!(scores["r2"], 1.0);
        let scores = of(&[scale, 0.0, -scale], &[-scale, 0.0, scale]);
        assert!((scores["pearson"] + 1.0).abs() < 1e-9, "{scores:?}");
        assert!((scores["r2"] + 3.0).abs() < 1e-9, "{scores:?}");
    }
}

#[test]
fn constants_that_binary_cannot_write_have_no_spread() {
    let tenths = [0.1_f32; 1000];
    let wrong: Vec<f32> = (0..1000).map(|row| row as f32 / 7.0).collect();
    assert_eq!(of(&wrong, &tenths)["r2"], 0.0);
    assert_eq!(of(&tenths, &tenths)["r2"], 1.0);
    assert!(of(&tenths, &wrong)["pearson"].is_nan());
    assert_eq!(of(&tenths, &wrong)["spearman"], 0.0);
}

#[test]
fn a_nan_prediction_of_constant_targets_is_not_scored_as_a_number() {
    let scores = of(&[f32::NAN, 1.0], &[1.0, 1.0]);
    assert!(scores.values().all(|value| value.is_nan()), "{scores:?}");
}

#[test]
fn a_row_that_does_not_fit_is_refused_and_leaves_no_trace() {
    let mut scores = Regression::new(2);
    let fresh = scores.clone();
    let error = scores.update(&[0.0], &[1.0, 2.0]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a row of 1 predictions and 2 targets cannot be scored against 2 outputs; all must be equal"
    );
    assert!(scores.update(&[0.0, 1.0], &[1.0; 3]).is_err());
    assert_eq!(scores, fresh);
}
