use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use engraft_component::{Argument, read_yaml, read_yaml_file};

use super::*;
use crate::json::node_to_json;
use crate::registry;

mod validator;

use validator::refusal;

/// Calls `look` on every schema within a schema, with its place.
fn each(schema: &Value, path: &str, look: &mut impl FnMut(&str, &Map<String, Value>)) {
    let Some(keywords) = schema.as_object() else {
        return;
    };
    look(path, keywords);
    for (keyword, value) in keywords {
        let path = format!("{path}/{keyword}");
        match keyword.as_str() {
            "properties" | "$defs" => {
                for (key, value) in value.as_object().unwrap() {
                    each(value, &format!("{path}/{key}"), look);
                }
            }
            "anyOf" | "allOf" => {
                for (number, value) in value.as_array().unwrap().iter().enumerate() {
                    each(value, &format!("{path}/{number}"), look);
                }
            }
            "items" | "additionalProperties" | "not" | "if" | "then" | "else" => {
                each(value, &path, look);
            }
            _ => {}
        }
    }
}

fn why(form: SchemaForm, yaml: &str) -> Option<String> {
    let schema = schema(form);
    let node = read_yaml(yaml.as_bytes(), "a.yaml").unwrap_or_else(|error| panic!("{error}"));
    refusal(&schema, &schema, &node_to_json(&node))
}

#[test]
fn every_reference_leads_somewhere_and_every_definition_is_used() {
    for form in [SchemaForm::Complete, SchemaForm::Partial] {
        let schema = schema(form);
        let mut used = BTreeSet::new();
        each(&schema, "", &mut |path, keywords| {
            if let Some(reference) = keywords.get("$ref").and_then(Value::as_str) {
                let pointer = reference.strip_prefix('#').unwrap();
                let target = schema.pointer(pointer);
                assert!(target.is_some_and(Value::is_object), "{path}: {reference}");
                used.insert(pointer.rsplit('/').next().unwrap().to_owned());
            }
        });
        let defined: BTreeSet<String> = schema["$defs"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        assert_eq!(defined, used);
    }
}

#[test]
fn only_keywords_of_the_draft_are_used_and_none_is_empty_or_repeats_itself() {
    const ABOUT: &[&str] = &[
        "$schema",
        "$defs",
        "title",
        "description",
        "default",
        "deprecated",
        "enumDescriptions",
    ];
    let schema = schema(SchemaForm::Complete);
    each(&schema, "", &mut |path, keywords| {
        for (keyword, value) in keywords {
            let known = validator::KEYWORDS.contains(&keyword.as_str());
            assert!(
                known || ABOUT.contains(&keyword.as_str()),
                "{path}: {keyword}"
            );
            if matches!(keyword.as_str(), "anyOf" | "allOf" | "enum") {
                let all = value.as_array().unwrap();
                assert!(!all.is_empty(), "{path}: {keyword} of nothing");
                for (number, one) in all.iter().enumerate() {
                    assert!(!all[..number].contains(one), "{path}: {one} twice");
                }
            }
        }
    });
}

#[test]
fn every_component_and_argument_of_the_registry_is_described() {
    let schema = schema(SchemaForm::Complete);
    for section in registry() {
        let kind = section.kind.replace(' ', "-");
        for component in &section.components {
            let name = format!("{kind}.{}", component.name);
            let definition = &schema["$defs"][&name];
            assert_eq!(definition["additionalProperties"], json!(false), "{name}");
            let described: BTreeSet<&str> = definition["properties"]
                .as_object()
                .unwrap()
                .keys()
                .map(|key| key.trim_end_matches('+'))
                .collect();
            let arguments = component.arguments();
            let names = |argument: &Argument| {
                let aliases = argument.aliases.iter().copied();
                std::iter::once(argument.name)
                    .chain(aliases)
                    .collect::<Vec<_>>()
            };
            let wanted: BTreeSet<&str> = arguments
                .iter()
                .flat_map(names)
                .chain(component.ignored().iter().map(|it| it.key))
                .collect();
            assert_eq!(described, wanted, "{name}");
            for argument in &arguments {
                let property = &definition["properties"][argument.name];
                assert_eq!(property["description"], json!(argument.doc), "{name}");
                assert_eq!(
                    property.get("default").is_some(),
                    argument.default.is_some(),
                    "{name}.{}",
                    argument.name
                );
            }
        }
    }
}

#[test]
fn no_two_classes_of_a_kind_end_in_the_same_word() {
    for section in registry() {
        let mut words = BTreeSet::new();
        for component in section.components {
            let aliases = component.aliases.iter();
            let aliases = aliases.filter_map(|alias| engraft_component::class_word(alias));
            let own: BTreeSet<&str> = std::iter::once(component.name).chain(aliases).collect();
            for word in own {
                assert!(words.insert(word), "{}: {word}", section.kind);
            }
        }
    }
}

/// Every experiment in these folders of the repository.
fn experiments() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut folders = vec![root.join("configs")];
    let examples = std::fs::read_dir(root.join("examples")).unwrap();
    folders.extend(examples.map(|entry| entry.unwrap().path()));
    let mut files = Vec::new();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        let entries = std::fs::read_dir(folder).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        files.extend(paths.filter(|path| path.extension().is_some_and(|it| it == "yaml")));
    }
    files
}

#[test]
fn the_experiments_of_the_repository_pass_and_so_do_they_when_resolved() {
    let schema = schema(SchemaForm::Complete);
    let files = experiments();
    assert!(files.len() >= 5, "{files:?}");
    for file in files {
        let node = read_yaml_file(&file).unwrap();
        let refused = refusal(&schema, &schema, &node_to_json(&node));
        assert_eq!(refused, None, "{}", file.display());
        let sources = [crate::Source::File(file.clone())];
        let (experiment, _) = Experiment::read(&crate::compose(&sources).unwrap()).unwrap();
        let resolved = read_yaml(experiment.to_yaml().as_bytes(), "resolved").unwrap();
        let refused = refusal(&schema, &schema, &node_to_json(&resolved));
        assert_eq!(refused, None, "{} resolved", file.display());
    }
}

#[test]
fn what_the_program_accepts_in_any_form_passes() {
    for yaml in [
        "{}",
        "model: {class_path: modelgenerator.tasks.Embed, init_args: {backbone: sapiens_vh}}",
        "model: {class_path: Embed, dict_kwargs: {backbone: ./folder}}",
        "model: {class_path: Embed, init_args: {backbone: {class_path: hf://a/b, init_args: {max_length: 1_000}}}}",
        "model: {class_path: MLM, init_args: {backbone: sapiens_vh, optimizer: {lr: '1e-3'}}}",
        "model: {class_path: MLM, init_args: {backbone: sapiens_vh, optimizer: torch.optim.Adam}}",
        "model: null",
        "seed_everything: True",
        "trainer: {max_epochs: 3, callbacks: {class_path: EarlyStopping, init_args: {monitor: a}}}",
        "trainer: {callbacks+: [{class_path: EarlyStopping, dict_kwargs: {monitor: a}}, ModelCheckpoint]}",
        "trainer: {logger: [CSVLogger]}",
        "trainer: {logger: null}",
        "model: {class_path: Embed, init_args: {backbone: sapiens_vh, pooling: mean}}",
        "trainer: {logger: false, precision: bf16, strategy: {class_path: any.Thing}}",
        "trainer: {limit_val_batches: 0.5, fast_dev_run: yes}",
        "data: {class_path: SequencesDataModule, init_args: {path: 7, x_col: a, extra_cols: [b]}}",
        "return_predictions: true",
    ] {
        assert_eq!(why(SchemaForm::Complete, yaml), None, "{yaml}");
    }
}

#[test]
fn what_the_program_refuses_fails() {
    for yaml in [
        "[]",
        "modle: Embed",
        "model: Embedd",
        "model: Embed",
        "model: {class_path: Embed, init_args: {}}",
        "model: {class_path: Embed, init_args: {backbone: sapiens_vh, adapter: LinearAdapter}}",
        "model: {class_path: Embed, backbone: sapiens_vh}",
        "model: {class_path: MLM, init_args: {backbone: sapiens_vh, optimizer: {lr: fast}}}",
        "model: {class_path: MLM, init_args: {backbone: sapiens_vh, optimizer: {betas: [0.9]}}}",
        "model: {class_path: MLM, init_args: {backbone: sapiens_vh, optimizer: {class_path: AdamW, init_args: {lrr: 1}}}}",
        "model: {class_path: MLM, init_args: {backbone: {max_length: 3}}}",
        "trainer: {max_epochs: many}",
        "trainer: {max_epochs: 1.5}",
        "trainer: {max_epoch: 1}",
        "trainer: {callbacks: EarlyStopping}",
        "trainer: {callbacks: {monitor: a}}",
        "data: SequencesDataModule",
        "data: {class_path: SequencesDataModule, init_args: {path: a, batch_size: -1}}",
        "data: {class_path: SequencesDataModule, init_args: {path: a, shuffle: maybe}}",
        "data: [SequencesDataModule]",
    ] {
        assert!(why(SchemaForm::Complete, yaml).is_some(), "{yaml}");
    }
}

#[test]
fn a_part_of_an_experiment_passes_the_partial_schema_alone() {
    for yaml in [
        "model: Embed",
        "model: {init_args: {n_classes: 3}}",
        "model: {optimizer: {lr: 1e-4}}",
        "data: {class_path: SequencesDataModule}",
        "trainer: {callbacks+: EarlyStopping}",
    ] {
        assert!(why(SchemaForm::Complete, yaml).is_some(), "{yaml}");
        assert_eq!(why(SchemaForm::Partial, yaml), None, "{yaml}");
    }
    assert!(why(SchemaForm::Partial, "model: {optimiser: AdamW}").is_some());
}

#[test]
fn of_the_experiments_that_are_refused_it_lets_pass_those_alone_that_a_schema_cannot_see() {
    // Ranges and combinations of keys; a file that is no mistake, and one whose mistake is its encoding.
    const UNSEEN: &[&str] = &[
        "range-",
        "combination-",
        "missing-warmup",
        "twice-",
        "type-share",
        "utf16",
        "whole",
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/refusals");
    let schema = schema(SchemaForm::Complete);
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name == "messages.txt" {
            continue;
        }
        // What is no YAML has no schema.
        let Ok(node) = read_yaml_file(&path) else {
            continue;
        };
        let refused = refusal(&schema, &schema, &node_to_json(&node));
        let is_unseen = UNSEEN.iter().any(|it| name.starts_with(it));
        // A negative number is out of the range of its type.
        let is_unseen = is_unseen && name != "range-negative.yaml";
        assert_eq!(refused.is_none(), is_unseen, "{name}: {refused:?}");
        seen += usize::from(refused.is_some());
    }
    assert!(seen >= 40, "{seen}");
}

/// A request.
#[derive(Clone, Debug, Component)]
struct Request {
    /// What it is about.
    texts: Vec<String>,
    /// How often.
    #[arg(default = 1)]
    times: u32,
}

#[test]
fn one_component_alone_has_a_schema() {
    let schema = component_schema::<Request>();
    let why = |value: Value| refusal(&schema, &schema, &value);
    for good in [json!({"texts": ["a"]}), json!({"texts": "a", "times": 3})] {
        assert_eq!(why(good.clone()), None, "{good}");
    }
    for wrong in [
        json!({}),
        json!({"texts": "a", "times": "often"}),
        json!({"texts": "a", "time": 3}),
        json!({"texts": "a", "texts+": "b"}),
    ] {
        assert!(why(wrong.clone()).is_some(), "{wrong}");
    }
    assert_eq!(schema["title"], "Request");
}
