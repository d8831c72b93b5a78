//! What can be said of a mistake where all components are known: where a key belongs, what a class is, what a missing argument
//! stands for.

use engraft_component::{ComponentInfo, Mistake, Refusal, class_word, other_names};

use crate::elsewhere;

use crate::registry::{Section, registry};

/// Most places that are named for a key.
const SHOWN: usize = 3;

/// Adds what the registry knows.
pub(crate) fn explain(mut error: Refusal) -> Refusal {
    let near = |help: &String| help.starts_with("Did you mean");
    match &error.mistake {
        Mistake::UnknownKey { owner } => {
            if let Some(home) = home_of(error.last_word(), owner) {
                error.help = Some(home);
            } else if let Some(said) = elsewhere::key(error.last_word()) {
                error.problem = said.to_owned();
                error.help = None;
            } else if !error.help.as_ref().is_some_and(near)
                && let Some(home) = home_of_another_name(error.last_word(), owner)
            {
                error.help = Some(home);
            }
        }
        Mistake::UnknownClass { name } => {
            if let Some(said) = class_word(name).and_then(elsewhere::model) {
                error.problem = format!("\"{name}\": {said}");
                error.help = None;
                return error;
            }
            if let (false, Some(kind)) = (error.help.as_ref().is_some_and(near), kind_of(name)) {
                let help = error.help.take().unwrap_or_default();
                error.help = Some(format!("{kind}. {help}"));
            }
        }
        Mistake::Missing { owner } => {
            if let Some(doc) = doc_of(error.last_word(), owner) {
                error.problem = format!("{}: {doc}", error.problem);
            }
        }
        Mistake::EmptyFile | Mistake::Other => {}
    }
    error
}

/// Where an argument belongs that other programs call `key`, under the name that it has here.
fn home_of_another_name(key: &str, owner: &str) -> Option<String> {
    let (ours, home) = other_names(key).find_map(|ours| Some((ours, home_of(ours, owner)?)))?;
    let home = home.strip_prefix("It ").unwrap_or(&home);
    Some(format!("It is called \"{ours}\" here and {home}"))
}

/// Where a key belongs that the component `owner` does not know.
fn home_of(key: &str, owner: &str) -> Option<String> {
    let sections = registry();
    let having = |section: &Section| -> Vec<&'static str> {
        let has = |info: &&ComponentInfo| info.arguments().iter().any(|it| it.is_called(key));
        let components = section.components.iter().filter(has);
        components.map(|info| info.name).collect()
    };
    let is_own = |section: &&Section| section.components.iter().any(|info| info.name == owner);
    let own: Vec<&str> = sections.iter().filter(is_own).flat_map(having).collect();
    if !own.is_empty() {
        return Some(format!("It is an argument of {}", own.join(", ")));
    }
    let mut places: Vec<&str> = Vec::new();
    for section in sections
        .iter()
        .filter(|section| !having(section).is_empty())
    {
        if !places.contains(&section.key()) {
            places.push(section.key());
        }
    }
    // How one task writes texts is the last place to look.
    let of_writing = |place: &&str| place.starts_with("model.generation");
    if !places.iter().all(of_writing) {
        places.retain(|place| !of_writing(place));
    }
    match places.len() {
        0 => None,
        1..=SHOWN => Some(format!("It belongs under {}", places.join(" or "))),
        _ => None,
    }
}

/// `AdamW is an optimizer, for model.optimizer`, for a class that stands in the wrong place.
fn kind_of(name: &str) -> Option<String> {
    let word = class_word(name)?;
    let sections = registry();
    let section = sections
        .iter()
        .find(|section| section.components.iter().any(|info| info.name == word))?;
    let article = if section.kind.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    Some(format!(
        "{word} is {article} {}, for {}",
        section.kind,
        section.key()
    ))
}

/// The first sentence of an argument's documentation, to stand after a colon.
fn doc_of(key: &str, owner: &str) -> Option<String> {
    let sections = registry();
    let mut infos = sections.iter().flat_map(|section| &section.components);
    let info = infos.find(|info| info.name == owner)?;
    let arguments = info.arguments();
    let doc = arguments.iter().find(|it| it.is_called(key))?.doc;
    let sentence = doc.split(". ").next()?.trim_end_matches('.');
    let sentence = sentence.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut letters = sentence.chars();
    let first = letters.next()?;
    Some(format!("{}{}", first.to_lowercase(), letters.as_str()))
}
