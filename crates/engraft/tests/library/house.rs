//! The table "The house" of `CONTRIBUTING.md` against the manifests: which crate may depend on which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Names of crates without `engraft-`.
type Names = BTreeSet<String>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The rows of the table from top to bottom: a crate, and those that it may depend on.
fn table() -> Vec<(String, Names)> {
    let text = std::fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    let (_, section) = text.split_once("\n## The house\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    assert!(section.contains("\n| Crate | One line | May depend on |\n"));
    assert!(section.contains("\nAny crate may use `component`."));
    section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').collect();
            let [name, _, allowed] = cells[..] else {
                panic!("three cells are expected: {line}");
            };
            (quoted(name).next().unwrap(), quoted(allowed).collect())
        })
        .collect()
}

/// What stands in backticks.
fn quoted(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// The crates of ours that a manifest names.
struct Arrows {
    /// Of the crate itself, on any platform, and of its build.
    normal: Names,
    /// Of its tests.
    dev: Names,
}

/// The manifests by the names of their crates.
fn manifests() -> BTreeMap<String, Arrows> {
    let folders = std::fs::read_dir(root().join("crates")).unwrap();
    folders
        .map(|folder| folder.unwrap().path())
        .chain([root().join("benches/ours")])
        .map(|folder| folder.join("Cargo.toml"))
        .filter(|path| path.exists())
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let manifest: toml::Table = text.parse().unwrap();
            let name = manifest["package"]["name"].as_str().unwrap();
            (short(name).unwrap(), arrows(&manifest))
        })
        .collect()
}

fn arrows(manifest: &toml::Table) -> Arrows {
    let platforms = manifest.get("target").and_then(toml::Value::as_table);
    let platforms = platforms.into_iter().flat_map(|all| all.values());
    let tables: Vec<&toml::Table> = std::iter::once(manifest)
        .chain(platforms.filter_map(toml::Value::as_table))
        .collect();
    let of = |kind: &str| {
        let dependencies = tables
            .iter()
            .filter_map(|table| table.get(kind)?.as_table());
        dependencies
            .flat_map(toml::Table::keys)
            .filter_map(|name| short(name))
            .collect::<Names>()
    };
    Arrows {
        normal: &of("dependencies") | &of("build-dependencies"),
        dev: of("dev-dependencies"),
    }
}

/// The name of a crate of ours as the table has it.
fn short(name: &str) -> Option<String> {
    if name == "engraft" {
        return Some(name.to_owned());
    }
    name.strip_prefix("engraft-").map(str::to_owned)
}

#[test]
fn every_crate_is_in_the_table_once_and_every_row_is_a_crate() {
    let mut rows: Vec<String> = table().into_iter().map(|(name, _)| name).collect();
    rows.sort();
    let crates: Vec<String> = manifests().into_keys().collect();
    assert_eq!(rows, crates);
}

#[test]
fn crates_depend_on_those_that_the_table_says_and_on_all_of_them() {
    let manifests = manifests();
    let mut wrong = Vec::new();
    for (name, allowed) in table() {
        let normal = &manifests[&name].normal;
        // Which any crate may use, and need not.
        let free = Names::from(["component".to_owned()]);
        for other in &(normal - &allowed) - &free {
            wrong.push(format!("{name} -> {other} is not in the table"));
        }
        for other in &allowed - normal {
            wrong.push(format!(
                "{name} -> {other} is in the table, but not in the manifest"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// So that there is no circle either.
#[test]
fn crates_and_their_tests_depend_only_on_crates_further_down_the_table() {
    let rows: Vec<String> = table().into_iter().map(|(name, _)| name).collect();
    let place = |name: &str| rows.iter().position(|row| row == name);
    let mut wrong = Vec::new();
    for (name, arrows) in manifests() {
        for other in &arrows.normal | &arrows.dev {
            if place(&name) >= place(&other) {
                wrong.push(format!("{name} -> {other} points upwards"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
