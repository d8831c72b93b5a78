//! Class slots as schemas: a bare name, `{class_path, init_args, dict_kwargs}`, or the arguments of the class that is meant
//! when none is named.

use engraft_component::{ChoiceInfo, ComponentInfo, class_word};
use engraft_hub::usable_presets;
use serde_json::{Value, json};

use super::{Definitions, SchemaForm};

/// The keys that hold the arguments of a class, which mean the same.
const WRAPPERS: [&str; 2] = ["init_args", "dict_kwargs"];

impl Definitions {
    /// A group of arguments, such as the trainer, which may be written as a class too.
    pub(super) fn group(&mut self, key: &str, info: &ComponentInfo) -> Value {
        let key = key.replace(' ', "-");
        self.refer(&key, |definitions| {
            let arguments = definitions.component(&key, info);
            let class = definitions.class(&[*info], None, &key, &named([info]));
            json!({
                "type": "object",
                "if": {"required": ["class_path"]},
                "then": class,
                "else": arguments,
            })
        })
    }

    /// A slot for one of several classes.
    pub(super) fn slot(&mut self, choice: &ChoiceInfo) -> Value {
        let kind = choice.kind_name.replace(' ', "-");
        self.refer(&kind, |definitions| definitions.slot_itself(choice, &kind))
    }

    fn slot_itself(&mut self, choice: &ChoiceInfo, kind: &str) -> Value {
        let variants = choice.variants();
        let default = choice.default;
        let default = default.and_then(|name| variants.iter().find(|info| info.name == name));
        let is_complete = self.form == SchemaForm::Complete;
        // A bare name brings no arguments along.
        let bare = variants
            .iter()
            .filter(|info| !is_complete || missing(info, choice).is_empty());
        let (bare, names) = match choice.otherwise {
            Some(_) => (any_name(choice), any_name(choice)),
            None => (named(bare), named(&variants)),
        };
        let class = match choice.otherwise {
            Some(_) => self.otherwise(choice, &variants, kind, &names),
            None => self.class(&variants, default, kind, &names),
        };
        let plain = match default {
            Some(info) => {
                let arguments = self.component(kind, info);
                json!({"allOf": [arguments, required(&missing(info, choice), is_complete)]})
            }
            None if is_complete => json!({"required": ["class_path"]}),
            None => {
                let arguments: Vec<Value> = variants
                    .iter()
                    .map(|info| self.component(kind, info))
                    .collect();
                json!({"anyOf": arguments})
            }
        };
        json!({
            "title": choice.kind_name,
            "type": ["string", "object"],
            "properties": {"class_path": names},
            "if": {"type": "string"},
            "then": bare,
            "else": {
                "if": {"anyOf": [
                    {"required": ["class_path"]},
                    {"required": ["init_args"]},
                    {"required": ["dict_kwargs"]},
                ]},
                "then": class,
                "else": plain,
            },
        })
    }

    /// The arguments of one component of a kind.
    fn component(&mut self, kind: &str, info: &ComponentInfo) -> Value {
        let name = format!("{kind}.{}", info.name);
        self.refer(&name, |definitions| definitions.arguments(info))
    }

    /// `{class_path, init_args, dict_kwargs}`, the arguments by what `class_path` names.
    fn class(
        &mut self,
        variants: &[ComponentInfo],
        default: Option<&ComponentInfo>,
        kind: &str,
        names: &Value,
    ) -> Value {
        let is_complete = self.form == SchemaForm::Complete;
        let mut cases = Vec::new();
        for info in variants {
            let arguments = self.wrapped(kind, info);
            let needed = required_wrapped(&required_names(info), is_complete);
            let is_named = json!({
                "properties": {"class_path": {"type": "string", "pattern": pattern([info])}},
                "required": ["class_path"],
            });
            cases.push(
                json!({"if": is_named, "then": {"properties": arguments, "allOf": [needed]}}),
            );
        }
        if let Some(info) = default {
            let arguments = self.wrapped(kind, info);
            let unnamed = json!({"not": {"required": ["class_path"]}});
            cases.push(json!({"if": unnamed, "then": {"properties": arguments}}));
        }
        let mut class = wrapper(names);
        if let Some(class) = class.as_object_mut() {
            class.insert("allOf".to_owned(), cases.into());
            if default.is_none() && is_complete {
                class.insert("required".to_owned(), json!(["class_path"]));
            }
        }
        class
    }

    /// The same where any name will do: all have the arguments of the class that takes names.
    fn otherwise(
        &mut self,
        choice: &ChoiceInfo,
        variants: &[ComponentInfo],
        kind: &str,
        names: &Value,
    ) -> Value {
        let is_complete = self.form == SchemaForm::Complete;
        let taker = |info: &&ComponentInfo| choice.otherwise == Some(info.name);
        let mut class = wrapper(names);
        if let (Some(class), Some(info)) = (class.as_object_mut(), variants.iter().find(taker)) {
            let arguments = self.wrapped(kind, info);
            class.insert("allOf".to_owned(), json!([{"properties": arguments}]));
            if is_complete {
                class.insert("required".to_owned(), json!(["class_path"]));
            }
        }
        class
    }

    /// The arguments under each of the two keys that hold them.
    fn wrapped(&mut self, kind: &str, info: &ComponentInfo) -> Value {
        let arguments = self.component(kind, info);
        let arguments = json!({"anyOf": [arguments, {"type": "null"}]});
        json!({"init_args": arguments, "dict_kwargs": arguments})
    }
}

fn wrapper(names: &Value) -> Value {
    json!({
        "type": "object",
        "properties": {
            "class_path": names,
            "init_args": {"description": "The arguments of the class."},
            "dict_kwargs": {"description": "The same as init_args."},
        },
        "additionalProperties": false,
    })
}

/// The names of classes: the short and dotted ones for completion, and any dotted path that ends in one.
fn named<'a>(variants: impl IntoIterator<Item = &'a ComponentInfo> + Clone) -> Value {
    let infos = || variants.clone().into_iter();
    let names: Vec<&str> = infos()
        .map(|info| info.name)
        .chain(infos().flat_map(|info| info.aliases.iter().copied()))
        .collect();
    let about: Vec<&str> = infos()
        .map(|info| info.summary)
        .chain(infos().flat_map(|info| info.aliases.iter().map(|_| info.summary)))
        .collect();
    if names.is_empty() {
        return json!(false);
    }
    json!({"anyOf": [
        {"enum": names, "enumDescriptions": about},
        {"type": "string", "pattern": pattern(infos())},
    ]})
}

/// Any text, with the named presets for completion.
fn any_name(choice: &ChoiceInfo) -> Value {
    let names: Vec<&str> = usable_presets().map(|preset| preset.name).collect();
    let about: Vec<&str> = usable_presets()
        .map(|preset| preset.description.as_str())
        .collect();
    let text = format!(
        "A named preset, a folder, hf://org/repo, or kaggle://owner/model/framework/variation: the {} to use.",
        choice.kind_name
    );
    json!({
        "description": text,
        "anyOf": [{"enum": names, "enumDescriptions": about}, {"type": "string", "minLength": 1}],
    })
}

/// A dotted path that ends in the name of one of these, or in the last word of an alias.
fn pattern<'a>(variants: impl IntoIterator<Item = &'a ComponentInfo>) -> String {
    let mut words: Vec<&str> = Vec::new();
    for info in variants {
        let aliases = info.aliases.iter().filter_map(|alias| class_word(alias));
        for word in std::iter::once(info.name).chain(aliases) {
            if !words.contains(&word) {
                words.push(word);
            }
        }
    }
    format!("^([A-Za-z0-9_]+\\.)*({})$", words.join("|"))
}

/// The names of each argument that must be given, first its own and then its aliases.
pub(super) fn required_names(info: &ComponentInfo) -> Vec<Vec<&'static str>> {
    let arguments = info.arguments().into_iter();
    let required = arguments.filter(|argument| argument.required);
    required
        .map(|argument| {
            let aliases = argument.aliases.iter().copied();
            std::iter::once(argument.name).chain(aliases).collect()
        })
        .collect()
}

/// The same, unless the class takes the name itself for the argument.
fn missing(info: &ComponentInfo, choice: &ChoiceInfo) -> Vec<Vec<&'static str>> {
    if choice.otherwise == Some(info.name) {
        Vec::new()
    } else {
        required_names(info)
    }
}

/// That these are among the keys of a mapping of arguments.
pub(super) fn required(names: &[Vec<&str>], is_complete: bool) -> Value {
    let each = names.iter().filter(|_| is_complete).map(|names| {
        let any = names.iter().map(|name| json!({"required": [name]}));
        json!({"anyOf": any.collect::<Vec<_>>()})
    });
    all_of(each.collect())
}

/// That these are among the arguments of a class, under either key.
fn required_wrapped(names: &[Vec<&str>], is_complete: bool) -> Value {
    let each = names.iter().filter(|_| is_complete).map(|names| {
        let under = |wrapper: &str, name: &str| {
            json!({"properties": {wrapper: {"type": "object", "required": [name]}}, "required": [wrapper]})
        };
        let any = names
            .iter()
            .flat_map(|name| WRAPPERS.map(|wrapper| under(wrapper, name)));
        json!({"anyOf": any.collect::<Vec<_>>()})
    });
    all_of(each.collect())
}

/// All of these; a schema has no way to say all of none.
fn all_of(each: Vec<Value>) -> Value {
    if each.is_empty() {
        json!({})
    } else {
        json!({"allOf": each})
    }
}
