//! Help texts, made from what the components say of themselves.

use engraft_component::{Argument, ChoiceInfo, Component, ComponentInfo, Error, Kind, Node};
use engraft_config::{Experiment, Section, Slot, Source, compose, find_slot, registry};

use crate::arguments::{Command, Topic};
use crate::failure::{Failure, print};
use crate::text::{columns, paragraph, paragraphs};

/// Prints the help that is wanted; the command then is done.
pub(crate) fn answer(of: Command, topic: &Topic, sources: &[Source]) -> Result<Failure, Failure> {
    let page = match topic {
        Topic::Command => command(of),
        Topic::Key { key, class } => key_page(key, class.as_deref(), &compose(sources)?.root)?,
    };
    print(&page)?;
    Ok(Failure::Done)
}

/// Help on a command.
fn command(command: Command) -> String {
    let name = command.name();
    let mut page = String::new();
    paragraph(&mut page, &format!("{}.", command.about()), 0);
    if command == Command::Presets {
        page.push_str("\nUsage: engraft presets\n\n");
        paragraph(
            &mut page,
            "A preset is named as `--model.backbone NAME`. A folder in the layout of Hugging Face, or hf://org/repo[@revision] in its local cache, serves as well.",
            0,
        );
        return page;
    }
    page.push_str(&format!(
        "\nUsage: engraft {name} [--config FILE]... [OPTIONS]\n\nOptions:\n"
    ));
    columns(&mut page, &options(command), 2);
    page.push_str("\nKeys of the experiment, in a file or as options (--trainer.max_epochs 3); later ones win:\n");
    columns(&mut page, &keys(), 2);
    page.push_str("\nWhat there is to name:\n");
    columns(&mut page, &classes(), 2);
    page.push_str("\nHelp on any of them, with its arguments, types and defaults:\n");
    let examples = [
        "--model.help SequenceClassification",
        "--model.adapter.help MLPPoolAdapter",
        "--data.help SequencesDataModule",
        "--trainer.help",
        "--trainer.callbacks.help EarlyStopping",
    ];
    for example in examples {
        paragraph(&mut page, &format!("engraft {name} {example}"), 2);
    }
    page
}

fn options(command: Command) -> Vec<(String, String)> {
    let checkpoint = match command {
        Command::Fit => "Go on from a checkpoint: its folder, or `last` for the newest of all runs",
        _ => "The checkpoint to use: its folder, or `last` for the newest of all runs",
    };
    let mut options = vec![
        (
            "-c, --config FILE",
            "An experiment file; may be given several times",
        ),
        ("--ckpt_path DIR", checkpoint),
    ];
    match command {
        Command::Predict => options.push((
            "--output FILE",
            "The file to write: .tsv, .csv or .jsonl for a table, .safetensors for raw values",
        )),
        Command::Test => options.push((
            "--output DIR",
            "The folder of the report; by default test/CHECKPOINT in the folder of the run",
        )),
        Command::Export => options.extend([
            (
                "--output DIR",
                "The preset's folder; one that holds something else is left alone",
            ),
            (
                "--merge-lora",
                "Add LoRA updates to the weights they stand beside",
            ),
            (
                "--peft",
                "Write LoRA updates and the head alone, as PEFT has them",
            ),
        ]),
        _ => {}
    }
    options.extend([
        (
            "--threads N",
            "Threads to compute with; by default ENGRAFT_THREADS, else one for each core",
        ),
        (
            "--print_config",
            "Print the experiment with all defaults, and stop",
        ),
        ("-h, --help", "Print this, and stop"),
    ]);
    let owned = |(name, text): (&str, &str)| (name.to_owned(), text.to_owned());
    options.into_iter().map(owned).collect()
}

fn keys() -> Vec<(String, String)> {
    let key = |argument: &Argument| {
        let value = match &argument.kind {
            Kind::Component(_) => ".KEY VALUE",
            kind if is_class(kind) => " CLASS, then .KEY VALUE",
            _ => " VALUE",
        };
        (
            format!("--{}{value}", argument.name),
            argument.doc.to_owned(),
        )
    };
    let shown = Experiment::arguments();
    shown
        .iter()
        .filter(|it| it.name != "ckpt_path")
        .map(key)
        .collect()
}

fn is_class(kind: &Kind) -> bool {
    match kind {
        Kind::Choice(_) => true,
        Kind::Optional(kind) => is_class(kind),
        _ => false,
    }
}

fn classes() -> Vec<(String, String)> {
    let several = |section: &&Section| {
        section.components.len() > 1
            || section
                .components
                .iter()
                .any(|it| it.name != section.kind && section.default.is_some())
    };
    let line = |section: &Section| {
        let names: Vec<&str> = section.components.iter().map(|it| it.name).collect();
        (format!("--{}", section.key), names.join(", "))
    };
    registry().iter().filter(several).map(line).collect()
}

/// Help on a key of the experiment, and on one class of those it can name.
///
/// # Errors
/// There is no such key or class.
fn key_page(key: &str, class: Option<&str>, root: &Node) -> Result<String, Error> {
    let slot = find_slot(key, root)?;
    let mut page = String::new();
    match (slot.component(key, class, root)?, &slot) {
        (Some(info), slot) => {
            let option = match slot {
                Slot::Class(choice) if choice.otherwise == Some(info.name) => {
                    format!("--{key} NAME")
                }
                Slot::Class(_) => format!("--{key} {}", info.name),
                _ => format!("--{key}"),
            };
            component(&mut page, &option, key, &info);
        }
        (None, Slot::Class(choice)) => {
            page.push_str(&format!("--{key} CLASS, where CLASS is one of\n"));
            let line = |info: &ComponentInfo| {
                let default = if choice.default == Some(info.name) {
                    " (default)"
                } else {
                    ""
                };
                (info.name.to_owned(), format!("{}{default}", info.summary))
            };
            let lines: Vec<_> = choice.variants().iter().map(line).collect();
            columns(&mut page, &lines, 2);
            page.push_str(&format!(
                "\n--{key}.help CLASS lists the arguments of one of them.\n"
            ));
        }
        (None, Slot::Value(value)) => argument(&mut page, key, value),
        (None, Slot::Group(_)) => {}
    }
    Ok(page)
}

fn component(page: &mut String, option: &str, key: &str, info: &ComponentInfo) {
    page.push_str(option);
    page.push_str("\n\n");
    paragraphs(page, info.doc, 2);
    if !info.aliases.is_empty() {
        page.push('\n');
        paragraph(page, &format!("Also named {}.", info.aliases.join(", ")), 2);
    }
    let arguments = info.arguments();
    if arguments.is_empty() {
        page.push_str("\nIt takes no arguments.\n");
    } else {
        page.push_str("\nArguments:\n");
    }
    for it in &arguments {
        argument(page, &format!("{key}.{}", it.name), it);
    }
    // A key that is ignored by a part and by the whole is said once.
    let mut ignored: Vec<(String, String)> = Vec::new();
    for it in info.ignored() {
        if !ignored.iter().any(|(key, _)| key == it.key) {
            ignored.push((it.key.to_owned(), it.instead.to_owned()));
        }
    }
    if !ignored.is_empty() {
        page.push_str("\nAccepted without effect:\n");
        columns(page, &ignored, 2);
    }
}

fn argument(page: &mut String, key: &str, argument: &Argument) {
    let default = match (&argument.default, argument.required) {
        (_, true) => "required".to_owned(),
        (Some(default), _) => format!("default: {}", class_alone(default)),
        (None, _) => "default: null".to_owned(),
    };
    let kind = &argument.kind;
    paragraph(page, &format!("--{key} <{kind}> {default}"), 2);
    paragraphs(page, argument.doc, 6);
    if let Some(choice) = choice(kind) {
        let names: Vec<&str> = choice.variants().iter().map(|info| info.name).collect();
        let names = match choice.otherwise {
            Some(_) => String::new(),
            None => format!("One of: {}. ", names.join(", ")),
        };
        paragraph(page, &format!("{names}See --{key}.help."), 6);
    }
    if !argument.aliases.is_empty() {
        paragraph(
            page,
            &format!("Also written {}.", argument.aliases.join(", ")),
            6,
        );
    }
}

/// The name of a class that is a default; its own defaults are its own page's.
fn class_alone(default: &str) -> &str {
    let name = default
        .strip_prefix("{class_path: ")
        .and_then(|rest| rest.split(',').next());
    name.unwrap_or(default)
}

/// The class slot that a value is, or that its items are.
fn choice(kind: &Kind) -> Option<&ChoiceInfo> {
    match kind {
        Kind::Choice(choice) => Some(choice),
        Kind::Optional(kind) | Kind::List(kind) => self::choice(kind),
        Kind::OneOf(kinds) => kinds.iter().find_map(self::choice),
        _ => None,
    }
}
