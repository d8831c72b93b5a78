//! How models are opened from presets, as KerasHub's pages describe it: which task, which head, which numbers, which parts alone.

use engraft::prelude::*;
use engraft::train::Adam;

use crate::asked::{LABELS, TEXTS, bert, golden, gpt2, greedy, quiet, weights};

#[test]
fn presets_of_other_tasks_and_none_are_refused() {
    let said = |error: Error| error.to_string();
    let error = said(TextClassifier::from_preset("./nowhere").unwrap_err());
    assert!(error.contains("./nowhere"), "{error}");
    let error = said(
        CausalLm::from_preset(&golden("bert"))
            .unwrap()
            .build()
            .unwrap_err(),
    );
    assert!(error.contains("is an encoder"), "{error}");
    let error = said(
        CausalLm::from_preset(&golden("bart"))
            .unwrap()
            .build()
            .unwrap_err(),
    );
    assert!(error.contains("is an encoder-decoder"), "{error}");
    let error = said(
        Seq2SeqLm::from_preset(&golden("gpt2"))
            .unwrap()
            .build()
            .unwrap_err(),
    );
    assert!(error.contains("takes an encoder and a decoder"), "{error}");
    let builder = TextClassifier::from_preset(&golden("roberta_masked_lm")).unwrap();
    let error = said(builder.build().unwrap_err());
    assert!(error.ends_with("call num_classes to start one"), "{error}");
    let error = said(Task::from_preset(&golden("electra")).unwrap_err());
    assert!(error.contains("is a backbone without a task"), "{error}");
    let task = Task::from_preset(&golden("gpt2")).unwrap().build().unwrap();
    let error = said(TextClassifier::try_from(task).unwrap_err());
    assert_eq!(error, "the task is CausalLm, not TextClassifier");
}

#[test]
fn the_kind_of_a_task_is_found_in_its_preset() {
    let kinds = [
        ("bert", "SequenceClassification"),
        ("bert_masked_lm", "MLM"),
        ("gpt2", "CausalLM"),
        ("bart", "Seq2SeqLM"),
        ("esm_masked_lm", "MLM"),
    ];
    for (preset, kind) in kinds {
        let task = Task::from_preset(&golden(preset)).unwrap().build().unwrap();
        assert_eq!(task.kind(), kind, "{preset}");
    }
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    let mut classifier = bert();
    classifier
        .fit((TEXTS, ["no", "yes", "yes", "no"]), quiet())
        .unwrap();
    classifier.save_to_preset(&first).unwrap();
    let mut task = Task::from_preset(first.to_str().unwrap())
        .unwrap()
        .build()
        .unwrap();
    assert_eq!(task.kind(), "SequenceClassification");
    let predicted = task.predict("brown").unwrap();
    let own = classifier.predict("brown").unwrap();
    assert_eq!(
        predicted.get("label"),
        Some(&engraft::data::Cell::from(own.label.as_str()))
    );
    assert_eq!(predicted.output.values, own.logits);
    task.fit((TEXTS, ["no", "yes", "yes", "no"]), quiet())
        .unwrap();
    assert!(task.evaluate((TEXTS, ["no", "yes", "yes", "no"])).is_ok());
    task.save_to_preset(&second).unwrap();
    let again: TextClassifier = task.try_into().unwrap();
    assert_eq!(again.class_names(), ["no", "yes"]);
    let builder = Task::from_preset(second.to_str().unwrap()).unwrap();
    let fresh: TextClassifier = builder.num_classes(3).build().unwrap().try_into().unwrap();
    assert_eq!(fresh.class_names().len(), 3);
    let lm = Task::from_preset(&golden("gpt2")).unwrap().build().unwrap();
    let lm = CausalLm::try_from(lm).unwrap();
    assert_eq!(
        lm.generate("fox", greedy(4)).unwrap(),
        gpt2().generate("fox", greedy(4)).unwrap()
    );
}

#[test]
fn a_saved_head_is_kept_unless_any_number_of_classes_is_asked_for() {
    let open = || TextClassifier::from_preset(&golden("bert")).unwrap();
    let logits = |classifier: TextClassifier| classifier.predict("brown fox").unwrap().logits;
    let kept = logits(open().build().unwrap());
    let same = kept.len();
    assert_eq!(logits(open().build().unwrap()), kept);
    let fresh = logits(open().num_classes(same).seed(1).build().unwrap());
    assert_eq!(fresh.len(), same);
    assert_ne!(fresh, kept);
    assert_eq!(
        logits(open().num_classes(same + 2).build().unwrap()).len(),
        same + 2
    );
    // Without weights nothing of the preset counts but its shape.
    let random = |seed| {
        logits(
            open()
                .load_weights(false)
                .num_classes(same)
                .seed(seed)
                .build()
                .unwrap(),
        )
    };
    assert_eq!(random(1), random(1));
    assert_ne!(random(1), random(2));
    assert_ne!(random(1), kept);
}

#[test]
fn a_head_has_the_activation_the_dropout_and_the_width_that_are_asked_for() {
    let open = |preset: &str| {
        TextClassifier::from_preset(&golden(preset))
            .unwrap()
            .num_classes(3)
            .seed(4)
    };
    let sum = |prediction: &Prediction| prediction.probabilities.iter().sum::<f32>();
    let softmax = open("bert").build().unwrap().predict("fox").unwrap();
    assert!((sum(&softmax) - 1.0).abs() < 1e-6);
    let sigmoid = open("bert")
        .activation(Activation::Sigmoid)
        .build()
        .unwrap();
    let sigmoid = sigmoid.predict("fox").unwrap();
    assert_eq!(sigmoid.logits, softmax.logits);
    let by_hand = softmax
        .logits
        .iter()
        .map(|logit| 1.0 / (1.0 + (-logit).exp()));
    for (found, expected) in sigmoid.probabilities.iter().zip(by_hand) {
        assert!((found - expected).abs() < 1e-6);
    }
    let mut linear = open("bert").activation(Activation::Linear).build().unwrap();
    let prediction = linear.predict("fox").unwrap();
    assert_eq!(prediction.probabilities, prediction.logits);
    // It is trained by its logits, and saved with its activation.
    linear.fit((TEXTS, LABELS), quiet()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("saved");
    linear.save_to_preset(&saved).unwrap();
    let opened = TextClassifier::from_preset(saved.to_str().unwrap()).unwrap();
    let opened = opened.build().unwrap().predict("fox").unwrap();
    assert_eq!(opened.probabilities, opened.logits);
    assert_eq!(opened, linear.predict("fox").unwrap());

    let wide = open("roberta").hidden_dim(7).build().unwrap();
    let shapes = wide.summary();
    let dense = shapes
        .layers
        .iter()
        .find(|layer| layer.name.starts_with("head.dense"));
    assert_eq!(dense.unwrap().shapes[0].1[0], 7, "{shapes}");
    // All of a head's inputs dropped but for scale: training differs from what it was.
    let loss = |rate: f64| {
        let mut classifier = open("roberta").dropout(rate).build().unwrap();
        let history = classifier.fit((TEXTS, LABELS), quiet()).unwrap();
        history.get("loss").unwrap()[0]
    };
    assert_eq!(loss(0.0), loss(0.0));
    assert_ne!(loss(0.0), loss(0.9));
    let error = open("roberta")
        .dropout(1.0)
        .build()
        .unwrap_err()
        .to_string();
    assert!(error.contains("from 0 to below 1"), "{error}");
}

#[test]
fn bfloat16_is_float32_on_rounded_weights() {
    let rounded = |values: Vec<f32>| values.iter().all(|value| value.to_bits() & 0xffff == 0);
    let values = |task: &TextClassifier| {
        weights(task)
            .into_iter()
            .map(f32::from_bits)
            .collect::<Vec<f32>>()
    };
    let open = |dtype| {
        let builder = TextClassifier::from_preset(&golden("bert")).unwrap();
        builder.dtype(dtype).build().unwrap()
    };
    let [full, half] = [DType::F32, DType::BF16].map(open);
    assert!(!rounded(values(&full)) && rounded(values(&half)));
    // Saved as they are, and opened in full.
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("saved");
    half.save_to_preset(&saved).unwrap();
    let again = TextClassifier::from_preset(saved.to_str().unwrap()).unwrap();
    let again = again.dtype(DType::F32).build().unwrap();
    assert_eq!(again.predict(TEXTS).unwrap(), half.predict(TEXTS).unwrap());
    assert_ne!(full.predict(TEXTS).unwrap(), half.predict(TEXTS).unwrap());
    let builder = CausalLm::from_preset(&golden("llama")).unwrap();
    let lm = builder.dtype(DType::BF16).build().unwrap();
    assert!(lm.generate("fox", greedy(3)).is_ok());
}

#[test]
fn low_rank_updates_go_on_from_the_weights_that_a_model_has() {
    let mut classifier = bert();
    classifier.fit((TEXTS, LABELS), quiet()).unwrap();
    let before = classifier.predict(TEXTS).unwrap();
    let trained = classifier.summary().trainable();
    classifier.enable_lora(2).unwrap();
    assert_eq!(classifier.predict(TEXTS).unwrap(), before);
    assert!(classifier.summary().trainable() < trained);
    let error = classifier.enable_lora(2).unwrap_err().to_string();
    assert!(error.contains("has low-rank updates already"), "{error}");
    let encoder = |task: &TextClassifier| {
        let states = task.backbone().unwrap();
        let mut values = Vec::new();
        for (path, _, tensor) in engraft::models::parameters(&states.model().network) {
            if !path.contains("lora") {
                values.extend(tensor.into_data().iter::<f32>());
            }
        }
        values
    };
    let weights = encoder(&classifier);
    classifier
        .compile(Compile {
            optimizer: Adam {
                lr: 1e-2,
                ..Adam::default()
            }
            .into(),
            ..Compile::default()
        })
        .unwrap();
    classifier.fit((TEXTS, LABELS), quiet()).unwrap();
    assert_eq!(encoder(&classifier), weights);
    let after = classifier.predict(TEXTS).unwrap();
    assert_ne!(after, before);
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("saved");
    classifier.save_to_preset(&saved).unwrap();
    let opened = TextClassifier::from_preset(saved.to_str().unwrap()).unwrap();
    let opened = opened.build().unwrap().predict(TEXTS).unwrap();
    for (a, b) in opened.iter().zip(&after) {
        assert!(
            a.logits
                .iter()
                .zip(&b.logits)
                .all(|(a, b)| (a - b).abs() < 1e-5)
        );
    }

    // The updates alone, on the backbone that they were trained on.
    let mut lm = gpt2();
    let error = lm
        .save_lora_weights(folder.path().join("none"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("enable_lora adds some"), "{error}");
    lm.enable_lora(2).unwrap();
    lm.fit(["the fox", "a dog"], quiet()).unwrap();
    let updates = folder.path().join("updates");
    lm.save_lora_weights(&updates).unwrap();
    assert!(updates.join("adapter_model.safetensors").is_file());
    assert!(!updates.join("model.safetensors").exists());
    let builder = CausalLm::from_preset(&golden("gpt2")).unwrap();
    let place = updates.display().to_string();
    let opened = builder
        .backbone(|it| it.peft_path = Some(place))
        .build()
        .unwrap();
    let near = (opened.score("the fox").unwrap().nll - lm.score("the fox").unwrap().nll).abs();
    assert!(near < 1e-4, "{near}");

    let mut lm = gpt2();
    let text = lm.generate("fox", greedy(4)).unwrap();
    lm.enable_lora(2).unwrap();
    assert_eq!(lm.generate("fox", greedy(4)).unwrap(), text);
    lm.fit(["the fox", "a dog"], quiet()).unwrap();
    let error = lm.enable_lora(0).unwrap_err().to_string();
    assert!(error.contains("updates already"), "{error}");
    let error = bert().enable_lora(0).unwrap_err().to_string();
    assert!(error.contains("expected a rank"), "{error}");
}

#[test]
fn a_backbone_a_preprocessor_and_a_tokenizer_open_alone() {
    let backbone = Backbone::from_preset(&golden("bert"))
        .unwrap()
        .build()
        .unwrap();
    let preprocessor = Preprocessor::from_preset(&golden("bert")).unwrap();
    let row = preprocessor.call("the quick fox").unwrap();
    let tokenizer = Tokenizer::from_preset(&golden("bert")).unwrap();
    let inner = tokenizer.tokenize("the quick fox").unwrap();
    assert_eq!(row.token_ids[1..=inner.len()], inner);
    assert_eq!(tokenizer.vocabulary().len(), tokenizer.vocabulary_size());
    let first = tokenizer.id_to_token(inner[0]).unwrap();
    assert_eq!(tokenizer.token_to_id(&first), Some(inner[0]));
    let error = tokenizer.detokenize(&[1 << 30]).unwrap_err().to_string();
    assert!(error.contains("is no token"), "{error}");
    let states = backbone
        .call([row.clone(), TokenRow::from(vec![1, 2])])
        .unwrap();
    assert_eq!(states[0].sequence_output.len(), row.token_ids.len());
    assert_eq!(states[1].sequence_output.len(), 2);
    let pooled = states[0].pooled_output.as_ref().unwrap();
    assert_eq!(pooled.len(), states[0].sequence_output[0].len());
    assert!(pooled.iter().all(|value| value.abs() <= 1.0));
    // The backbone of a model that was trained has its weights.
    let mut classifier = bert();
    let own = classifier.backbone().unwrap().call(row.clone()).unwrap();
    assert_eq!(own.sequence_output, states[0].sequence_output);
    classifier.fit((TEXTS, LABELS), quiet()).unwrap();
    let own = classifier.backbone().unwrap().call(row).unwrap();
    assert_ne!(own.sequence_output, states[0].sequence_output);
}

#[test]
fn a_summary_has_every_layer_and_what_is_trained() {
    let builder = TextClassifier::from_preset(&golden("bert")).unwrap();
    let summary = builder.clone().build().unwrap().summary();
    assert_eq!(summary.trainable(), summary.parameters());
    assert_eq!(summary.bytes(), 4 * summary.parameters());
    let text = summary.to_string();
    for part in [
        "Preprocessor: vocabulary of",
        "Model: SequenceClassification on",
        "encoder.layers.1.",
        "head.",
        "Parameters: ",
        "Trained: ",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let frozen = builder.frozen(true).build().unwrap().summary();
    assert_eq!(frozen.parameters(), summary.parameters());
    let head = frozen.layers.iter().filter(|layer| layer.trainable > 0);
    assert!(head.clone().count() > 0);
    assert!(
        head.clone().all(|layer| layer.name.starts_with("head")),
        "{frozen}"
    );
}

#[test]
fn named_presets_are_listed() {
    let names: Vec<&str> = TextClassifier::presets()
        .map(|preset| preset.name)
        .collect();
    assert!(names.contains(&"sapiens_vh"));
    assert!(TextClassifier::presets().all(|preset| !preset.description.is_empty()));
    assert!(names.contains(&"bert_base_en"));
    let writing: Vec<&str> = CausalLm::presets().map(|preset| preset.name).collect();
    assert!(writing.contains(&"gpt2_base_en") && !writing.contains(&"bert_base_en"));
    assert!(Seq2SeqLm::presets().any(|preset| preset.name == "bart_base_en"));
}
