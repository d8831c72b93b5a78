//! Settings without effect are said, and what a head's names cannot mean is refused or said.

use serde_json::{Value, json};

use crate::Workplace;

/// What a short run says on standard error.
fn fit(place: &Workplace, words: &str) -> String {
    let said = place.run(&format!(
        "fit -c fit.yaml --trainer.fast_dev_run true {words}"
    ));
    assert_eq!(said.code, Some(0), "{words}: {}", said.err);
    said.err
}

#[test]
fn lora_without_use_peft_is_said() {
    let place = Workplace::new();
    let lora = "--model.backbone.lora_r 4 --model.backbone.lora_target_modules [query]";
    let note = "note: model.backbone: lora_r, lora_target_modules are without effect, as use_peft is false\n";
    assert!(fit(&place, lora).contains(note));
    let used = fit(&place, &format!("{lora} --model.backbone.use_peft true"));
    assert!(!used.contains("without effect"), "{used}");
    assert!(!fit(&place, "").contains("without effect"));
}

#[test]
fn what_a_config_says_of_a_head_that_is_not_used_is_said() {
    let place = Workplace::new();
    let other = "--model.backbone.config_overwrites.num_labels 5";
    let said = fit(&place, &format!("{other} --model.use_legacy_adapter false"));
    assert!(
        said.contains("note: model.backbone.config_overwrites.num_labels is without effect"),
        "{said}"
    );
    let said = place.run(&format!(
        "predict --model SequenceClassification --model.use_legacy_adapter true --model.backbone ./tiny {other} \
         --data SequencesDataModule --data.path unlabelled.csv --output p.tsv"
    ));
    let said = said.err;
    assert!(
        said.contains("note: config.json states 5 classes, but the checkpoint's own head has 3"),
        "{said}"
    );
}

#[test]
fn two_classes_of_one_name_are_refused() {
    let place = Workplace::new();
    let config: Value = serde_json::from_str(&place.read("tiny/config.json")).unwrap();
    let mut config = config.as_object().unwrap().clone();
    let twice = json!({"0": "low", "1": "high", "2": "high"});
    config.insert("id2label".into(), twice);
    config.remove("label2id");
    place.write("tiny/config.json", &Value::Object(config).to_string());
    let predict = "predict --model SequenceClassification --model.use_legacy_adapter true --model.backbone ./tiny \
                   --data SequencesDataModule --data.path unlabelled.csv --output p.tsv";
    let said = place.run(predict);
    assert_eq!(said.code, Some(2), "{}", said.err);
    let problem =
        "id2label: two classes of the checkpoint's own head are called \"high\". Say other names";
    assert!(said.err.contains(problem), "{}", said.err);
    let mut words: Vec<&str> = predict.split_whitespace().collect();
    words.extend([
        "--model.backbone.config_overwrites.id2label",
        "{0: low, 1: middle, 2: high}",
    ]);
    let said = place.run_words(&words);
    assert_eq!(said.code, Some(0), "{}", said.err);
}

#[test]
fn letters_may_be_read_otherwise_than_in_training() {
    let place = Workplace::empty();
    place.write(
        "rows.csv",
        "sequences,labels\nACGT,0\nTTGA,1\nCCGT,0\nTTTA,1\n",
    );
    let fit = "fit --model SequenceClassification --model.backbone aido_dna_debug --data SequenceClassificationDataModule \
               --data.path rows.csv --data.valid_split_size 0 --trainer.max_epochs 1";
    place.succeed(fit);
    place.write("odd.csv", "sequences\nacgt\n");
    let predict = "predict --ckpt_path last --data.path odd.csv --output p.csv";
    let said = place.run(predict);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.err.contains("model.backbone.letters: map"),
        "{}",
        said.err
    );
    let unknown = place.read("p.csv");
    // As the note advises.
    let said = place.run(&format!(
        "{predict} --model SequenceClassification --model.backbone aido_dna_debug --model.backbone.letters map"
    ));
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(!said.err.contains("differs"), "{}", said.err);
    assert_ne!(place.read("p.csv"), unknown);
}

#[test]
fn another_backbone_beside_a_whole_checkpoint_is_not_read_and_said() {
    let place = Workplace::new();
    place.succeed("fit -c fit.yaml --trainer.max_epochs 1");
    let predict = "predict --ckpt_path last --text a --model SequenceClassification --model.use_legacy_adapter true";
    let said = place.run(&format!("{predict} --model.backbone ./lm"));
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.err
            .contains("note: model.backbone: ./lm is not read, as logs/version_0/checkpoints/"),
        "{}",
        said.err
    );
    let said = place.run("predict --ckpt_path last --text a");
    assert!(!said.err.contains("is not read"), "{}", said.err);
}

#[test]
fn a_run_without_a_step_says_so() {
    let place = Workplace::new();
    let said = place.run("fit -c fit.yaml --trainer.max_steps 0");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.err
            .contains("trainer.max_steps: 0: nothing is trained"),
        "{}",
        said.err
    );
}

#[test]
fn a_shape_without_weights_is_said_to_be_one_where_it_is_used() {
    let place = Workplace::empty();
    place.write("rows.csv", "sequences\nACGT\nTTGA\n");
    let predict = |backbone: &str| {
        let said = place.run(&format!(
            "predict --model Embed --model.backbone {backbone} --data SequencesDataModule --data.path rows.csv --data.x_col sequences --output e.safetensors"
        ));
        assert_eq!(said.code, Some(0), "{}", said.err);
        let note = format!(
            "note: no weights are loaded for {backbone}: what comes of it is of random ones\n"
        );
        said.err.contains(&note)
    };
    assert!(predict("aido_dna_debug"));
    assert!(!predict("dna_onehot"));
    assert!(!predict("sapiens_vh"));
}
