//! Options over files.

use super::*;

fn parsed(options: &str) -> Vec<Source> {
    parse_overrides(&words(options)).unwrap_or_else(|error| panic!("{error}"))
}

fn set(key: &str, value: Option<&str>) -> Source {
    Source::Override {
        key: key.to_owned(),
        value: value.map(str::to_owned),
    }
}

#[test]
fn options_are_read_in_order_in_every_form() {
    assert_eq!(
        parsed(
            "--config a.yaml --model X --model.n=3 -c b.yaml --trainer.fast_dev_run --data.x_col '[a, b]' -c=c.yaml --config=d.yaml"
        ),
        [
            Source::File("a.yaml".into()),
            set("model", Some("X")),
            set("model.n", Some("3")),
            Source::File("b.yaml".into()),
            set("trainer.fast_dev_run", None),
            set("data.x_col", Some("[a, b]")),
            Source::File("c.yaml".into()),
            Source::File("d.yaml".into()),
        ]
    );
    assert_eq!(parsed(""), []);
}

#[test]
fn values_may_look_odd() {
    assert_eq!(
        parsed("--trainer.max_steps -1 --x -.5 --y=-1e-3 --z= --w '' --v -inf --u=a=b --t --s -"),
        [
            set("trainer.max_steps", Some("-1")),
            set("x", Some("-.5")),
            set("y", Some("-1e-3")),
            set("z", Some("")),
            set("w", Some("")),
            set("v", Some("-inf")),
            set("u", Some("a=b")),
            set("t", None),
            set("s", Some("-")),
        ]
    );
}

#[test]
fn appending_is_written_with_and_without_an_equals_sign() {
    assert_eq!(
        parsed("--trainer.callbacks+=X --trainer.callbacks+ Y"),
        [
            set("trainer.callbacks+", Some("X")),
            set("trainer.callbacks+", Some("Y"))
        ]
    );
    assert_eq!(
        root(
            &["trainer: {callbacks: {class_path: A}}"],
            "--trainer.callbacks+=X --trainer.callbacks+ '{class_path: Y}' --trainer.callbacks.patience 3"
        ),
        "{trainer: {callbacks: [{class_path: A}, X, {class_path: Y, init_args: {patience: 3}}]}}"
    );
    assert_eq!(
        root(&[], "--trainer.callbacks+ X"),
        "{trainer: {callbacks: [X]}}"
    );
    assert_eq!(
        root(
            &[],
            "--model M --model.inner N --model.inner.heads+ a --model.inner.heads+ '[b, c]'"
        ),
        "{model: {class_path: M, init_args: {inner: {class_path: N, init_args: {heads: [a, b, c]}}}}}"
    );
}

#[test]
fn a_dotted_key_reaches_arguments_at_any_depth() {
    let file = "model: {class_path: M, init_args: {backbone: {class_path: B, init_args: {use_peft: false}}}}";
    let wanted = "{model: {class_path: M, init_args: {backbone: {class_path: B, init_args: {use_peft: true}}}}}";
    for option in [
        "--model.backbone.use_peft true",
        "--model.init_args.backbone.init_args.use_peft true",
        "--model.init_args.backbone.use_peft true",
        "--model.backbone.dict_kwargs.use_peft true",
        "--model.backbone.init_args '{use_peft: true}'",
        "--model.backbone '{use_peft: true}'",
        "--model.backbone '{init_args: {use_peft: true}}'",
        "--model '{init_args: {backbone: {class_path: a.b.B, init_args: {use_peft: true}}}}' --model.backbone.class_path B",
    ] {
        assert_eq!(root(&[file], option), wanted, "{option}");
    }
}

#[test]
fn naming_a_class_keeps_its_arguments() {
    let file = "model: {class_path: M, init_args: {x: 1}}";
    for option in [
        "--model N",
        "--model.class_path N",
        "--model '{class_path: N}'",
    ] {
        assert_eq!(
            root(&[file], option),
            "{model: {class_path: N, init_args: {x: 1}}}",
            "{option}"
        );
    }
    assert_eq!(root(&["model: M"], "--model N"), "{model: N}");
    assert_eq!(
        root(&[], "--model M --model.x 1"),
        "{model: {class_path: M, init_args: {x: 1}}}"
    );
    assert_eq!(
        root(&[], "--model.x 1 --model M"),
        "{model: {class_path: M, init_args: {x: 1}}}"
    );
    assert_eq!(
        root(&[], "--model.x 1 --model.class_path M"),
        "{model: {class_path: M, init_args: {x: 1}}}"
    );
    assert_eq!(
        root(&[], "--model.init_args.x 1 --model M"),
        "{model: {class_path: M, init_args: {x: 1}}}"
    );
}

#[test]
fn a_bare_class_name_takes_arguments() {
    assert_eq!(
        root(
            &["model: {class_path: M, init_args: {backbone: aido_dna_7b}}"],
            "--model.backbone.max_length 5"
        ),
        "{model: {class_path: M, init_args: {backbone: {class_path: aido_dna_7b, init_args: {max_length: 5}}}}}"
    );
}

#[test]
fn a_class_left_out_keeps_its_plain_arguments() {
    assert_eq!(
        root(
            &["model: {class_path: M, init_args: {optimizer: {lr: 1}}}"],
            "--model.optimizer.weight_decay 2 --model.optimizer.init_args.eps 3"
        ),
        "{model: {class_path: M, init_args: {optimizer: {lr: 1, weight_decay: 2, eps: 3}}}}"
    );
    assert_eq!(
        root(&["trainer: {logger: true}"], "--trainer.logger.name run"),
        "{trainer: {logger: {name: run}}}"
    );
}

#[test]
fn one_key_of_a_mapping_can_be_set() {
    assert_eq!(
        root(
            &["data: {class_path: D, init_args: {rename_cols: {a: b}}}"],
            "--data.rename_cols.sequence sequences"
        ),
        "{data: {class_path: D, init_args: {rename_cols: {a: b, sequence: sequences}}}}"
    );
    assert_eq!(
        root(
            &["data: {class_path: D, init_args: {rename_cols: {a: b}}}"],
            "--data.rename_cols '{sequence: sequences}'"
        ),
        "{data: {class_path: D, init_args: {rename_cols: {sequence: sequences}}}}"
    );
}

#[test]
fn a_list_is_addressed_at_its_last_item_or_by_number() {
    let file = "trainer: {callbacks: [{class_path: A, init_args: {x: 1}}, B]}";
    assert_eq!(
        root(&[file], "--trainer.callbacks.dirpath D"),
        "{trainer: {callbacks: [{class_path: A, init_args: {x: 1}}, {class_path: B, init_args: {dirpath: D}}]}}"
    );
    assert_eq!(
        root(&[file], "--trainer.callbacks.0.x 2 --trainer.callbacks.1 C"),
        "{trainer: {callbacks: [{class_path: A, init_args: {x: 2}}, C]}}"
    );
    assert_eq!(
        root(&["a: [[1, 2], [3, 4]]"], "--a.1.0 5"),
        "{a: [[1, 2], [5, 4]]}"
    );
    assert_eq!(
        root(
            &["trainer: {callbacks: {class_path: A, init_args: {x: 1}}}"],
            "--trainer.callbacks.x 3"
        ),
        "{trainer: {callbacks: [{class_path: A, init_args: {x: 3}}]}}"
    );
}

#[test]
fn values_are_yaml() {
    assert_eq!(
        root(
            &[],
            "--a '{b: [1, c]}' --b null --c \"x\" --d 0,1,2,3 --e '- 1' --f 'a #b' --g '*.tsv' --h '[a' --i best:{step} --j '%x'"
        ),
        "{a: {b: [1, c]}, b: null, c: \"x\", d: \"0,1,2,3\", e: [1], f: \"a #b\", g: \"*.tsv\", h: \"[a\", i: \"best:{step}\", j: \"%x\"}"
    );
    let text = |options: &str| {
        let composed = Files::new(&[]).composed(options).unwrap();
        composed.root.as_map().unwrap().get("a").cloned().unwrap()
    };
    assert!(text("--a ~").is_null());
    assert!(!text("--a ''").is_null());
    assert!(!text("--a '\"null\"'").is_null());
    assert!(engraft_component::decode::<bool>(&text("--a")).unwrap().0);
    assert_eq!(text("--a '{b: [1]}'").span.to_string(), "--a");
}

#[test]
fn a_separator_is_itself_whatever_yaml_would_make_of_it() {
    for separator in [
        "|", ">", "!", "-", "&", "%", "#", ":", ",", ";", "\t", " ", "a: b",
    ] {
        let option = set("a", Some(separator));
        let root = compose(&[option]).unwrap().root;
        let value = root.as_map().unwrap().get("a").cloned().unwrap();
        assert_eq!(value.as_text(), Some(separator));
    }
}

#[test]
fn the_trainer_is_a_group() {
    assert_eq!(
        root(
            &["trainer: {max_epochs: 2, logger: false}"],
            "--trainer '{max_epochs: 3}' --trainer.devices 3, --trainer.callbacks A"
        ),
        "{trainer: {max_epochs: 3, logger: false, devices: \"3,\", callbacks: [A]}}"
    );
    assert_eq!(
        root(&[], "--trainer.max_epochs 3"),
        "{trainer: {max_epochs: 3}}"
    );
    assert_eq!(
        root(&["trainer: null"], "--trainer.max_epochs 3"),
        "{trainer: {max_epochs: 3}}"
    );
}

#[test]
fn options_and_files_apply_in_the_order_given() {
    let files = Files::new(&["trainer: {max_epochs: 1}"]);
    let file = files.path().join("a.yaml");
    let before = format!("--trainer.max_epochs 2 --config {}", file.display());
    let after = format!("--config {} --trainer.max_epochs 2", file.display());
    let composed = |options: &str| to_flow(&compose(&parsed(options)).unwrap().root);
    assert_eq!(composed(&before), "{trainer: {max_epochs: 1}}");
    assert_eq!(composed(&after), "{trainer: {max_epochs: 2}}");
}

#[test]
fn an_argument_set_again_is_no_longer_inherited() {
    let file =
        "model: {class_path: SequenceClassification, init_args: {backbone: x, n_classes: 3}}";
    let (experiment, notes) = experiment(&[file], "--model Embed");
    assert!(matches!(experiment.model, Some(Task::Embed(_))));
    assert_eq!(
        notes,
        ["a.yaml:1: model.init_args.n_classes: dropped, Embed has no argument \"n_classes\""]
    );
    assert_eq!(
        refusal(&[file], "--model Embed --model.n_classes 4"),
        "--model.n_classes: unknown key. Embed takes: backbone, pooling"
    );
}
