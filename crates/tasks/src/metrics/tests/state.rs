//! State that is saved and read, and the scores of every task through one trait.

use std::fmt::Debug;

use serde::Serialize;

use super::*;

/// Scores whose state a run can keep.
trait Kept: Metrics + Clone + Debug + Serialize + DeserializeOwned {}

impl<M: Metrics + Clone + Debug + Serialize + DeserializeOwned> Kept for M {}

/// Takes one row into scores.
type Take<M> = Box<dyn Fn(&mut M)>;

/// What is to hold for the scores of each task.
trait Check {
    /// Checks it for scores of no rows; each of `rows` takes one in.
    fn check<M: Kept>(&self, fresh: M, rows: &[Take<M>]);
}

/// What takes one row in.
fn taking<M, Row, const N: usize>(
    rows: [Row; N],
    take: impl Fn(&mut M, usize, &Row) + Copy + 'static,
) -> Vec<Take<M>>
where
    Row: 'static,
{
    let taken = |(at, row)| -> Take<M> { Box::new(move |scores| take(scores, at, &row)) };
    rows.into_iter().enumerate().map(taken).collect()
}

/// Each task with rows that hold what JSON cannot, or only just.
fn check_each_task(check: &impl Check) {
    let odd = [0.1, f32::NAN, f32::INFINITY, -0.0, f32::MIN_POSITIVE / 3.0];
    check.check(
        Classification::new(3),
        &taking(odd, |scores: &mut Classification, row, &value| {
            scores.update(&[value, 0.3, -value], row % 3).unwrap();
        }),
    );
    check.check(
        MultiLabel::new(2),
        &taking(odd, |scores: &mut MultiLabel, row, &value| {
            scores.update(&[value, 0.3], &[row < 2, true]).unwrap();
        }),
    );
    check.check(
        Regression::new(2),
        &taking(odd, |scores: &mut Regression, _, &value| {
            scores.update(&[value, 1.0 / 3.0], &[0.7, value]).unwrap();
        }),
    );
    check.check(
        MaskedTokens::default(),
        &taking([true, false, true], |scores: &mut MaskedTokens, _, &hit| {
            scores.update(hit);
        }),
    );
    check.check(
        NextTokens::default(),
        &taking(odd, |scores: &mut NextTokens, row, &loss| {
            scores.update(loss, row % 2 == 0);
        }),
    );
    let texts = [["", "a b"], ["so it is", "so it was"], ["ˈɔɹʧəɹd", ""]];
    check.check(
        TextScores::default(),
        &taking(texts, |scores: &mut TextScores, _, [written, reference]| {
            scores.update(written, reference);
        }),
    );
}

fn bits<N: ToString>(scores: Vec<(N, f64)>) -> Vec<(String, u64)> {
    let bits = |(name, value): (N, f64)| (name.to_string(), value.to_bits());
    scores.into_iter().map(bits).collect()
}

fn details(metrics: &impl Metrics) -> Vec<(String, f64)> {
    let details = metrics.details().into_iter();
    details
        .map(|it| (format!("{}_{}", it.score, it.number), it.value))
        .collect()
}

#[test]
fn a_state_that_was_saved_and_read_goes_on_to_the_same_scores() {
    struct Resumed;
    impl Check for Resumed {
        fn check<M: Kept>(&self, fresh: M, rows: &[Take<M>]) {
            let (mut whole, mut resumed) = (fresh.clone(), fresh);
            for row in rows {
                row(&mut whole);
                let saved = serde_json::to_string(&resumed).unwrap();
                resumed = serde_json::from_str(&saved).unwrap();
                row(&mut resumed);
            }
            assert_eq!(whole.rows(), rows.len());
            assert_eq!(resumed.rows(), rows.len());
            assert_eq!(bits(resumed.finish()), bits(whole.finish()));
            assert_eq!(bits(details(&resumed)), bits(details(&whole)));
            let text = |metrics| serde_json::to_string(metrics).unwrap();
            assert_eq!(text(&resumed), text(&whole));
        }
    }
    check_each_task(&Resumed);
}

#[test]
fn scores_of_no_rows_are_nan() {
    struct Fresh;
    impl Check for Fresh {
        fn check<M: Kept>(&self, fresh: M, _: &[Take<M>]) {
            assert_eq!(fresh.rows(), 0);
            assert!(!fresh.finish().is_empty());
            let scores = fresh.finish().into_iter();
            let scores = scores.map(|(name, value)| (name.to_owned(), value));
            for (name, value) in scores.chain(details(&fresh)) {
                assert!(value.is_nan(), "{fresh:?}: {name} is {value}");
            }
        }
    }
    check_each_task(&Fresh);
}

#[test]
fn nothing_to_score_is_no_panic() {
    let all: [&dyn Metrics; 3] = [
        &Classification::new(0),
        &MultiLabel::new(0),
        &Regression::new(0),
    ];
    for metrics in all {
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
    assert_eq!(scores.details(), []);
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
    fn scored<M: Kept>(state: &str) {
        let metrics: M = serde_json::from_str(state).unwrap();
        let _ = (metrics.rows(), metrics.finish(), metrics.details());
    }
    scored::<Classification>(r#"{"counts":[],"labels":[7,8],"scores":"3f800000"}"#);
    scored::<MultiLabel>(r#"{"counts":[[],[]],"flags":"1","scores":""}"#);
    for state in [
        r#"{"outputs":3,"predictions":"","targets":"3f8000003f800000"}"#,
        r#"{"outputs":0,"predictions":"3f800000","targets":"3f800000"}"#,
    ] {
        scored::<Regression>(state);
    }
}
