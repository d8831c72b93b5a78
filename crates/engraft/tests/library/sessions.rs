//! An experiment run through the library alone: what happens comes as events, what is wrong as refusals, and no terminal is there.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engraft::component::NoteKind;
use engraft::config::{Source, compose};
use engraft::run::{Error, Fitted, LoraExport, Session};
use engraft::train::{Event, FitOutcome, Fold, Progress, Saved};

/// A folder with rows of two classes, a small model without weights, and an experiment.
fn place() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "model/config.json",
        r#"{"model_type": "bert", "vocab_size": 9, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3,
            "intermediate_size": 20, "max_position_embeddings": 40}"#,
    );
    write(
        "model/vocab.txt",
        "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nA\nC\nG\nT\n",
    );
    let row = |at: usize| {
        let letters = if at.is_multiple_of(2) { "AC" } else { "GT" };
        format!("{}\t{}\n", letters.repeat(3 + at % 5), at % 2)
    };
    let table = |rows: std::ops::Range<usize>| -> String {
        let rows: String = rows.map(row).collect();
        format!("sequence\tlabel\n{rows}")
    };
    write("all.tsv", &table(0..60));
    write("rows/train.tsv", &table(0..48));
    write("rows/test.tsv", &table(48..60));
    let experiment = format!(
        "model:
  class_path: SequenceClassification
  init_args:
    backbone: {{class_path: {model}, init_args: {{from_scratch: true}}}}
    optimizer: {{class_path: AdamW, init_args: {{lr: 0.01}}}}
data:
  class_path: SequenceClassificationDataModule
  init_args:
    path: {rows}
    x_col: sequence
    y_col: label
    batch_size: 8
    valid_split_size: 0.2
trainer:
  max_epochs: 2
  default_root_dir: {logs}
",
        model = folder.path().join("model").display(),
        rows = folder.path().join("rows").display(),
        logs = folder.path().join("logs").display(),
    );
    write("experiment.yaml", &experiment);
    folder
}

/// The experiment in a folder, with some keys changed.
fn open(folder: &Path, changes: &[(&str, &str)]) -> Result<Session, Error> {
    let change = |(key, value): &(&str, &str)| Source::Override {
        key: (*key).to_owned(),
        value: Some((*value).to_owned()),
    };
    let mut sources = vec![Source::File(folder.join("experiment.yaml"))];
    sources.extend(changes.iter().map(change));
    Session::open(compose(&sources)?, &mut ())
}

fn trained(fitted: Fitted) -> FitOutcome {
    match fitted {
        Fitted::Run(outcome) => *outcome,
        Fitted::Folds(_) => panic!("one run was asked for"),
    }
}

fn weights(outcome: &FitOutcome) -> Vec<Vec<f32>> {
    let parameters = engraft::models::parameters(&outcome.model.network);
    let values = |tensor: burn::tensor::Tensor<1>| tensor.into_data().iter::<f32>().collect();
    parameters
        .into_iter()
        .map(|(.., tensor)| values(tensor))
        .collect()
}

#[test]
fn an_experiment_is_fitted_scored_and_asked_through_the_library() {
    let folder = place();
    let session = open(folder.path(), &[]).unwrap();
    let stop = Arc::default();
    let mut seen: Vec<String> = Vec::new();
    let fitted = session.fit(&stop, &mut |event: Event<'_>| {
        seen.push(match event {
            Event::Note(note) => format!("{:?}", note.kind),
            Event::Loaded { name, report, .. } => {
                assert!(name.ends_with("model"), "{name}");
                assert!(!report.to_string().is_empty());
                "loaded".to_owned()
            }
            Event::Started => "started".to_owned(),
            Event::Progress(Progress::Began { label, .. }) => label.to_owned(),
            Event::Progress(_) | Event::Epoch { .. } => return,
            Event::Scored {
                stage, scores, of, ..
            } => {
                assert!(!of.is_empty());
                assert!(scores[0].0.starts_with(stage), "{scores:?}");
                format!("scored {stage}")
            }
            Event::Saved { what, path } => {
                assert!(path.exists());
                format!("{what:?}")
            }
            other => panic!("{other:?}"),
        });
    });
    let outcome = trained(fitted.unwrap());
    let positions = [
        "loaded",
        "started",
        "epoch 0/1",
        "scored val",
        "Checkpoint",
        "scored test",
    ];
    let positions = positions.map(|wanted| seen.iter().position(|it| it == wanted));
    assert!(positions.iter().all(Option::is_some), "{seen:?}");
    assert!(positions.is_sorted(), "{seen:?}");
    let test = outcome.test.unwrap();
    assert!(
        test.iter()
            .any(|(name, value)| name == "test_accuracy" && *value > 0.9)
    );

    // The checkpoint scores the same rows alike, and predicts all of them.
    let session = open(folder.path(), &[("ckpt_path", "last")]).unwrap();
    let wrong = refusal(session.predict(None, &stop, &mut ()));
    assert_eq!((wrong.key.as_str(), wrong.is_missing()), ("output", true));
    let mut notes = Vec::new();
    let scores = session.test(None, &stop, &mut |event: Event<'_>| {
        if let Event::Note(note) = event {
            notes.push(note);
        }
    });
    let scores = scores.unwrap();
    let loss = |scores: &[(String, f64)]| scores.iter().find(|it| it.0 == "test_loss").unwrap().1;
    assert_eq!(loss(&scores).to_bits(), loss(&test).to_bits());
    assert!(notes.iter().any(|note| note.kind == NoteKind::Model));
    let validated = session.validate(&stop, &mut ()).unwrap();
    assert!(validated[0].0.starts_with("val_loss"));

    let file = folder.path().join("predictions.tsv");
    let all = folder.path().join("all.tsv");
    let all = ("data.path", all.to_str().unwrap());
    let session = open(folder.path(), &[("ckpt_path", "last"), all]);
    let mut written = Vec::new();
    let predicted = session
        .unwrap()
        .predict(Some(&file), &stop, &mut |event: Event<'_>| {
            if let Event::Saved { what, path } = event {
                written.push((what, path.to_owned()));
            }
        });
    predicted.unwrap();
    assert_eq!(written, [(Saved::Predictions(60), file.clone())]);
    assert_eq!(std::fs::read_to_string(file).unwrap().lines().count(), 61);

    let preset = folder.path().join("preset");
    let session = open(folder.path(), &[("ckpt_path", "last")]).unwrap();
    session.export(&preset, None, &mut ()).unwrap();
    assert!(preset.join("model.safetensors").is_file());
    let refused = session.export(&preset, Some(LoraExport::Merged), &mut ());
    assert_eq!(refusal(refused).key, "lora");
}

#[test]
fn a_run_that_is_stopped_goes_on_to_the_same_bits() {
    let folder = place();
    let whole = open(folder.path(), &[])
        .unwrap()
        .fit(&Arc::default(), &mut ());
    let whole = weights(&trained(whole.unwrap()));

    let elsewhere = folder.path().join("stopped");
    let elsewhere = elsewhere.to_str().unwrap();
    let there = ("trainer.default_root_dir", elsewhere);
    let stop = Arc::new(AtomicBool::new(false));
    let mut batches = 0;
    let session = open(folder.path(), &[there]).unwrap();
    let stopped = session.fit(&stop, &mut |event: Event<'_>| {
        batches += u32::from(matches!(event, Event::Progress(Progress::Advanced { .. })));
        stop.store(batches > 6, Ordering::SeqCst);
    });
    let stopped = trained(stopped.unwrap());
    assert!(stopped.interrupted && stopped.steps > 0);
    assert_ne!(weights(&stopped), whole);

    let session = open(folder.path(), &[there, ("ckpt_path", "last")]).unwrap();
    let resumed = trained(session.fit(&Arc::default(), &mut ()).unwrap());
    assert!(!resumed.interrupted && resumed.steps > stopped.steps);
    assert_eq!(weights(&resumed), whole);
}

#[test]
fn all_folds_are_trained_in_turn() {
    let folder = place();
    let all = folder.path().join("all.tsv");
    let changes = [
        ("data.path", all.to_str().unwrap()),
        ("data.valid_split_size", "0"),
        ("data.cv_num_folds", "3"),
        ("trainer.max_epochs", "1"),
    ];
    let session = open(folder.path(), &changes).unwrap();
    let mut begun = Vec::new();
    let fitted = session.fit(&Arc::default(), &mut |event: Event<'_>| {
        if let Event::Fold {
            fold,
            state: Fold::Begins(rows),
        } = event
        {
            begun.push((fold, rows.iter().sum::<usize>()));
        }
    });
    let Fitted::Folds(folded) = fitted.unwrap() else {
        panic!("folds were asked for")
    };
    assert_eq!(begun, [(0, 60), (1, 60), (2, 60)]);
    assert_eq!(folded.broken_off, None);
    let spreads = folded.folds.spreads();
    assert_eq!(spreads[0].name, "test_loss");
    assert_eq!(spreads[0].folds.len(), 3);
    assert!(folded.folds.table().unwrap().is_file());
}

fn refusal<T>(result: Result<T, Error>) -> engraft::component::Refusal {
    match result {
        Err(Error::Refused(refusal)) => refusal,
        Err(other) => panic!("broke: {other}"),
        Ok(_) => panic!("accepted"),
    }
}

#[test]
fn what_is_wrong_is_a_value_with_its_place_and_key() {
    let folder = place();
    let yaml = folder.path().join("experiment.yaml");
    let at = |line: u32| format!("{}:{line}", yaml.display());
    // Found when the experiment is read.
    let wrong = refusal(open(folder.path(), &[("trainer.max_epoch", "1")]));
    assert_eq!(wrong.key, "trainer.max_epoch");
    assert!(wrong.help.unwrap().contains("max_epochs"));

    // Found when the backbone is opened, and still by the line where it was written.
    let text = std::fs::read_to_string(&yaml).unwrap();
    let long = text.replace("from_scratch: true", "from_scratch: true, max_length: 4000");
    std::fs::write(&yaml, long).unwrap();
    let session = open(folder.path(), &[]).unwrap();
    let wrong = refusal(session.fit(&Arc::default(), &mut ()));
    assert_eq!(wrong.key, "model.init_args.backbone.init_args.max_length");
    assert_eq!(wrong.place.to_string(), at(4));
    assert!(wrong.problem.contains("4000"), "{}", wrong.problem);

    // Found when the rows are read.
    std::fs::write(&yaml, text.replace("y_col: label", "y_col: labels")).unwrap();
    let session = open(folder.path(), &[]).unwrap();
    let wrong = refusal(session.fit(&Arc::default(), &mut ()));
    assert!(wrong.to_string().contains("labels"), "{wrong}");

    // A checkpoint that is not there.
    std::fs::write(&yaml, text).unwrap();
    let session = open(folder.path(), &[("ckpt_path", "nowhere")]).unwrap();
    let wrong = refusal(session.predict(None, &AtomicBool::new(false), &mut ()));
    assert_eq!(wrong.key, "ckpt_path");
    // A head that nothing has trained.
    let session = open(folder.path(), &[]).unwrap();
    let wrong = refusal(session.predict(None, &AtomicBool::new(false), &mut ()));
    assert_eq!(
        (wrong.key.as_str(), wrong.is_missing()),
        ("ckpt_path", true)
    );
}
