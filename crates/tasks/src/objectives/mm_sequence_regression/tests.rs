//! Several sequences, on small encoders.

use engraft_data::Examples;
use engraft_models::{Compute, ENCODER, HeadKind};

use super::*;
use crate::backbone::Backbone;
use crate::building::TrainingRows;
use crate::rows::EncodedRow;
use crate::spec::Model;

fn rows() -> Examples {
    let first = ("dna_seq_sequences", vec!["ACGT", "GG", "TTTAC"]);
    let second = ("rna_seq", vec!["GAUC", "ACGUAA", "C"]);
    let rows = Examples::from_named([second, first]).unwrap();
    let numbers = vec![vec![1.0], vec![2.0], vec![6.0]];
    rows.with_numbers(["expression"], numbers).unwrap()
}

fn task() -> MMSequenceRegression {
    let slot = || BackboneSlot::from(Backbone::new("aido_dna_debug"));
    MMSequenceRegression {
        backbone1: Some(Box::new(slot())),
        ..MMSequenceRegression::on(slot())
    }
}

fn build(task: MMSequenceRegression) -> Result<Model> {
    let rows = rows();
    let train = Some(TrainingRows::new(&rows));
    Model::build(&task.into(), train, &Compute::cpu(), 1)
}

fn encoded(model: &Model) -> Vec<EncodedRow> {
    let encoder = model.spec.row_encoder();
    encoder.encode(&rows(), &[0, 1, 2], None).unwrap()
}

#[test]
fn each_backbone_is_fed_the_sequence_that_is_called_as_it_is() {
    let model = build(task()).unwrap();
    let rows = encoded(&model);
    let lengths = |number: usize| -> Vec<usize> {
        let encodings = rows.iter().filter_map(|row| row.encodings().nth(number));
        encodings.map(|it| it.len()).collect()
    };
    // With two special tokens each.
    assert_eq!(lengths(0), [6, 4, 7]);
    assert_eq!(lengths(1), [6, 8, 3]);
}

#[test]
fn both_backbones_decide_and_rows_do_not_meet() {
    let model = build(task()).unwrap();
    let predict = |rows: Vec<EncodedRow>| -> Vec<f32> {
        let outputs = model.spec.objective().predict(&model.network, rows);
        outputs.into_iter().map(|output| output.values[0]).collect()
    };
    let rows = encoded(&model);
    let together = predict(rows.clone());
    let alone: Vec<f32> = rows
        .iter()
        .flat_map(|row| predict(vec![row.clone()]))
        .collect();
    for (one, other) in together.iter().zip(&alone) {
        assert!((one - other).abs() < 1e-5, "{together:?}, {alone:?}");
    }
    // Another sequence for either backbone is another number.
    let exchanged = |change: fn(&mut [EncodedRow])| {
        let mut rows = rows.clone();
        change(&mut rows);
        predict(rows)[0]
    };
    let first = exchanged(|rows| rows[0].encoding = rows[2].encoding.clone());
    let second = exchanged(|rows| rows[0].others = rows[1].others.clone());
    assert!((first - together[0]).abs() > 1e-4 && (second - together[0]).abs() > 1e-4);
}

#[test]
fn parameters_are_named_after_their_backbone() {
    let model = build(task()).unwrap();
    let path = "layers.0.attention.output.weight";
    let named = |tower: &str| {
        let path = format!("{tower}.{path}");
        model.spec.parameter_names(HeadKind::Adapter, &path)
    };
    let [first, second] = [ENCODER, TOWERS[1]].map(named);
    assert_eq!(first[0].replacen("backbone.", "backbone1.", 1), second[0]);
}

#[test]
fn backbones_and_sequences_come_in_pairs() {
    let refusal = |change: fn(&mut MMSequenceRegression)| {
        let mut task = task();
        change(&mut task);
        TaskArguments::check(&task).unwrap_err().to_string()
    };
    assert_eq!(
        refusal(|task| task.backbone1 = None),
        "model.backbone1: missing: each of several sequences is read by a backbone of its own"
    );
    assert_eq!(
        refusal(|task| task.backbone3 = task.backbone1.clone()),
        "model.backbone2: missing, though backbone3 is given"
    );
    assert_eq!(
        refusal(|task| task.backbone_order = vec!["a".to_owned()]),
        "model.backbone_order: it calls 1 sequences (a), but there are 2 backbones: name one for each, in their order"
    );
    assert_eq!(
        refusal(|task| task.backbone_order = vec!["a".to_owned(); 2]),
        "model.backbone_order: \"a\" is given twice"
    );
}

#[test]
fn an_empty_sequence_is_refused_unless_it_may_be() {
    let names = ["dna_seq", "rna_seq"];
    let texts = [vec!["AC", "GG"], vec!["GAUC", " "]];
    let empty = Examples::from_named(names.into_iter().zip(texts)).unwrap();
    let encode = |task| {
        let encoder = build(task).unwrap().spec.row_encoder();
        encoder.encode(&empty, &[0, 1], None)
    };
    assert_eq!(
        encode(task()).unwrap_err().to_string(),
        "(in memory):2: rna_seq_sequences is empty; model.allow_empty: true lets its backbone read special tokens alone"
    );
    let allowing = MMSequenceRegression {
        allow_empty: true,
        ..task()
    };
    assert_eq!(encode(allowing).unwrap()[1].others[0].len(), 2);
}

#[test]
fn the_tokens_of_all_sequences_fill_a_batch() {
    let model = build(task()).unwrap();
    let lengths = model.spec.row_encoder().lengths(&rows(), None).unwrap();
    assert_eq!(lengths, [12, 12, 10]);
}
