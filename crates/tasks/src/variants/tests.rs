//! Golden cases of variants on tiny models, and what both tasks have in common.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engraft_data::Examples;
use engraft_models::Compute;
use serde_json::Value;

use super::*;
use crate::backbone::{Backbone, BackboneSlot};
use crate::output::RowOutput;
use crate::rows::Draws;
use crate::spec::Model;
use crate::task::Task;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden")
}

/// A model of the golden cases, and what is expected of a few variants.
pub(crate) struct Case {
    folder: tempfile::TempDir,
    pub(crate) rows: Vec<Value>,
}

/// All golden cases.
pub(crate) fn cases() -> Vec<Case> {
    let file = fs::read(golden().join("zeroshot/cases.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_slice(&file).unwrap();
    let case = |case: &Value| {
        let folder = tempfile::tempdir().unwrap();
        let model = golden()
            .join("models")
            .join(case["model"].as_str().unwrap());
        for file in ["config.json", "model.safetensors"] {
            fs::copy(model.join(file), folder.path().join(file)).unwrap();
        }
        let tokens = case["vocabulary"].as_array().unwrap().iter();
        let tokens: Vec<&str> = tokens.map(|it| it.as_str().unwrap()).collect();
        fs::write(folder.path().join("vocab.txt"), tokens.join("\n")).unwrap();
        Case {
            folder,
            rows: case["rows"].as_array().unwrap().clone(),
        }
    };
    cases.iter().map(case).collect()
}

impl Case {
    pub(crate) fn backbone(&self) -> BackboneSlot {
        Backbone::new(self.folder.path().to_str().unwrap()).into()
    }

    /// The pairs of texts.
    pub(crate) fn pairs(&self) -> Vec<[String; 2]> {
        let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
        let rows = self.rows.iter();
        rows.map(|row| [text(row, "reference"), text(row, "variant")])
            .collect()
    }
}

pub(crate) fn model(task: impl Into<Task>) -> Model {
    Model::build(&task.into(), None, &Compute::cpu(), 0).unwrap()
}

pub(crate) fn examples(pairs: &[[String; 2]]) -> Examples {
    let side = |at: usize| pairs.iter().map(move |pair| pair[at].clone());
    Examples::from_texts(side(0)).paired_with(side(1)).unwrap()
}

/// What a model says of pairs, in batches of a size.
pub(crate) fn predict(model: &Model, pairs: &[[String; 2]], size: usize) -> Result<Vec<RowOutput>> {
    let source = model.spec.rows(Arc::new(examples(pairs)))?;
    let numbers: Vec<usize> = (0..pairs.len()).collect();
    let plan = numbers.chunks(size).map(<[usize]>::to_vec).collect();
    let mut outputs = Vec::new();
    for batch in model.spec.predictions(&model.network, source, plan) {
        outputs.extend(batch?.1);
    }
    Ok(outputs)
}

/// The scores of pairs against what is known of them, in batches of three.
pub(crate) fn scores(model: &Model, pairs: &[[String; 2]], effects: &[f64]) -> Vec<(String, f64)> {
    let effects = effects.iter().map(|&effect| vec![effect]).collect();
    let labelled = examples(pairs).with_numbers(["effect"], effects).unwrap();
    let split = model.spec.bind(Arc::new(labelled), None).unwrap();
    let numbers: Vec<usize> = (0..pairs.len()).collect();
    let plan = numbers.chunks(3).map(<[usize]>::to_vec).collect();
    let mut pass = split.pass(plan, Draws::Fixed);
    while let Some(batch) = pass.advance() {
        batch.unwrap();
        let loss = pass
            .loss(&model.network, engraft_models::Mode::Evaluate)
            .unwrap()
            .unwrap();
        assert_eq!(loss.weight, 0.0);
        pass.score(loss.outputs, &mut ()).unwrap();
    }
    let scores = pass.take_scores();
    assert_eq!(scores.rows, pairs.len());
    scores.all
}

pub(crate) fn assert_close(found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let error = (f64::from(*found) - expected).abs();
        assert!(
            error <= 1e-5 * expected.abs().max(1.0),
            "{found} {expected}"
        );
    }
}

#[test]
fn names_of_classes_are_no_numbers_to_score_against() {
    let case = &cases()[0];
    let model = model(crate::objectives::ZeroshotPredictionDiff {
        backbone: case.backbone(),
    });
    let pair = ["MK", "MA"].map(str::to_owned);
    let check = |labels: &[&str]| {
        let labelled = examples(&vec![pair.clone(); labels.len()]).labelled(labels.iter().copied());
        let checked = model.spec.check_labels(&labelled.unwrap(), None);
        checked.map_err(|error| error.to_string())
    };
    assert_eq!(check(&["-0.5", "1e-3"]), Ok(()));
    assert!(
        check(&["0.5", "NaN"])
            .unwrap_err()
            .starts_with("(in memory):2: the label \"NaN\" is no number")
    );
    assert_eq!(
        check(&["0.5", "benign"]),
        Err("(in memory):2: the label \"benign\" is no number: variants are scored against 0 and 1, or against numbers that were measured".to_owned())
    );
}
