use crate::compose::{Composed, compose, parse_overrides};

use super::*;

fn composed(options: &str) -> Composed {
    let words: Vec<String> = options.split_whitespace().map(str::to_owned).collect();
    compose(&parse_overrides(&words).unwrap()).unwrap()
}

fn root(options: &str) -> Node {
    composed(options).root
}

/// The arguments that a key's component takes.
fn arguments(key: &str, class: Option<&str>, options: &str) -> Vec<&'static str> {
    let root = root(options);
    let slot = find_slot(key, &root).unwrap_or_else(|error| panic!("{error}"));
    let info = slot.component(key, class, &root).unwrap();
    info.unwrap()
        .arguments()
        .iter()
        .map(|argument| argument.name)
        .collect()
}

#[test]
fn every_kind_of_component_is_in_the_registry_once() {
    let sections = registry();
    let kinds: Vec<(&str, &str)> = sections.iter().map(|it| (it.kind, it.key())).collect();
    for expected in [
        ("model", "model"),
        ("backbone", "model.backbone"),
        ("adapter", "model.adapter"),
        ("optimizer", "model.optimizer"),
        ("data module", "data"),
        ("trainer", "trainer"),
        ("callback", "trainer.callbacks"),
        ("logger", "trainer.logger"),
    ] {
        let count = kinds.iter().filter(|kind| **kind == expected).count();
        assert_eq!(count, 1, "{expected:?} in {kinds:?}");
    }
}

#[test]
fn every_component_and_argument_in_the_registry_is_documented() {
    for section in registry() {
        for component in section.components {
            assert!(!component.summary.is_empty(), "{}", component.name);
            for argument in component.arguments() {
                assert!(
                    !argument.doc.is_empty(),
                    "{}.{}",
                    component.name,
                    argument.name
                );
            }
        }
    }
}

#[test]
fn a_key_leads_to_the_class_that_is_asked_for_or_named() {
    assert!(arguments("model", Some("Embed"), "").contains(&"pooling"));
    assert!(arguments("model", None, "--model Embed").contains(&"pooling"));
    let mlp = Some("modelgenerator.adapters.MLPPoolAdapter");
    assert!(arguments("model.adapter", mlp, "").contains(&"hidden_sizes"));
    assert!(arguments("model.init_args.optimizer", Some("AdamW"), "").contains(&"betas"));
    assert!(arguments("trainer", None, "").contains(&"max_epochs"));
    assert!(arguments("trainer.callbacks", Some("EarlyStopping"), "").contains(&"patience"));
    let named = "--trainer.callbacks EarlyStopping --trainer.callbacks.monitor a";
    assert!(arguments("trainer.callbacks", None, named).contains(&"patience"));
}

#[test]
fn an_open_class_slot_names_no_component() {
    let slot = find_slot("model", &root("")).unwrap();
    assert!(matches!(slot.component("model", None, &root("")), Ok(None)));
}

#[test]
fn a_misspelt_key_or_class_is_refused_with_the_nearest() {
    let error = find_slot("model.adaptr", &root(""))
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "--model.adaptr.help: there is no argument \"adaptr\". Did you mean \"adapter\"?"
    );
    // Embed has no adapter.
    let error = find_slot("model.adapter", &root("--model Embed"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("there is no argument \"adapter\". model takes: backbone, "),
        "{error}"
    );
    let error = find_slot("trainer.max_epochs.x", &root(""))
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "--trainer.max_epochs.x.help: there is no argument \"x\""
    );
    let slot = find_slot("data", &root("")).unwrap();
    let error = slot
        .component("data", Some("SequenceDataModule"), &root(""))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "--data.help: unknown data module \"SequenceDataModule\". Did you mean \"SequencesDataModule\"?"
    );
}
