//! Finding a component by any of the names that users know it by.

use engraft_component::{ComponentInfo, Refusal, Span, class_word, did_you_mean, listed, nearest};
use engraft_hub::named_presets;

use super::{Section, registry};
use crate::elsewhere;

/// What a name stands for.
#[derive(Clone, Debug)]
pub enum Named {
    /// All components of a kind.
    Kind(Section),
    /// The components of this name, each in a section of its own: nearly always one.
    Components(Vec<Section>),
}

/// Finds a kind (`optimizer`, also by its key: `model.optimizer`, `lr_scheduler`), a component (by its name, an alias, or a dotted path that
/// ends in either), or the component that takes the names of presets (`sapiens_vh`).
///
/// # Errors
/// There is none of this name; the message has the nearest, or says whose argument it is.
pub fn look_up(name: &str) -> Result<Named, Refusal> {
    let sections = registry();
    let word = name.strip_prefix("--").unwrap_or(name);
    let components = sections.iter().filter_map(|section| {
        let found = section.components.iter().find(|info| is_called(info, word));
        Some(alone(section, found?))
    });
    let components: Vec<Section> = components.collect();
    // A group such as the trainer is a kind of one component, which is what is meant.
    let kind = sections.iter().find(|section| section.is_called(word));
    match kind {
        Some(section) if section.components.len() > 1 => return Ok(Named::Kind(section.clone())),
        Some(section) if components.is_empty() => {
            return Ok(Named::Components(vec![section.clone()]));
        }
        _ => {}
    }
    if !components.is_empty() {
        return Ok(Named::Components(components));
    }
    let takes_names = |section: &&Section| section.otherwise.is_some();
    if named_presets().iter().any(|preset| preset.name == word)
        && let Some(section) = sections.iter().find(takes_names)
    {
        let otherwise = |info: &&ComponentInfo| section.otherwise == Some(info.name);
        let found = section.components.iter().find(otherwise);
        return Ok(Named::Components(
            found.map(|info| alone(section, info)).into_iter().collect(),
        ));
    }
    Err(unknown(word, &sections))
}

impl Section {
    /// Whether this is the name of the kind, or of a key that names one of it.
    fn is_called(&self, name: &str) -> bool {
        let plain = |text: &str| text.to_lowercase().replace(['_', '-'], " ");
        let wanted = plain(name);
        let key = |key: &str| {
            let last = key.rsplit('.').next().unwrap_or(key);
            plain(key) == wanted || plain(last) == wanted
        };
        plain(self.kind) == wanted
            || plain(self.kind) + "s" == wanted
            || self.places.iter().any(|place| key(&place.key))
    }
}

/// Whether a component has this name, or this alias, or is what a dotted path ends in.
fn is_called(info: &ComponentInfo, name: &str) -> bool {
    let word = class_word(name).unwrap_or(name);
    info.name == word
        || info
            .aliases
            .iter()
            .any(|alias| *alias == name || class_word(alias) == Some(word))
}

fn alone(section: &Section, component: &ComponentInfo) -> Section {
    Section {
        components: vec![*component],
        ..section.clone()
    }
}

fn unknown(name: &str, sections: &[Section]) -> Refusal {
    let refuse = |message: String, help: Option<String>| {
        let mut error = Refusal::new(&Span::source("components"), "", message);
        error.help = help;
        error
    };
    let message = format!("there is no component \"{name}\"");
    let components = || sections.iter().flat_map(|section| &section.components);
    let word = class_word(name).unwrap_or(name);
    let names: Vec<&str> = components().map(|info| info.name).collect();
    let has_argument = |info: &&ComponentInfo| {
        let is_meant = |argument: &engraft_component::Argument| {
            argument.name == word || argument.aliases.contains(&word)
        };
        info.arguments().iter().any(is_meant)
    };
    let mut owners: Vec<&str> = components()
        .filter(|info| info.ready_made().is_none())
        .filter(has_argument)
        .map(|info| info.name)
        .collect();
    owners.dedup();
    if let Some(first) = owners.first() {
        let help = format!("`engraft components {first}` explains it");
        let message = format!("{message}, but an argument of {}", listed(&owners));
        return refuse(message, Some(help));
    }
    if let Some(said) = elsewhere::model(word).or_else(|| elsewhere::key(word)) {
        return refuse(format!("\"{name}\": {said}"), None);
    }
    let kinds = sections.iter().map(|section| section.kind);
    let presets = named_presets().iter().map(|preset| preset.name);
    let near = nearest(
        word,
        names.iter().copied().chain(kinds.clone()).chain(presets),
    );
    let kinds: Vec<&str> = kinds.collect();
    let help = match near {
        Some(near) => Some(format!("Did you mean \"{near}\"?")),
        None => did_you_mean(
            word,
            &kinds,
            "`engraft components` lists all; the kinds are",
        ),
    };
    refuse(message, help)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kind, and the names of what was found in it.
    fn found(name: &str) -> Result<(&'static str, Vec<&'static str>), String> {
        let names = |section: &Section| section.components.iter().map(|info| info.name).collect();
        match look_up(name).map_err(|error| error.to_string())? {
            Named::Kind(section) => Ok((section.kind, names(&section))),
            Named::Components(sections) => {
                assert_eq!(sections.len(), 1, "{name}");
                Ok((sections[0].kind, names(&sections[0])))
            }
        }
    }

    #[test]
    fn a_component_is_found_by_each_of_its_names() {
        for name in ["AdamW", "torch.optim.AdamW", "elsewhere.AdamW", "--AdamW"] {
            assert_eq!(found(name), Ok(("optimizer", vec!["AdamW"])), "{name}");
        }
        assert_eq!(found("trainer"), Ok(("trainer", vec!["Trainer"])));
        assert_eq!(found("Trainer"), Ok(("trainer", vec!["Trainer"])));
        assert_eq!(found("sapiens_vh"), Ok(("backbone", vec!["Pretrained"])));
        assert_eq!(found("backbone"), Ok(("backbone", vec!["Pretrained"])));
    }

    #[test]
    fn a_kind_is_found_by_its_name_and_by_its_key() {
        for name in [
            "optimizer",
            "optimizers",
            "model.optimizer",
            "--model.optimizer",
        ] {
            let (kind, names) = found(name).unwrap();
            assert_eq!(kind, "optimizer");
            assert!(names.len() > 1, "{names:?}");
        }
        for name in ["data module", "data_module", "data-modules", "data"] {
            assert_eq!(found(name).unwrap().0, "data module", "{name}");
        }
        assert_eq!(found("callbacks").unwrap().0, "callback");
    }

    #[test]
    fn what_is_not_there_is_refused_with_the_nearest_or_with_whose_argument_it_is() {
        assert_eq!(
            found("AdmaW").unwrap_err(),
            "components: there is no component \"AdmaW\". Did you mean \"AdamW\"?"
        );
        assert_eq!(
            found("optimiser").unwrap_err(),
            "components: there is no component \"optimiser\". Did you mean \"optimizer\"?"
        );
        let error = found("patience").unwrap_err();
        assert!(
            error.contains("\"patience\", but an argument of ") && error.contains("EarlyStopping"),
            "{error}"
        );
        let error = found("zebra").unwrap_err();
        assert!(
            error.contains("the kinds are: model, backbone, "),
            "{error}"
        );
    }
}
