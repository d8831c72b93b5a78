//! The library as KerasHub's pages describe it: how models are asked, trained and stopped, and what is refused.

use std::ops::ControlFlow;
use std::path::PathBuf;

use engraft::models::Pooling;
use engraft::prelude::*;
use engraft::train::Adam;
use engraft::{Input, Metric, Stopper, TaskModel};

pub(crate) fn golden(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/keras");
    folder.join(name).display().to_string()
}

pub(crate) fn bert() -> TextClassifier {
    let builder = TextClassifier::from_preset(&golden("bert")).unwrap();
    builder.num_classes(2).build().unwrap()
}

pub(crate) fn gpt2() -> CausalLm {
    let builder = CausalLm::from_preset(&golden("gpt2")).unwrap();
    builder.build().unwrap()
}

pub(crate) fn quiet() -> Fit<'static> {
    Fit {
        verbose: false,
        ..Fit::default()
    }
}

pub(crate) fn greedy(new: usize) -> Generate {
    Generate {
        sampler: Some(Greedy::default().into()),
        max_new_tokens: Some(new),
        stop_token_ids: StopTokens::None,
        ..Generate::default()
    }
}

pub(crate) const TEXTS: [&str; 4] = ["the quick fox", "a lazy dog", "brown", "time and time"];
pub(crate) const LABELS: [usize; 4] = [0, 1, 1, 0];

#[test]
fn one_text_many_and_an_iterator_are_answered_in_the_same_form() {
    let classifier = bert();
    let many: Vec<Prediction> = classifier.predict(TEXTS).unwrap();
    let one: Prediction = classifier.predict("the quick fox").unwrap();
    let near = |a: &Prediction, b: &Prediction| {
        a.class == b.class
            && a.logits
                .iter()
                .zip(&b.logits)
                .all(|(a, b)| (a - b).abs() < 1e-5)
    };
    assert!(near(&one, &many[0]));
    let lists: [Vec<Prediction>; 4] = [
        classifier.predict(TEXTS.to_vec()).unwrap(),
        classifier.predict(&TEXTS[..]).unwrap(),
        classifier.predict(&TEXTS.map(str::to_owned)).unwrap(),
        classifier.predict(TEXTS.map(Input::from)).unwrap(),
    ];
    for list in &lists {
        assert!(list.iter().zip(&many).all(|(a, b)| near(a, b)));
    }
    // An iterator is asked as it goes on: of an endless one the first answers come.
    let endless = TEXTS.iter().copied().cycle();
    let answers = classifier.predict(Each(endless)).unwrap().take(70);
    let answers: Vec<Prediction> = answers.collect::<Result<_, _>>().unwrap();
    assert_eq!(answers.len(), 70);
    assert!(near(&answers[69], &many[1]));
    // Two texts that belong together are one row.
    let pair: Prediction = classifier.predict(("the quick fox", "a lazy dog")).unwrap();
    assert!(!near(&pair, &one));

    let lm = gpt2();
    let many: Vec<String> = lm.generate(TEXTS, greedy(3)).unwrap();
    let one: String = lm.generate(TEXTS[2], greedy(3)).unwrap();
    assert_eq!(one, many[2]);
    let each = lm.generate(Each(TEXTS.iter().copied()), greedy(3)).unwrap();
    assert_eq!(each.collect::<Result<Vec<_>, _>>().unwrap(), many);
    let scores = lm.score(TEXTS).unwrap();
    assert!((lm.score(TEXTS[3]).unwrap().nll - scores[3].nll).abs() < 1e-4);
    let several = Generate {
        num_return_sequences: Some(2),
        sampler: Some(TopK::default().into()),
        ..greedy(3)
    };
    assert_eq!(lm.generate(["fox"], several.clone()).unwrap().len(), 2);
    let error = lm.generate("fox", several).unwrap_err();
    assert_eq!(
        error.to_string(),
        "one row has 2 answers: ask for it in a list, as [text], which is answered by a list"
    );
}

#[test]
fn an_iterator_that_fails_ends_with_its_error() {
    let classifier = bert();
    let rows = || {
        (0..40).map(|row| match row {
            35 => Err("the disk is gone"),
            _ => Ok("the quick fox"),
        })
    };
    let mut answers = classifier.predict(Each(rows())).unwrap();
    let whole: Vec<_> = answers.by_ref().collect();
    // All rows before it are answered.
    assert_eq!(whole.len(), 36);
    assert!(whole[..35].iter().all(Result::is_ok));
    assert_eq!(
        whole[35].as_ref().unwrap_err().to_string(),
        "the disk is gone"
    );
    // After it there is nothing.
    assert!(answers.next().is_none());
    drop(answers);
    assert!(
        classifier
            .predict(Each(std::iter::empty::<&str>()))
            .unwrap()
            .next()
            .is_none()
    );

    let before = weights(&classifier);
    let mut classifier = classifier;
    let batch = || (vec!["a", "b"], vec![0usize, 1]);
    let failing = [Ok(batch()), Err("the disk is gone")];
    let error = classifier.fit(Batches(failing), quiet()).unwrap_err();
    assert!(matches!(error, Error::Batch { number: 2, .. }), "{error:?}");
    assert_eq!(error.to_string(), "batch 2: the disk is gone");
    let ends_in_the_middle = [batch(), (vec!["a", "b"], vec![0])];
    let error = classifier.fit(Batches(ends_in_the_middle), quiet());
    assert_eq!(
        error.unwrap_err().to_string(),
        "batch 2: y has 1 labels for 2 rows"
    );
    let without_rows = [batch(), (vec![], vec![])];
    let error = classifier.fit(Batches(without_rows), quiet()).unwrap_err();
    assert_eq!(error.to_string(), "batches: batch 2 has no rows");
    let none: [(Vec<&str>, Vec<usize>); 0] = [];
    let error = classifier.fit(Batches(none), quiet()).unwrap_err();
    assert_eq!(error.to_string(), "batches: there are none");
    assert_eq!(weights(&classifier), before);
}

pub(crate) fn weights<A: engraft::tasks::TaskArguments>(task: &TaskModel<A>) -> Vec<u32> {
    let all = engraft::models::parameters(&task.model().network).into_iter();
    let values =
        all.flat_map(|(_, _, values)| values.into_data().iter::<f32>().collect::<Vec<_>>());
    values.map(f32::to_bits).collect()
}

#[test]
fn what_cannot_be_trained_on_is_refused_in_the_words_of_the_library_and_changes_nothing() {
    let mut classifier = bert();
    let before = weights(&classifier);
    let said = |error: Error| {
        let said = error.to_string();
        for word in ["--", "model.", "data.", "trainer."] {
            assert!(!said.contains(word), "{said}");
        }
        said
    };
    let mut refused =
        |labels: Vec<engraft::Target>| said(classifier.fit((TEXTS, labels), quiet()).unwrap_err());
    let out_of_range = refused(vec![0.into(), 1.into(), 2.into(), 0.into()]);
    assert_eq!(
        out_of_range,
        "y: row 2 has 2, but there are 2 classes: expected a number below 2"
    );
    let below = refused(vec![0.into(), 1.into(), (-1).into(), 0.into()]);
    assert_eq!(
        below,
        "y: row 2 has -1, which is no class: expected a whole number from 0 on, or a name"
    );
    let few = refused(vec![0.into()]);
    assert_eq!(few, "y has 1 labels for 4 rows");
    let numbers = refused(vec![0.5.into(), 1.into(), 0.into(), 0.into()]);
    assert!(
        numbers.contains("row 0 has 0.5, which is no class"),
        "{numbers}"
    );

    let weighted = (TEXTS, LABELS, [1.0, -1.0, 1.0, 1.0]);
    let error = said(classifier.fit(weighted, quiet()).unwrap_err());
    assert_eq!(
        error,
        "weights: row 1 weighs -1; expected a finite number of at least 0"
    );
    let mut split = |texts: &[&str], share: f64| {
        let fit = Fit {
            validation_split: share,
            ..quiet()
        };
        let labels = vec![0; texts.len()];
        said(classifier.fit((texts, labels), fit).unwrap_err())
    };
    for share in [1.0, -0.1, f64::NAN] {
        let expected =
            format!("validation_split: expected a share from 0 to below 1, found {share}");
        assert_eq!(split(&TEXTS, share), expected);
    }
    assert_eq!(
        split(&TEXTS[..1], 0.5),
        "validation_split: 0.5 of 1 rows leaves none to train on, or none to score"
    );
    let fit = Fit {
        batch_size: Some(0),
        ..quiet()
    };
    let error = said(classifier.fit((TEXTS, LABELS), fit).unwrap_err());
    assert_eq!(error, "batch_size: a batch has at least one row");
    let error = said(classifier.fit(TEXTS, quiet()).unwrap_err());
    assert_eq!(
        error,
        "the data has no labels, which this stage needs; give them beside the texts"
    );
    let tokens = [TokenRow::from(vec![1, 999_999])];
    let error = said(classifier.fit((tokens, [0]), quiet()).unwrap_err());
    assert!(
        error.contains("the token id 999999 is outside the model's vocabulary"),
        "{error}"
    );
    let error = said(classifier.predict(TokenRow::from(vec![])).unwrap_err());
    assert!(error.contains("no tokens"), "{error}");
    classifier.set_preprocessor(None).unwrap();
    let error = said(classifier.predict("fox").unwrap_err());
    assert!(
        error.starts_with("there is no preprocessor, so that rows are tokens"),
        "{error}"
    );
    assert_eq!(weights(&classifier), before);

    // Tokens of a language model weigh the same, and what follows a text is in the text.
    let mut lm = gpt2();
    let error = said(lm.fit((TEXTS, LABELS), quiet()).unwrap_err());
    assert!(error.contains("give x without y"), "{error}");
    let x = vec![vec![5u32, 6, 7]];
    let error = said(lm.fit((x, vec![vec![6u32, 9, 8]]), quiet()).unwrap_err());
    assert!(
        error.contains("is not the token after each token of x"),
        "{error}"
    );
    let rows = lm.examples(TEXTS).unwrap().weighted([1.0; 4]).unwrap();
    let error = said(lm.fit(rows, quiet()).unwrap_err());
    assert!(
        error.starts_with("weights: rows weigh differently only where"),
        "{error}"
    );
}

#[test]
fn names_that_there_are_not_are_answered_with_the_nearest_and_change_nothing() {
    let mut classifier = bert();
    let mut refused = |compile: Compile| {
        let error = classifier.compile(compile).unwrap_err();
        // It is still compiled as it was.
        classifier.evaluate((TEXTS, LABELS)).unwrap();
        error.to_string()
    };
    let cases = [
        (
            refused(Compile {
                optimizer: "adm".into(),
                ..Compile::default()
            }),
            "optimizer: there is none called \"adm\". Did you mean \"adam\"?",
        ),
        (
            refused(Compile {
                loss: "sparse_categorical_crossentrpy".into(),
                ..Compile::default()
            }),
            "loss: there is none called \"sparse_categorical_crossentrpy\". Did you mean \"sparse_categorical_crossentropy\"?",
        ),
        (
            refused(Compile {
                metrics: ["accuracyy"].into(),
                ..Compile::default()
            }),
            "metrics: there is none called \"accuracyy\". Did you mean \"accuracy\"?",
        ),
        (
            refused(Compile {
                loss: "mean_squared_error".into(),
                ..Compile::default()
            }),
            "loss: mean_squared_error is no loss of one class a row, which TextClassifier predicts. Leave it at Auto, or give sparse_categorical_crossentropy",
        ),
        (
            refused(Compile {
                weighted_metrics: ["auroc"].into(),
                ..Compile::default()
            }),
            "weighted_metrics: auroc is no mean over rows, which could be weighed",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
    let mut lm = gpt2();
    let sampler = |name: &str| Compile {
        sampler: name.into(),
        ..Compile::default()
    };
    let error = lm.compile(sampler("gredy")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "sampler: there is none called \"gredy\". Did you mean \"greedy\"?"
    );
    for name in ["greedy", "random", "top_k", "top_p", "beam", "contrastive"] {
        lm.compile(sampler(name)).unwrap();
        assert!(lm.sampler().is_ok(), "{name}");
    }
    let own = Metric::function("own", |_, _| 0.0);
    let error = lm.compile(Compile {
        metrics: vec![own].into(),
        ..Compile::default()
    });
    assert!(error.unwrap_err().to_string().contains("own scores alone"));
}

#[test]
fn a_stopper_ends_training_with_the_weights_of_its_last_step_and_everything_else_with_an_error() {
    let mut classifier = bert();
    let stopper: Stopper = classifier.stopper();
    // From a thread of its own, as soon as an epoch has ended.
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let other = std::thread::spawn(move || {
        receiver.recv().unwrap();
        stopper.stop();
    });
    let before = weights(&classifier);
    let fit = Fit {
        epochs: 1_000_000,
        on_epoch_end: Some(Box::new(move |_| {
            let _ = sender.send(());
            ControlFlow::Continue(())
        })),
        ..quiet()
    };
    let history = classifier.fit((TEXTS, LABELS), fit).unwrap();
    other.join().unwrap();
    assert!(history.epochs().len() >= 1 && history.epochs().len() < 1_000_000);
    assert_eq!(history.stopped(), Some("stopped by the stopper"));
    assert_ne!(weights(&classifier), before);

    let stopper = classifier.stopper();
    stopper.stop();
    assert!(matches!(
        classifier.evaluate((TEXTS, LABELS)),
        Err(Error::Stopped)
    ));
    assert!(classifier.evaluate((TEXTS, LABELS)).is_ok());
    let lm = gpt2();
    lm.stopper().stop();
    assert!(matches!(lm.generate("fox", greedy(3)), Err(Error::Stopped)));
    let mut pieces = lm.stream("fox", greedy(8)).unwrap();
    assert!(pieces.next().unwrap().is_ok());
    lm.stopper().stop();
    let rest: Vec<_> = pieces.by_ref().collect();
    assert!(matches!(rest.last(), Some(Err(Error::Stopped))), "{rest:?}");
    assert!(pieces.next().is_none());
    assert!(lm.score("fox").is_ok());
}

#[test]
fn the_user_looks_at_each_epoch_and_callbacks_end_training() {
    let mut classifier = bert();
    let mut seen = Vec::new();
    let valid = classifier.examples((TEXTS, LABELS)).unwrap();
    let fit = Fit {
        epochs: 5,
        validation: Some(&valid),
        on_epoch_end: Some(Box::new(|epoch| {
            seen.push((epoch.number, epoch.get("val_loss").unwrap()));
            if epoch.number == 1 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })),
        ..quiet()
    };
    let history = classifier.fit((TEXTS, LABELS), fit).unwrap();
    assert_eq!(history.stopped(), Some("stopped by on_epoch_end"));
    assert_eq!(history.get("val_loss").unwrap(), [seen[0].1, seen[1].1]);
    let patience = engraft::EarlyStopping {
        min_delta: 100.0,
        patience: 1,
        ..engraft::EarlyStopping::on("val_loss")
    };
    let fit = Fit {
        epochs: 50,
        validation: Some(&valid),
        callbacks: vec![patience.into()],
        ..quiet()
    };
    let history = classifier.fit((TEXTS, LABELS), fit).unwrap();
    assert!(history.epochs().len() < 5, "{history:?}");
    assert!(
        history.stopped().unwrap().contains("val_loss"),
        "{history:?}"
    );
}

#[test]
fn texts_are_cut_to_kerashub_s_lengths_and_counted() {
    let long = "fox ".repeat(400);
    let builder = TextClassifier::from_preset(&golden("bert"))
        .unwrap()
        .num_classes(2);
    let classifier = builder.sequence_length(6).build().unwrap();
    assert_eq!(classifier.preprocessor().unwrap().length(), Some(6));
    classifier.predict([long.as_str(), "fox"]).unwrap();
    assert!(
        classifier
            .notes()
            .iter()
            .any(|note| note.contains('1') && note.contains("cut")),
        "{:?}",
        classifier.notes()
    );
    classifier.predict("fox").unwrap();
    assert!(classifier.notes().iter().all(|note| !note.contains("cut")));
    // What nobody says is 512 tokens, or as many as the model has positions for.
    let builder = TextClassifier::from_preset("aido_rna_debug")
        .unwrap()
        .num_classes(2);
    let classifier = builder.build().unwrap();
    let positions = classifier
        .model()
        .spec
        .checkpoint()
        .config()
        .transformer
        .longest();
    let length = classifier.preprocessor().unwrap().length();
    assert_eq!(
        length,
        Some(positions.map_or(512, |positions| positions.min(512)))
    );
    let lm = gpt2();
    let error = lm
        .generate(long.as_str(), greedy(2))
        .unwrap_err()
        .to_string();
    assert!(error.contains("leaves no room"), "{error}");
    let full = Generate {
        max_length: Some(2),
        ..Generate::default()
    };
    let error = lm.generate("the fox", full).unwrap_err().to_string();
    assert!(error.contains("max_length 2 counts them"), "{error}");
}

#[test]
fn without_a_preprocessor_tokens_go_in_and_tokens_come_out() {
    let lm = CausalLm::from_preset(&golden("gpt2")).unwrap();
    let lm = lm.preprocessor(None).build().unwrap();
    let row = TokenRow::padded(&[5, 6, 7, 0, 0, 0], &[1, 1, 1, 0, 0, 0]).unwrap();
    let error = lm.generate(row.clone(), Generate::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "stop_token_ids: Auto is what the preprocessor says, and there is none; give StopTokens::None or ids"
    );
    let error = lm.generate("fox", greedy(3)).unwrap_err().to_string();
    assert!(error.starts_with("there is no preprocessor"), "{error}");
    let padded = Generate {
        // Is ignored: the row has room for six.
        max_length: Some(4),
        max_new_tokens: None,
        ..greedy(3)
    };
    let ids: Vec<u32> = lm.generate(row.clone(), padded.clone()).unwrap();
    assert_eq!(ids.len(), 6);
    assert_eq!(ids[..3], [5, 6, 7]);
    let stripped = Generate {
        strip_prompt: true,
        ..padded
    };
    let new: Vec<Vec<u32>> = lm.generate([row], stripped).unwrap();
    assert_eq!(new[0], ids[3..]);
    let free: Vec<u32> = lm.generate(vec![5u32, 6, 7], greedy(3)).unwrap();
    assert_eq!(free, ids);

    let s2s = Seq2SeqLm::from_preset(&golden("bart")).unwrap();
    let s2s = s2s.preprocessor(None).build().unwrap();
    let ids: Vec<u32> = s2s
        .generate(TokenRow::from(vec![5u32, 6, 7]), greedy(3))
        .unwrap();
    assert_eq!(ids.len(), 4);
    assert!(s2s.generate("fox", greedy(3)).is_err());
}

#[test]
fn vectors_are_learned_by_a_loss_that_is_given() {
    let open = || {
        let builder = TextEmbedder::from_preset(&golden("bert")).unwrap();
        builder.pooling(Pooling::Mean).build().unwrap()
    };
    let mut embedder = open();
    let error = embedder
        .compile(Compile::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("loss: TextEmbedder has no loss of its own. Give one"),
        "{error}"
    );
    let width = embedder.encode_text("fox").unwrap().len();
    let targets: Vec<Vec<f32>> = (0..4).map(|row| vec![row as f32 / 4.0; width]).collect();
    let error = embedder.fit((TEXTS, targets.clone()), quiet()).unwrap_err();
    assert!(matches!(error, Error::NotCompiled("fit")));
    for loss in ["mean_squared_error", "cosine_similarity"] {
        let mut embedder = open();
        embedder
            .compile(Compile {
                loss: loss.into(),
                optimizer: Adam {
                    lr: 1e-2,
                    ..Adam::default()
                }
                .into(),
                metrics: ["mae"].into(),
                ..Compile::default()
            })
            .unwrap();
        let fit = Fit {
            epochs: 8,
            ..quiet()
        };
        let history = embedder.fit((TEXTS, targets.clone()), fit).unwrap();
        let losses = history.get("loss").unwrap();
        assert!(losses[7] < losses[0], "{loss}: {losses:?}");
        assert_eq!(history.names(), ["loss", "mae"]);
        let scores = embedder.evaluate((TEXTS, targets.clone())).unwrap();
        assert!(scores.get("test_loss").is_ok());
        let folder = tempfile::tempdir().unwrap();
        let saved = folder.path().join("saved");
        embedder.save_to_preset(&saved).unwrap();
        let opened = TextEmbedder::from_preset(saved.to_str().unwrap()).unwrap();
        let opened = opened.build().unwrap();
        assert_eq!(
            opened.encode_text("fox").unwrap(),
            embedder.encode_text("fox").unwrap()
        );
    }
    let narrow: Vec<Vec<f32>> = vec![vec![0.5; width - 1]; 4];
    embedder
        .compile(Compile {
            loss: "mse".into(),
            ..Compile::default()
        })
        .unwrap();
    let error = embedder
        .fit((TEXTS, narrow), quiet())
        .unwrap_err()
        .to_string();
    assert!(error.contains("the model makes vectors of"), "{error}");
    // A task that only predicts has nothing to compile.
    let mut outputs = engraft::HeadOutputs::from_preset(&golden("bert_masked_lm"))
        .unwrap()
        .build()
        .unwrap();
    let error = outputs.compile(Compile::default()).unwrap_err().to_string();
    assert_eq!(error, "loss: HeadOutputs has no loss of its own");
}

#[test]
fn models_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<TextClassifier>();
    shared::<CausalLm>();
    shared::<Seq2SeqLm>();
    shared::<Task>();
    shared::<Backbone>();
    shared::<Preprocessor>();
    shared::<Stopper>();
    shared::<Error>();
    let classifier = bert();
    let alone = classifier.predict("fox").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert_eq!(classifier.predict("fox").unwrap(), alone));
        }
    });
}

#[test]
fn files_are_read_by_what_the_task_learns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.tsv");
    std::fs::write(
        &path,
        "text\tlabel\tnumber\nthe fox\tno\t0.5\na dog\tyes\t1.5\n",
    )
    .unwrap();
    let mut classifier = bert();
    let file = || File::new(&path).x("text");
    classifier.fit(file().y("label"), quiet()).unwrap();
    assert_eq!(classifier.class_names(), ["no", "yes"]);
    let mut regressor = Regressor::from_preset(&golden("bert"))
        .unwrap()
        .build()
        .unwrap();
    regressor.fit(file().y("number"), quiet()).unwrap();
    let mut masked = MaskedLm::from_preset(&golden("bert_masked_lm"))
        .unwrap()
        .build()
        .unwrap();
    masked.fit(file(), quiet()).unwrap();
    let error = classifier
        .fit(file().y("labels"), quiet())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("labels") && error.contains("label"),
        "{error}"
    );
    let misspelt = file().y("label").with("xcol", "text");
    assert_eq!(
        classifier.fit(misspelt, quiet()).unwrap_err().to_string(),
        "xcol: unknown key. Did you mean \"x_col\"?"
    );
    let error = classifier
        .fit(File::new("/nowhere.tsv"), quiet())
        .unwrap_err()
        .to_string();
    assert!(error.contains("/nowhere.tsv"), "{error}");
}
