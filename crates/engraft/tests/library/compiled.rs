//! How models are compiled and trained, beside KerasHub on the same small presets: `tests/golden/keras/training.py` made the numbers.

use std::path::PathBuf;

use engraft::component::Node;
use engraft::prelude::*;
use engraft::tasks::{Backbone, LossDenominator};
use engraft::train::{Adam, SGD};
use engraft::{History, Metric, TaskBuilder};
use serde_json::Value;

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/keras")
}

fn training() -> Value {
    serde_json::from_slice(&std::fs::read(golden().join("training.json")).unwrap()).unwrap()
}

fn preset(name: &str) -> String {
    golden().join(name).display().to_string()
}

fn strings(value: &Value) -> Vec<String> {
    serde_json::from_value(value.clone()).unwrap()
}

fn ids(value: &Value) -> Vec<Vec<u32>> {
    serde_json::from_value(value.clone()).unwrap()
}

/// Keras's optimizer of these cases.
fn adam() -> Compile {
    Compile {
        optimizer: Adam {
            lr: 1e-3,
            eps: 1e-7,
            keras_eps: true,
            ..Adam::default()
        }
        .into(),
        ..Compile::default()
    }
}

/// What families call their rates of dropout.
const BERT: [&str; 2] = ["hidden_dropout_prob", "attention_probs_dropout_prob"];
const GPT2: [&str; 3] = ["resid_pdrop", "embd_pdrop", "attn_pdrop"];
const BART: [&str; 3] = ["dropout", "attention_dropout", "activation_dropout"];

/// All dropout of a backbone off.
fn off(backbone: &mut Backbone, keys: &[&str]) {
    let overwrites = backbone.config_overwrites.get_or_insert_default();
    for key in keys {
        overwrites.insert((*key).to_owned(), Node::plain("0.0"));
    }
}

fn classifier() -> TaskBuilder<engraft::tasks::SequenceClassification> {
    let builder = TextClassifier::from_preset(&preset("bert")).unwrap();
    builder
        .backbone(|backbone| off(backbone, &BERT))
        .dropout(0.0)
        .sequence_length(12)
}

fn steps(epochs: u64, batch_size: usize) -> Fit<'static> {
    Fit {
        epochs,
        batch_size: Some(batch_size),
        shuffle: false,
        verbose: false,
        ..Fit::default()
    }
}

/// Compares every value that Keras has.
fn compare(case: &str, history: &History) {
    let expected = &training()["cases"][case];
    let expected = expected.as_object().unwrap();
    assert!(!expected.is_empty());
    for (name, values) in expected {
        let values: Vec<f64> = serde_json::from_value(values.clone()).unwrap();
        let found = history.get(name).unwrap();
        assert_eq!(found.len(), values.len(), "{case} {name}");
        for (epoch, (found, expected)) in found.iter().zip(&values).enumerate() {
            assert!(
                (found - expected).abs() <= 1e-5,
                "{case}: {name} of epoch {epoch} is {found} instead of {expected}"
            );
        }
    }
}

struct Rows {
    texts: Vec<String>,
    labels: Vec<usize>,
    weights: Vec<f32>,
    about: Value,
}

fn rows() -> Rows {
    let about = training()["about"]["classifier"].clone();
    Rows {
        texts: strings(&about["texts"]),
        labels: serde_json::from_value(about["labels"].clone()).unwrap(),
        weights: serde_json::from_value(about["weights"].clone()).unwrap(),
        about,
    }
}

#[test]
fn a_classifier_learns_as_keras_does_with_what_is_usual_for_it() {
    let Rows { texts, labels, .. } = rows();
    let mut task = classifier().build().unwrap();
    compare(
        "automatic",
        &task.fit((texts, labels), steps(3, 8)).unwrap(),
    );
}

#[test]
fn weights_of_rows_count_as_keras_counts_them() {
    let Rows {
        texts,
        labels,
        weights,
        ..
    } = rows();
    let mut task = classifier().build().unwrap();
    let compile = Compile {
        weighted_metrics: ["sparse_categorical_accuracy"].into(),
        ..adam()
    };
    task.compile(compile).unwrap();
    let rows = (&texts, &labels, weights.clone());
    let history = task.fit(rows, steps(3, 8)).unwrap();
    compare("weights", &history);
    assert!(history.names().contains(&"weighted_accuracy"));
    let scores = task.evaluate((texts, labels, weights)).unwrap();
    let expected = &training()["cases"]["weights_evaluated"];
    for name in ["loss", "weighted_sparse_categorical_accuracy"] {
        let expected = expected[name][0].as_f64().unwrap();
        let found = scores.get(&format!("test_{name}")).unwrap();
        assert!(
            (found - expected).abs() <= 1e-5,
            "{name}: {found} {expected}"
        );
    }
}

#[test]
fn batches_that_weigh_little_or_nothing_count_as_keras_counts_them() {
    let Rows {
        texts,
        labels,
        about,
        ..
    } = rows();
    let weights: Vec<f64> = serde_json::from_value(about["some_weights"].clone()).unwrap();
    let mut task = classifier().build().unwrap();
    task.compile(Compile {
        weighted_metrics: ["accuracy"].into(),
        ..adam()
    })
    .unwrap();
    let history = task.fit((texts, labels, weights), steps(3, 3)).unwrap();
    compare("weights_in_batches", &history);
}

#[test]
fn the_tail_of_the_rows_is_held_out_as_keras_holds_it_out() {
    let Rows { texts, labels, .. } = rows();
    let mut task = classifier().build().unwrap();
    task.compile(adam()).unwrap();
    let fit = Fit {
        validation_split: 0.3,
        ..steps(3, 5)
    };
    compare("validation_split", &task.fit((texts, labels), fit).unwrap());
}

#[test]
fn a_backbone_gives_the_states_that_keras_has() {
    let about = training()["about"]["backbone"].clone();
    let numbers = |name: &str| serde_json::from_value::<Value>(about[name].clone()).unwrap();
    let ids: Vec<u32> = serde_json::from_value(numbers("ids")).unwrap();
    let sequence: Vec<Vec<f32>> = serde_json::from_value(numbers("sequence_output")).unwrap();
    let pooled: Vec<f32> = serde_json::from_value(numbers("pooled_output")).unwrap();
    let backbone = engraft::Backbone::from_preset(&preset("bert")).unwrap();
    let states = backbone.build().unwrap().call(ids).unwrap();
    let near = |found: &[f32], expected: &[f32]| {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-5, "{found} {expected}");
        }
    };
    for (found, expected) in states.sequence_output.iter().zip(&sequence) {
        near(found, expected);
    }
    near(&states.pooled_output.unwrap(), &pooled);
}

#[test]
fn tokens_are_learned_from_without_a_preprocessor() {
    let Rows { labels, about, .. } = rows();
    let tokens = || {
        let rows = ids(&about["token_ids"]).into_iter();
        let masks = ids(&about["padding_mask"]).into_iter();
        rows.zip(masks).map(|(ids, mask)| {
            let mask: Vec<u8> = mask.into_iter().map(|it| it as u8).collect();
            TokenRow::padded(&ids, &mask).unwrap()
        })
    };
    let mut task = classifier().preprocessor(None).build().unwrap();
    assert!(task.preprocessor().is_none());
    task.compile(adam()).unwrap();
    let rows: Vec<TokenRow> = tokens().collect();
    compare("tokens", &task.fit((rows, &labels), steps(3, 8)).unwrap());
    // The same by a function of the user's, and by the task's own.
    let Rows { texts, .. } = self::rows();
    let table: Vec<(String, TokenRow)> = texts.iter().cloned().zip(tokens()).collect();
    let by_function = Preprocessor::function(move |input| {
        let engraft::Input::Text(text) = input else {
            panic!("{input:?}")
        };
        table.iter().find(|(own, _)| own == text).unwrap().1.clone()
    });
    let mut task = classifier().build().unwrap();
    let own = task.preprocessor();
    task.set_preprocessor(Some(by_function)).unwrap();
    task.compile(adam()).unwrap();
    let function = task.predict(&texts).unwrap();
    compare("tokens", &task.fit((&texts, &labels), steps(3, 8)).unwrap());
    let mut task = classifier().preprocessor(None).build().unwrap();
    task.set_preprocessor(own).unwrap();
    task.compile(adam()).unwrap();
    assert_eq!(task.predict(&texts).unwrap(), function);
    compare("tokens", &task.fit((&texts, &labels), steps(3, 8)).unwrap());
}

#[test]
fn batches_of_an_iterator_stay_as_they_are() {
    let Rows {
        texts,
        labels,
        about,
        ..
    } = rows();
    let sizes: Vec<usize> = serde_json::from_value(about["batches"].clone()).unwrap();
    let batches = || {
        let mut start = 0;
        let batches = sizes.iter().map(|size| {
            let range = start..start + size;
            start = range.end;
            (texts[range.clone()].to_vec(), labels[range].to_vec())
        });
        batches.collect::<Vec<_>>()
    };
    let mut task = classifier().build().unwrap();
    task.compile(adam()).unwrap();
    let fit = || Fit {
        epochs: 2,
        batch_size: None,
        // Of batches that are kept as they are, none is shuffled.
        shuffle: true,
        ..steps(2, 1)
    };
    compare("batches", &task.fit(Batches(batches()), fit()).unwrap());
    let refused = Fit {
        batch_size: Some(4),
        ..fit()
    };
    let error = task.fit(Batches(batches()), refused).unwrap_err();
    assert_eq!(
        error.to_string(),
        "batch_size: the batches of an iterator are kept as they are; leave it out"
    );
}

#[test]
fn a_second_training_goes_on_where_the_first_ended() {
    let Rows { texts, labels, .. } = rows();
    let mut task = classifier().build().unwrap();
    task.compile(adam()).unwrap();
    let first = task.fit((&texts, &labels), steps(1, 8)).unwrap();
    let second = task.fit((&texts, &labels), steps(2, 8)).unwrap();
    let losses = [first, second]
        .map(|history| history.get("loss").unwrap())
        .concat();
    let expected = &training()["cases"]["fitted_twice"]["loss"];
    let expected: Vec<f64> = serde_json::from_value(expected.clone()).unwrap();
    near(&losses, &expected);

    let mut task = classifier().build().unwrap();
    task.compile(adam()).unwrap();
    let losses: Vec<f64> = [0, 3, 1]
        .into_iter()
        .map(|at| {
            let batch = (&texts[at..at + 3], labels[at..at + 3].to_vec());
            task.train_on_batch(batch).unwrap().get("loss").unwrap()
        })
        .collect();
    let expected = &training()["cases"]["on_batch"]["loss"];
    let expected: Vec<f64> = serde_json::from_value(expected.clone()).unwrap();
    near(&losses, &expected);
}

fn near(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= 1e-5, "{found:?} {expected:?}");
    }
}

#[test]
fn what_was_not_compiled_is_not_trained_until_it_is() {
    let Rows { texts, labels, .. } = rows();
    let mut task = classifier().compile(false).build().unwrap();
    let error = task.fit((&texts, &labels), steps(3, 8)).unwrap_err();
    assert!(matches!(error, Error::NotCompiled("fit")));
    assert_eq!(
        error.to_string(),
        "fit needs a compiled model: call compile first"
    );
    let error = task.evaluate((&texts, &labels)).unwrap_err();
    assert!(matches!(error, Error::NotCompiled("evaluate")));
    // Predicting needs nothing.
    assert_eq!(task.predict(&texts).unwrap().len(), texts.len());
    let compile = Compile {
        optimizer: SGD {
            lr: 0.1,
            ..SGD::default()
        }
        .into(),
        loss: "sparse_categorical_crossentropy".into(),
        metrics: ["sparse_categorical_accuracy"].into(),
        ..Compile::default()
    };
    task.compile(compile).unwrap();
    let history = task.fit((&texts, &labels), steps(3, 8)).unwrap();
    compare("uncompiled", &history);
    assert_eq!(history.names(), ["loss", "accuracy"]);
}

#[test]
fn optimizers_by_their_names_have_keras_s_defaults() {
    let Rows { texts, labels, .. } = rows();
    for name in ["adam", "adamw", "sgd", "rmsprop", "adagrad"] {
        let mut task = classifier().build().unwrap();
        let compile = Compile {
            optimizer: name.into(),
            ..Compile::default()
        };
        task.compile(compile).unwrap();
        compare(name, &task.fit((&texts, &labels), steps(3, 8)).unwrap());
    }
}

#[test]
fn losses_and_metrics_of_one_s_own_are_what_is_minimised_and_reported() {
    let texts = ["a", "brown fox", "time", "the lazy dog"];
    let numbers = [0.5, -1.0, 2.0, 0.25];
    let open = || {
        let builder = Regressor::from_preset(&preset("bert")).unwrap();
        builder
            .backbone(|it| off(it, &BERT))
            .seed(3)
            .build()
            .unwrap()
    };
    let losses = [
        Setting::from("mean_squared_error"),
        engraft::NamedLoss::MeanSquaredError.into(),
        Setting::Auto,
        engraft::Loss::function(|outputs, targets| {
            let engraft::Targets::Numbers { numbers, .. } = targets else {
                panic!("{targets:?}")
            };
            let shape = outputs.dims();
            let data = engraft::TensorData::new(numbers.clone(), shape);
            let numbers = engraft::Tensor::from_data(data, &outputs.device());
            (outputs - numbers)
                .powi_scalar(2)
                .sum_dim(1)
                .reshape([shape[0]])
        })
        .into(),
    ];
    let mut histories = Vec::new();
    for loss in losses {
        let mut task = open();
        let error = Metric::function("off_by", |output, target| {
            f64::from((output[0] - target[0]).abs())
        });
        let metrics = vec![
            Metric::from("mae"),
            Metric::from("cosine_similarity"),
            error,
        ];
        let compile = Compile {
            loss,
            metrics: metrics.into(),
            ..adam()
        };
        task.compile(compile).unwrap();
        let history = task.fit((texts, numbers), steps(2, 4)).unwrap();
        let scores = task.evaluate((texts, numbers)).unwrap();
        let [mae, own] = ["test_mae", "test_off_by"].map(|name| scores.get(name).unwrap());
        assert!((mae - own).abs() < 1e-6, "{scores}");
        assert_eq!(scores.len(), 4, "{scores}");
        histories.push(history.get("loss").unwrap());
    }
    for history in &histories {
        for (found, expected) in history.iter().zip(&histories[0]) {
            assert!((found - expected).abs() < 1e-6, "{histories:?}");
        }
    }
    assert!(histories[0][1] < histories[0][0]);
}

#[test]
fn a_language_model_learns_as_keras_does() {
    let about = training()["about"]["causal_lm"].clone();
    let texts = strings(&about["texts"]);
    let open = || {
        let builder = CausalLm::from_preset(&preset("gpt2")).unwrap();
        builder
            .backbone(|backbone| off(backbone, &GPT2))
            .sequence_length(20)
            .with(|task| {
                task.loss_denominator = LossDenominator::Padded;
                (task.add_start_token, task.add_end_token) = (Some(true), Some(true));
            })
    };
    for (case, compile) in [
        ("causal_lm", adam()),
        ("causal_lm_automatic", Compile::default()),
    ] {
        let mut lm = open().build().unwrap();
        lm.compile(compile).unwrap();
        compare(case, &lm.fit(&texts, steps(3, 8)).unwrap());
    }
    // Rows of tokens, with what follows each.
    let rows = ids(&about["ids"]);
    let builder = CausalLm::from_preset(&preset("gpt2")).unwrap();
    let builder = builder.backbone(|it| off(it, &GPT2)).preprocessor(None);
    let mut lm = builder.build().unwrap();
    lm.compile(adam()).unwrap();
    let x: Vec<Vec<u32>> = rows
        .iter()
        .map(|row| row[..row.len() - 1].to_vec())
        .collect();
    let y: Vec<Vec<u32>> = rows.iter().map(|row| row[1..].to_vec()).collect();
    compare("causal_lm_tokens", &lm.fit((x, y), steps(3, 4)).unwrap());
}

#[test]
fn an_encoder_decoder_learns_as_keras_does() {
    let about = training()["about"]["seq2seq"].clone();
    let builder = Seq2SeqLm::from_preset(&preset("bart")).unwrap();
    let builder = builder.backbone(|it| off(it, &BART)).preprocessor(None);
    let mut s2s = builder.build().unwrap();
    s2s.compile(adam()).unwrap();
    let rows = ids(&about["source"]).into_iter().zip(ids(&about["target"]));
    let rows: Vec<TokenRow> = rows
        .map(|(source, target)| TokenRow::from(source).written(target))
        .collect();
    compare("seq2seq_tokens", &s2s.fit(rows, steps(3, 4)).unwrap());
}

#[test]
fn what_is_usual_depends_on_the_task_and_the_family() {
    use engraft::tasks::{CausalLM, MLM, Seq2SeqLM, SequenceClassification, TaskArguments};
    assert_eq!(SequenceClassification::rate_in_rust("bert"), 5e-5);
    assert_eq!(SequenceClassification::rate_in_rust("albert"), 1e-5);
    assert_eq!(MLM::rate_in_rust("albert"), 5e-5);
    assert_eq!(CausalLM::rate_in_rust("gpt2"), 2e-5);
    assert_eq!(Seq2SeqLM::rate_in_rust("bart"), 2e-5);
    // What is trained with it: the same as with Adam at that rate, and not at another.
    let texts = ["a cat", "the line", "two", "one time"];
    let learned = |optimizer: Option<f64>, batch_size: Option<usize>| {
        let builder = TextClassifier::from_preset(&preset("albert")).unwrap();
        let builder = builder.num_classes(2).seed(1);
        let mut task = builder.build().unwrap();
        if let Some(lr) = optimizer {
            let adam = Adam {
                lr,
                eps: 1e-7,
                keras_eps: true,
                ..Adam::default()
            };
            let compile = Compile {
                optimizer: adam.into(),
                ..Compile::default()
            };
            task.compile(compile).unwrap();
        }
        // More rows than a batch has: two steps an epoch.
        let rows: Vec<&str> = texts.iter().copied().cycle().take(33).collect();
        let labels: Vec<usize> = (0..33).map(|row| row % 2).collect();
        let mut fit = steps(2, 1);
        fit.batch_size = batch_size;
        let history = task.fit((rows, labels), fit).unwrap();
        history.get("loss").unwrap()
    };
    let usual = learned(None, None);
    assert_eq!(usual, learned(Some(1e-5), None));
    assert_ne!(usual, learned(Some(5e-5), None));
    assert_eq!(usual, learned(None, Some(32)));
    assert_ne!(usual, learned(None, Some(16)));
    let sampler = |name: &str| {
        let lm = CausalLm::from_preset(&preset(name))
            .unwrap()
            .build()
            .unwrap();
        lm.sampler().unwrap()
    };
    assert_eq!(sampler("gpt2"), Sampler::from(TopK::default()));
    assert_eq!(TopK::default().k, 5);
    assert_eq!(sampler("gemma"), Sampler::from(Greedy::default()));
    assert_eq!(sampler("gemma3"), Sampler::from(Greedy::default()));
}
