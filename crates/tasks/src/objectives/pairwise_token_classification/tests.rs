//! Scores and losses of fixed batches against PyTorch, and what rows that are cut leave of their pairs.

use burn::tensor::{Device, TensorData};
use engraft_data::{Examples, Labels, PairRow};
use serde_json::Value;

use super::*;
use crate::metrics::Metrics;
use crate::pairs::planes;
use crate::units::Unit;

fn numbers(value: &Value) -> Vec<f32> {
    match value {
        Value::Array(list) => list.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap() as f32],
    }
}

fn objective(weights: Option<[f32; 2]>) -> Pairs {
    Pairs {
        compat: None,
        is_weighted: false,
        weights,
        unit: Some(TokenUnit::Letter),
    }
}

/// A row of `letters` letters of which a special token stands before and after, and the first `kept` have a token.
fn row(kept: usize) -> EncodedRow {
    let units = (0..kept).map(|unit| Unit {
        unit,
        token: unit + 1,
    });
    let mut row = EncodedRow {
        units: Some(units.collect()),
        ..EncodedRow::default()
    };
    row.encoding.ids = vec![0; kept + 2];
    row.encoding.type_ids = vec![0; kept + 2];
    row
}

fn pairs(labels: &Value) -> PairRow {
    let rows = labels.as_array().unwrap();
    let of_class = |class: i64| {
        let rows = rows.iter().enumerate();
        let pairs = rows.flat_map(move |(row, labels)| {
            let labels = labels.as_array().unwrap().iter().enumerate();
            let is_it = move |label: &Value| label.as_i64() == Some(class);
            labels
                .filter(move |(_, label)| is_it(label))
                .map(move |(column, _)| [row, column])
        });
        pairs.collect::<Vec<_>>()
    };
    let together = PairRow::new(rows.len(), of_class(1)).unwrap();
    together.with_unscored(of_class(-100)).unwrap()
}

#[test]
fn scores_of_fixed_batches_are_those_of_the_reference() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/golden/pairs/pairs.json"
    );
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for (name, case) in file["cases"].as_object().unwrap() {
        let labels = case["labels"].as_array().unwrap();
        let split = SplitPairs {
            unit: TokenUnit::Letter,
            rows: labels.iter().map(pairs).collect(),
        };
        let rows: Vec<EncodedRow> = split.rows.iter().map(|it| row(it.length())).collect();
        let numbers_of_rows: Vec<usize> = (0..rows.len()).collect();
        let objective = objective(numbers(&case["weights"]).first_chunk().copied());
        let (inputs, targets) = objective.collate(&numbers_of_rows, rows, &split, Draws::Fixed);
        assert_eq!(inputs.rows(), labels.len(), "{name}");
        let logits = numbers(&case["logits"]);
        let mut metrics = objective.metrics();
        let shape = [logits.len(), 1];
        let outputs = Tensor::<2>::from_data(TensorData::new(logits, shape), &Device::flex());
        objective
            .score(&mut metrics, outputs, &targets, &mut ())
            .unwrap();
        for (score, found) in metrics.finish() {
            let expected = case["scores"][score].as_f64().unwrap();
            assert!(
                (found - expected).abs() < 1e-6,
                "{name}: {score}: {found} {expected}"
            );
        }
    }
}

#[test]
fn of_a_row_that_is_cut_the_pairs_of_its_kept_letters_are_left() {
    let split = SplitPairs {
        unit: TokenUnit::Letter,
        rows: vec![
            PairRow::new(2, [[0, 1]]).unwrap(),
            PairRow::new(5, [[0, 2], [1, 4]]).unwrap(),
        ],
    };
    let (inputs, targets) = objective(None).collate(&[1], vec![row(3)], &split, Draws::Fixed);
    assert_eq!(inputs.of_row(), [3]);
    let [plane] = &targets.planes[..] else {
        panic!("{targets:?}")
    };
    assert_eq!(plane.classes, [0, 0, 1, 0, 0, 0, 1, 0, 0]);
    // Both orders of a pair count, and a letter with itself once.
    assert_eq!(targets.weight_of_all(), 9.0);
    let logits = [0.5; 9];
    assert_eq!(planes(&logits, &targets).count(), 1);
}

#[test]
fn weights_are_counted_over_ordered_pairs_that_are_scored() {
    let rows = vec![
        PairRow::new(3, [[0, 1], [2, 2]])
            .unwrap()
            .with_unscored([[1, 2]])
            .unwrap(),
        PairRow::new(1, []).unwrap(),
    ];
    let labels = Labels::Pairs {
        unit: TokenUnit::Letter,
        rows,
    };
    let rows = Examples::from_texts(["ACG", "A"]).with_labels(labels);
    let rows = rows.unwrap();
    let counted = weights(TrainingRows::new(&rows), true).unwrap();
    // Of 9 + 1 ordered pairs two are not scored and three belong together.
    assert_eq!(counted, Some([8.0 / 10.0, 8.0 / 6.0]));
    assert_eq!(weights(TrainingRows::new(&rows), false).unwrap(), None);
}

#[test]
fn what_is_likely_is_written_as_labels_are_read() {
    let output = RowOutput {
        row: 0,
        shape: vec![3, 3],
        values: vec![9.0, -1.0, 2.0, -1.0, 9.0, f32::NAN, 2.0, f32::NAN, 9.0],
    };
    let cells = objective(None).cells(Form::Values, &output);
    assert_eq!(cells, [Cell::List(vec![Cell::from(vec![0i64, 2])])]);
}
