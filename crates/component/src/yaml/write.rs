//! Nodes to YAML text that reads back as the same nodes.

use crate::node::{Mapping, Node, Scalar, Style, Value};

/// Block-style YAML, ending in a newline.
pub fn to_yaml(node: &Node) -> String {
    let mut text = String::new();
    match &node.value {
        Value::Map(mapping) if !mapping.is_empty() => block_map(mapping, 0, &mut text),
        Value::List(items) if !items.is_empty() => block_list(items, 0, &mut text),
        _ => {
            flow(node, &mut text);
            text.push('\n');
        }
    }
    text
}

/// The node on one line, as in `[0.9, 0.999]`.
pub fn to_flow(node: &Node) -> String {
    let mut text = String::new();
    flow(node, &mut text);
    text
}

fn block_map(mapping: &Mapping, indent: usize, text: &mut String) {
    for (index, entry) in mapping.iter().enumerate() {
        // The first key of a mapping in a list stands behind the dash, where the cursor already is.
        if index > 0 || at_line_start(text) {
            margin(indent, text);
        }
        key(&entry.key, text);
        text.push(':');
        match &entry.value.value {
            Value::Map(mapping) if !mapping.is_empty() => {
                text.push('\n');
                block_map(mapping, indent + 2, text);
            }
            Value::List(items) if !items.is_empty() => {
                text.push('\n');
                block_list(items, indent, text);
            }
            _ => {
                text.push(' ');
                flow(&entry.value, text);
                text.push('\n');
            }
        }
    }
}

fn block_list(items: &[Node], indent: usize, text: &mut String) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 || at_line_start(text) {
            margin(indent, text);
        }
        text.push_str("- ");
        match &item.value {
            Value::Map(mapping) if !mapping.is_empty() => block_map(mapping, indent + 2, text),
            Value::List(items) if !items.is_empty() => block_list(items, indent + 2, text),
            _ => {
                flow(item, text);
                text.push('\n');
            }
        }
    }
}

fn at_line_start(text: &str) -> bool {
    text.is_empty() || text.ends_with('\n')
}

fn margin(indent: usize, text: &mut String) {
    text.extend(std::iter::repeat_n(' ', indent));
}

fn flow(node: &Node, text: &mut String) {
    match &node.value {
        Value::Scalar(written) => scalar(written, text),
        Value::List(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push_str(", ");
                }
                flow(item, text);
            }
            text.push(']');
        }
        Value::Map(mapping) => {
            text.push('{');
            for (index, entry) in mapping.iter().enumerate() {
                if index > 0 {
                    text.push_str(", ");
                }
                key(&entry.key, text);
                text.push_str(": ");
                flow(&entry.value, text);
            }
            text.push('}');
        }
    }
}

fn key(key: &str, text: &mut String) {
    if is_plain(key) && key != "<<" {
        text.push_str(key);
    } else {
        quoted(key, text);
    }
}

fn scalar(scalar: &Scalar, text: &mut String) {
    match scalar.style {
        Style::Flag => text.push_str("true"),
        Style::Plain if scalar.text.is_empty() => text.push_str("null"),
        Style::Plain if is_plain(&scalar.text) => text.push_str(&scalar.text),
        _ => quoted(&scalar.text, text),
    }
}

/// Whether a text means itself without quotes, in a block and between brackets alike.
fn is_plain(text: &str) -> bool {
    let starts_plainly = match text.chars().next() {
        None => return false,
        Some('-') => text
            .chars()
            .nth(1)
            .is_some_and(|next| next.is_alphanumeric() || next == '.'),
        Some(first) => !"?:,[]{}#&*!|>'\"%@`= ".contains(first),
    };
    starts_plainly
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && ![" #", " -", " ?", " :"]
            .iter()
            .any(|indicator| text.contains(indicator))
        && !text.starts_with("...")
        && text
            .chars()
            .all(|char| is_printed(char) && !",[]{}".contains(char))
}

fn is_printed(char: char) -> bool {
    match char {
        ' '..='~' => true,
        '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => false,
        _ => !char.is_control() && !char.is_whitespace() && char > '~',
    }
}

fn quoted(content: &str, text: &mut String) {
    text.push('"');
    for char in content.chars() {
        match char {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\r' => text.push_str("\\r"),
            _ if is_printed(char) => text.push(char),
            _ => match u32::from(char) {
                code @ 0..=0xff => text.push_str(&format!("\\x{code:02x}")),
                code @ 0x100..=0xffff => text.push_str(&format!("\\u{code:04x}")),
                code => text.push_str(&format!("\\U{code:08x}")),
            },
        }
    }
    text.push('"');
}
