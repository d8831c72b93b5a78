//! Each task as a value: read, trained, scored, asked, saved and opened again.

use std::path::Path;

use engraft::models::Pooling;
use engraft::prelude::*;
use engraft::tasks::{Backbone, EmbedPooling, TaskArguments};
use engraft::{TaskBuilder, TaskModel};

/// A folder with a small BERT's shape, an alphabet of letters, and rows with a class, a number and a class for each letter.
fn place() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "config.json",
        r#"{"model_type": "bert", "vocab_size": 9, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3,
            "intermediate_size": 20, "max_position_embeddings": 40}"#,
    );
    write(
        "vocab.txt",
        "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nA\nC\nG\nT\n",
    );
    let row = |at: usize| {
        let (letters, states) = if at.is_multiple_of(2) {
            ("AC", "HE")
        } else {
            ("GT", "EE")
        };
        let times = 2 + at % 3;
        let class = if at.is_multiple_of(2) { "even" } else { "odd" };
        format!(
            "{}\t{class}\t{}\t{}\n",
            letters.repeat(times),
            times as f64 + 0.5,
            states.repeat(times)
        )
    };
    let rows: String = (0..40).map(row).collect();
    write(
        "rows.tsv",
        &format!("sequence\tclass\tnumber\tstates\n{rows}"),
    );
    folder
}

/// A task on the small BERT from scratch.
fn fresh<A: TaskArguments>(folder: &Path) -> TaskBuilder<A> {
    let builder = TaskModel::<A>::from_preset(folder.to_str().unwrap()).unwrap();
    builder.backbone(|backbone: &mut Backbone| backbone.from_scratch = true)
}

fn fast() -> Fit<'static> {
    Fit {
        epochs: 2,
        batch_size: Some(8),
        verbose: false,
        ..Fit::default()
    }
}

/// Trains and scores, then saves and opens again; what is opened scores the same.
fn trained<A: TaskArguments>(
    mut task: TaskModel<A>,
    rows: &Examples,
    metric: &str,
) -> TaskModel<A> {
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("saved");
    task.fit(rows, fast()).unwrap();
    let scores = task.evaluate(rows).unwrap();
    assert!(scores.get(metric).unwrap().is_finite(), "{scores:?}");
    task.save_to_preset(&saved).unwrap();
    let opened = TaskModel::<A>::from_preset(saved.to_str().unwrap()).unwrap();
    let opened = opened.build().unwrap();
    assert_eq!(opened.evaluate(rows).unwrap(), scores);
    opened
}

#[test]
fn a_regressor_learns_the_numbers_of_a_column() {
    let folder = place();
    let rows = read_numbers(folder.path().join("rows.tsv"), "sequence", "number").unwrap();
    let task: Regressor = fresh(folder.path()).build().unwrap();
    let task = trained(task, &rows, "test_pearson");
    assert_eq!(task.predict(["ACAC", "GTGTGT"]).unwrap().len(), 2);
}

#[test]
fn texts_longer_than_the_model_has_positions_for_are_cut_and_not_refused() {
    let folder = place();
    let long = "AC".repeat(300);
    let rows = Examples::from_texts([long.as_str(), "GT", "ACAC", "GTGT"])
        .labelled([0_usize, 1, 0, 1])
        .unwrap();
    let builder = || fresh(folder.path()).num_classes(2);
    let mut task: TextClassifier = builder().build().unwrap();
    task.fit(&rows, fast()).unwrap();
    assert!(task.evaluate(&rows).unwrap().get("test_loss").is_ok());
    // 40 positions, of which two are for the tokens around a text.
    let of = |text: &str| task.predict([text]).unwrap()[0].probabilities.clone();
    assert_eq!(of(&long), of(&"AC".repeat(19)));
    assert_ne!(of(&long), of(&"AC".repeat(18)));
    let saved = tempfile::tempdir().unwrap();
    let saved = saved.path().join("saved");
    task.save_to_preset(&saved).unwrap();
    let opened = TextClassifier::from_preset(saved.to_str().unwrap()).unwrap();
    let opened = opened.build().unwrap();
    assert_eq!(opened.predict([long]).unwrap().len(), 1);
}

#[test]
fn a_token_classifier_learns_the_names_of_its_classes() {
    let folder = place();
    let rows = read_token_labels(folder.path().join("rows.tsv"), "sequence", "states").unwrap();
    let task: TokenClassifier = fresh(folder.path()).num_classes(2).build().unwrap();
    let task = trained(task, &rows, "test_accuracy");
    assert_eq!(task.class_names(), ["E", "H"]);
    let letters = &task.predict(["ACAC"]).unwrap()[0];
    assert_eq!(letters.len(), 4);
    assert!(
        letters
            .iter()
            .all(|letter| ["E", "H"].contains(&letter.label.as_str()))
    );
}

#[test]
fn a_pair_classifier_says_how_likely_each_pair_is() {
    let folder = place();
    std::fs::write(
        folder.path().join("pairs.tsv"),
        "sequence\tstructure\nACGTACGT\t((....))\nACGTAAAA\t........\n",
    )
    .unwrap();
    let rows = read_pair_labels(folder.path().join("pairs.tsv"), "sequence", "structure").unwrap();
    let task: PairClassifier = fresh(folder.path()).build().unwrap();
    let task = trained(task, &rows, "test_loss");
    let planes = task.predict(["ACAC"]).unwrap();
    assert_eq!((planes[0].len(), planes[0][3].len()), (4, 4));
    assert_eq!(planes[0][3][1], planes[0][1][3]);
}

#[test]
fn a_masked_language_model_and_an_embedder_take_texts_alone() {
    let folder = place();
    let rows = read_texts(folder.path().join("rows.tsv"), "sequence").unwrap();
    let task: MaskedLm = fresh(folder.path()).build().unwrap();
    trained(task, &rows, "test_loss");
    let embedder: TextEmbedder = fresh(folder.path()).build().unwrap();
    let vectors = embedder.predict_examples(rows).unwrap();
    assert_eq!(vectors.len(), 40);
    // Without a pooling, a vector for each token.
    assert_eq!((vectors[0].len(), vectors[0][0].len()), (6, 12));
}

#[test]
fn classes_weigh_what_is_counted_of_them_in_the_rows_that_are_fitted() {
    let folder = place();
    let rows = read_examples(folder.path().join("rows.tsv"), "sequence", "class").unwrap();
    // Three rows of one class, one of the other.
    let uneven = rows.select(&[0, 2, 4, 1]);
    let task: TextClassifier = fresh(folder.path())
        .with(|task: &mut engraft::tasks::SequenceClassification| task.weighted_loss = true)
        .num_classes(2)
        .build()
        .unwrap();
    let task = trained(task, &uneven, "test_accuracy");
    let learned = task.model().spec.objective().learned();
    let expected = [4.0f32 / 6.0, 4.0 / 2.0].map(f64::from);
    assert_eq!(learned.class_weights.unwrap(), expected);
    assert_eq!(task.class_names(), ["even", "odd"]);
}

#[test]
fn what_the_builder_says_goes_before_what_a_preset_was_saved_with() {
    let folder = place();
    let saved = folder.path().join("saved");
    let pooled = |pooling| move |task: &mut engraft::tasks::Embed| task.pooling = Some(pooling);
    let mean: TextEmbedder = fresh(folder.path())
        .with(pooled(EmbedPooling::By(Pooling::Mean)))
        .build()
        .unwrap();
    mean.save_to_preset(&saved).unwrap();
    let open = || TextEmbedder::from_preset(saved.to_str().unwrap()).unwrap();
    let same = open().build().unwrap();
    assert_eq!(
        same.predict(["ACGT"]).unwrap(),
        mean.predict(["ACGT"]).unwrap()
    );
    let other = open().with(pooled(EmbedPooling::By(Pooling::Cls)));
    let other = other.build().unwrap();
    assert_ne!(
        other.predict(["ACGT"]).unwrap(),
        mean.predict(["ACGT"]).unwrap()
    );
}

#[test]
fn lora_updates_keep_the_rank_that_they_were_saved_with() {
    let folder = place();
    let rows = read_numbers(folder.path().join("rows.tsv"), "sequence", "number").unwrap();
    let mut task: Regressor = fresh(folder.path()).lora(2).build().unwrap();
    task.fit(&rows, fast()).unwrap();
    let saved = folder.path().join("saved");
    task.save_to_preset(&saved).unwrap();
    let open = || Regressor::from_preset(saved.to_str().unwrap()).unwrap();
    let same = open().build().unwrap();
    assert_eq!(
        same.predict(["ACGT"]).unwrap(),
        task.predict(["ACGT"]).unwrap()
    );
    let error = open().lora(4).build().unwrap_err().to_string();
    assert!(
        error.contains("of rank 2, which cannot become 4"),
        "{error}"
    );
}

/// A checkpoint of `tests/golden/heads`, and what the reference library makes of some texts with it.
#[derive(serde::Deserialize)]
struct Reference {
    #[serde(skip)]
    checkpoint: String,
    texts: Vec<String>,
    /// The head's outputs.
    raw: Vec<Vec<f32>>,
    /// What its users are shown.
    scores: Vec<Vec<f32>>,
}

fn head(name: &str) -> Reference {
    let heads = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/heads");
    let folder = heads.join(name);
    let text = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    Reference {
        checkpoint: folder.to_str().unwrap().to_owned(),
        ..serde_json::from_str(&text).unwrap()
    }
}

fn close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-5, "{found} for {expected}");
    }
}

#[test]
fn a_head_of_classes_says_what_its_checkpoint_says_that_it_is_for() {
    for name in ["single_label", "several", "unnormalised"] {
        let reference = head(name);
        let builder = TextClassifier::from_preset(&reference.checkpoint).unwrap();
        let found = builder.build().unwrap().predict(reference.texts).unwrap();
        for (found, expected) in found.iter().zip(&reference.scores) {
            close(&found.probabilities, expected);
        }
    }
    let several = TextClassifier::from_preset(&head("several").checkpoint).unwrap();
    assert_eq!(
        several.build().unwrap().class_names(),
        ["red", "green", "blue"]
    );
}

#[test]
fn a_head_of_numbers_gives_numbers_to_a_classifier_too() {
    for name in [
        "regression",
        "one_output",
        "one_output_sigmoid",
        "cross_encoder",
        "cross_encoder_raw",
    ] {
        let reference = head(name);
        let builder = TextClassifier::from_preset(&reference.checkpoint).unwrap();
        let found = builder.build().unwrap().predict(reference.texts).unwrap();
        for (found, expected) in found.iter().zip(&reference.scores) {
            close(&[found.label.parse().unwrap()], expected);
            assert!(found.probabilities.is_empty());
        }
    }
}

#[test]
fn a_regression_reads_the_head_that_it_was_saved_with() {
    for (name, outputs) in [
        ("regression", 1),
        ("regression_of_two", 2),
        ("one_output", 1),
    ] {
        let reference = head(name);
        let builder = Regressor::from_preset(&reference.checkpoint).unwrap();
        let task = builder.with(|task: &mut engraft::tasks::SequenceRegression| {
            task.use_legacy_adapter = true;
            task.num_outputs = outputs;
        });
        let task = task.build().unwrap();
        let found = task.predict(reference.texts).unwrap();
        for (found, expected) in found.iter().zip(&reference.raw) {
            close(found, expected);
        }
    }
}
