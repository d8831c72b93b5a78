//! `engraft init`: from a table to an experiment that runs.

use std::path::{Path, PathBuf};

use engraft_config::{Wishes, propose};
use engraft_files::atomic;
use engraft_run::check_other;

use crate::arguments::Command;
use crate::failure::{Failure, note, print};
use crate::given::{Given, Known};
use crate::help;
use crate::text::columns;

/// The options of the command.
pub(crate) const OPTIONS: &[Known] = &[
    Known {
        name: "--output",
        value: Some("FILE"),
        about: "The experiment to write; experiment.yaml without it",
    },
    Known {
        name: "--model.backbone",
        value: Some("NAME"),
        about: "The backbone: a preset's name, a folder, or hf://org/repo; chosen by the letters of the sequences without it, and for texts a small new one",
    },
    Known {
        name: "--force",
        value: None,
        about: "Write over a file that is there",
    },
];

pub(crate) fn run(words: &[String]) -> Result<(), Failure> {
    let given = Given::read(Command::Init, words, OPTIONS)?;
    if given.help {
        return print(&help::command(Command::Init));
    }
    let Some(table) = given.word(Command::Init)? else {
        return Err(Failure::refused(
            "init: which table? Give a file, or a folder of split files: engraft init rows.tsv",
        ));
    };
    let output = PathBuf::from(given.value("--output").unwrap_or("experiment.yaml"));
    let may_write = |path: &Path| {
        if path.exists() && !given.has("--force") {
            return Err(Failure::refused(format!(
                "{}: is there already. Choose another name with --output, or write over it with --force",
                path.display()
            )));
        }
        Ok(())
    };
    check_other(&output, [Path::new(table)], "output")?;
    may_write(&output)?;
    let wishes = Wishes {
        backbone: given.value("--model.backbone").map(str::to_owned),
        file: output.display().to_string(),
    };
    let proposal = propose(Path::new(table), &wishes).map_err(Failure::refused)?;
    let folder = proposal.files.first().and_then(|(file, _)| file.parent());
    for (file, _) in &proposal.files {
        may_write(file)?;
    }
    if let Some(folder) = folder {
        let made = std::fs::create_dir_all(folder);
        made.map_err(|error| Failure::refused(format!("{}: {error}", folder.display())))?;
    }
    for (file, text) in &proposal.files {
        atomic::write(file, text.as_bytes()).map_err(Failure::refused)?;
    }
    atomic::write(&output, proposal.yaml.as_bytes()).map_err(Failure::refused)?;
    let mut page = format!("{}\n", proposal.table);
    columns(&mut page, &proposal.findings, 2);
    let (file, command) = (output.display(), wishes.command());
    let beside = folder.map_or_else(String::new, |folder| format!(" and {}", folder.display()));
    let are = if folder.is_some() { "are" } else { "is" };
    page.push_str(&format!(
        "{file}{beside} {are} written. To run it:\n  {command}\n"
    ));
    print(&page)?;
    proposal.notes.iter().for_each(|text| note(text));
    Ok(())
}
