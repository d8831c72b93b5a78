//! Components and choices as users write them.

#![allow(clippy::unwrap_used, clippy::panic)]

mod classes;

use std::collections::BTreeMap;

use classes::*;
use engraft_component::{
    Choice, Component, ComponentInfo, FromNode, Ignored, Kind, Node, decode, to_yaml,
};

#[test]
fn absent_arguments_take_their_defaults() {
    let adam: AdamW = read("{}");
    assert_eq!((adam.lr, adam.betas, adam.eps), (1e-3, [0.9, 0.999], None));
    assert_eq!(adam, AdamW::default());
    assert_eq!(
        Outer::default(),
        Outer {
            loading: Loading { shuffle: true }
        }
    );
    assert_eq!(Optimizer::default(), Optimizer::AdamW(AdamW::default()));
}

#[test]
fn a_class_is_named_in_every_accepted_form() {
    let wanted = sgd(0.5, 0.0);
    for text in [
        "{class_path: SGD, init_args: {lr: 0.5}}",
        "{class_path: torch.optim.SGD, init_args: {lr: 0.5}}",
        "{class_path: somewhere.else.SGD, dict_kwargs: {lr: 0.5}}",
        "{class_path: SGD, init_args: {lr: 0.5}, dict_kwargs: {momentum: 0}}",
        "{class_path: SGD, init_args: {lr: 0.5}, dict_kwargs: null}",
    ] {
        assert_eq!(read::<Optimizer>(text), wanted, "{text}");
    }
    for text in [
        "AdamW",
        "torch.optim.AdamW",
        "bitsandbytes.optim.Adam8bit",
        "Adam8bit",
        "{class_path: AdamW}",
        "{}",
    ] {
        assert_eq!(read::<Optimizer>(text), Optimizer::default(), "{text}");
    }
}

#[test]
fn arguments_alone_mean_the_default_class() {
    let wanted: Optimizer = AdamW {
        lr: 0.5,
        ..AdamW::default()
    }
    .into();
    assert_eq!(read::<Optimizer>("{lr: 0.5}"), wanted);
    assert_eq!(read::<Optimizer>("init_args: {lr: 0.5}"), wanted);
}

#[test]
fn a_single_class_counts_as_a_list_of_one() {
    let rows: Rows = read("{path: a, optimizers: {class_path: SGD, init_args: {lr: 1}}}");
    assert_eq!(rows.optimizers, [sgd(1.0, 0.0)]);
    let rows: Rows = read("{path: a, optimizers: AdamW, x_col: seq}");
    assert_eq!(rows.optimizers, [Optimizer::default()]);
    assert_eq!(rows.x_col, ["seq"]);
}

#[test]
fn flattened_keys_stand_among_the_structs_own() {
    let rows: Rows = read("{path: a.tsv, batch_size: 4, shuffle: false, rename_columns: {a: b}}");
    assert_eq!(
        rows.source,
        Source {
            path: "a.tsv".into(),
            batch_size: 4
        }
    );
    assert!(!rows.loading.shuffle);
    assert_eq!(
        rows.rename_cols,
        Some(BTreeMap::from([("a".to_owned(), "b".to_owned())]))
    );
    let names: Vec<&str> = Rows::arguments()
        .iter()
        .map(|argument| argument.name)
        .collect();
    assert_eq!(
        names,
        [
            "path",
            "batch_size",
            "shuffle",
            "rename_cols",
            "x_col",
            "optimizer",
            "optimizers"
        ]
    );
}

#[test]
fn a_name_that_is_no_class_goes_to_the_name_slot() {
    let preset = |max_length| {
        Backbone::Preset(Preset {
            preset: "./minilm".to_owned(),
            max_length,
        })
    };
    assert_eq!(read::<Backbone>("./minilm"), preset(None));
    assert_eq!(
        read::<Backbone>("{class_path: ./minilm, init_args: {max_length: 64}}"),
        preset(Some(64))
    );
    assert_eq!(
        read::<Backbone>("{class_path: Preset, init_args: {preset: ./minilm}}"),
        preset(None)
    );
    assert_eq!(
        read::<Backbone>("Registered"),
        Registered { max_length: None }.into()
    );
    assert_eq!(
        read::<Backbone>("a.b.Registered"),
        Registered { max_length: None }.into()
    );
    assert_eq!(
        read::<Backbone>("hf://org/Registered"),
        Backbone::Preset(Preset {
            preset: "hf://org/Registered".to_owned(),
            max_length: None
        })
    );
}

#[test]
fn a_name_slot_takes_the_class_string_even_if_it_looks_like_a_number() {
    assert_eq!(
        read::<Backbone>("\"12\""),
        Backbone::Preset(Preset {
            preset: "12".to_owned(),
            max_length: None
        })
    );
}

#[test]
fn a_ready_made_class_is_its_class_with_other_defaults() {
    let descent = |lr, momentum| Descent::Plain(GradientDescent { lr, momentum });
    for (text, expected) in [
        ("Momentum", descent(0.1, 0.9)),
        ("somewhere.Momentum", descent(0.1, 0.9)),
        (
            "{class_path: Momentum, init_args: {lr: 2}}",
            descent(2.0, 0.9),
        ),
        (
            "{class_path: Momentum, dict_kwargs: {momentum: 0}}",
            descent(0.1, 0.0),
        ),
        ("{class_path: SGD, init_args: {lr: 2}}", descent(2.0, 0.0)),
    ] {
        assert_eq!(read::<Descent>(text), expected, "{text}");
    }
    assert_eq!(
        refusal::<Descent>("{class_path: Momentum, init_args: {lrr: 2}}"),
        "x.yaml:1: init_args.lrr: unknown key. Did you mean \"lr\"?"
    );
    // It is written as what it is.
    assert_eq!(descent(0.1, 0.9).name(), "SGD");
    let variants = Descent::variants();
    let [plain, ready] = variants.as_slice() else {
        panic!("{variants:?}");
    };
    assert!(plain.ready_made().is_none() && ready.ready_made().is_some());
    let defaults = |info: &ComponentInfo| -> Vec<Option<String>> {
        let arguments = info.arguments().into_iter();
        arguments.map(|argument| argument.default).collect()
    };
    assert_eq!(defaults(plain), [None, Some("0.0".to_owned())]);
    assert_eq!(
        defaults(ready),
        [Some("0.1".to_owned()), Some("0.9".to_owned())]
    );
}

#[test]
fn ignored_keys_leave_one_note_each() {
    let node = yaml("{class_path: AdamW, init_args: {fused: true, foreach: null}}");
    assert_eq!(
        notes::<Optimizer>(&node),
        ["x.yaml:1: init_args.fused: ignored, the step is always fused"]
    );
    let node = yaml("path: a\npin_memory: true");
    assert_eq!(
        notes::<Rows>(&node),
        ["x.yaml:2: pin_memory: ignored, memory is never pinned"]
    );
    assert_eq!(
        AdamW::ignored().first(),
        Some(&Ignored {
            key: "fused",
            instead: "the step is always fused"
        })
    );
}

/// Marks every argument of a class as given for an earlier class.
fn inherit(mut node: Node) -> Node {
    if let engraft_component::Value::Map(class) = &mut node.value
        && let Some(arguments) = class.get_mut("init_args")
        && let engraft_component::Value::Map(arguments) = &mut arguments.value
    {
        arguments
            .iter_mut()
            .for_each(|entry| entry.inherited = true);
    }
    node
}

#[test]
fn inherited_arguments_that_do_not_fit_are_dropped_with_a_note() {
    let node = inherit(yaml(
        "class_path: AdamW\ninit_args:\n  lr: 0.5\n  momentum: 1\n  eps: small",
    ));
    assert_eq!(
        decode::<Optimizer>(&node).unwrap().0,
        AdamW {
            lr: 0.5,
            ..AdamW::default()
        }
        .into()
    );
    assert_eq!(
        notes::<Optimizer>(&node),
        [
            "x.yaml:4: init_args.momentum: dropped, AdamW has no argument \"momentum\"",
            "x.yaml:5: init_args.eps: dropped, it does not fit AdamW"
        ]
    );
    let node = inherit(yaml(
        "{class_path: ./minilm, init_args: {preset: ./older, max_length: 8}}",
    ));
    assert_eq!(
        decode::<Backbone>(&node).unwrap().0,
        Backbone::Preset(Preset {
            preset: "./minilm".to_owned(),
            max_length: Some(8)
        })
    );
}

#[test]
fn a_component_alone_may_name_its_class() {
    assert_eq!(
        read::<AdamW>("{class_path: torch.optim.AdamW, init_args: {lr: 1}}").lr,
        1.0
    );
    assert_eq!(
        refusal::<AdamW>("{class_path: SGD}"),
        "x.yaml:1: class_path: expected the class AdamW, found \"SGD\""
    );
    assert_eq!(
        refusal::<AdamW>("[1]"),
        "x.yaml:1: expected the arguments of AdamW, found a list"
    );
}

#[test]
fn what_is_written_reads_back_the_same() {
    let rows = Rows {
        source: Source {
            path: "null".into(),
            batch_size: 3,
        },
        loading: Loading { shuffle: false },
        rename_cols: Some(BTreeMap::from([("a: b".to_owned(), "yes".to_owned())])),
        x_col: vec![],
        optimizer: sgd(1e-9, f64::INFINITY),
        optimizers: vec![Optimizer::default(), sgd(3.0, 1e300)],
    };
    let node = rows.to_node();
    assert_eq!(decode::<Rows>(&node).unwrap(), (rows.clone(), vec![]));
    let text = to_yaml(&node);
    assert_eq!(read::<Rows>(&text), rows, "{text}");

    let head = Head::from(Fusion {
        inner: Some(Box::new(Relu.into())),
    });
    assert_eq!(decode::<Head>(&head.to_node()).unwrap().0, head);
    let backbone = read::<Backbone>("{class_path: ./minilm, init_args: {max_length: 64}}");
    assert_eq!(decode::<Backbone>(&backbone.to_node()).unwrap().0, backbone);
}

#[test]
fn a_written_class_shows_all_its_arguments() {
    assert_eq!(
        to_yaml(&Optimizer::default().to_node()),
        "class_path: AdamW\ninit_args:\n  lr: 0.001\n  betas:\n  - 0.9\n  - 0.999\n  eps: null\n"
    );
}

#[test]
fn a_component_describes_itself() {
    assert_eq!(AdamW::NAME, "AdamW");
    assert_eq!(GradientDescent::NAME, "SGD");
    assert_eq!(AdamW::SUMMARY, "Adam with decoupled weight decay.");
    assert_eq!(
        AdamW::DOC,
        "Adam with decoupled\nweight decay.\n\nMore about it."
    );
    let arguments = AdamW::arguments();
    let shown: Vec<_> = arguments
        .iter()
        .map(|it| {
            (
                it.name,
                it.default.as_deref(),
                it.required,
                it.doc,
                it.kind.to_string(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (
                "lr",
                Some("0.001"),
                false,
                "Learning rate.",
                "number".to_owned()
            ),
            (
                "betas",
                Some("[0.9, 0.999]"),
                false,
                "Decay rates of the two moments.",
                "list of 2, each number".to_owned()
            ),
            (
                "eps",
                Some("null"),
                false,
                "Divergence guard.",
                "number or null".to_owned()
            ),
        ]
    );
    assert!(
        Source::arguments()
            .iter()
            .any(|it| it.name == "path" && it.required && it.default.is_none())
    );
    let Kind::Choice(info) = Optimizer::kind() else {
        panic!("an enum of components is a choice")
    };
    assert_eq!((info.kind_name, info.default), ("optimizer", Some("AdamW")));
    let names: Vec<&str> = info.variants().iter().map(|variant| variant.name).collect();
    assert_eq!(names, ["AdamW", "SGD"]);
    assert_eq!(sgd(1.0, 1.0).name(), "SGD");
    // Recursive types describe themselves one level at a time.
    assert_eq!(
        Head::variants()
            .iter()
            .map(|variant| variant.arguments().len())
            .sum::<usize>(),
        1
    );
}
