//! State that is saved and read, and the scores of any task through one type.

use super::*;

/// One row of any task.
enum Row {
    Class(Vec<f32>, usize),
    Flags(Vec<f32>, Vec<bool>),
    Numbers(Vec<f32>, Vec<f32>),
    Token(bool),
}

fn update(metrics: &mut Metrics, row: &Row) {
    match (metrics, row) {
        (Metrics::Classification(scores), Row::Class(logits, label)) => {
            scores.update(logits, *label).unwrap();
        }
        (Metrics::MultiLabel(scores), Row::Flags(logits, flags)) => {
            scores.update(logits, flags).unwrap();
        }
        (Metrics::Regression(scores), Row::Numbers(predictions, targets)) => {
            scores.update(predictions, targets).unwrap();
        }
        (Metrics::MaskedTokens(scores), Row::Token(hit)) => scores.update(*hit),
        _ => panic!("a row of another task"),
    }
}

/// Each task with rows that hold what JSON cannot, or only just.
fn tasks() -> Vec<(Metrics, Vec<Row>)> {
    let odd = [0.1, f32::NAN, f32::INFINITY, -0.0, f32::MIN_POSITIVE / 3.0];
    let class = |(row, &value): (usize, &f32)| Row::Class(vec![value, 0.3, -value], row % 3);
    let flags = |(row, &value): (usize, &f32)| Row::Flags(vec![value, 0.3], vec![row < 2, true]);
    let numbers = |&value: &f32| Row::Numbers(vec![value, 1.0 / 3.0], vec![0.7, value]);
    vec![
        (
            Metrics::classification(3),
            odd.iter().enumerate().map(class).collect(),
        ),
        (
            Metrics::multi_label(2),
            odd.iter().enumerate().map(flags).collect(),
        ),
        (Metrics::regression(2), odd.iter().map(numbers).collect()),
        (
            Metrics::masked_tokens(),
            [true, false, true].map(Row::Token).into(),
        ),
    ]
}

fn bits(scores: Vec<(String, f64)>) -> Vec<(String, u64)> {
    let bits = |(name, value): (String, f64)| (name, value.to_bits());
    scores.into_iter().map(bits).collect()
}

#[test]
fn a_state_that_was_saved_and_read_goes_on_to_the_same_scores() {
    for (fresh, rows) in tasks() {
        let (mut whole, mut resumed) = (fresh.clone(), fresh);
        for row in &rows {
            update(&mut whole, row);
            let saved = serde_json::to_string(&resumed).unwrap();
            resumed = serde_json::from_str(&saved).unwrap();
            update(&mut resumed, row);
        }
        assert_eq!(whole.rows(), rows.len());
        assert_eq!(resumed.rows(), rows.len());
        assert_eq!(bits(resumed.finish()), bits(whole.finish()));
        assert_eq!(bits(resumed.details()), bits(whole.details()));
        let text = |metrics| serde_json::to_string(metrics).unwrap();
        assert_eq!(text(&resumed), text(&whole));
    }
}

#[test]
fn scores_of_no_rows_are_nan() {
    for (fresh, _) in tasks() {
        assert_eq!(fresh.rows(), 0);
        assert!(!fresh.finish().is_empty());
        for (name, value) in fresh.finish().into_iter().chain(fresh.details()) {
            assert!(value.is_nan(), "{fresh:?}: {name} is {value}");
        }
    }
}

#[test]
fn nothing_to_score_is_no_panic() {
    for metrics in [
        Metrics::classification(0),
        Metrics::multi_label(0),
        Metrics::regression(0),
    ] {
        assert!(metrics.finish().iter().all(|(_, value)| value.is_nan()));
        assert_eq!(metrics.details(), []);
    }
    let mut row = Regression::new(0);
    row.update(&[], &[]).unwrap();
    assert_eq!(row.rows(), 0);
}

#[test]
fn the_accuracy_of_masked_tokens_is_the_share_of_hits() {
    let mut scores = MaskedTokens::default();
    for hit in [true, false, false, true, true] {
        scores.update(hit);
    }
    assert_eq!(scores.finish(), [("accuracy", 0.6)]);
    assert_eq!(Metrics::MaskedTokens(scores).details(), []);
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

#[test]
fn damaged_flags_are_an_error() {
    for flags in ["012", "0 1", "-1", "\u{e9}"] {
        let text = format!(r#"{{"counts":[],"flags":"{flags}","scores":""}}"#);
        assert!(
            serde_json::from_str::<MultiLabel>(&text).is_err(),
            "{flags}"
        );
    }
}

#[test]
fn a_state_whose_parts_disagree_is_scored_without_a_panic() {
    let states = [
        r#"{"Classification":{"counts":[],"labels":[7,8],"scores":"3f800000"}}"#,
        r#"{"MultiLabel":{"counts":[[],[]],"flags":"1","scores":""}}"#,
        r#"{"Regression":{"outputs":3,"predictions":"","targets":"3f8000003f800000"}}"#,
        r#"{"Regression":{"outputs":0,"predictions":"3f800000","targets":"3f800000"}}"#,
    ];
    for state in states {
        let metrics: Metrics = serde_json::from_str(state).unwrap();
        let _ = (metrics.rows(), metrics.finish(), metrics.details());
    }
}
