//! Files and folders are complete or absent, driven as the other crates drive them.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::path::Path;

use engraft_files::Aside;
use engraft_files::atomic::{self, Folder, Writer};

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_is_written_whole_and_replaces_the_old_one() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a.txt");
    atomic::write(&path, b"old").unwrap();
    atomic::write(&path, b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(names(root.path()), ["a.txt"]);
}

#[test]
fn a_file_that_is_not_committed_leaves_the_old_one_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a.txt");
    atomic::write(&path, b"old").unwrap();
    let mut writer = Writer::create(&path).unwrap();
    writer.put(b"half of the n").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    drop(writer);
    assert_eq!(names(root.path()), ["a.txt"]);
}

#[test]
fn a_folder_appears_only_when_committed_and_with_all_it_holds() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("runs/last");
    let folder = Folder::create(&path).unwrap();
    fs::create_dir(folder.path().join("deep")).unwrap();
    fs::write(folder.path().join("deep/file"), b"x").unwrap();
    assert!(!path.exists());
    folder.commit().unwrap();
    assert_eq!(fs::read(path.join("deep/file")).unwrap(), b"x");
    assert_eq!(names(&root.path().join("runs")), ["last"]);
}

#[test]
fn a_folder_replaces_another_without_mixing_with_it() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("last");
    for name in ["one", "two"] {
        let folder = Folder::create(&path).unwrap();
        fs::write(folder.path().join(name), name).unwrap();
        folder.commit().unwrap();
    }
    assert_eq!(names(&path), ["two"]);
    assert_eq!(names(root.path()), ["last"]);
}

#[test]
fn a_folder_that_is_dropped_is_removed_and_the_old_one_kept() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("last");
    Folder::create(&path).unwrap().commit().unwrap();
    let folder = Folder::create(&path).unwrap();
    fs::write(folder.path().join("x"), b"x").unwrap();
    drop(folder);
    assert!(names(&path).is_empty());
    assert_eq!(names(root.path()), ["last"]);
}

#[test]
fn what_a_killed_process_left_is_cleared_and_a_folder_set_aside_is_restored() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("last");
    for left in [
        ".last.tmp-1-0",
        ".last.old-1-1",
        ".other.tmp-1-2",
        ".last.tmp-notes",
    ] {
        fs::create_dir(root.path().join(left)).unwrap();
    }
    fs::write(root.path().join(".last.old-1-1/weights"), b"w").unwrap();
    atomic::recover(&path).unwrap();
    assert_eq!(fs::read(path.join("weights")).unwrap(), b"w");
    assert_eq!(
        names(root.path()),
        [".last.tmp-notes", ".other.tmp-1-2", "last"]
    );

    fs::create_dir(root.path().join(".last.old-1-3")).unwrap();
    atomic::recover(&path).unwrap();
    assert_eq!(fs::read(path.join("weights")).unwrap(), b"w");
    assert_eq!(
        names(root.path()),
        [".last.tmp-notes", ".other.tmp-1-2", "last"]
    );
    atomic::recover(&root.path().join("no/such")).unwrap();
}

#[test]
fn what_is_removed_is_gone_and_a_removal_that_was_cut_short_is_finished() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    for name in [
        "best",
        ".worst.tmp-removed",
        ".last.tmp-1-0",
        "kept.tmp-1-0",
        ".last.old-1-1",
    ] {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("weights"), b"w").unwrap();
    }
    fs::write(at(".table.tmp-1-1"), b"half").unwrap();
    atomic::remove(&at("best"));
    atomic::remove(&at("never there"));
    assert!(!at("best").exists() && at(".worst.tmp-removed").exists());
    atomic::remove_unfinished(root.path());
    atomic::remove_unfinished(&at("no such folder"));
    assert_eq!(names(root.path()), [".last.old-1-1", "kept.tmp-1-0"]);
}

#[test]
fn a_removal_goes_on_where_an_earlier_one_was_cut_short() {
    let root = tempfile::tempdir().unwrap();
    for name in ["last", ".last.tmp-removed"] {
        fs::create_dir(root.path().join(name)).unwrap();
        fs::write(root.path().join(name).join("weights"), b"w").unwrap();
    }
    atomic::remove(&root.path().join("last"));
    assert_eq!(names(root.path()), [".last.tmp-removed"]);
}

#[test]
fn what_is_aside_takes_its_place_or_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (aside, path) = (root.path().join("a.csv.partial"), root.path().join("a.csv"));
    fs::write(&aside, b"of a killed process, longer than what follows").unwrap();
    let (begun, mut file) = Aside::file(aside.clone()).unwrap();
    file.write_all(b"new").unwrap();
    drop(file);
    begun.put_in_place(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    drop(Aside::file(aside.clone()).unwrap());
    let refused = Aside::file(aside).unwrap().0;
    assert!(refused.put_in_place(&root.path().join("no/such")).is_err());
    assert_eq!(names(root.path()), ["a.csv"]);
}

#[test]
fn places_that_cannot_be_written_are_named_with_the_reason() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, b"x").unwrap();
    let message = |result: engraft_files::Result<()>| result.unwrap_err().to_string();

    let absent = root.path().join("no/such/file");
    assert!(message(atomic::write(&absent, b"")).contains("no/such does not exist"));
    assert!(message(atomic::write(root.path(), b"")).contains("it is a folder"));
    assert!(message(Folder::create(&file).map(drop)).contains("it is a file"));
    assert!(message(Folder::create(&file.join("below")).map(drop)).contains("cannot create"));
    assert!(message(atomic::write(Path::new("/"), b"")).contains("no name of its own"));
    assert!(message(atomic::write(Path::new(".."), b"")).contains("no name of its own"));
}

#[test]
fn a_full_disk_is_told_in_one_sentence_with_what_to_do() {
    let message = engraft_files::Error::Io {
        action: "write",
        path: "predictions.tsv".into(),
        source: std::io::ErrorKind::StorageFull.into(),
    }
    .to_string();
    assert!(
        message.starts_with("cannot write predictions.tsv: "),
        "{message}"
    );
    assert!(
        message.ends_with("; free some space, or name a place on another disk"),
        "{message}"
    );
}
