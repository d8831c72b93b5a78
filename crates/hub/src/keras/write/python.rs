//! JSON as Python's `json.dumps` writes it, which is how KerasHub writes its files.

use serde_json::{Number, Value};

/// As with `indent=4`.
pub(super) fn indented(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value, Some(0));
    text
}

/// As in one line.
pub(super) fn in_line(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value, None);
    text
}

fn write(text: &mut String, value: &Value, depth: Option<usize>) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => text.push_str(&number_text(number)),
        Value::String(string) => write_string(text, string),
        Value::Array(items) => {
            let items = items.iter().map(|item| (None, item));
            write_many(text, ['[', ']'], items, depth);
        }
        Value::Object(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| (Some(key.as_str()), value));
            write_many(text, ['{', '}'], entries, depth);
        }
    }
}

/// A list, or an object, whose entries have keys.
fn write_many<'v>(
    text: &mut String,
    [open, close]: [char; 2],
    entries: impl ExactSizeIterator<Item = (Option<&'v str>, &'v Value)>,
    depth: Option<usize>,
) {
    let inner = depth.map(|depth| depth + 1).filter(|_| entries.len() > 0);
    text.push(open);
    for (at, (key, value)) in entries.enumerate() {
        if at > 0 {
            text.push_str(if depth.is_some() { "," } else { ", " });
        }
        new_line(text, inner);
        if let Some(key) = key {
            write_string(text, key);
            text.push_str(": ");
        }
        write(text, value, inner);
    }
    if inner.is_some() {
        new_line(text, depth);
    }
    text.push(close);
}

fn new_line(text: &mut String, depth: Option<usize>) {
    if let Some(depth) = depth {
        text.push('\n');
        text.extend(std::iter::repeat_n("    ", depth));
    }
}

fn write_string(text: &mut String, string: &str) {
    text.push('"');
    for letter in string.chars() {
        match letter {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            ' '..='~' => text.push(letter),
            _ => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    text.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    text.push('"');
}

/// A number: the shortest decimal that is read as it, with an exponent below 1e-4 and from 1e16.
fn number_text(number: &Number) -> String {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else {
        return number.to_string();
    };
    let scientific = format!("{float:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if float == 0.0 || (-4..16).contains(&exponent) {
        let plain = float.to_string();
        return if plain.contains('.') {
            plain
        } else {
            format!("{plain}.0")
        };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_python_writes_them() {
        let value = json!({
            "a": [1, -2, 0.1, 1e-12, 1e-5, 0.0001, 1e16, 123456789.0, 2.5e20, 10000.0, 0.0],
            "b": {}, "c": [], "é": "\"\u{7f}\n\\ 🦀 日", "d": {"e": null, "f": true},
        });
        // What Python 3.11 made of the same.
        let line = concat!(
            r#"{"a": [1, -2, 0.1, 1e-12, 1e-05, 0.0001, 1e+16, 123456789.0, 2.5e+20, 10000.0, 0.0], "b": {}, "c": [], "#,
            r#""\u00e9": "\"\u007f\n\\ \ud83e\udd80 \u65e5", "d": {"e": null, "f": true}}"#
        );
        assert_eq!(in_line(&value), line);
        let value = json!({"a": [1, []], "b": {"c": 2.0}});
        let lines = "{\n    \"a\": [\n        1,\n        []\n    ],\n    \"b\": {\n        \"c\": 2.0\n    }\n}";
        assert_eq!(indented(&value), lines);
    }
}
