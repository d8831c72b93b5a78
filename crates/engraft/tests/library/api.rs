//! The public face of the library, as its sources declare it: a change of it is seen, and meant.

use std::path::Path;

/// What begins something public.
const PUBLIC: [&str; 7] = [
    "pub fn ",
    "pub struct ",
    "pub enum ",
    "pub trait ",
    "pub type ",
    "pub const ",
    "pub use ",
];

/// The public declarations of a file, each on a line, methods under their types.
fn declared(source: &str) -> Vec<String> {
    let tests = source.find("#[cfg(test)]").unwrap_or(source.len());
    let mut found = Vec::new();
    let mut lines = source[..tests].lines();
    let mut in_public_type = false;
    while let Some(line) = lines.next() {
        let trimmed = line.trim();
        let depth = line.len() - line.trim_start().len();
        let is_head =
            depth == 0 && (trimmed.starts_with("impl") || trimmed.starts_with("macro_rules!"));
        let is_field = in_public_type
            && depth == 4
            && (trimmed.starts_with("pub ")
                || trimmed.starts_with("fn ")
                || trimmed.starts_with("type ")
                || trimmed.chars().next().is_some_and(char::is_uppercase));
        if depth == 0 && trimmed.starts_with('}') {
            in_public_type = false;
        }
        if !(is_head || is_field || PUBLIC.iter().any(|begin| trimmed.starts_with(begin))) {
            continue;
        }
        let types = ["pub struct ", "pub enum ", "pub trait "];
        if depth == 0 && types.iter().any(|begin| trimmed.starts_with(begin)) {
            in_public_type = trimmed.ends_with('{');
        }
        let mut whole = trimmed.to_owned();
        // A signature may take several lines.
        while !whole.ends_with(['{', ';', ',', '}', ')'])
            || (whole.contains("fn ") && !whole.ends_with(['{', ';', '}']))
            || (whole.starts_with("pub use ") && !whole.ends_with(';'))
        {
            match lines.next() {
                Some(next) => {
                    whole.push(' ');
                    whole.push_str(next.trim());
                }
                None => break,
            }
        }
        let end = whole.trim_end_matches(['{', ';', ',']).trim_end();
        found.push(format!("{}{end}", " ".repeat(depth.min(4))));
    }
    // Heads with nothing public under them say nothing, unless they are of traits.
    let mut kept: Vec<String> = Vec::new();
    for line in found {
        let is_head = |line: &str| line.starts_with("impl") || line.starts_with("macro_rules");
        if !line.starts_with(' ')
            && kept
                .last()
                .is_some_and(|last| is_head(last) && !last.contains(" for "))
        {
            kept.pop();
        }
        kept.push(line);
    }
    kept
}

#[test]
fn the_public_face_is_what_it_was() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut face = String::new();
    for file in files {
        let source = std::fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let lines = declared(&source);
        if !lines.is_empty() {
            face.push_str(&format!("## {name}\n{}\n\n", lines.join("\n")));
        }
    }
    insta::assert_snapshot!("public_face", face);
}

/// Every promise names tests that there are.
#[test]
fn each_promise_of_kerashub_s_pages_has_its_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/library");
    let table = std::fs::read_to_string(folder.join("promises.md")).unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| "));
    let mut promises = 0;
    for row in rows.skip(1) {
        let shown = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for test in shown
            .split(", ")
            .filter(|test| !["page", "guide"].contains(test))
        {
            let (file, name) = test.split_once("::").unwrap();
            let source = std::fs::read_to_string(folder.join(format!("{file}.rs"))).unwrap();
            let declared = format!("#[test]\nfn {name}() {{");
            assert!(source.contains(&declared), "{row}");
        }
        promises += 1;
    }
    assert!(promises > 40, "{promises}");
}
