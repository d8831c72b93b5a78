//! YAML values as JSON, for programs that read what the registry says.

use engraft_component::{Node, Style, Value as NodeValue, read_yaml};
use serde_json::{Map, Number, Value};

/// A value of one line of YAML, such as the default of an argument, as JSON: what is written like a number or a flag is one.
pub fn yaml_to_json(text: &str) -> Value {
    let node = read_yaml(text.as_bytes(), "");
    node.map_or_else(|_| Value::from(text), |node| node_to_json(&node))
}

/// A parsed value as JSON.
pub(crate) fn node_to_json(node: &Node) -> Value {
    match &node.value {
        NodeValue::Scalar(scalar) if scalar.style == Style::Quoted => scalar.text.as_str().into(),
        NodeValue::Scalar(_) if node.is_null() => Value::Null,
        NodeValue::Scalar(scalar) => match scalar.text.as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            text => number(text).map_or_else(|| text.into(), Value::Number),
        },
        NodeValue::List(items) => items.iter().map(node_to_json).collect(),
        NodeValue::Map(mapping) => {
            let entries = mapping.iter();
            let entries = entries.map(|entry| (entry.key.clone(), node_to_json(&entry.value)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
    }
}

fn number(text: &str) -> Option<Number> {
    let whole = text.parse::<i64>().ok().map(Number::from);
    whole.or_else(|| text.parse().ok().and_then(Number::from_f64))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_of_yaml_becomes_the_value_that_it_stands_for() {
        for (text, expected) in [
            ("null", Value::Null),
            ("true", json!(true)),
            ("3", json!(3)),
            ("5e-05", json!(5e-5)),
            ("\"3\"", json!("3")),
            (".inf", json!(".inf")),
            ("[0.9, 0.999]", json!([0.9, 0.999])),
            (
                "{class_path: Tanh, init_args: {}}",
                json!({"class_path": "Tanh", "init_args": {}}),
            ),
        ] {
            assert_eq!(yaml_to_json(text), expected, "{text}");
        }
    }
}
