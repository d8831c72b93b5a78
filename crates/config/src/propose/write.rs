//! The proposal as a file, each choice with its reason above it.

use engraft_component::{Node, to_flow};
use engraft_data::Survey;

use super::Wishes;
use super::backbone::Scion;
use super::recipe::{Head, Recipe};
use super::roles::{Goal, Roles, said, shown, unit_name};

/// The widest line of a comment.
const WIDTH: usize = 110;

/// The experiment with its comments.
pub(super) fn experiment(
    survey: &Survey,
    roles: &Roles,
    scion: &Scion,
    recipe: &Recipe,
    wishes: &Wishes,
) -> String {
    let mut page = Page::default();
    let path = survey.path.to_string_lossy();
    page.why(
        0,
        &format!(
            "{} for {}, proposed by `engraft init`.",
            roles.goal.task(),
            shown(&path)
        ),
    );
    page.line(0, "#");
    page.line(0, &format!("#   {}", wishes.command()));
    page.line(0, "#");
    page.why(
        0,
        "Paths are relative to the folder the command is given in. Every line can be changed, or overridden on the command line: --trainer.max_epochs 3. `engraft components NAME` explains whatever is named here.",
    );
    page.line(0, "seed_everything: 1");
    page.line(0, "");
    model(&mut page, roles, scion, recipe);
    page.line(0, "");
    data(&mut page, survey, roles, recipe);
    page.line(0, "");
    trainer(&mut page, survey, recipe);
    page.text
}

fn model(page: &mut Page, roles: &Roles, scion: &Scion, recipe: &Recipe) {
    page.line(0, "model:");
    page.why(1, &why_task(roles));
    page.key(1, "class_path", roles.goal.task());
    page.line(1, "init_args:");
    match &roles.goal {
        Goal::Class {
            counts_on: true,
            values,
            ..
        } => page.key(2, "n_classes", &values.len().to_string()),
        Goal::Class { .. } => page.why(
            2,
            "The classes are numbers that do not count from 0 without a gap; how many there are is found in the training rows.",
        ),
        Goal::Classes { count, .. } => {
            page.key(2, "n_classes", &count.to_string());
            page.key(2, "multilabel", "true");
        }
        Goal::Numbers { count, .. } => page.key(2, "num_outputs", &count.to_string()),
        Goal::Tokens { .. } | Goal::Nothing => {}
    }
    page.why(2, &scion.why);
    page.line(2, "backbone:");
    page.text(3, "class_path", &scion.name);
    if let Some(pretrained) = &scion.pretrained {
        page.why(3, "A pretrained one in its place, once it is in the local Hugging Face cache (`engraft init` then proposes it), needs from_scratch: false and lr: 5e-5 below:");
        page.line(3, &format!("# class_path: {pretrained}"));
    }
    page.line(3, "init_args:");
    if scion.pretrained.is_some() {
        page.key(4, "from_scratch", "true");
    }
    if let Some(length) = scion.max_length {
        page.why(4, &scion.why_length);
        page.key(4, "max_length", &length.to_string());
    }
    if let Some((policy, why)) = scion.letters {
        page.why(4, why);
        page.key(4, "letters", policy);
    }
    if let Some(head) = Head::of(roles, scion) {
        page.why(2, head.why);
        page.line(2, "adapter:");
        page.key(3, "class_path", head.class);
        if !head.arguments.is_empty() {
            page.line(3, "init_args:");
        }
        for (key, value) in head.arguments {
            page.key(4, key, value);
        }
    }
    page.why(2, recipe.why_rate);
    page.line(2, "optimizer:");
    page.key(3, "class_path", "AdamW");
    page.line(3, "init_args:");
    page.key(4, "lr", recipe.learning_rate);
    page.key(4, "weight_decay", "0.01");
    page.line(2, "lr_scheduler:");
    page.key(3, "class_path", recipe.schedule);
    page.line(3, "init_args:");
    page.key(4, "warmup_ratio", "0.1");
}

fn why_task(roles: &Roles) -> String {
    let column = roles.goal.columns().first().map(|name| shown(name));
    let column = column.unwrap_or_default();
    match &roles.goal {
        Goal::Class { .. } => format!("The column \"{column}\" has {}, one for each row.", roles.classes()),
        Goal::Classes { count, columns } if columns.len() == 1 => {
            format!("The column \"{column}\" has {count} flags for each row, so a row may be of several classes.")
        }
        Goal::Classes { count, .. } => {
            format!("{count} columns hold 0 and 1, so a row may be of several classes.")
        }
        Goal::Tokens { unit, .. } => format!(
            "The column \"{column}\" has a label for each {} of the text.",
            unit_name(*unit)
        ),
        Goal::Numbers { count: 1, .. } => format!("The column \"{column}\" has a number for each row."),
        Goal::Numbers { count, .. } => format!("There are {count} numbers for each row."),
        Goal::Nothing => "No column has labels, so the model learns the texts themselves: it tells tokens that are masked. For the vectors of a pretrained model instead: engraft predict --model Embed.".to_owned(),
    }
}

fn data(page: &mut Page, survey: &Survey, roles: &Roles, recipe: &Recipe) {
    page.line(0, "data:");
    page.key(1, "class_path", roles.goal.data_module());
    page.line(1, "init_args:");
    page.why(2, &why_splits(survey));
    page.text(2, "path", &survey.path.to_string_lossy());
    let valid = survey
        .splits
        .as_ref()
        .and_then(|[_, valid, _]| valid.as_ref());
    if let Some(valid) = valid {
        page.text(2, "valid_split_name", &valid.name);
    }
    for text in &roles.texts {
        page.why(2, &format!("\"{}\": {}.", shown(&text.name), said(text)));
    }
    let texts: Vec<&str> = roles.texts.iter().map(|text| text.name.as_str()).collect();
    page.names(2, "x_col", &texts);
    let labels = roles.goal.columns();
    if !labels.is_empty() {
        page.names(2, "y_col", &labels);
    }
    if let Some(id) = &roles.id {
        page.why(2, "Comes back with each prediction.");
        page.text(2, "id_col", id);
    }
    page.why(2, recipe.why_batch);
    page.key(2, "batch_size", &recipe.batch_size.to_string());
}

/// Where the rows of each split come from.
fn why_splits(survey: &Survey) -> String {
    let Some([train, valid, test]) = &survey.splits else {
        return format!(
            "One file of {} rows: a fifth is held out for testing and a tenth of the rest for validation, by seed.",
            survey.rows
        );
    };
    let mut parts: Vec<String> = [("training", train), ("validation", valid), ("test", test)]
        .iter()
        .filter_map(|(what, split)| {
            let split = split.as_ref()?;
            Some(format!(
                "{} {what} rows in {}",
                split.rows,
                shown(&split.name)
            ))
        })
        .collect();
    if valid.is_none() {
        parts.push("a tenth of the training rows is held out for validation, by seed".to_owned());
    }
    if test.is_none() {
        parts.push("a fifth of the training rows is held out for testing, by seed".to_owned());
    }
    format!("A folder: {}.", parts.join("; "))
}

fn trainer(page: &mut Page, survey: &Survey, recipe: &Recipe) {
    page.line(0, "trainer:");
    page.why(1, &recipe.why_epochs);
    page.key(1, "max_epochs", &recipe.epochs.to_string());
    page.key(1, "gradient_clip_val", "1.0");
    page.why(1, "Each run makes a folder in this one: its checkpoints, its log, its resolved configuration.");
    page.text(1, "default_root_dir", &format!("logs/{}", run_name(survey)));
    page.why(1, recipe.why_monitor);
    page.line(1, "callbacks:");
    page.line(1, "- class_path: ModelCheckpoint");
    page.line(2, "init_args:");
    page.key(3, "monitor", recipe.monitor.0);
    page.key(3, "mode", recipe.monitor.1);
    page.key(3, "save_last", "true");
}

/// What runs on this table are called: a folder's name, or a file's after that of its folder.
fn run_name(survey: &Survey) -> String {
    let word = |part: &std::ffi::OsStr| {
        let part = part.to_string_lossy();
        let plain = |letter: char| {
            if letter.is_alphanumeric() || "._-".contains(letter) {
                letter
            } else {
                '_'
            }
        };
        part.chars().map(plain).collect::<String>()
    };
    let name = match survey.splits {
        Some(_) => survey.path.file_name().map(word),
        None => {
            let folder = survey.path.parent().and_then(|folder| folder.file_name());
            let parts = folder.into_iter().chain(survey.path.file_stem());
            Some(parts.map(word).collect::<Vec<_>>().join("-"))
        }
    };
    name.unwrap_or_else(|| "experiment".to_owned())
}

/// Text that grows by lines.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, depth: usize, text: &str) {
        if !text.is_empty() {
            self.text.push_str(&"  ".repeat(depth));
        }
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// A key with a value that is YAML already.
    fn key(&mut self, depth: usize, key: &str, value: &str) {
        self.line(depth, &format!("{key}: {value}"));
    }

    /// A key with a text, quoted where it would be something else.
    fn text(&mut self, depth: usize, key: &str, text: &str) {
        self.key(depth, key, &to_flow(&Node::text(text)));
    }

    /// A key with one name, or a list of several.
    fn names(&mut self, depth: usize, key: &str, names: &[&str]) {
        match names {
            [name] => self.text(depth, key, name),
            names => {
                let names = names.iter().map(|name| Node::text(*name)).collect();
                self.key(depth, key, &to_flow(&Node::list(names)));
            }
        }
    }

    /// A comment, broken between words.
    fn why(&mut self, depth: usize, text: &str) {
        let mut line = String::new();
        for word in text.split_whitespace() {
            if !line.is_empty() && 2 * depth + 3 + line.len() + word.len() > WIDTH {
                self.line(depth, &format!("# {line}"));
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        if !line.is_empty() {
            self.line(depth, &format!("# {line}"));
        }
    }
}
