//! Which files are found for which split, and what is said where none is.

use super::*;

fn folder(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x\n1\n").unwrap();
    }
    folder
}

fn found(folder: &Path, change: impl FnOnce(&mut Source)) -> Result<[String; 3], String> {
    let mut source = Source::new(folder);
    change(&mut source);
    let short = |text: String| text.replace(&format!("{}/", folder.display()), "");
    let shown = |files: Option<Vec<PathBuf>>| {
        let files = files.unwrap_or_default();
        let files: Vec<String> = files
            .iter()
            .map(|file| short(file.display().to_string()))
            .collect();
        files.join(" ")
    };
    match find(&source, &mut vec![]) {
        Ok(Layout::Folder(found)) => Ok([found.train, found.valid, found.test].map(shown)),
        Ok(Layout::Files(files)) => Err(files
            .into_iter()
            .map(|file| shown(Some(vec![file])))
            .collect::<Vec<_>>()
            .join(" ")),
        Err(error) => Err(short(
            error
                .to_string()
                .replace(&format!("{}: ", folder.display()), ""),
        )),
    }
}

#[test]
fn split_files_are_found_by_their_stem() {
    for valid in ["valid.csv", "validation.tsv", "val.jsonl", "dev.json"] {
        let folder = folder(&["train.tsv", "test.csv", "readme.md", valid]);
        assert_eq!(
            found(folder.path(), |_| ()).unwrap(),
            ["train.tsv", valid, "test.csv"]
        );
    }
    let folder = folder(&["train.tsv", "train.md", "train.d/x.tsv", ".test.tsv"]);
    assert_eq!(found(folder.path(), |_| ()).unwrap(), ["train.tsv", "", ""]);
}

#[test]
fn a_misspelt_split_is_an_error_that_lists_what_is_there() {
    let folder = folder(&["train.tsv", "heldout.tsv", "more/x.tsv"]);
    let message = |change: fn(&mut Source)| found(folder.path(), change).unwrap_err();
    assert_eq!(
        message(|source| source.test_split_name = Some("held_out".into())),
        "no split named \"held_out\" (test_split_name); there is \"heldout.tsv\", \"more/\", \"train.tsv\". Did you mean \"heldout\"?"
    );
    assert!(
        message(|source| source.valid_split_name = Some("valid".into()))
            .contains("(valid_split_name)")
    );
    assert!(
        message(|source| source.train_split_name = Some("trian".into()))
            .ends_with("Did you mean \"train\"?")
    );
}

#[test]
fn a_split_can_be_named_after_any_file() {
    let folder = folder(&["train.tsv", "heldout.tsv", "dev.tsv"]);
    let found = found(folder.path(), |source| {
        source.test_split_name = Some("heldout".into());
        source.valid_split_name = Some("train".into());
        source.train_split_name = None;
    });
    assert_eq!(found.unwrap(), ["", "train.tsv", "heldout.tsv"]);
}

#[test]
fn two_files_of_one_split_are_refused() {
    let folder = folder(&["train.tsv", "dev.tsv", "val.tsv"]);
    assert_eq!(
        found(folder.path(), |_| ()).unwrap_err(),
        "valid could be \"dev.tsv\", \"val.tsv\"; say which with valid_split_files"
    );
}

#[test]
fn listed_files_replace_the_search_by_name() {
    let folder = folder(&[
        "a1.tsv",
        "a2.tsv",
        "b.tsv",
        "test.tsv",
        "valid.tsv",
        "sub/c.tsv",
        "sub/.hidden.tsv",
    ]);
    let found = |change: fn(&mut Source)| found(folder.path(), change);
    assert_eq!(
        found(|source| source.train_split_files = Some(vec!["a?.tsv".into(), "sub/*".into()]))
            .unwrap(),
        ["a1.tsv a2.tsv sub/c.tsv", "", ""]
    );
    let train_as_test = |source: &mut Source| {
        source.train_split_files = Some(vec!["b.tsv".into()]);
        source.test_split_name = Some("train".into());
    };
    assert_eq!(found(train_as_test).unwrap(), ["b.tsv", "", "b.tsv"]);
    assert_eq!(
        found(|source| source.test_split_files = Some(vec!["bb.tsv".into()])).unwrap_err(),
        "no file \"bb.tsv\" (test_split_files); there is \"a1.tsv\", \"a2.tsv\", \"b.tsv\", \"sub/\", \"test.tsv\", \"valid.tsv\". Did you mean \"b.tsv\"?"
    );
    let unlisted = |source: &mut Source| {
        source.train_split_files = Some(vec!["b.tsv".into()]);
        source.valid_split_name = Some("valid".into());
    };
    assert_eq!(
        found(unlisted).unwrap_err(),
        "no split named \"valid\" (valid_split_name); there is \"train\""
    );
}

#[test]
fn config_name_is_a_folder_within() {
    let folder = folder(&["prom/train.tsv", "splice/train.tsv"]);
    let named = |name: &str| {
        found(folder.path(), |source| {
            source.config_name = Some(name.into())
        })
    };
    assert_eq!(named("prom").unwrap()[0], "prom/train.tsv");
    assert_eq!(
        named("splce").unwrap_err(),
        "no folder \"splce\" (config_name); there is \"prom/\", \"splice/\". Did you mean \"splice\"?"
    );
}

#[test]
fn a_path_that_does_not_exist_is_refused() {
    let said = |path: &str| {
        let found = find(&Source::new(path), &mut vec![]);
        found.unwrap_err().to_string()
    };
    assert_eq!(
        said("nowhere"),
        "path: \"nowhere\" is no file or folder here; a data set of Hugging Face is written hf://datasets/org/name"
    );
    assert_eq!(
        said("hf://org/name"),
        "path: \"hf://org/name\" is no data set; one of Hugging Face is written hf://datasets/org/name"
    );
}

#[test]
fn one_file_has_no_named_splits() {
    let folder = folder(&["a.tsv"]);
    let mut source = Source::new(folder.path().join("a.tsv"));
    assert_eq!(
        find(&source, &mut vec![]).unwrap(),
        Layout::Files(vec![source.path.clone()])
    );
    source.valid_split_name = Some("dev".into());
    let message = find(&source, &mut vec![]).unwrap_err().to_string();
    assert!(
        message.ends_with(
            "a.tsv: no split named \"dev\" (valid_split_name); there is one file without splits"
        ),
        "{message}"
    );
    source.valid_split_name = None;
    source.train_split_files = Some(vec!["a.tsv".into()]);
    assert!(
        find(&source, &mut vec![])
            .unwrap_err()
            .to_string()
            .starts_with("train_split_files: ")
    );
}
