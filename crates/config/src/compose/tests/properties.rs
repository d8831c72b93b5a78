//! What holds for arbitrary sources.

use proptest::prelude::*;

use super::*;

fn value() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "1", "a", "null", "x.B", "[]", "{}", "'q'", "true", "auto",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{a: {a}, b+: {b}}}")),
            (inner.clone(), inner)
                .prop_map(|(a, b)| format!("{{class_path: {a}, init_args: {{a: {b}}}}}")),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "a",
        "b",
        "0",
        "1",
        "class_path",
        "init_args",
        "dict_kwargs",
        "model",
        "trainer",
        "callbacks",
    ]);
    (prop::collection::vec(word, 1..5), any::<bool>()).prop_map(|(words, plus)| {
        let plus = if plus { "+" } else { "" };
        format!("{}{plus}", words.join("."))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn composing_never_panics_and_prints_what_reads_back(
        file in value(), options in prop::collection::vec((key(), prop::option::of(value())), 0..6),
    ) {
        let files = Files::new(&[&format!("model: {file}\ntrainer: {file}\na: {file}")]);
        let mut sources = files.sources("").unwrap();
        sources.extend(options.into_iter().map(|(key, value)| Source::Override { key, value }));
        if let Ok(composed) = compose(&sources) {
            let printed = Files::new(&[&composed.to_yaml()]);
            let again = engraft_component::read_yaml(composed.to_yaml().as_bytes(), "x").unwrap();
            prop_assert_eq!(&again, &composed.root, "{}", composed.to_yaml());
            prop_assert!(printed.composed("").is_ok());
        }
    }

    #[test]
    fn the_last_option_for_a_scalar_wins(values in prop::collection::vec(0_u32..1000, 1..6)) {
        let sources: Vec<Source> = values
            .iter()
            .map(|value| Source::Override { key: "trainer.max_epochs".to_owned(), value: Some(value.to_string()) })
            .collect();
        let root = to_flow(&compose(&sources).unwrap().root);
        prop_assert_eq!(root, format!("{{trainer: {{max_epochs: {}}}}}", values.last().unwrap()));
    }

    #[test]
    fn arbitrary_words_never_panic(words in prop::collection::vec(".{0,12}", 0..6)) {
        if let Ok(sources) = parse_overrides(&words) {
            let options: Vec<Source> = sources.into_iter().filter(|it| matches!(it, Source::Override { .. })).collect();
            let _ = compose(&options);
        }
    }
}
