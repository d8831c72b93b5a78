//! Scalars, lists and mappings as the target type reads them.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use engraft_component::{
    FromNode, Kind, Node, Scalar, Span, Style, Value, Words, decode, read_yaml, to_flow, to_yaml,
};
use proptest::prelude::*;

fn yaml(text: &str) -> Node {
    read_yaml(text.as_bytes(), "x.yaml").unwrap()
}

fn read<T: FromNode>(text: &str) -> T {
    decode(&yaml(text))
        .unwrap_or_else(|error| panic!("{error}"))
        .0
}

fn refusal<T: FromNode>(text: &str) -> String {
    match decode::<T>(&yaml(text)) {
        Ok((value, _)) => panic!("{text} was read as {}", to_flow(&value.to_node())),
        Err(error) => error.to_string(),
    }
}

fn flag() -> Node {
    let scalar = Scalar {
        text: "true".to_owned(),
        style: Style::Flag,
    };
    Node::at(&Span::source("--x"), Value::Scalar(scalar))
}

#[test]
fn numbers_may_be_written_as_in_yaml_1_1() {
    assert_eq!(read::<f64>("1e-3"), 0.001);
    assert_eq!(read::<f64>("4E-4"), 0.0004);
    assert_eq!(read::<f32>("0"), 0.0);
    assert_eq!(read::<f64>("1_000.5"), 1000.5);
    assert_eq!(read::<f64>("+.5"), 0.5);
    assert_eq!(read::<f64>("5."), 5.0);
    assert_eq!(read::<usize>("196_608"), 196_608);
    assert_eq!(read::<u64>("18446744073709551615"), u64::MAX);
    assert_eq!(read::<i64>("-9223372036854775808"), i64::MIN);
    assert_eq!(read::<usize>("0x10"), 16);
    assert_eq!(read::<usize>("1e5"), 100_000);
    assert_eq!(read::<i64>("-1"), -1);
    assert_eq!(read::<usize>("\"32\""), 32);
}

#[test]
fn whole_numbers_are_whole_and_in_range() {
    assert_eq!(
        refusal::<usize>("-1"),
        "x.yaml:1: expected a whole number, zero or more, found \"-1\""
    );
    assert_eq!(
        refusal::<i64>("0.5"),
        "x.yaml:1: expected a whole number, found \"0.5\""
    );
    assert_eq!(
        refusal::<u16>("70000"),
        "x.yaml:1: expected a whole number, found \"70000\". It must lie between 0 and 65535"
    );
    assert_eq!(
        refusal::<i64>("9223372036854775808"),
        "x.yaml:1: expected a whole number, found \"9223372036854775808\". It must lie between -9223372036854775808 and 9223372036854775807"
    );
    for text in [
        ".inf", "nan", "true", "abc", "3,", "1__0", "_1", "1_", "--1", "0xzz", "1e", "''",
        "- 1\n- 2", "{a: 1}", "null", "1e400",
    ] {
        refusal::<usize>(text);
        refusal::<i64>(text);
    }
    assert!(refusal::<u64>("007").contains("A leading zero means octal to some readers"));
    assert!(
        refusal::<u64>("99999999999999999999999999999999999999999999")
            .contains("It must lie between")
    );
}

#[test]
fn numbers_are_infinite_only_on_request() {
    assert_eq!(read::<f64>(".inf"), f64::INFINITY);
    assert_eq!(read::<f32>("-inf"), f32::NEG_INFINITY);
    assert!(read::<f64>(".nan").is_nan());
    refusal::<f32>(".nan");
    assert!(refusal::<f64>("1e999").contains("It must be at most 1.7976931348623157e308"));
    assert!(refusal::<f32>("1e39").contains("It must be at most 3.4028235e38"));
    for text in [
        "abc", "1.2.3", "infinity", "1e-", "~", "yes", "-", ".", "1 2",
    ] {
        refusal::<f64>(text);
    }
}

#[test]
fn flags_have_many_spellings() {
    for text in ["true", "True", "TRUE", "yes", "on", "'true'"] {
        assert!(read::<bool>(text), "{text}");
    }
    for text in ["false", "False", "FALSE", "no", "off"] {
        assert!(!read::<bool>(text), "{text}");
    }
    assert_eq!(
        refusal::<bool>("1"),
        "x.yaml:1: expected true or false, found \"1\""
    );
    assert!(decode::<bool>(&Node::plain("")).is_err());
}

#[test]
fn an_option_without_a_value_is_true_and_nothing_else() {
    assert!(decode::<bool>(&flag()).unwrap().0);
    assert_eq!(decode::<Option<bool>>(&flag()).unwrap().0, Some(true));
    let refused = |error: engraft_component::Refusal| error.to_string();
    assert_eq!(
        decode::<usize>(&flag()).map_err(refused),
        Err("--x: expected a whole number, zero or more, found no value".to_owned())
    );
    assert_eq!(
        decode::<f64>(&flag()).map_err(refused),
        Err("--x: expected a number, found no value".to_owned())
    );
    assert_eq!(
        decode::<String>(&flag()).map_err(refused),
        Err("--x: expected text, found no value".to_owned())
    );
}

#[test]
fn text_keeps_what_other_types_would_read() {
    for text in [
        "3,", "0,1,2,3", "32", "16-mixed", "32-true", "true", "1e-3", "None", "007",
    ] {
        assert_eq!(read::<String>(text), text);
    }
    assert_eq!(read::<String>("\"null\""), "null");
    assert_eq!(read::<String>("''"), "");
    assert_eq!(read::<String>("!!str null"), "null");
    assert_eq!(read::<PathBuf>("./a b.tsv"), PathBuf::from("./a b.tsv"));
    assert_eq!(
        refusal::<String>("null"),
        "x.yaml:1: expected text, found null"
    );
    assert_eq!(
        refusal::<PathBuf>("[a]"),
        "x.yaml:1: expected a path, found a list"
    );
}

#[test]
fn null_has_five_spellings() {
    for text in ["null", "Null", "NULL", "~", "None"] {
        assert_eq!(read::<Option<String>>(text), None, "{text}");
    }
    assert_eq!(
        read::<BTreeMap<String, Option<u64>>>("a:\nb: 1"),
        BTreeMap::from([("a".into(), None), ("b".into(), Some(1))])
    );
    assert_eq!(read::<Option<String>>("'null'"), Some("null".to_owned()));
}

#[test]
fn a_bare_value_counts_as_a_list_of_one() {
    assert_eq!(read::<Vec<String>>("a"), ["a"]);
    assert_eq!(read::<Vec<usize>>("[1, 2]"), [1, 2]);
    assert_eq!(read::<Vec<BTreeMap<String, u64>>>("{a: 1}").len(), 1);
    assert_eq!(
        refusal::<Vec<String>>("null"),
        "x.yaml:1: expected a list, found null"
    );
    assert_eq!(
        refusal::<Vec<usize>>("- 1\n- 2\n- x"),
        "x.yaml:3: [2]: expected a whole number, zero or more, found \"x\""
    );
}

#[test]
fn a_fixed_list_has_its_length() {
    assert_eq!(read::<[f64; 2]>("[0.9, 0.999]"), [0.9, 0.999]);
    assert_eq!(
        refusal::<[f64; 2]>("[0.9]"),
        "x.yaml:1: expected a list of 2 values, found 1"
    );
}

/// How sizes are compared.
#[derive(Clone, Copy, Debug, PartialEq, Words)]
enum Size {
    /// Less.
    VerySmall,
    /// More.
    #[word(name = "large", alias = "big")]
    Great,
}

/// A size, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Words)]
enum MaybeSize {
    /// No size.
    None,
    /// One.
    Some(Size),
}

#[test]
fn a_word_is_read_by_any_of_its_names_and_written_by_the_first() {
    for text in ["very_small", "VERY_SMALL"] {
        assert_eq!(read::<Size>(text), Size::VerySmall);
    }
    for text in ["large", "big", "Big"] {
        assert_eq!(read::<Size>(text), Size::Great);
    }
    assert_eq!(to_flow(&Size::VerySmall.to_node()), "very_small");
    assert_eq!(to_flow(&Size::Great.to_node()), "large");
    assert!(matches!(Size::kind(), Kind::Words(words) if words == ["very_small", "large", "big"]));
}

#[test]
fn an_enum_of_words_may_take_in_those_of_another() {
    assert_eq!(read::<MaybeSize>("none"), MaybeSize::None);
    assert_eq!(read::<MaybeSize>("big"), MaybeSize::Some(Size::Great));
    assert_eq!(to_flow(&MaybeSize::Some(Size::Great).to_node()), "large");
}

#[test]
fn an_unknown_word_is_told_the_words_that_there_are_and_the_one_that_is_near() {
    assert_eq!(
        refusal::<Size>("lrage"),
        "x.yaml:1: expected very_small or large, found \"lrage\". Did you mean \"large\"?"
    );
    for text in ["tiny", "null", "[large]", "{large: 1}", "true", "1"] {
        let message = refusal::<MaybeSize>(text);
        assert!(
            message.contains("expected none, very_small or large, found"),
            "{message}"
        );
    }
}

#[test]
fn a_mapping_needs_keys() {
    assert_eq!(
        refusal::<BTreeMap<String, String>>("[a]"),
        "x.yaml:1: expected a mapping of names to values, found a list"
    );
    assert_eq!(
        refusal::<BTreeMap<String, u64>>("a: 1\nb: x"),
        "x.yaml:2: b: expected a whole number, zero or more, found \"x\""
    );
}

#[test]
fn numbers_are_written_so_that_every_reader_sees_a_number() {
    assert_eq!(to_flow(&1e-5_f64.to_node()), "1.0e-5");
    assert_eq!(to_flow(&1.5e300_f64.to_node()), "1.5e+300");
    assert_eq!(to_flow(&1e300_f64.to_node()), "1.0e+300");
    assert_eq!(to_flow(&3.0_f64.to_node()), "3.0");
    assert_eq!(to_flow(&f64::NEG_INFINITY.to_node()), "-.inf");
}

fn round_trip<T: FromNode>(value: &T) -> T {
    read(&to_yaml(&value.to_node()))
}

fn any_node() -> impl Strategy<Value = Node> {
    let style = prop_oneof![Just(Style::Plain), Just(Style::Quoted)];
    let scalar = (any_text(), style)
        .prop_map(|(text, style)| Node::new(Value::Scalar(Scalar { text, style })));
    scalar.prop_recursive(5, 40, 6, |inner| {
        let entries = prop::collection::vec(("[^\\x00]{1,8}", inner.clone()), 0..5);
        prop_oneof![
            prop::collection::vec(inner, 0..5).prop_map(Node::list),
            entries.prop_map(|entries| {
                let mut mapping = engraft_component::Mapping::default();
                for (key, value) in entries {
                    mapping.set(key, value);
                }
                Node::map(mapping)
            })
        ]
    })
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,12}",
        "[-?:,\\[\\]{}#&*!|>'\"%@` a0\\n\\t\\\\.~<=]{0,6}",
        prop::sample::select(vec![
            "null",
            "true",
            "1e-3",
            "-",
            "---",
            "...",
            "<<",
            "",
            " ",
            "a: b",
            "a #b",
            "# a",
            "- a",
            "\u{feff}a",
            "\u{2028}"
        ])
        .prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_number_and_text_reads_back(
        float in any::<f64>(), single in any::<f32>(), whole in any::<i64>(), text in any_text(), flag in any::<bool>(),
    ) {
        prop_assert_eq!(round_trip(&float).to_bits(), float.to_bits());
        prop_assert!(single.is_nan() || round_trip(&single).to_bits() == single.to_bits());
        prop_assert_eq!(round_trip(&whole), whole);
        prop_assert_eq!(round_trip(&text), text.clone());
        prop_assert_eq!(round_trip(&Some(text.clone())), Some(text));
        prop_assert_eq!(round_trip(&flag), flag);
    }

    #[test]
    fn every_node_reads_back_from_both_layouts(node in any_node()) {
        let wrapped = Node::list(vec![node]);
        let block = to_yaml(&wrapped);
        prop_assert_eq!(&yaml(&block), &wrapped, "{}", block);
        let flow = to_flow(&wrapped);
        prop_assert_eq!(&yaml(&flow), &wrapped, "{}", flow);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_yaml(&bytes, "x");
    }

    #[test]
    fn arbitrary_punctuation_never_panics(text in "[-?:,\\[\\]{}#&*!|>'\"%@` a0\\n\\t\\\\.~<=\r]{0,60}") {
        if let Ok(node) = read_yaml(text.as_bytes(), "x") {
            let _ = decode::<Vec<Option<u64>>>(&node);
            let _ = decode::<BTreeMap<String, [f32; 2]>>(&node);
        }
    }
}
