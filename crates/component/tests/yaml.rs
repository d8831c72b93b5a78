//! YAML text: places, aliases, and what is refused.

#![allow(clippy::unwrap_used, clippy::panic)]

use engraft_component::{Node, Refusal, read_yaml, read_yaml_file, to_flow};

fn yaml(text: &str) -> Node {
    read_yaml(text.as_bytes(), "x.yaml").unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(bytes: impl AsRef<[u8]>) -> String {
    let result: Result<Node, Refusal> = read_yaml(bytes.as_ref(), "x.yaml");
    result.unwrap_err().to_string()
}

#[test]
fn every_value_knows_its_line() {
    let node = yaml("a: 1\nb:\n  c: [x,\n    y]\nd:\n");
    let map = node.as_map().unwrap();
    assert_eq!(map.get("a").unwrap().span.line, Some(1));
    assert_eq!(map.entry("b").unwrap().span.line, Some(2));
    let list = map
        .get("b")
        .and_then(Node::as_map)
        .and_then(|b| b.get("c"))
        .and_then(Node::as_list)
        .unwrap();
    assert_eq!(
        list.iter().map(|item| item.span.line).collect::<Vec<_>>(),
        [Some(3), Some(4)]
    );
    assert_eq!(map.get("d").unwrap().span.line, Some(5));
    assert!(map.get("d").unwrap().is_null());
}

#[test]
fn aliases_and_merge_keys_are_followed() {
    let node = yaml(
        "base: &b {x: 1, y: 2}\nother: *b\nmore: {<<: *b, y: 3, z: 4}\nmany: {<<: [*b, {x: 9, w: 8}]}\n'<<': a",
    );
    assert_eq!(
        to_flow(&node),
        "{base: {x: 1, y: 2}, other: {x: 1, y: 2}, more: {y: 3, z: 4, x: 1}, many: {x: 1, y: 2, w: 8}, \"<<\": a}"
    );
    assert_eq!(
        refusal("<<: 3"),
        "x.yaml:1: \"<<\" takes a mapping or a list of mappings"
    );
    assert_eq!(
        refusal("a: &a [*a]"),
        "x.yaml:1: an alias refers to the value it is part of. Write the value out"
    );
    assert!(refusal("a: *nowhere").starts_with("x.yaml:1: not valid YAML"));
    assert_eq!(
        refusal("a: &k key\n*k : 1"),
        "x.yaml:2: a key is an alias. Write the key out"
    );
}

#[test]
fn a_key_given_twice_is_refused_with_both_lines() {
    assert_eq!(
        refusal("a: 1\nb: 2\na: 3"),
        "x.yaml:3: key \"a\" given twice, first on line 1. Keep one of them"
    );
    assert_eq!(
        refusal("x: {a: 1, 'a': 3}"),
        "x.yaml:1: key \"a\" given twice, first on line 1. Keep one of them"
    );
}

#[test]
fn alias_bombs_are_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let alias = format!("*a{}", level - 1);
        bomb.push_str(&format!(
            "a{level}: &a{level} [{}]\n",
            vec![alias; 10].join(", ")
        ));
    }
    assert!(
        refusal(&bomb).contains("more than 1000000 values"),
        "{}",
        refusal(&bomb)
    );
}

#[test]
fn endless_mappings_are_refused() {
    let lines: Vec<String> = (0..10_001)
        .map(|number| format!("key{number}: 1"))
        .collect();
    assert_eq!(
        refusal(lines.join("\n")),
        "x.yaml:10001: a mapping of more than 10000 keys"
    );
    assert!(read_yaml(lines[1..].join("\n").as_bytes(), "x").is_ok());
    let (first, second) = lines.split_at(6000);
    let merged = format!(
        "a: &a {{{}}}\nb: {{<<: *a, {}}}",
        first.join(", "),
        second.join(", ")
    );
    assert_eq!(
        refusal(merged),
        "x.yaml:1: a mapping of more than 10000 keys"
    );
}

#[test]
fn deep_nesting_is_refused() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(read_yaml(nested(128).as_bytes(), "x").is_ok());
    assert_eq!(
        refusal(nested(129)),
        "x.yaml:1: nested more than 128 levels deep"
    );
    assert_eq!(
        refusal("- ".repeat(5000)),
        "x.yaml:1: nested more than 128 levels deep"
    );
    let shared = format!(
        "a: &a {}\nb: {}*a{}",
        nested(100),
        "[".repeat(40),
        "]".repeat(40)
    );
    assert_eq!(
        refusal(shared),
        "x.yaml:2: nested more than 128 levels deep"
    );
}

#[test]
fn what_is_not_one_text_document_is_refused() {
    assert_eq!(refusal(""), "x.yaml: empty, there is no YAML in it");
    assert_eq!(
        refusal("# only a comment\n"),
        "x.yaml: empty, there is no YAML in it"
    );
    assert_eq!(
        refusal("a: 1\n---\nb: 2"),
        "x.yaml:2: a second YAML document begins here. Put one document in a file"
    );
    assert_eq!(
        refusal(b"a: 1\nb: \xff\xff"),
        "x.yaml:2: not UTF-8 text. Save the file as UTF-8, if it is a text"
    );
    assert_eq!(
        refusal(b"a: 1\n\x00"),
        "x.yaml:2: contains the control character U+0000. Is it a binary file?"
    );
    assert_eq!(
        refusal(b"\xff\xfea\x00"),
        "x.yaml:1: UTF-16 text. Save the file as UTF-8"
    );
}

#[test]
fn a_byte_order_mark_is_skipped() {
    assert_eq!(to_flow(&yaml("\u{feff}a: 1")), "{a: 1}");
}

#[test]
fn windows_line_ends_do_not_reach_values() {
    assert_eq!(to_flow(&yaml("a: x\r\nb: y\r\n")), "{a: x, b: y}");
}

#[test]
fn syntax_errors_name_their_line() {
    assert_eq!(
        refusal("a: 1\nb:\n\tc: 1"),
        "x.yaml:3: indented with a tab, which YAML does not allow. Use spaces"
    );
    for (text, line) in [
        ("a: [1, 2\n", 1),
        ("a: 1\n b: 2", 2),
        ("a: \"x", 1),
        ("a: 1\n- b", 2),
        ("a: b: c", 1),
        ("x\ny: 1", 2),
        ("}", 1),
    ] {
        let message = refusal(text);
        assert!(
            message.starts_with(&format!("x.yaml:{line}: not valid YAML, ")),
            "{text:?}: {message}"
        );
    }
}

#[test]
fn keys_are_text() {
    assert_eq!(
        refusal("? [a]\n: 1"),
        "x.yaml:1: a key is a list or a mapping. Keys must be text"
    );
    assert_eq!(refusal(": 1"), "x.yaml:1: a key is empty");
}

#[test]
fn tags_make_nothing_but_plain_data() {
    assert_eq!(
        refusal("a: !!python/object/apply:os.system [x]"),
        "x.yaml:1: the tag \"!!python/object/apply:os.system\" is not supported. Only plain values are"
    );
    assert_eq!(
        refusal("a: !include other.yaml"),
        "x.yaml:1: the tag \"!include\" is not supported. Only plain values are"
    );
    assert_eq!(
        to_flow(&yaml("!!map {a: !!int 1, b: !!seq [!!str 2]}")),
        "{a: 1, b: [\"2\"]}"
    );
}

#[test]
fn files_are_named_as_the_user_did() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("fit.yaml");
    let error = read_yaml_file(&missing).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("{}: there is no such file", missing.display())),
        "{error}"
    );
    assert!(read_yaml_file(folder.path()).is_err());
    std::fs::write(&missing, "a: {b: 1").unwrap();
    let error = read_yaml_file(&missing).unwrap_err().to_string();
    assert!(error.contains("fit.yaml:1: not valid YAML"), "{error}");
}
