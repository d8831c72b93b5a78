//! What is cached is what is computed.

use std::path::Path;

use engraft_data::Examples;
use engraft_models::{Adapter, Compute, LinearCLSAdapter, LinearMaxPoolAdapter, MLPPoolAdapter};

use super::*;
use crate::backbone::{Backbone, BackboneSlot};
use crate::objective::TaskArguments;
use crate::objectives::{
    Embed, EmbedPooling, Inference, SequenceClassification, TokenClassification,
};
use crate::output::RowOutput;
use crate::spec::Model;
use crate::task::Task;

pub(crate) const ROWS: [&str; 7] = [
    "EVQLVESGGG",
    "QVQ",
    "GLVQPGGSLRLSCAASGFTFS",
    "EVQLVESGGG",
    "A",
    "WVRQAPGKGLEWVS",
    "QVQL",
];

fn backbone() -> BackboneSlot {
    BackboneSlot::Pretrained(Backbone {
        max_length: Some(16),
        frozen: true,
        ..Backbone::new("sapiens_vh")
    })
}

fn embed(pooling: EmbedPooling) -> Task {
    Task::Embed(Embed {
        pooling: Some(pooling),
        normalize: Some(false),
        ..Embed::on(backbone())
    })
}

pub(crate) fn model(task: &Task) -> Model {
    Model::build(task, None, &Compute::cpu(), 1).unwrap()
}

fn settings(folder: &Path) -> CacheSettings {
    CacheSettings {
        enable_cache: true,
        file_cache_dir: Some(folder.to_owned()),
        ..CacheSettings::default()
    }
}

fn cached(task: &Task, folder: &Path) -> Model {
    let mut model = model(task);
    model.network.open_cache(&settings(folder)).unwrap();
    model
}

/// What a model says of rows, in batches of a size.
pub(crate) fn predict(model: &Model, rows: &[&str], size: usize) -> Vec<RowOutput> {
    let examples = Arc::new(Examples::from_texts(rows.iter().copied()));
    let source = model.spec.rows(examples).unwrap();
    let numbers: Vec<usize> = (0..rows.len()).collect();
    let plan = numbers.chunks(size).map(<[usize]>::to_vec).collect();
    let batches = model.spec.predictions(&model.network, source, plan);
    batches.flat_map(|batch| batch.unwrap().1).collect()
}

pub(crate) fn assert_close(one: &[RowOutput], other: &[RowOutput]) {
    assert_within(1e-5, one, other);
}

/// That no value differs by more than `bound`, or that share of itself.
pub(crate) fn assert_within(bound: f32, one: &[RowOutput], other: &[RowOutput]) {
    assert_eq!(one.len(), other.len());
    for (one, other) in one.iter().zip(other) {
        assert_eq!(one.shape, other.shape);
        for (one, other) in one.values.iter().zip(&other.values) {
            assert!(
                (one - other).abs() <= bound * one.abs().max(1.0),
                "{one} {other}"
            );
        }
    }
}

fn counts(model: &Model) -> (u64, u64) {
    let known = model.network.cached.as_ref().unwrap().known();
    (known.found, known.computed)
}

/// Every kind of head.
pub(crate) fn tasks() -> Vec<Task> {
    let classification = |adapter: Adapter| {
        Task::SequenceClassification(SequenceClassification {
            adapter: Some(adapter),
            n_classes: Some(3),
            ..SequenceClassification::on(backbone())
        })
    };
    vec![
        embed(EmbedPooling::None),
        embed(EmbedPooling::By(Pooling::Cls)),
        embed(EmbedPooling::By(Pooling::Mean)),
        embed(EmbedPooling::By(Pooling::Max)),
        classification(LinearCLSAdapter {}.into()),
        classification(LinearMaxPoolAdapter {}.into()),
        classification(MLPPoolAdapter::default().into()),
        Task::Inference(Inference {
            backbone: backbone(),
        }),
        Task::TokenClassification(TokenClassification {
            backbone: backbone(),
            adapter: Default::default(),
            n_classes: Some(2),
            weighted_loss: false,
            use_legacy_adapter: false,
        }),
    ]
}

#[test]
fn every_head_predicts_the_same_from_cached_hidden_states() {
    for task in tasks() {
        let folder = tempfile::tempdir().unwrap();
        let plain = predict(&model(&task), &ROWS, 3);
        let first = cached(&task, folder.path());
        let fresh = predict(&first, &ROWS, 3);
        assert_close(&plain, &fresh);
        assert_eq!(counts(&first), (1, 6), "one row is there twice");
        // Heads are computed by batches, of which each size has products of its own.
        assert_close(&predict(&first, &ROWS, 7), &fresh);
        assert_eq!(counts(&first), (8, 6));
        drop(first);
        let next = cached(&task, folder.path());
        assert_eq!(predict(&next, &ROWS, 3), fresh, "to the bit");
        assert_eq!(counts(&next), (7, 0), "nothing is computed again");
    }
}

#[test]
fn a_value_depends_on_nothing_but_its_tokens() {
    let task = embed(EmbedPooling::None);
    let [one, other] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let whole = predict(&cached(&task, one.path()), &ROWS, 7);
    let pool = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let again = pool.install(|| {
        let model = cached(&task, other.path());
        // Some rows are known before, and the others meet in other batches.
        predict(&model, &[ROWS[2], ROWS[5]], 1);
        predict(&model, &ROWS, 4)
    });
    assert_eq!(again, whole);
}

#[test]
fn tasks_that_pool_alike_share_what_is_kept_and_others_do_not() {
    let folder = tempfile::tempdir().unwrap();
    predict(
        &cached(&embed(EmbedPooling::By(Pooling::Mean)), folder.path()),
        &ROWS,
        7,
    );
    let adapter = Adapter::from(MLPPoolAdapter::default());
    let task = Task::SequenceClassification(SequenceClassification {
        adapter: Some(adapter),
        n_classes: Some(2),
        ..SequenceClassification::on(backbone())
    });
    let head = cached(&task, folder.path());
    predict(&head, &ROWS, 7);
    assert_eq!(counts(&head), (7, 0));
    let first = cached(&embed(EmbedPooling::By(Pooling::Cls)), folder.path());
    predict(&first, &ROWS, 7);
    assert_eq!(counts(&first).1, 6);
}

#[test]
fn other_weights_find_nothing_and_other_cuts_find_what_they_leave_whole() {
    let folder = tempfile::tempdir().unwrap();
    let with = |change: &dyn Fn(&mut Backbone)| {
        let mut task = embed(EmbedPooling::By(Pooling::Mean));
        change(task.backbone_mut().backbone_mut());
        let model = cached(&task, folder.path());
        predict(&model, &ROWS, 7);
        counts(&model).1
    };
    assert_eq!(with(&|_| {}), 6);
    assert_eq!(with(&|_| {}), 0);
    assert_eq!(with(&|backbone| backbone.max_length = Some(12)), 2);
    assert_eq!(with(&|backbone| backbone.from_scratch = true), 6);
    assert_eq!(with(&|backbone| backbone.preset = "sapiens_vh".into()), 0);
}

#[test]
fn a_sequence_without_tokens_is_zeros() {
    let folder = tempfile::tempdir().unwrap();
    for (pooling, rows) in [(EmbedPooling::By(Pooling::Cls), 2), (EmbedPooling::None, 4)] {
        let model = cached(&embed(pooling), folder.path());
        let mut tokens = PackedTokens::default();
        tokens.push(&[], &[]);
        tokens.push(&[1, 5, 6, 2], &[0; 4]);
        let encoder = model.network.cached.as_ref().unwrap();
        let values = encoder.forward(&tokens, &Device::flex());
        assert_eq!(values.dims(), [rows, 128]);
    }
}

#[test]
fn a_model_shares_a_cache_with_one_that_asks_for_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let mean = embed(EmbedPooling::By(Pooling::Mean));
    let one = cached(&mean, folder.path());
    predict(&one, &ROWS, 7);
    let mut same = model(&mean);
    same.network.share_cache(&one.network);
    predict(&same, &ROWS, 7);
    assert_eq!(counts(&one), (8, 6));
    let mut other = model(&embed(EmbedPooling::By(Pooling::Cls)));
    other.network.share_cache(&one.network);
    assert!(other.network.cached.is_none());
}

#[test]
fn a_folder_that_is_a_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let mut model = model(&embed(EmbedPooling::None));
    let error = model
        .network
        .open_cache(&settings(&file))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("backbone.file_cache_dir") && error.contains("is a file"),
        "{error}"
    );
}
