use engraft_component::Choice;
use engraft_tasks::Task;

use crate::{Experiment, compose, parse_overrides};

fn task(options: &[&str]) -> Result<Task, String> {
    let options: Vec<String> = options.iter().map(|word| (*word).to_owned()).collect();
    let composed = compose(&parse_overrides(&options).unwrap());
    let read = composed.and_then(|composed| Experiment::read(&composed));
    let (experiment, _) = read.map_err(|error| error.to_string())?;
    Ok(experiment.model.unwrap().task())
}

#[test]
fn classes_of_keras_hub_are_the_tasks_that_are_the_same() {
    let names = [
        ("TextClassifier", "SequenceClassification"),
        ("RobertaTextClassifier", "SequenceClassification"),
        (
            "keras_hub.models.RobertaTextClassifier",
            "SequenceClassification",
        ),
        ("MaskedLM", "MLM"),
        ("RobertaMaskedLM", "MLM"),
        ("TextEmbedder", "Embed"),
        ("CausalLM", "CausalLM"),
        ("GPT2CausalLM", "CausalLM"),
        ("keras_hub.models.T5Seq2SeqLM", "Seq2SeqLM"),
    ];
    for (name, expected) in names {
        let backbone = if expected.ends_with("LM") && expected != "MLM" {
            "./absent"
        } else {
            "sapiens_vh"
        };
        let task = task(&["--model", name, "--model.backbone", backbone]).unwrap();
        assert_eq!(task.name(), expected, "{name}");
    }
}

#[test]
fn a_text_classifier_has_its_familys_head_and_a_fresh_one_if_classes_are_counted() {
    let read = |more: &[&str]| {
        let options = [
            &[
                "--model",
                "TextClassifier",
                "--model.backbone",
                "sapiens_vh",
            ],
            more,
        ];
        match task(&options.concat()).unwrap() {
            Task::SequenceClassification(task) => task,
            other => panic!("{other:?}"),
        }
    };
    let kept = read(&[]);
    assert!(kept.use_legacy_adapter && !kept.fresh_head && kept.n_classes.is_none());
    let fresh = read(&["--model.num_classes", "3"]);
    assert!(fresh.use_legacy_adapter && fresh.fresh_head);
    assert_eq!(fresh.n_classes, Some(3));
    let other = read(&["--model.adapter", "LinearCLSAdapter"]);
    assert!(!other.use_legacy_adapter && other.adapter.is_some());
}

#[test]
fn another_family_and_an_unknown_class_are_refused() {
    let error = task(&[
        "--model",
        "BertTextClassifier",
        "--model.backbone",
        "sapiens_vh",
    ]);
    let expected =
        "BertTextClassifier is for models of the type bert, and sapiens_vh is of the type roberta";
    assert!(error.as_ref().unwrap_err().contains(expected), "{error:?}");
    let error = task(&[
        "--model",
        "BertyTextClassifier",
        "--model.backbone",
        "sapiens_vh",
    ]);
    let error = error.unwrap_err();
    assert!(
        error.contains("unknown class \"BertyTextClassifier\""),
        "{error}"
    );
    assert!(error.contains("\"BertTextClassifier\""), "{error}");
}
