//! The scores against torchmetrics, and their state against itself.

mod classification;
mod multi_label;
mod regression;
mod state;
mod texts;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::*;

#[derive(Deserialize)]
struct Golden<Case> {
    cases: BTreeMap<String, Case>,
}

fn cases<Case: DeserializeOwned>(golden: &str) -> BTreeMap<String, Case> {
    let cases = serde_json::from_str::<Golden<Case>>(golden).unwrap().cases;
    assert!(cases.len() > 10);
    cases
}

/// Checks that `value` is the reference's to `tolerance` (of its size, if that is above 1), or NaN
/// where the reference has none.
#[track_caller]
fn assert_score(what: &str, value: f64, expected: Option<f64>, tolerance: f64) {
    match expected {
        Some(expected) => assert!(
            (value - expected).abs() <= tolerance * expected.abs().max(1.0),
            "{what} is {value}, torchmetrics has {expected}"
        ),
        None => assert!(value.is_nan(), "{what} is {value}"),
    }
}

/// Checks the scores of every class, label or output against the reference's lists by score.
#[track_caller]
fn assert_details(
    what: &str,
    details: &[Detail],
    expected: &BTreeMap<String, Vec<Option<f64>>>,
    tolerance: f64,
) {
    let count: usize = expected.values().map(Vec::len).sum();
    assert_eq!(details.len(), count, "{what}: {details:?}");
    for detail in details {
        let what = format!("{what}: {detail:?}");
        let expected = expected[detail.score][detail.number];
        assert_score(&what, detail.value, expected, tolerance);
    }
}
