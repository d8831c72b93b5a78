//! Distances of variants are those of the reference library's hidden states.

use super::*;
use crate::output::Form;
use crate::variants::tests::{Case, assert_close, cases, model, predict, scores};

/// The distances that are expected of each row, layer by layer.
fn expected(case: &Case) -> Vec<Vec<f64>> {
    let rows = case.rows.iter().map(|row| {
        let layers = row["layers"].as_array().unwrap().iter();
        let numbers = layers.flat_map(|layer| layer.as_array().unwrap());
        numbers.map(|it| it.as_f64().unwrap()).collect()
    });
    rows.collect()
}

fn task(case: &Case) -> ZeroshotPredictionDistance {
    ZeroshotPredictionDistance::on(case.backbone())
}

#[test]
fn every_layer_has_the_distances_of_mean_hidden_states() {
    for case in cases() {
        let all = ZeroshotPredictionDistance {
            all_hidden_states: true,
            ..task(&case)
        };
        let (all, last) = (model(all), model(task(&case)));
        let expected = expected(&case);
        for size in [1, 3, 8] {
            let outputs = predict(&all, &case.pairs(), size).unwrap();
            let lasts = predict(&last, &case.pairs(), size).unwrap();
            for ((output, last), expected) in outputs.iter().zip(&lasts).zip(&expected) {
                assert_close(&output.values, expected);
                assert_close(&last.values, &expected[expected.len() - 3..]);
            }
        }
        let columns = all.spec.objective().columns(Form::Values, 0);
        assert_eq!(columns.len(), expected[0].len());
        assert_eq!(
            columns[..4],
            ["L1_layer_0", "L2_layer_0", "cosine_layer_0", "L1_layer_1"]
        );
        assert_eq!(last.spec.objective().columns(Form::Values, 0), MEASURES);
    }
}

#[test]
fn one_reference_may_be_said_to_be_that_of_all_rows() {
    let case = &cases()[0];
    let shared = model(ZeroshotPredictionDistance {
        shared_ref: true,
        ..task(case)
    });
    let pairs = case.pairs();
    let own = predict(&model(task(case)), &pairs[..4], 2).unwrap();
    assert_eq!(predict(&shared, &pairs[..4], 2).unwrap(), own);
    assert_eq!(
        predict(&shared, &pairs, 2).unwrap_err().to_string(),
        "(in memory):5: the reference is another than that of the first row, which model.shared_ref says is that of all: leave it out"
    );
}

#[test]
fn each_measure_is_scored_after_the_last_layer() {
    let case = &cases()[1];
    let expected = expected(case);
    let last: Vec<f64> = expected.iter().map(|row| row[row.len() - 3]).collect();
    let middle = {
        let mut sorted = last.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[4]
    };
    let classes: Vec<f64> = last.iter().map(|it| f64::from(*it >= middle)).collect();
    let all = ZeroshotPredictionDistance {
        all_hidden_states: true,
        ..task(case)
    };
    let found = scores(&model(all), &case.pairs(), &classes);
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "L1_AUROC",
            "L1_AUPRC",
            "L2_AUROC",
            "L2_AUPRC",
            "cosine_AUROC",
            "cosine_AUPRC"
        ]
    );
    assert_eq!((found[0].1, found[1].1), (1.0, 1.0));
}

#[test]
fn distances_of_vectors_are_what_they_are_called() {
    let [l1, l2, cosine] = distances(&[3.0, 0.0], &[0.0, 4.0]);
    assert_eq!((l1, l2, cosine), (7.0, 5.0, 1.0));
    assert_eq!(distances(&[1.0, 2.0], &[1.0, 2.0])[..2], [0.0, 0.0]);
    assert!(distances(&[0.0], &[0.0])[2].is_finite());
}
