//! What `engraft generate` can name, beside what experiments can.

use engraft::Generate;
use engraft::generate::Sampler;
use engraft_component::{Choice, Component, ComponentInfo, class_word};
use engraft_config::{Named, Place, Section};

/// Samplers and searches, and all else that can be said of how texts are written: limits, stops, and what changes logits before.
pub(super) fn sections() -> Vec<Section> {
    let section = |kind, key: &str, components: Vec<ComponentInfo>| Section {
        kind,
        places: vec![Place {
            key: key.to_owned(),
            owners: Vec::new(),
            is_list: false,
            names: components.iter().map(|it| it.name).collect(),
        }],
        default: None,
        otherwise: None,
        components,
    };
    let samplers = Sampler::info().variants();
    vec![
        section("sampler", "generate --sampler", samplers),
        section("generation", "generate", vec![Generate::info()]),
    ]
}

/// What a name stands for among these, together with what it stands for in experiments.
pub(super) fn look_up(name: &str, of_experiments: Option<Named>) -> Option<Named> {
    let word = name.to_lowercase();
    let word = word.strip_prefix("--").unwrap_or(&word);
    let mut found = Vec::new();
    for section in sections() {
        let plural = format!("{}s", section.kind);
        if section.components.len() > 1 && (section.kind == word || plural == word) {
            return Some(Named::Kind(section));
        }
        let is_called = |info: &&ComponentInfo| {
            let word = class_word(name).unwrap_or(name);
            info.name == word || info.aliases.contains(&name) || info.aliases.contains(&word)
        };
        let is_group = section.components.len() == 1 && section.kind == word;
        let components: Vec<ComponentInfo> = section
            .components
            .iter()
            .filter(|info| is_group || is_called(info))
            .copied()
            .collect();
        if !components.is_empty() {
            found.push(Section {
                components,
                ..section
            });
        }
    }
    match of_experiments {
        Some(Named::Components(mut sections)) => {
            // What experiments name too is explained once, by its key in them.
            for section in &mut sections {
                let kind = section.kind;
                let same = found.iter().filter(|own| own.kind == kind);
                section
                    .places
                    .extend(same.flat_map(|own| own.places.clone()));
            }
            found.retain(|own| sections.iter().all(|section| section.kind != own.kind));
            found.splice(0..0, sections);
        }
        Some(kind) => return Some(kind),
        None => {}
    }
    (!found.is_empty()).then_some(Named::Components(found))
}
