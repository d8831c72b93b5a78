//! Other places for presets, by a file of the user's.
//!
//! `~/.config/engraft/mirrors.yaml`, or the file that `ENGRAFT_MIRRORS` names, has a line for each:
//!
//! ```yaml
//! bert_base_en: /data/presets/bert_base_en     # a name
//! hf://org/repo: hf://own-org/repo             # a handle, at any revision or version, and names that stand for it
//! hf://facebook/*: /data/facebook/*            # all handles that begin so: what follows takes the place of the star
//! ```

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use engraft_component::{Node, read_yaml};

/// The variable that names the file.
const FILE: &str = "ENGRAFT_MIRRORS";

static OF_USER: LazyLock<Result<Vec<(String, String)>, String>> =
    LazyLock::new(|| file().map_or_else(|| Ok(Vec::new()), |file| read(&file)));

/// What a name stands for by the user's file; none if the file says nothing of it.
///
/// # Errors
///
/// The file cannot be read, in words.
pub(crate) fn of_user(name: &str) -> Result<Option<String>, String> {
    let mirrors = OF_USER.as_ref().map_err(Clone::clone)?;
    Ok(among(mirrors, name))
}

fn file() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(named) = variable(FILE) {
        return Some(named.into());
    }
    let folder = variable("XDG_CONFIG_HOME").map(PathBuf::from);
    let folder = folder.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".config")))?;
    Some(folder.join("engraft/mirrors.yaml")).filter(|file| file.exists())
}

fn read(file: &Path) -> Result<Vec<(String, String)>, String> {
    let label = file.display().to_string();
    let bytes = std::fs::read(file)
        .map_err(|error| format!("the file of mirrors ({FILE}) {label} cannot be read: {error}"))?;
    let says_nothing =
        |line: &[u8]| line.trim_ascii().is_empty() || line.trim_ascii().starts_with(b"#");
    if bytes.split(|byte| *byte == b'\n').all(says_nothing) {
        return Ok(Vec::new());
    }
    let read = read_yaml(&bytes, &label).map_err(|error| error.to_string())?;
    let form = || format!("{label}: expected lines such as \"bert_base_en: /data/bert_base_en\"");
    let Some(map) = read.as_map() else {
        return if read.is_null() {
            Ok(Vec::new())
        } else {
            Err(form())
        };
    };
    let text = |node: &Node| node.as_text().map(str::to_owned);
    let mirrors = map.iter().map(|entry| {
        let to = text(&entry.value).filter(|to| !to.is_empty());
        Ok((entry.key.clone(), to.ok_or_else(form)?))
    });
    mirrors.collect()
}

fn among(mirrors: &[(String, String)], name: &str) -> Option<String> {
    mirrors.iter().find_map(|(from, to)| {
        if from == name {
            return Some(to.clone());
        }
        let rest = name.strip_prefix(from.strip_suffix('*')?)?;
        Some(to.replacen('*', rest, 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_beginnings_lead_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mirrors.yaml");
        let lines = "# ours\nbert_base_en: /data/bert\n\"hf://facebook/*\": hf://own/*\n";
        std::fs::write(&file, lines).unwrap();
        let mirrors = read(&file).unwrap();
        for (name, leads) in [
            ("bert_base_en", Some("/data/bert")),
            ("hf://facebook/x", Some("hf://own/x")),
            ("gpt2_base_en", None),
            ("bert_base", None),
        ] {
            assert_eq!(among(&mirrors, name).as_deref(), leads, "{name}");
        }
    }

    #[test]
    fn a_file_that_is_none_is_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mirrors.yaml");
        for text in ["- a\n", "a: [b]\n", "a:\n"] {
            std::fs::write(&file, text).unwrap();
            assert!(
                read(&file).unwrap_err().contains("expected lines such as"),
                "{text}"
            );
        }
        for text in ["", "# nothing yet\n\n"] {
            std::fs::write(&file, text).unwrap();
            assert!(read(&file).unwrap().is_empty());
        }
    }
}
