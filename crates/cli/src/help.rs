//! Help texts, made from what the components say of themselves.

use engraft_component::{Argument, ChoiceInfo, Component, ComponentInfo, Kind, Node, Refusal};
use engraft_config::{
    Experiment, RustDefaults, Section, Slot, Source, compose, find_slot, registry,
};
use engraft_train::Trainer;

use crate::arguments::{Command, OFFLINE, Topic};
use crate::commands;
use crate::failure::{Failure, print};
use crate::given::Known;
use crate::text::{columns, paragraph, paragraphs};

/// The option that keeps a command from fetching anything.
const OFFLINE_LINE: (&str, &str) = (
    OFFLINE,
    "Fetch nothing: what is in the cache is used, and what is not there is refused",
);

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
pub(crate) fn command(command: Command) -> String {
    let name = command.name();
    let mut page = String::new();
    paragraph(&mut page, &format!("{}.", command.about()), 0);
    if let Some((usage, options, more)) = without_experiment(command) {
        page.push_str(&format!("\nUsage: engraft {name}{usage}\n\n"));
        let line = |option: &Known| {
            let value = option.value.map(|value| format!(" {value}"));
            let name = format!("{}{}", option.name, value.unwrap_or_default());
            (name, option.about.to_owned())
        };
        let mut lines: Vec<_> = options.iter().map(line).collect();
        if command.can_fetch() {
            let (name, about) = OFFLINE_LINE;
            lines.push((name.to_owned(), about.to_owned()));
        }
        columns(&mut page, &lines, 2);
        if !lines.is_empty() {
            page.push('\n');
        }
        paragraphs(&mut page, more, 0);
        return page;
    }
    page.push_str(&format!(
        "\nUsage: engraft {name} [--config FILE]... [OPTIONS]\n\nOptions:\n"
    ));
    columns(&mut page, &options(command), 2);
    page.push_str("\nKeys of the experiment, in a file or as options (--trainer.max_epochs 3), which win over files:\n");
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

/// The options of a command, as they are typed, with what they do: those of its help page, and the keys of the trainer, which every
/// experiment has.
pub(crate) fn completed(command: Command) -> Vec<(String, String)> {
    let mut lines: Vec<(String, String)> = match without_experiment(command) {
        Some((_, known, _)) => {
            let lines = known.iter();
            lines
                .map(|option| (option.name.to_owned(), option.about.to_owned()))
                .collect()
        }
        None => {
            let trainer = Trainer::arguments();
            let trainer = trainer.iter().map(|argument| {
                let name = format!("--trainer.{}", argument.name);
                (name, argument.doc.to_owned())
            });
            let all = options(command).into_iter().chain(keys()).chain(classes());
            all.chain(trainer).collect()
        }
    };
    if command.can_fetch() {
        let (name, about) = OFFLINE_LINE;
        lines.push((name.to_owned(), about.to_owned()));
    }
    lines.push(("--help".to_owned(), "Print help, and stop".to_owned()));
    let mut seen = Vec::new();
    for (line, text) in lines {
        let words = line.split([' ', ',']);
        // `--trainer.KEY` stands for the keys themselves.
        let names = words.filter(|word| word.starts_with("--") && !word.ends_with(".KEY"));
        for name in names {
            if !seen.iter().any(|(other, _)| other == name) {
                seen.push((name.to_owned(), text.clone()));
            }
        }
    }
    seen
}

/// For a command that reads no experiment: the words after it, its options, and what else there is to say.
fn without_experiment(command: Command) -> Option<(&'static str, &'static [Known], &'static str)> {
    match command {
        Command::Presets => Some((
            " [show NAME] [OPTIONS]",
            commands::presets::OPTIONS,
            "A preset is named as `--model.backbone NAME`. A folder in the layout of Hugging Face or KerasHub, hf://org/repo[@revision], or kaggle://owner/model/framework/variation[/version] serves as well. What is not in the cache is fetched. `presets show` says what of a preset is in the cache, and what loading it would fetch.",
        )),
        Command::Download => Some((
            " NAME... [OPTIONS]",
            commands::download::OPTIONS,
            "NAME is a preset (bert_base_en, hf://org/repo[@revision], kaggle://owner/model/framework/variation[/version]) or a data set (hf://datasets/org/name[@revision]). Other commands fetch what they need by themselves and then use what is in the cache without asking; this one also asks whether there is something newer. Files lie where the hubs' own tools have them: HF_HOME and KAGGLEHUB_CACHE name other places, HF_TOKEN and KAGGLE_API_TOKEN are tokens for what is not public, HF_ENDPOINT names a mirror, HTTPS_PROXY a proxy.",
        )),
        Command::Cache => Some((
            " list | verify [NAME...] | remove NAME...",
            &[],
            "The cache is that of the hubs' own tools. `list` shows what is in it, `verify` reads all bytes of what is named, or of all, and says which files are not what the hub announced, `remove` removes all revisions of a repository, or a version of a model of Kaggle.",
        )),
        Command::Components => Some((
            " [NAME]",
            commands::components::OPTIONS,
            "NAME is a component, short or dotted (AdamW, torch.optim.AdamW), or a kind of component (optimizer, callback, \"data module\"). Each is explained with its arguments, types and defaults.",
        )),
        Command::Schema => Some((
            " > engraft.schema.json",
            commands::schema::OPTIONS,
            "An editor with a YAML language server (the YAML extension of VS Code, for one) completes and checks experiment files whose first line is\n\n# yaml-language-server: $schema=engraft.schema.json",
        )),
        Command::Generate => Some((
            " PRESET [OPTIONS]",
            commands::generate::options(),
            "Prompts come from --prompt, --input, --input-ids or standard input. A text ends at a stop token, before a stop string, at its limit, or where the model's context ends. Texts of a file are written side by side, and a waiting one takes the place of each that ends; what is written for a prompt depends on the seed and the prompt's row alone. In --stop, \\n stands for a line's end; --logprobs goes with --output or --output-ids.",
        )),
        Command::Convert => Some((
            " PRESET FOLDER --to FORMAT [OPTIONS]",
            commands::convert::OPTIONS,
            "What the other library's class computes otherwise is refused by the key of config.json that says it, unless --approximate is given. What was written is read again and compared before the folder appears. A preset of ours whose head is engraft's own has no counterpart elsewhere.",
        )),
        Command::Completions => Some((
            " SHELL",
            &[],
            "SHELL is bash, zsh, fish or powershell. What is printed goes where the shell looks for it: `engraft completions bash > ~/.local/share/bash-completion/completions/engraft`, `engraft completions fish > ~/.config/fish/completions/engraft.fish`, for zsh a file _engraft in a folder of $fpath, for PowerShell a line of $PROFILE that ends in `| Out-String | Invoke-Expression`.",
        )),
        Command::Init => Some((
            " FILE_OR_FOLDER",
            commands::init::OPTIONS,
            "The table is read, and from what its columns hold a task, the data module and its columns, a backbone, lengths and batches are proposed. The experiment runs as it is with `engraft fit --config`, and each line says why it is so.",
        )),
        _ => None,
    }
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
        Command::Predict => options.extend([(
            "--text TEXT",
            "A text to predict instead of a file's, printed where --output names no file; may be given several times, and - reads one from each line of standard input",
        ), (
            "--output FILE",
            "The file to write: .tsv, .csv, .jsonl or .parquet for a table, .fasta for sequences, .safetensors or .npy for raw values",
        )]),
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
            (
                "--to FORMAT",
                "hf for the layout of Hugging Face, which is the default, or keras for a preset of KerasHub",
            ),
            (
                "--approximate",
                "With --to keras, write it too where KerasHub's class computes something else, and say by how much",
            ),
        ]),
        _ => {}
    }
    options.extend([
        (
            "--threads N",
            "Threads to compute with; by default ENGRAFT_THREADS, else one for each core",
        ),
        OFFLINE_LINE,
        (
            "--print_config",
            "Print the experiment with all defaults, and stop",
        ),
        (
            "-v, --verbose",
            "Name every tensor of a checkpoint, with those that are not needed here",
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

/// Each key that names one of several classes, with these; one key may have other classes in other models.
fn classes() -> Vec<(String, String)> {
    let several = |section: &&Section| {
        section.components.len() > 1
            || section
                .components
                .iter()
                .any(|it| it.name != section.kind && section.default.is_some())
    };
    let sections = registry();
    let sections: Vec<&Section> = sections.iter().filter(several).collect();
    let mut lines: Vec<(String, String)> = Vec::new();
    for section in &sections {
        let key = format!("--{}", section.key());
        let (classes, ready_made): (Vec<&ComponentInfo>, Vec<&ComponentInfo>) = section
            .components
            .iter()
            .partition(|it| it.ready_made().is_none());
        let names: Vec<&str> = classes.iter().map(|it| it.name).collect();
        let mut text = names.join(", ");
        if !ready_made.is_empty() {
            text.push_str(&format!(
                "; {} ready-made ones (engraft components {})",
                ready_made.len(),
                section.key()
            ));
        }
        let shares = |other: &&&Section| other.key() == section.key();
        if sections.iter().filter(shares).count() > 1
            && let Some(place) = section.places.first()
        {
            text.push_str(&format!(" ({})", place.owners.join(", ")));
        }
        match lines.iter_mut().find(|(other, _)| *other == key) {
            Some((_, earlier)) => earlier.push_str(&format!("; {text}")),
            None => lines.push((key, text)),
        }
    }
    lines
}

/// Help on a key of the experiment, and on one class of those it can name.
///
/// # Errors
/// There is no such key or class.
fn key_page(key: &str, class: Option<&str>, root: &Node) -> Result<String, Refusal> {
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
            let kind = match slot {
                Slot::Class(choice) => choice.kind_name,
                _ => key,
            };
            page.push_str(&format!("{option}\n\n"));
            component(&mut page, key, kind, &info);
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
        (None, Slot::Value(value)) => argument(&mut page, key, value, None),
        (None, Slot::Group(_)) => {}
    }
    Ok(page)
}

/// What a component of a kind is for, and its arguments as options below `key`.
pub(crate) fn component(page: &mut String, key: &str, kind: &str, info: &ComponentInfo) {
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
    let in_rust = RustDefaults::of(kind, info);
    for it in &arguments {
        let in_rust = in_rust.iter().find(|(name, _)| *name == it.name);
        let in_rust = in_rust.map(|(_, value)| value.as_str());
        argument(page, &format!("{key}.{}", it.name), it, in_rust);
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

/// An argument with its type and its default, and that of the library in Rust where it is another.
fn argument(page: &mut String, key: &str, argument: &Argument, in_rust: Option<&str>) {
    let mut default = match (&argument.default, argument.required) {
        (_, true) => "required".to_owned(),
        (Some(default), _) => format!("default: {}", class_alone(default)),
        (None, _) => "default: null".to_owned(),
    };
    if let Some(in_rust) = in_rust {
        default.push_str(&format!(", from Rust {}", class_alone(in_rust)));
    }
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
pub(crate) fn class_alone(default: &str) -> &str {
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
