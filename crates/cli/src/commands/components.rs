//! `engraft components`: all that an experiment, or `engraft generate`, can name.

use engraft_component::{Argument, ComponentInfo};
use engraft_config::{Named, Place, RustDefaults, Section, look_up, registry, yaml_to_json};
use serde_json::{Value, json};

use crate::arguments::Command;
use crate::failure::{Failure, print};
use crate::given::{Given, Known};
use crate::help;
use crate::text::{columns, paragraph};

mod writing;

/// The options of the command.
pub(crate) const OPTIONS: &[Known] = &[Known {
    name: "--json",
    value: None,
    about: "Print the same for programs to read",
}];

pub(crate) fn run(words: &[String]) -> Result<(), Failure> {
    let given = Given::read(Command::Components, words, OPTIONS)?;
    if given.help {
        return print(&help::command(Command::Components));
    }
    let named = given.word(Command::Components)?.map(named).transpose()?;
    let sections = match &named {
        None => {
            let mut sections = registry();
            sections.extend(writing::sections());
            sections
        }
        Some(Named::Kind(section)) => vec![section.clone()],
        Some(Named::Components(sections)) => sections.clone(),
    };
    if given.has("--json") {
        let value = Value::Array(sections.iter().map(section_json).collect());
        return print(&format!("{value:#}\n"));
    }
    let mut page = String::new();
    match &named {
        Some(Named::Components(sections)) => {
            for (number, section) in sections.iter().enumerate() {
                if number > 0 {
                    page.push('\n');
                }
                for info in &section.components {
                    component(&mut page, section, info);
                }
            }
        }
        _ => {
            for section in &sections {
                kind(&mut page, section);
            }
            if named.is_none() {
                in_rust(&mut page);
            }
            paragraph(
                &mut page,
                "`engraft components NAME` explains one of them, with its arguments, types and defaults.",
                0,
            );
        }
    }
    print(&page)
}

/// What a name stands for, in experiments or where texts are written.
fn named(name: &str) -> Result<Named, Failure> {
    let of_experiments = look_up(name);
    match writing::look_up(name, of_experiments.as_ref().ok().cloned()) {
        Some(named) => Ok(named),
        None => Ok(of_experiments?),
    }
}

/// One kind: the keys that name one of it, and a line for each component.
fn kind(page: &mut String, section: &Section) {
    let places: Vec<&str> = section.places.iter().map(|it| it.key.as_str()).collect();
    paragraph(
        page,
        &format!("{}, at {}", section.kind, places.join(", ")),
        0,
    );
    let line = |info: &ComponentInfo| {
        let default = if section.default == Some(info.name) {
            " (default)"
        } else {
            ""
        };
        (format!("{}{default}", info.name), info.summary.to_owned())
    };
    let lines: Vec<_> = section.components.iter().map(line).collect();
    columns(page, &lines, 2);
    page.push('\n');
}

/// The names that the library's `Compile` knows.
fn in_rust(page: &mut String) {
    paragraph(page, "names for Compile, in Rust", 0);
    let names = engraft::names();
    let names = [
        ("optimizer", names.optimizers),
        ("loss", names.losses),
        ("metric", names.metrics),
        ("sampler", names.samplers),
    ];
    let names = names.map(|(part, names)| (part.to_owned(), names.join(", ")));
    columns(page, &names, 2);
    page.push('\n');
}

/// One component: where it is named, what it is for, and its arguments.
fn component(page: &mut String, section: &Section, info: &ComponentInfo) {
    let title = if info.name.eq_ignore_ascii_case(section.kind) {
        info.name.to_owned()
    } else {
        format!("{}, {}", info.name, section.kind)
    };
    page.push_str(&format!("{title}\n\n"));
    let places = section.places.iter();
    for place in places.filter(|place| place.names.contains(&info.name)) {
        paragraph(page, &format!("Named at {}.", place_text(place)), 2);
    }
    page.push('\n');
    help::component(page, section.key(), section.kind, info);
    if !RustDefaults::of(section.kind, info).is_empty() {
        page.push('\n');
        paragraph(
            page,
            "Defaults are those of experiment files; \"from Rust\" are those of the library's values, such as TextClassifier and Fit.",
            0,
        );
    }
}

fn place_text(place: &Place) -> String {
    let of = match place.owners.as_slice() {
        [] => String::new(),
        owners if owners.len() > 1 && is_every_model(owners) => ", of every model".to_owned(),
        owners => format!(", of {}", owners.join(", ")),
    };
    let list = if place.is_list {
        ", alone or in a list"
    } else {
        ""
    };
    format!("{}{of}{list}", place.key)
}

/// Whether these are all the classes that `model` can name.
fn is_every_model(owners: &[&str]) -> bool {
    let sections = registry();
    let models = sections.iter().find(|section| section.key() == "model");
    models.is_some_and(|models| {
        models
            .components
            .iter()
            .all(|info| owners.contains(&info.name))
    })
}

fn section_json(section: &Section) -> Value {
    let place =
        |place: &Place| json!({"key": place.key, "owners": place.owners, "list": place.is_list});
    let component = |info: &ComponentInfo| component_json(section, info);
    json!({
        "kind": section.kind,
        "places": section.places.iter().map(place).collect::<Vec<_>>(),
        "default": section.default,
        "components": section.components.iter().map(component).collect::<Vec<_>>(),
    })
}

fn component_json(section: &Section, info: &ComponentInfo) -> Value {
    let in_rust = RustDefaults::of(section.kind, info);
    let argument = |argument: &Argument| {
        let rust = in_rust.iter().find(|(name, _)| *name == argument.name);
        let mut value = json!({
            "name": argument.name,
            "aliases": argument.aliases,
            "type": argument.kind.to_string(),
            "required": argument.required,
            "default": argument.default.as_deref().map(yaml_to_json),
            "doc": argument.doc,
        });
        if let (Some(object), Some((_, rust))) = (value.as_object_mut(), rust) {
            object.insert("default_from_rust".to_owned(), yaml_to_json(rust));
        }
        value
    };
    let ignored = info.ignored();
    let ignored: serde_json::Map<String, Value> = ignored
        .iter()
        .map(|it| (it.key.to_owned(), Value::from(it.instead)))
        .collect();
    json!({
        "name": info.name,
        "aliases": info.aliases,
        "summary": info.summary,
        "doc": info.doc,
        "arguments": info.arguments().iter().map(argument).collect::<Vec<_>>(),
        "accepted_without_effect": ignored,
    })
}
