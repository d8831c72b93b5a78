//! Files over files.

use super::*;

const ADAM: &str = "model: {class_path: SequenceClassification, init_args: {backbone: x, optimizer: {class_path: torch.optim.AdamW, init_args: {lr: 1e-4, weight_decay: 0.1}}}}";

fn optimizer(second: &str) -> (Optimizer, Vec<String>) {
    let second = format!("model: {{init_args: {{optimizer: {second}}}}}");
    let (experiment, notes) = experiment(&[ADAM, &second], "");
    match experiment.model {
        Some(Task::SequenceClassification(task)) => (task.optimizer, notes),
        other => panic!("{other:?}"),
    }
}

fn adam(lr: f64, weight_decay: f64) -> Optimizer {
    AdamW {
        lr,
        weight_decay,
        ..AdamW::default()
    }
    .into()
}

#[test]
fn the_last_file_wins_key_by_key() {
    assert_eq!(
        root(
            &[
                "seed_everything: 1\ntrainer: {max_epochs: 2, devices: 1}",
                "trainer: {devices: 2}\nckpt_path: null"
            ],
            ""
        ),
        "{seed_everything: 1, trainer: {max_epochs: 2, devices: 2}, ckpt_path: null}"
    );
}

#[test]
fn arguments_of_the_same_class_merge_however_it_is_written() {
    for second in [
        "{class_path: torch.optim.AdamW, init_args: {lr: 2}}",
        "{class_path: AdamW, init_args: {lr: 2}}",
        "{class_path: AdamW, dict_kwargs: {lr: 2}}",
        "{init_args: {lr: 2}}",
        "{lr: 2}",
    ] {
        assert_eq!(optimizer(second), (adam(2.0, 0.1), vec![]), "{second}");
    }
    assert_eq!(optimizer("AdamW").0, adam(1e-4, 0.1));
}

#[test]
fn another_class_keeps_the_arguments_it_knows_and_drops_the_others_with_a_note() {
    let sgd = Optimizer::from(Sgd {
        lr: 1e-4,
        momentum: 0.9,
    });
    let note = "a.yaml:1: model.init_args.optimizer.init_args.weight_decay: dropped, SGD has no argument \"weight_decay\"";
    assert_eq!(
        optimizer("{class_path: SGD, init_args: {momentum: 0.9}}"),
        (sgd, vec![note.to_owned()])
    );
    assert_eq!(
        optimizer("SGD"),
        (
            Sgd {
                lr: 1e-4,
                momentum: 0.0
            }
            .into(),
            vec![note.to_owned()]
        )
    );
}

#[test]
fn going_back_to_the_first_class_keeps_what_was_given_for_it() {
    let second = "model: {init_args: {optimizer: SGD}}";
    let third = "model: {init_args: {optimizer: {class_path: AdamW, init_args: {lr: 3}}}}";
    let (experiment, notes) = experiment(&[ADAM, second, third], "");
    let Some(Task::SequenceClassification(task)) = experiment.model else {
        panic!("another task")
    };
    assert_eq!((task.optimizer, notes), (adam(3.0, 0.1), vec![]));
}

#[test]
fn an_unknown_argument_beside_a_new_class_is_still_an_error() {
    assert_eq!(
        refusal(
            &[
                ADAM,
                "model:\n  init_args:\n    optimizer: {class_path: SGD, init_args: {momentun: 1}}"
            ],
            ""
        ),
        "b.yaml:3: model.init_args.optimizer.init_args.momentun: unknown key. Did you mean \"momentum\"?"
    );
}

#[test]
fn a_class_may_come_before_after_and_without_its_arguments() {
    let bare = "model: {class_path: Embed, init_args: {backbone: aido_rna_650m}}";
    let arguments = "model: {init_args: {backbone: {max_length: 9}}}";
    let wanted = "{class_path: Embed, init_args: {backbone: {class_path: aido_rna_650m, init_args: {max_length: 9}}}}";
    assert_eq!(root(&[bare, arguments], ""), format!("{{model: {wanted}}}"));

    let (experiment, notes) =
        experiment(&["model: {init_args: {backbone: x}}", "model: Embed"], "");
    assert!(
        matches!(experiment.model, Some(Task::Embed(_))),
        "{notes:?}"
    );
}

#[test]
fn a_scalar_that_is_no_class_name_ends_a_class() {
    for scalar in ["null", "false", "3", "auto", "true"] {
        let first = "trainer: {logger: {class_path: WandbLogger, init_args: {name: a}}}";
        let second = format!("trainer: {{logger: {scalar}}}");
        assert_eq!(
            root(&[first, &second], ""),
            format!("{{trainer: {{logger: {scalar}}}}}")
        );
        assert_eq!(
            root(&[&second, first], ""),
            "{trainer: {logger: {class_path: WandbLogger, init_args: {name: a}}}}"
        );
    }
}

#[test]
fn lists_and_other_mappings_are_replaced_whole() {
    let data = |rest: &str| format!("data: {{class_path: D, init_args: {{{rest}}}}}");
    let first = data("rename_cols: {a: b}, x_col: [a, b], batch_size: 2");
    let second = data("rename_cols: {c: d}, x_col: [c]");
    let wanted = data("rename_cols: {c: d}, x_col: [c], batch_size: 2");
    assert_eq!(root(&[&first, &second], ""), format!("{{{wanted}}}"));
}

#[test]
fn a_plus_appends_to_a_list_or_begins_one() {
    let first = "trainer: {callbacks: [A, B]}";
    assert_eq!(
        root(&[first, "trainer: {callbacks+: C}"], ""),
        "{trainer: {callbacks: [A, B, C]}}"
    );
    assert_eq!(
        root(&[first, "trainer: {callbacks+: [C, {class_path: D}]}"], ""),
        "{trainer: {callbacks: [A, B, C, {class_path: D}]}}"
    );
    assert_eq!(
        root(&["trainer: {callbacks+: C}"], ""),
        "{trainer: {callbacks: [C]}}"
    );
    assert_eq!(
        root(
            &["trainer: {callbacks: null}", "trainer: {callbacks+: C}"],
            ""
        ),
        "{trainer: {callbacks: [C]}}"
    );
    assert_eq!(
        root(
            &[
                "trainer: {callbacks: {class_path: A}}",
                "trainer: {callbacks+: C}"
            ],
            ""
        ),
        "{trainer: {callbacks: [{class_path: A}, C]}}"
    );
    assert_eq!(
        root(&[first, "trainer: {callbacks+: null}"], ""),
        "{trainer: {callbacks: [A, B]}}"
    );
}

#[test]
fn a_plus_works_inside_classes_that_are_new() {
    assert_eq!(
        root(
            &[
                "model: {class_path: M, init_args: {heads+: a, inner: {class_path: N, dict_kwargs: {x+: [1]}}}}"
            ],
            ""
        ),
        "{model: {class_path: M, init_args: {heads: [a], inner: {class_path: N, dict_kwargs: {x: [1]}}}}}"
    );
}

#[test]
fn one_callback_replaces_and_is_replaced_as_a_list() {
    let one = "trainer: {callbacks: {class_path: ModelCheckpoint, init_args: {monitor: a}}}";
    let other = "trainer: {callbacks: {class_path: EarlyStopping, init_args: {patience: 1}}}";
    assert_eq!(
        root(&[one, other], ""),
        "{trainer: {callbacks: [{class_path: EarlyStopping, init_args: {patience: 1}}]}}"
    );
}

#[test]
fn replacing_a_list_of_classes_is_noted() {
    let files = Files::new(&[
        "trainer:\n  callbacks:\n  - class_path: ModelCheckpoint\n  - class_path: EarlyStopping\n",
        "trainer:\n  callbacks:\n  - class_path: PredictionWriter\n",
    ]);
    let notes = files.composed("").unwrap().notes;
    assert_eq!(
        notes
            .iter()
            .map(|note| files.local(&note.to_string()))
            .collect::<Vec<_>>(),
        [
            "b.yaml:3: trainer.callbacks: replaces the 2 given at a.yaml:3; write trainer.callbacks+ to add to them"
        ]
    );
}

#[test]
fn dict_kwargs_and_init_args_are_the_same_arguments() {
    let first = "trainer: {logger: {class_path: W, init_args: {name: a, id: 1}}}";
    let second = "trainer: {logger: {class_path: W, dict_kwargs: {name: b}}}";
    let wanted = "{trainer: {logger: {class_path: W, init_args: {name: b, id: 1}}}}";
    assert_eq!(root(&[first, second], ""), wanted);
    let second = "trainer: {logger: {class_path: W, dict_kwargs: {name: b}, init_args: null}}";
    assert_eq!(root(&[first, second], ""), wanted);
}

#[test]
fn what_is_printed_composes_to_the_same() {
    let texts = [
        "seed_everything: 7\nmodel: {class_path: 'a: b', init_args: {x: 1e-3, y: \"null\", z: ['1', 2, ~], w: {}}}",
    ];
    let files = Files::new(&texts);
    let composed = files
        .composed("--trainer.fast_dev_run --model.w.k 'a #b'")
        .unwrap();
    let printed = Files::new(&[&composed.to_yaml()]);
    assert_eq!(
        printed.composed("").unwrap().root.as_map().unwrap().len(),
        3
    );
    assert_eq!(
        to_flow(&printed.composed("").unwrap().root),
        to_flow(&composed.root)
    );
}

#[test]
fn keys_keep_the_order_in_which_they_first_came() {
    let first = "trainer: {a: 1, b: 2}\nmodel: {class_path: M, init_args: {x: 1, y: 2}}";
    let second = "model: {class_path: N, init_args: {y: 3}}\ntrainer: {a: 3}";
    assert_eq!(
        root(&[first, second], "--model.x 4 --trainer.b 5"),
        "{trainer: {a: 3, b: 5}, model: {class_path: N, init_args: {x: 4, y: 3}}}"
    );
}

#[test]
fn the_deepest_file_composes_with_itself() {
    let mut value = "LinearCLSAdapter".to_owned();
    for _ in 0..60 {
        value = format!(
            "{{class_path: MMFusionSeqAdapter, init_args: {{fusion: a, adapter: {value}}}}}"
        );
    }
    let file = format!(
        "model: {{class_path: SequenceClassification, init_args: {{backbone: x, adapter: {value}}}}}"
    );
    let (experiment, _) = experiment(&[&file, &file], "");
    assert!(matches!(
        experiment.model,
        Some(Task::SequenceClassification(_))
    ));
}
