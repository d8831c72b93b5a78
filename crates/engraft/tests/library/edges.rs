//! What is refused, and what happens at the edges: padding, lengths, rows that fail among others, arguments that a task does not have.

use engraft::models::Pooling;
use engraft::prelude::*;
use engraft::{Input, Loss};

use crate::asked::{golden, gpt2, greedy, quiet};

fn classifier() -> TextClassifier {
    let builder = TextClassifier::from_preset(&golden("bert")).unwrap();
    builder.num_classes(2).build().unwrap()
}

fn token_classifier() -> TokenClassifier {
    let builder = TokenClassifier::from_preset(&golden("bert")).unwrap();
    builder.num_classes(2).build().unwrap()
}

fn seq2seq() -> Seq2SeqLm {
    let builder = Seq2SeqLm::from_preset(&golden("bart")).unwrap();
    builder.build().unwrap()
}

#[test]
fn a_sampler_is_for_what_writes() {
    let mut classifier = classifier();
    let sampler = || Compile {
        sampler: "greedy".into(),
        ..Compile::default()
    };
    let error = classifier.compile(sampler()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "sampler: TextClassifier writes nothing, so that no tokens are chosen. Leave it at Auto"
    );
    // That of a task whose kind is found later goes along.
    let mut task = Task::from_preset(&golden("gpt2")).unwrap().build().unwrap();
    task.compile(Compile {
        sampler: TopK {
            k: 2,
            ..TopK::default()
        }
        .into(),
        ..Compile::default()
    })
    .unwrap();
    let lm: CausalLm = task.try_into().unwrap();
    assert!(format!("{:?}", lm.sampler().unwrap()).contains("k: 2"));
}

#[test]
fn classes_are_for_what_has_some() {
    let builder = Task::from_preset(&golden("gpt2")).unwrap();
    let error = builder.num_classes(2).build().unwrap_err();
    assert_eq!(
        error.to_string(),
        "num_classes: CausalLm has no classes; leave it out"
    );
    let task = Task::from_preset(&golden("gpt2")).unwrap().build().unwrap();
    let other: Result<TextClassifier, Error> = task.try_into();
    assert_eq!(
        other.unwrap_err().to_string(),
        "the task is CausalLm, not TextClassifier"
    );
}

#[test]
fn a_loss_of_one_s_own_gives_a_value_for_each_row() {
    let mut classifier = classifier();
    let whole = Loss::function(|outputs, _| outputs.sum().reshape([1]));
    let compile = Compile {
        loss: whole.into(),
        ..Compile::default()
    };
    classifier.compile(compile).unwrap();
    let rows = (["the fox", "a dog", "brown"], [0, 1, 1]);
    let error = classifier.fit(rows, quiet()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "loss: the function gives 1 values for 3 rows; expected one for each"
    );
}

#[test]
fn numbers_of_classes_that_there_are_not_are_refused() {
    let mut classifier = classifier();
    let sentence = "y: row 1 has 7, but there are 2 classes: expected a number below 2";
    let rows = || (["the fox", "a dog"], [0, 7]);
    assert_eq!(
        classifier.fit(rows(), quiet()).unwrap_err().to_string(),
        sentence
    );
    assert_eq!(
        classifier.evaluate(rows()).unwrap_err().to_string(),
        sentence
    );
    classifier
        .fit((["the fox", "a dog"], [0, 1]), quiet())
        .unwrap();
    assert_eq!(
        classifier.evaluate(rows()).unwrap_err().to_string(),
        sentence
    );
    let mut letters = token_classifier();
    let error = letters.fit((["the fox"], [[0, 2]]), quiet()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "y: row 0 has 2, but there are 2 classes: expected a number below 2"
    );
    // Classes that have names are called by them too.
    let builder = TextClassifier::from_preset(&golden("bert")).unwrap();
    let mut named = builder.class_names(["bad", "good"]).build().unwrap();
    named
        .fit((["the fox", "a dog"], ["good", "bad"]), quiet())
        .unwrap();
    named.fit((["the fox", "a dog"], [0, 1]), quiet()).unwrap();
    let error = named
        .fit((["the fox", "a dog"], [0, 2]), quiet())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        sentence.replace("row 1 has 7", "row 1 has 2")
    );
    // Flags are no numbers of classes.
    let builder = TextClassifier::from_preset(&golden("bert")).unwrap();
    let builder = builder.with(|task| task.multilabel = true);
    let mut flags = builder
        .class_names(["bad", "good", "long"])
        .build()
        .unwrap();
    let labels = [[0, 1, 1], [1, 0, 0]];
    flags.fit((["the fox", "a dog"], labels), quiet()).unwrap();
    let error = flags.fit((["the fox", "a dog"], [[0, 3, 1], [1, 0, 0]]), quiet());
    assert_eq!(
        error.unwrap_err().to_string(),
        "y: row 0 has [0, 3, 1], which is no list of flags, one for each class"
    );
}

#[test]
fn a_loss_that_no_gradient_passes_through_is_refused() {
    let mut classifier = classifier();
    let constant = Loss::function(|outputs, _| {
        let [rows, _] = outputs.dims();
        engraft::Tensor::<1>::zeros([rows], &outputs.device())
    });
    let compile = Compile {
        loss: constant.into(),
        ..Compile::default()
    };
    classifier.compile(compile).unwrap();
    let rows = || (["the fox", "a dog"], [0, 1]);
    let error = classifier.fit(rows(), quiet()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "loss: the function's values do not depend on the outputs by operations that have gradients"
    );
    // It can be scored by all the same.
    assert_eq!(
        classifier.evaluate(rows()).unwrap().get("loss").unwrap(),
        0.0
    );
}

#[test]
fn arguments_that_cannot_be_are_refused_by_the_names_of_their_methods() {
    let builder = || TextClassifier::from_preset(&golden("bert")).unwrap();
    let said = |builder: engraft::TaskBuilder<_>| builder.build().unwrap_err().to_string();
    assert_eq!(
        said(builder().dropout(1.5)),
        "dropout: expected a rate from 0 to below 1, found 1.5"
    );
    assert_eq!(
        said(builder().hidden_dim(0)),
        "hidden_dim: expected at least 1, found 0"
    );
    assert_eq!(
        said(builder().class_names(["a", "b", "a"])),
        "class_names: two classes are called \"a\""
    );
    let many = Generate {
        num_return_sequences: Some(1_000_000_000_000),
        ..greedy(3)
    };
    let error = gpt2().generate(["fox"], many).unwrap_err().to_string();
    assert!(error.contains("at most 65536 texts of a prompt"), "{error}");
    let none: (Vec<&str>, Vec<usize>) = (vec![], vec![]);
    let error = classifier().evaluate(none).unwrap_err();
    assert_eq!(error.to_string(), "there are no rows to score");
}

#[test]
fn low_rank_updates_come_with_their_head() {
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("updates");
    let mut trained = classifier();
    trained.enable_lora(2).unwrap();
    trained
        .fit((["the fox", "a dog"], [0, 1]), quiet())
        .unwrap();
    trained.save_lora_weights(&saved).unwrap();
    let builder = TextClassifier::from_preset(&golden("bert")).unwrap();
    let builder = builder.num_classes(2).backbone(|backbone| {
        backbone.peft_path = Some(saved.display().to_string());
    });
    let again = builder.build().unwrap().predict("the fox").unwrap().logits;
    let before = trained.predict("the fox").unwrap().logits;
    assert!(again.iter().zip(&before).all(|(a, b)| (a - b).abs() < 1e-5));
}

#[test]
fn another_preprocessor_tells_what_it_cuts() {
    let mut classifier = classifier();
    let other = Preprocessor::from_preset(&golden("bert")).unwrap();
    classifier
        .set_preprocessor(Some(other.sequence_length(4)))
        .unwrap();
    classifier.predict(["the quick brown fox", "a"]).unwrap();
    assert_eq!(classifier.notes(), ["1 of 2 rows was cut to 4 tokens"]);
}

#[test]
fn a_stop_before_a_refused_training_is_over_with_it() {
    let mut classifier = classifier();
    classifier.stopper().stop();
    let batches = Fit {
        batch_size: Some(0),
        ..quiet()
    };
    assert!(classifier.fit((["a", "b"], [0, 1]), batches).is_err());
    assert!(classifier.predict("fox").is_ok());
}

#[test]
fn what_follows_a_padded_row_may_be_padded_too() {
    let mut lm = CausalLm::from_preset(&golden("gpt2"))
        .unwrap()
        .preprocessor(None)
        .build()
        .unwrap();
    let row = || TokenRow::padded(&[5, 6, 7, 0], &[1, 1, 1, 0]).unwrap();
    let with_padding = lm.examples((vec![row()], [[6u32, 7, 8, 0]])).unwrap();
    let without = lm
        .examples((vec![vec![5u32, 6, 7]], [[6u32, 7, 8]]))
        .unwrap();
    let ids = |examples: &Examples| examples.tokens.clone().unwrap()[0].token_ids.clone();
    assert_eq!(ids(&with_padding), [5, 6, 7, 8]);
    assert_eq!(ids(&with_padding), ids(&without));
    lm.fit(with_padding, quiet()).unwrap();
}

#[test]
fn what_looks_at_letters_makes_tokens_itself() {
    let sentence = "preprocessor: TokenClassifier reads letters or words, which have a class each, so that it makes tokens itself";
    let mut task = token_classifier();
    let other = Preprocessor::from_preset(&golden("bert")).unwrap();
    for preprocessor in [None, Some(other)] {
        let error = task.set_preprocessor(preprocessor.clone()).unwrap_err();
        assert_eq!(error.to_string(), sentence);
        let builder = TokenClassifier::from_preset(&golden("bert")).unwrap();
        let builder = builder.num_classes(2).preprocessor(preprocessor);
        assert_eq!(builder.build().unwrap_err().to_string(), sentence);
    }
    // Its own may cut to another length.
    let own = task.preprocessor().unwrap().sequence_length(5);
    task.set_preprocessor(Some(own)).unwrap();
    assert_eq!(task.preprocessor().unwrap().length(), Some(5));
    let (texts, labels) = (["the quick brown fox jumped"], [vec![0, 1, 1, 0, 1]]);
    task.fit((texts, labels), quiet()).unwrap();
    assert!(
        task.notes()
            .iter()
            .any(|note| note.contains("cut to 5 tokens"))
    );
}

#[test]
fn a_preprocessor_cuts_to_another_length_at_any_time() {
    let mut classifier = classifier();
    let long = "fox ".repeat(30);
    let before = classifier.predict(long.as_str()).unwrap();
    let own = classifier.preprocessor().unwrap();
    let shorter = own.clone().sequence_length(6);
    assert_eq!(shorter.call(long.as_str()).unwrap().token_ids.len(), 6);
    classifier.set_preprocessor(Some(shorter)).unwrap();
    let cut = classifier.predict(long.as_str()).unwrap();
    assert_ne!(cut.logits, before.logits);
    let same = classifier.predict("fox ".repeat(4).as_str()).unwrap();
    assert_eq!(cut.logits, same.logits);
    // What it cuts to is saved with it.
    let folder = tempfile::tempdir().unwrap();
    classifier
        .save_to_preset(folder.path().join("saved"))
        .unwrap();
    let saved = folder.path().join("saved").display().to_string();
    let again = TextClassifier::from_preset(&saved)
        .unwrap()
        .build()
        .unwrap();
    assert_eq!(again.preprocessor().unwrap().length(), Some(6));
    let error = classifier.set_preprocessor(Some(own.clone().sequence_length(1)));
    assert_eq!(
        error.unwrap_err().to_string(),
        "sequence_length: 1 leaves no room for the 2 special tokens that the tokenizer adds"
    );
    let error = classifier.set_preprocessor(Some(own.clone().sequence_length(99_999)));
    assert!(error.unwrap_err().to_string().contains("positions"));
    assert_eq!(classifier.preprocessor().unwrap().length(), Some(6));
    classifier.set_preprocessor(Some(own)).unwrap();
    assert_eq!(classifier.predict(long.as_str()).unwrap(), before);
}

#[test]
fn rows_of_tokens_are_checked_before_anything_is_computed() {
    let mut classifier = classifier();
    let fits = || TokenRow::from(vec![2, 9, 3]);
    let mut epochs = 0;
    let fit = Fit {
        batch_size: Some(1),
        shuffle: false,
        on_epoch_end: Some(Box::new(|_| {
            epochs += 1;
            std::ops::ControlFlow::Continue(())
        })),
        ..quiet()
    };
    let long = TokenRow::from(vec![9; 5000]);
    let rows = (vec![fits(), fits(), long], vec![0, 1, 1]);
    let error = classifier.fit(rows, fit).unwrap_err().to_string();
    assert!(
        error.contains("give fewer, as tokens are not cut"),
        "{error}"
    );
    assert_eq!(epochs, 0);
    let error = TokenRow::padded(&[1, 2, 3], &[1, 1]).unwrap_err();
    assert_eq!(error.to_string(), "padding_mask: there are 2 for 3 tokens");
}

#[test]
fn labels_of_tokens_are_checked_as_those_of_texts() {
    let builder = Regressor::from_preset(&golden("bert")).unwrap();
    let mut regressor = builder.build().unwrap();
    let rows = || vec![vec![2u32, 9, 3], vec![2, 8, 3]];
    let error = regressor.fit((rows(), vec![vec![0.5], vec![0.5, 1.0]]), quiet());
    assert!(error.unwrap_err().to_string().contains("row 1"));
    let error = regressor.fit((rows(), [0.5, f64::NAN]), quiet());
    assert!(error.unwrap_err().to_string().contains("row 1"));
}

#[test]
fn an_encoder_decoder_is_told_what_to_write_once() {
    let mut s2s = seq2seq();
    let written = |ids: Vec<u32>| TokenRow {
        decoder_token_ids: Some(ids),
        ..TokenRow::from(vec![5, 6, 7])
    };
    let rows = vec![written(vec![8, 9]), TokenRow::from(vec![5, 6, 7])];
    let error = s2s.fit(rows.clone(), quiet()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "row 1 has no decoder_token_ids, which say what is written for the others"
    );
    // Examples that were made beside the task are looked at too.
    let examples = engraft::data::Examples::from_tokens(rows);
    let texts = ["a", "b"].map(str::to_owned);
    let labels = engraft::data::Labels::Texts(texts.into_iter().collect());
    let error = s2s.evaluate(examples.with_labels(labels).unwrap());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("no tokens to be written"), "{error}");
    let pairs = [("the fox", "a dog")];
    let error = s2s.fit((pairs, ["brown"]), quiet()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "y: the rows say what is written for them already; leave one of both out"
    );
    // What is read may be made tokens of elsewhere, where what is written is a text.
    let other = Preprocessor::from_preset(&golden("bart")).unwrap();
    s2s.set_preprocessor(Some(other)).unwrap();
    s2s.fit((["the fox"], ["a dog"]), quiet()).unwrap();
}

#[test]
fn padding_bounds_what_it_is_of() {
    let lm = CausalLm::from_preset(&golden("gpt2")).unwrap();
    let lm = lm.preprocessor(None).build().unwrap();
    let row = || TokenRow::padded(&[5, 6, 7, 0, 0, 0], &[1, 1, 1, 0, 0, 0]).unwrap();
    // The smaller of both counts.
    for (new, length) in [(2, 5), (3, 6), (50, 6)] {
        let ids: Vec<u32> = lm.generate(row(), greedy(new)).unwrap();
        assert_eq!(ids.len(), length, "{new}");
    }
    let full = TokenRow::padded(&[5, 6, 7], &[1, 1, 1]).unwrap();
    let error = lm.generate(full, greedy(2)).unwrap_err().to_string();
    assert!(error.starts_with("the row is full: pad it"), "{error}");
    // Of an encoder-decoder it is what is read that has padding.
    let s2s = Seq2SeqLm::from_preset(&golden("bart")).unwrap();
    let s2s = s2s.preprocessor(None).build().unwrap();
    let ids: Vec<u32> = s2s.generate(row(), greedy(8)).unwrap();
    assert_eq!(ids.len(), 9);
}

#[test]
fn the_start_token_counts_into_the_length_of_a_text() {
    let builder = CausalLm::from_preset(&golden("llama")).unwrap();
    let lm = builder.build().unwrap();
    let prompt = lm.encode("the fox").unwrap();
    let begins = lm.tokenizer().special_ids().bos;
    assert_eq!(prompt.ids.first().copied(), begins);
    let wished = Generate {
        max_length: Some(prompt.ids.len() + 2),
        max_new_tokens: None,
        ..greedy(1)
    };
    let written = lm.generate_written(["the fox"], wished).unwrap();
    assert_eq!(written[0].new_ids().len(), 2);
}

#[test]
fn rows_of_an_iterator_are_numbered_on_and_answered_up_to_the_one_that_fails() {
    let lm = gpt2();
    let rows = (0..40).map(|row| if row == 35 { "" } else { "the fox" });
    let answers = lm.generate(Each(rows), greedy(2)).unwrap();
    let answers: Vec<_> = answers.collect();
    assert_eq!(answers.len(), 36);
    assert!(answers[..35].iter().all(Result::is_ok));
    assert!(
        answers[35]
            .as_ref()
            .unwrap_err()
            .to_string()
            .contains("empty")
    );
    let classifier = classifier();
    let rows = (0..40).map(|row| match row {
        36 => Input::Tokens(TokenRow::from(vec![999_999])),
        _ => Input::Tokens(TokenRow::from(vec![2, 9, 3])),
    });
    let answers: Vec<_> = classifier.predict(Each(rows)).unwrap().collect();
    assert_eq!(answers.len(), 37);
    let error = answers[36].as_ref().unwrap_err().to_string();
    assert!(error.contains(":37: "), "{error}");
    // What is drawn for a row does not depend on how many are asked at once.
    let drawn = Generate {
        sampler: Some(
            Random {
                seed: Some(3),
                ..Random::default()
            }
            .into(),
        ),
        ..greedy(4)
    };
    let many: Vec<String> = lm.generate(vec!["the fox"; 34], drawn.clone()).unwrap();
    let each = lm
        .generate(Each(std::iter::repeat_n("the fox", 34)), drawn)
        .unwrap();
    assert_eq!(each.collect::<Result<Vec<_>, _>>().unwrap(), many);
}

#[test]
fn vectors_are_compared_where_there_is_one_for_each_text() {
    let builder = TextEmbedder::from_preset(&golden("bert")).unwrap();
    let embedder = builder.clone().build().unwrap();
    let error = embedder.encode_text("fox").unwrap_err().to_string();
    assert!(error.contains("call pooling on the builder"), "{error}");
    let embedder = builder.pooling(Pooling::Mean).build().unwrap();
    let vector = [embedder.encode_text("fox").unwrap()];
    let own = TextEmbedder::similarity(&vector, &vector).unwrap();
    assert!(own[0][0] > 0.0);
    let error = TextEmbedder::similarity(&vector, &[vec![1.0]]).unwrap_err();
    assert!(error.to_string().contains("are not comparable"));
}

#[test]
fn what_there_was_to_say_of_a_prompt_is_told() {
    let lm = gpt2();
    lm.generate(
        "the fox",
        Generate {
            sampler: None,
            ..greedy(1)
        },
    )
    .unwrap();
    let notes = lm.notes();
    assert_eq!(
        notes,
        lm.prompt_notes(
            ["the fox"],
            &Generate {
                sampler: None,
                ..greedy(1)
            }
        )
        .unwrap()
    );
    let s2s = seq2seq();
    s2s.generate("fox ".repeat(3000).as_str(), greedy(1))
        .unwrap();
    assert!(s2s.notes().iter().any(|note| note.contains("were cut to")));
    s2s.generate("fox", greedy(1)).unwrap();
    assert!(s2s.notes().iter().all(|note| !note.contains("were cut to")));
}
