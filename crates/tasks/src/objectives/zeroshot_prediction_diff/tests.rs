//! Scores of variants are those of the reference library's logits.

use super::*;
use crate::variants::tests::{assert_close, cases, examples, model, predict, scores};

fn task(backbone: BackboneSlot) -> ZeroshotPredictionDiff {
    ZeroshotPredictionDiff::on(backbone)
}

#[test]
fn scores_are_differences_of_the_logits_where_a_variant_is_masked() {
    for case in cases() {
        let model = model(task(case.backbone()));
        let scored = case.rows.iter().zip(case.pairs());
        let (expected, pairs): (Vec<f64>, Vec<[String; 2]>) = scored
            .filter_map(|(row, pair)| Some((row["score"].as_f64()?, pair)))
            .unzip();
        assert_eq!(expected.len(), 6);
        for size in [1, 4, 6] {
            let outputs = predict(&model, &pairs, size).unwrap();
            let found: Vec<f32> = outputs.into_iter().flat_map(|it| it.values).collect();
            assert_close(&found, &expected);
        }
    }
}

#[test]
fn variants_of_one_letter_have_one_masked_sequence_between_them() {
    let case = &cases()[0];
    let model = model(task(case.backbone()));
    let pairs = ["MAT", "MCT", "MDT"].map(|variant| ["MKT", variant].map(str::to_owned));
    let rows = model.spec.row_encoder();
    let encoded = rows.encode(&examples(&pairs), &[0, 1, 2], None);
    let mask = model.spec.tokenizer().special_ids().mask.unwrap();
    let (inputs, replaced) = LogRatio { mask }.inputs(encoded.unwrap());
    assert_eq!(inputs.rows(), 1);
    assert!(
        replaced
            .iter()
            .all(|it| it.sequence == 0 && it.tokens.len() == 1)
    );
}

#[test]
fn what_cannot_be_compared_letter_by_letter_is_refused_by_its_row() {
    let case = &cases()[0];
    let refused = |max_length, pair: [&str; 2]| {
        let mut task = task(case.backbone());
        task.backbone.backbone_mut().max_length = max_length;
        let pairs = [["MK", "MA"], pair].map(|pair| pair.map(str::to_owned));
        predict(&model(task), &pairs, 2).unwrap_err().to_string()
    };
    assert_eq!(
        refused(None, ["ACD", "ACDEF"]),
        "(in memory):2: the reference has 3 letters and its variant 5: ZeroshotPredictionDiff compares letter by letter, so letters may be replaced but neither put in nor left out; ZeroshotPredictionDistance takes such variants"
    );
    assert_eq!(
        refused(Some(4), ["ACDE", "ACDF"]),
        "(in memory):2: what differs lies beyond the tokens that model.backbone.max_length keeps: give more of them, or sequences with less around it"
    );
}

#[test]
fn labels_of_two_classes_have_areas_and_others_a_correlation() {
    let case = &cases()[0];
    let model = model(task(case.backbone()));
    let scored = case.rows.iter().zip(case.pairs());
    let scored: Vec<(f64, [String; 2])> = scored
        .filter_map(|(row, pair)| Some((row["score"].as_f64()?, pair)))
        .collect();
    let pairs: Vec<_> = scored.iter().map(|(_, pair)| pair.clone()).collect();
    let values: Vec<f64> = scored.iter().map(|(score, _)| *score).collect();
    let middle = {
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[3]
    };
    let classes: Vec<f64> = values.iter().map(|it| f64::from(*it >= middle)).collect();
    let found = scores(&model, &pairs, &classes);
    let areas = ["AUROC", "AUPRC"].map(|name| (name.to_owned(), 1.0));
    assert_eq!(found, areas);
    let found = scores(&model, &pairs, &values);
    assert_eq!(found[0].0, "spearman");
    assert!(found[0].1 > 0.9999);
}
