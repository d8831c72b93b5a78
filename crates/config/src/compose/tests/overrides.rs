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
fn words_of_a_key_are_joined_by_either_sign() {
    assert_eq!(
        parsed(
            "--trainer.max-epochs 3 --ckpt-path=a-b --model.init-args.lora-r 8 --trainer.fast-dev-run"
        ),
        [
            set("trainer.max_epochs", Some("3")),
            set("ckpt_path", Some("a-b")),
            set("model.init_args.lora_r", Some("8")),
            set("trainer.fast_dev_run", None),
        ]
    );
    // Names of columns are the user's own.
    assert_eq!(
        parsed("--data.rename-cols.my-text sequences --data.rename_cols.a_b c"),
        [
            set("data.rename_cols.my-text", Some("sequences")),
            set("data.rename_cols.a_b", Some("c")),
        ]
    );
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
fn an_option_wins_over_every_file_wherever_it_stands() {
    let files = Files::new(&["trainer: {max_epochs: 1}", "trainer: {max_epochs: 4}"]);
    let [a, b] = ["a.yaml", "b.yaml"].map(|name| files.path().join(name).display().to_string());
    let composed = |options: &str| to_flow(&compose(&parsed(options)).unwrap().root);
    for options in [
        format!("--trainer.max_epochs 2 --config {a} --config {b}"),
        format!("--config {a} --trainer.max_epochs 2 --config {b}"),
        format!("--config {a} --config {b} --trainer.max_epochs 2"),
        format!("--trainer.max_epochs 3 --config {a} --trainer.max_epochs 2"),
    ] {
        assert_eq!(
            composed(&options),
            "{trainer: {max_epochs: 2}}",
            "{options}"
        );
    }
    assert_eq!(
        composed(&format!("--config {b} --config {a}")),
        "{trainer: {max_epochs: 1}}"
    );
}

#[test]
fn options_are_below_what_files_name_wherever_they_stand() {
    let files =
        Files::new(&["trainer: {callbacks: [A]}\nmodel: {class_path: M, init_args: {x: 1}}"]);
    let file = files.path().join("a.yaml");
    let options = format!(
        "--trainer.callbacks+ B --model.x 2 --config {}",
        file.display()
    );
    assert_eq!(
        to_flow(&compose(&parsed(&options)).unwrap().root),
        "{trainer: {callbacks: [A, B]}, model: {class_path: M, init_args: {x: 2}}}"
    );
}

#[test]
fn a_null_wins_over_no_checkpoint_that_was_given() {
    let given = "ckpt_path: runs/last\nseed_everything: 1";
    let saved = "ckpt_path: null\nseed_everything: 2";
    assert_eq!(
        root(&[given, saved], ""),
        "{ckpt_path: runs/last, seed_everything: 2}"
    );
    assert_eq!(
        root(&[saved], "--ckpt_path runs/last"),
        "{ckpt_path: runs/last, seed_everything: 2}"
    );
    let files = Files::new(&[saved]);
    let file = files.path().join("a.yaml");
    let options = format!("--ckpt_path runs/last --config {}", file.display());
    assert_eq!(
        to_flow(&compose(&parsed(&options)).unwrap().root),
        "{ckpt_path: runs/last, seed_everything: 2}"
    );
    // By hand it can be taken back.
    assert_eq!(
        root(&[given], "--ckpt_path null"),
        "{ckpt_path: null, seed_everything: 1}"
    );
}

#[test]
fn a_null_of_a_file_that_takes_back_what_another_gives_is_noted() {
    let files = Files::new(&[
        "trainer:\n  max_steps: 5\n",
        "trainer:\n  max_epochs: 3\n  max_steps: null\n",
    ]);
    let notes = |options: &str| {
        let notes = files.composed(options).unwrap().notes;
        let notes = notes.iter().map(|note| files.local(&note.to_string()));
        notes.collect::<Vec<_>>()
    };
    let note = "b.yaml:3: trainer.max_steps: null takes back what a.yaml:2 gives; leave the key out to keep it";
    assert_eq!(notes(""), [note]);
    assert_eq!(notes("--trainer.max_epochs null"), [note]);
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
