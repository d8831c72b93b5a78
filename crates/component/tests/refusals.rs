//! Components and choices that users got wrong.

#![allow(clippy::unwrap_used, clippy::panic)]

mod classes;

use classes::*;
use engraft_component::{Context, FromNode, Node, decode};

#[test]
fn the_name_slot_is_filled_once() {
    assert_eq!(
        refusal::<Backbone>("{class_path: ./minilm, init_args: {preset: ./other}}"),
        "x.yaml:1: init_args.preset: given twice: by the class name and as an argument. Keep one of them"
    );
    assert_eq!(
        refusal::<Backbone>("Preset"),
        "x.yaml:1: init_args.preset: missing, Preset requires it"
    );
}

#[test]
fn unknown_keys_are_refused_with_the_nearest() {
    assert_eq!(
        refusal::<Rows>("{pth: a}"),
        "x.yaml:1: pth: unknown key. Did you mean \"path\"?"
    );
    assert_eq!(
        refusal::<Rows>("path: a\nbatchsize: 3"),
        "x.yaml:2: batchsize: unknown key. Did you mean \"batch_size\"?"
    );
    assert_eq!(
        refusal::<Optimizer>("{class_path: SGD, init_args: {nesterov_thing: 1}}"),
        "x.yaml:1: init_args.nesterov_thing: unknown key. SGD takes: lr, momentum"
    );
    assert_eq!(
        refusal::<Head>("{class_path: Relu, init_args: {inplace: true}}"),
        "x.yaml:1: init_args.inplace: unknown key. Relu takes no arguments"
    );
}

#[test]
fn unknown_classes_are_refused_with_the_nearest_or_all() {
    assert_eq!(
        refusal::<Optimizer>("torch.optim.AdmW"),
        "x.yaml:1: unknown optimizer \"torch.optim.AdmW\". Did you mean \"AdamW\"?"
    );
    assert_eq!(
        refusal::<Optimizer>("{class_path: Lion}"),
        "x.yaml:1: class_path: unknown optimizer \"Lion\". There are: AdamW, SGD"
    );
}

#[test]
fn a_class_that_is_known_to_be_absent_says_why() {
    for name in ["Lamb", "torch.optim.Lamb"] {
        assert_eq!(
            refusal::<Optimizer>(name),
            "x.yaml:1: Lamb cannot be used: it needs layers of equal size"
        );
    }
}

#[test]
fn missing_arguments_are_named_where_they_belong() {
    assert_eq!(
        refusal::<Optimizer>("\nclass_path: SGD\ninit_args: {}"),
        "x.yaml:2: init_args.lr: missing, SGD requires it"
    );
    assert_eq!(
        refusal::<Source>("{batch_size: 2}"),
        "x.yaml:1: path: missing, Source requires it"
    );
}

#[test]
fn misplaced_arguments_are_sent_to_init_args() {
    assert_eq!(
        refusal::<Optimizer>("class_path: AdamW\nlr: 1"),
        "x.yaml:2: lr: unknown key beside class_path. Arguments of AdamW belong under init_args"
    );
}

#[test]
fn a_slot_without_class_and_default_asks_for_one() {
    assert_eq!(
        refusal::<Head>("{a: 1}"),
        "x.yaml:1: no class_path, so it is not clear which head is meant. Choose from: Relu, Fusion"
    );
    assert_eq!(
        refusal::<Optimizer>("null"),
        "x.yaml:1: expected the name of an optimizer, found null. Choose from: AdamW, SGD"
    );
    assert_eq!(
        refusal::<Backbone>("[a]"),
        "x.yaml:1: expected one pretrained backbone, found a list"
    );
    assert_eq!(
        refusal::<Optimizer>("{class_path: [AdamW]}"),
        "x.yaml:1: class_path: expected the name of a class, found a list"
    );
    assert_eq!(
        refusal::<Optimizer>("{class_path: AdamW, init_args: 3}"),
        "x.yaml:1: init_args: expected a mapping of arguments, found \"3\""
    );
}

#[test]
fn one_argument_given_twice_is_refused() {
    assert_eq!(
        refusal::<Rows>("path: a\nrename_cols: {a: b}\nrename_columns: {a: c}"),
        "x.yaml:3: rename_columns: given twice: \"rename_cols\" and \"rename_columns\" are the same argument. Keep one of them"
    );
    assert_eq!(
        refusal::<Optimizer>("{class_path: SGD, init_args: {lr: 1}, dict_kwargs: {lr: 2}}"),
        "x.yaml:1: dict_kwargs.lr: given twice: under init_args and under dict_kwargs. Keep one of them"
    );
}

#[test]
fn paths_in_errors_start_at_the_contexts_key() {
    let mut cx = Context::at("model.init_args.optimizer");
    let error = Optimizer::from_node(&yaml("{class_path: AdamW, init_args: {lr: fast}}"), &mut cx)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "x.yaml:1: model.init_args.optimizer.init_args.lr: expected a number, found \"fast\""
    );
    let error = read::<Node>("path: a\noptimizers: [AdamW, {class_path: SGD, init_args: {lr: x}}]");
    let error = decode::<Rows>(&error).unwrap_err();
    assert_eq!(error.key, "optimizers[1].init_args.lr");
}
