//! As much of JSON Schema as the schema of experiments uses.

use regex::Regex;
use serde_json::Value;

/// Why `value` is none of what `schema` describes; none if it is.
pub(super) fn refusal(root: &Value, schema: &Value, value: &Value) -> Option<String> {
    let place = Place {
        root,
        path: "$".to_owned(),
    };
    place.check(schema, value).err()
}

struct Place<'a> {
    root: &'a Value,
    path: String,
}

/// Every keyword that is understood; another one in the schema fails the test that walks through it.
pub(super) const KEYWORDS: &[&str] = &[
    "$ref",
    "type",
    "enum",
    "pattern",
    "minLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "items",
    "properties",
    "additionalProperties",
    "required",
    "anyOf",
    "allOf",
    "not",
    "if",
    "then",
    "else",
];

type Checked = Result<(), String>;

impl Place<'_> {
    fn at(&self, key: &str) -> Place<'_> {
        Place {
            root: self.root,
            path: format!("{}.{key}", self.path),
        }
    }

    fn fail(&self, why: &str) -> Checked {
        Err(format!("{}: {why}", self.path))
    }

    fn fits(&self, schema: &Value, value: &Value) -> bool {
        self.check(schema, value).is_ok()
    }

    fn check(&self, schema: &Value, value: &Value) -> Checked {
        let Some(keywords) = schema.as_object() else {
            return match schema.as_bool() {
                Some(true) => Ok(()),
                _ => self.fail("nothing fits here"),
            };
        };
        for (keyword, wanted) in keywords {
            self.keyword(keyword, wanted, schema, value)?;
        }
        Ok(())
    }

    fn keyword(&self, keyword: &str, wanted: &Value, schema: &Value, value: &Value) -> Checked {
        let list = || wanted.as_array().unwrap().iter();
        let ok = match keyword {
            "$ref" => {
                let pointer = wanted.as_str().unwrap().strip_prefix('#').unwrap();
                return self.check(self.root.pointer(pointer).unwrap(), value);
            }
            "type" => match wanted {
                Value::String(name) => is_of_type(name, value),
                names => names
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|name| is_of_type(name.as_str().unwrap(), value)),
            },
            "enum" => list().any(|one| one == value),
            "pattern" => value
                .as_str()
                .is_none_or(|text| Regex::new(wanted.as_str().unwrap()).unwrap().is_match(text)),
            "minLength" => value
                .as_str()
                .is_none_or(|text| text.chars().count() as u64 >= wanted.as_u64().unwrap()),
            "minimum" => value
                .as_f64()
                .is_none_or(|it| it >= wanted.as_f64().unwrap()),
            "maximum" => value
                .as_f64()
                .is_none_or(|it| it <= wanted.as_f64().unwrap()),
            "minItems" => value
                .as_array()
                .is_none_or(|it| it.len() as u64 >= wanted.as_u64().unwrap()),
            "maxItems" => value
                .as_array()
                .is_none_or(|it| it.len() as u64 <= wanted.as_u64().unwrap()),
            "items" => {
                let items = value.as_array().into_iter().flatten().enumerate();
                for (number, item) in items {
                    self.at(&number.to_string()).check(wanted, item)?;
                }
                true
            }
            "properties" => {
                for (key, item) in value.as_object().into_iter().flatten() {
                    if let Some(wanted) = wanted.get(key) {
                        self.at(key).check(wanted, item)?;
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = schema.get("properties");
                for (key, item) in value.as_object().into_iter().flatten() {
                    if known.is_none_or(|known| known.get(key).is_none()) {
                        self.at(key).check(wanted, item)?;
                    }
                }
                true
            }
            "required" => {
                let missing = list()
                    .map(|key| key.as_str().unwrap())
                    .find(|key| value.as_object().is_some_and(|it| !it.contains_key(*key)));
                match missing {
                    Some(key) => return self.fail(&format!("no {key}")),
                    None => true,
                }
            }
            "anyOf" => list().any(|one| self.fits(one, value)),
            "allOf" => {
                for one in list() {
                    self.check(one, value)?;
                }
                true
            }
            "not" => !self.fits(wanted, value),
            "if" => {
                let branch = if self.fits(wanted, value) {
                    "then"
                } else {
                    "else"
                };
                return schema
                    .get(branch)
                    .map_or(Ok(()), |branch| self.check(branch, value));
            }
            _ => true,
        };
        if ok {
            Ok(())
        } else {
            self.fail(&format!("{value} is against {keyword} {wanted}"))
        }
    }
}

fn is_of_type(name: &str, value: &Value) -> bool {
    match name {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|it| it.fract() == 0.0),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other}"),
    }
}
