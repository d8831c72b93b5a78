//! The names by which users call presets.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::builtin::{self, named_presets};
use crate::{Error, Result, elsewhere};

/// A preset's name, understood but not yet looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Handle {
    /// A preset that is part of the program.
    BuiltIn(&'static str),
    /// A folder that holds the preset's files.
    Folder(PathBuf),
    /// A repository of the Hugging Face hub.
    HuggingFace {
        /// `org/name`, or a bare `name` for the oldest repositories.
        repository: String,
        /// A branch, tag or commit; the branch `main` if absent.
        revision: Option<String>,
    },
}

impl Handle {
    /// Understands a preset's name.
    ///
    /// * `sapiens_vh`, `esm2_8m`: a preset with a name of its own ([`named_presets`](crate::named_presets)), which wins over a
    ///   folder of the same name;
    /// * `hf://org/name` or `hf://org/name@revision`: a repository of the Hugging Face hub;
    /// * anything else is a folder. `./name` forces a folder where a named preset has the same name.
    ///
    /// # Errors
    ///
    /// [`Error::Handle`] for a malformed or dangerous repository name, for a kind of name that is not supported yet, and for
    /// a name that is neither a named preset nor a folder (saying which name is nearest).
    pub fn parse(text: &str) -> Result<Handle> {
        let refuse = |reason: String| Error::Handle {
            handle: text.to_owned(),
            reason,
        };
        if text.is_empty() {
            return Err(refuse(
                "the name is empty; give a built-in name, a folder, or hf://org/name".into(),
            ));
        }
        if let Some(rest) = text.strip_prefix("hf://") {
            return hugging_face(rest).map_err(refuse);
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            return Err(refuse(elsewhere::scheme(scheme, rest)));
        }
        if let Some(preset) = builtin::named(text) {
            return Ok(preset.handle());
        }
        let path = Path::new(text);
        if is_plainly_a_path(text) || path.is_dir() {
            return Ok(Handle::Folder(path.to_path_buf()));
        }
        Err(refuse(unknown(text, path)))
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Handle::BuiltIn(name) => f.write_str(name),
            Handle::Folder(path) => write!(f, "{}", path.display()),
            Handle::HuggingFace {
                repository,
                revision,
            } => {
                write!(f, "hf://{repository}")?;
                match revision {
                    Some(revision) => write!(f, "@{revision}"),
                    None => Ok(()),
                }
            }
        }
    }
}

fn is_plainly_a_path(text: &str) -> bool {
    let path = Path::new(text);
    path.is_absolute()
        || matches!(
            path.components().next(),
            Some(std::path::Component::CurDir | std::path::Component::ParentDir)
        )
}

/// Says why a bare name means nothing, with the likeliest thing the user meant.
fn unknown(text: &str, path: &Path) -> String {
    if path.exists() {
        return elsewhere::file(path);
    }
    if let Some(known) = elsewhere::model(text) {
        return known;
    }
    let mut reason = String::from("there is no built-in preset and no folder of this name");
    if let Some(name) = nearest_name(text) {
        reason.push_str(&format!(". Did you mean \"{name}\"?"));
    } else if text.split('/').count() == 2 && hugging_face(text).is_ok() {
        reason.push_str(&format!(
            "; for a repository of the Hugging Face hub write hf://{text}"
        ));
    } else {
        let names = |built_in: bool| {
            let of_kind = named_presets()
                .iter()
                .filter(|preset| preset.repository.is_none() == built_in);
            let names: Vec<_> = of_kind.map(|preset| preset.name).collect();
            names.join(", ")
        };
        reason.push_str(&format!(
            " (built in: {}; published: {}); a folder must exist",
            names(true),
            names(false)
        ));
    }
    reason
}

fn nearest_name(text: &str) -> Option<&'static str> {
    let text = text.to_lowercase();
    let (distance, name) = named_presets()
        .iter()
        .map(|preset| (edit_distance(&text, preset.name), preset.name))
        .min()?;
    (distance <= name.len() / 3).then_some(name)
}

/// The number of characters to insert, delete or replace to turn `a` into `b` (Levenshtein's distance).
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(i + 1);
        let mut left = i + 1;
        for (pair, to) in row.windows(2).zip(&b) {
            let &[diagonal, above] = pair else { continue };
            left = (diagonal + usize::from(from != *to))
                .min(above + 1)
                .min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// Understands `org/name[@revision]`; the reason when it cannot be one.
fn hugging_face(text: &str) -> Result<Handle, String> {
    let (repository, revision) = match text.split_once('@') {
        Some((repository, revision)) => (repository, Some(revision)),
        None => (text, None),
    };
    let parts: Vec<&str> = repository.split('/').collect();
    if parts.len() > 2 || !parts.iter().all(|part| is_repository_part(part)) {
        return Err(
            "a repository is written hf://org/name or hf://org/name@revision, of letters, digits, \"-\", \"_\" and \".\""
                .into(),
        );
    }
    // A branch may contain "/", as in refs/pr/1; each part becomes a folder of the cache.
    if let Some(revision) = revision
        && !revision.split('/').all(is_repository_part)
    {
        return Err(format!("\"{revision}\" cannot be a branch, tag or commit"));
    }
    Ok(Handle::HuggingFace {
        repository: repository.to_owned(),
        revision: revision.map(str::to_owned),
    })
}

/// Whether `part` can be one step of a repository's or revision's name, and so one step of a path in the cache.
fn is_repository_part(part: &str) -> bool {
    !part.is_empty()
        && part != "."
        && !part.contains("..")
        // The cache joins org and name by "--", so the hub forbids it inside either.
        && !part.contains("--")
        && part
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refusal(text: &str) -> String {
        Handle::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_built_in_name_wins_and_a_leading_dot_forces_the_folder() {
        assert_eq!(
            Handle::parse("sapiens_vh").unwrap(),
            Handle::BuiltIn("sapiens_vh")
        );
        assert_eq!(
            Handle::parse("./sapiens_vh").unwrap(),
            Handle::Folder(PathBuf::from("./sapiens_vh"))
        );
    }

    #[test]
    fn a_folder_needs_no_leading_dot_when_it_exists() {
        assert_eq!(
            Handle::parse("src").unwrap(),
            Handle::Folder(PathBuf::from("src"))
        );
    }

    #[test]
    fn a_repository_may_carry_a_revision() {
        assert_eq!(
            Handle::parse("hf://org/name@refs/pr/1").unwrap(),
            Handle::HuggingFace {
                repository: "org/name".into(),
                revision: Some("refs/pr/1".into())
            }
        );
        assert_eq!(Handle::parse("hf://gpt2").unwrap().to_string(), "hf://gpt2");
    }

    #[test]
    fn names_that_could_leave_the_cache_are_refused() {
        for text in [
            "hf://../x",
            "hf://org/..",
            "hf://org/a..b",
            "hf://org/a\\b",
            "hf://org/name/more",
            "hf:///name",
            "hf://org/name@../../x",
            "hf://org/name@",
            "hf://org/name@/etc",
            "hf://a--b/c",
        ] {
            assert!(Handle::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_mistyped_name_is_answered_with_the_nearest() {
        for (mistyped, meant) in [
            ("sapiens-vh", "sapiens_vh"),
            ("esm2_650M", "esm2_650m"),
            ("esm2_8", "esm2_8m"),
            ("ESM2-8M", "esm2_8m"),
            ("aido_rna_1b600", "aido_rna_1b600m"),
            ("dna_one_hot", "dna_onehot"),
        ] {
            let message = refusal(mistyped);
            let question = format!("Did you mean \"{meant}\"?");
            assert!(message.ends_with(&question), "{message}");
        }
    }

    #[test]
    fn a_bare_repository_is_told_to_say_hf() {
        assert!(refusal("bert-base/uncased").contains("write hf://bert-base/uncased"));
    }

    #[test]
    fn an_unknown_name_lists_the_names_there_are_and_says_that_a_folder_must_exist() {
        let message = refusal("no_such_thing_anywhere");
        for part in [
            "built in: sapiens_vh, aido_dna_debug, aido_rna_debug, aido_protein_debug, esm2_debug, dna_onehot, protein_onehot;",
            "published: aido_dna_dummy,",
            ", esm2_15b); a folder must exist",
        ] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn other_schemes_are_refused_by_name() {
        assert!(refusal("kaggle://keras/bert/keras/x").contains("not downloaded from Kaggle yet"));
        assert!(refusal("s3://bucket").contains("\"s3://\" is not a kind of preset"));
    }

    #[test]
    fn the_edit_distance_counts_insertions_deletions_and_replacements() {
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("same", "same"), 0);
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "(hf://|kaggle://|)\\PC{0,30}") {
            let _ = Handle::parse(&text);
        }
    }
}
