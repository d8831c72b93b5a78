//! The names by which users call presets.

use std::fmt;
use std::path::{Path, PathBuf};

use engraft_component::nearest;
use engraft_fetch::{Hubs, KaggleModel, Kind};

use crate::names::{named, named_presets};
use crate::{Error, Result, elsewhere, mirrors};

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
    /// A model of Kaggle.
    Kaggle(KaggleModel),
}

/// A data set of the Hugging Face hub, as `hf://datasets/org/name` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DataSetHandle {
    /// `org/name`.
    pub repository: String,
    /// A branch, tag or commit; the branch `main` if absent.
    pub revision: Option<String>,
}

/// What names of data sets begin with.
const DATA_SETS: &str = "hf://datasets/";

impl Handle {
    /// Understands a preset's name.
    ///
    /// * `sapiens_vh`, `esm2_8m`: a preset with a name of its own ([`named_presets`](crate::named_presets)), which wins over a
    ///   folder of the same name;
    /// * `hf://org/name` or `hf://org/name@revision`: a repository of the Hugging Face hub;
    /// * `kaggle://owner/model/framework/variation` or the same with `/version`: a model of Kaggle;
    /// * anything else is a folder. `./name` forces a folder where a named preset has the same name.
    ///
    /// A name that the user's file of mirrors has stands for what that says.
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
        let by_file = |name: &str| mirrors::of_user(name).map_err(refuse);
        let through = |mirror: String| {
            Handle::understand(&mirror).map_err(|error| {
                refuse(format!(
                    "the file of mirrors has \"{mirror}\" for it: {error}"
                ))
            })
        };
        if let Some(mirror) = by_file(text)? {
            return through(mirror);
        }
        let handle = Handle::understand(text)?;
        // A mirror of a handle is one of every name that stands for it, whatever the revision or version.
        for name in handle.names() {
            if let Some(mirror) = by_file(&name)? {
                return through(mirror);
            }
        }
        Ok(handle)
    }

    /// What it may be called in a file of mirrors.
    fn names(&self) -> Vec<String> {
        match self {
            Handle::BuiltIn(_) | Handle::Folder(_) => Vec::new(),
            Handle::HuggingFace { repository, .. } => {
                vec![self.to_string(), Kind::Model.handle(repository, None)]
            }
            Handle::Kaggle(model) => {
                let any = KaggleModel {
                    version: None,
                    ..model.clone()
                };
                vec![self.to_string(), any.to_string()]
            }
        }
    }

    /// As [`Self::parse`], without a look at mirrors: what a cache has is called by its own name.
    ///
    /// # Errors
    ///
    /// Those of [`Self::parse`].
    pub fn understand(text: &str) -> Result<Handle> {
        let refuse = |reason: String| Error::Handle {
            handle: text.to_owned(),
            reason,
        };
        if text.starts_with(DATA_SETS) {
            let reason = "it is a data set; name it as data.path, and a model here";
            return Err(refuse(reason.to_owned()));
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            return match scheme.to_ascii_lowercase().as_str() {
                "hf" => hugging_face(rest).map_err(refuse),
                "kaggle" => {
                    let model = KaggleModel::parse(rest).map_err(refuse)?;
                    Ok(Handle::Kaggle(model))
                }
                _ => Err(refuse(elsewhere::scheme(scheme, rest))),
            };
        }
        if let Some(preset) = named(text) {
            return Ok(preset.handle());
        }
        let path = Path::new(text);
        if is_plainly_a_path(text) || path.is_dir() {
            return Ok(Handle::Folder(path.to_path_buf()));
        }
        Err(refuse(unknown(text, path)))
    }

    /// The mirror of KerasHub's presets at Hugging Face; none of other handles.
    pub(crate) fn mirror(&self) -> Option<Handle> {
        match self {
            Handle::Kaggle(model) if model.framework.eq_ignore_ascii_case("keras") => {
                Some(Handle::HuggingFace {
                    repository: format!("keras/{}", model.variation),
                    revision: None,
                })
            }
            _ => None,
        }
    }

    /// Whether something of it is in a cache.
    pub(crate) fn is_cached(&self, hubs: &Hubs) -> bool {
        match self {
            Handle::HuggingFace {
                repository,
                revision,
            } => hubs.has_repository(Kind::Model, repository, revision.as_deref()),
            Handle::Kaggle(model) => hubs.has_kaggle(model),
            Handle::BuiltIn(_) | Handle::Folder(_) => false,
        }
    }
}

impl DataSetHandle {
    /// Understands `hf://datasets/org/name[@revision]`, or what the user's file of mirrors has for it; none of what names no data set.
    ///
    /// # Errors
    ///
    /// [`Error::Handle`] for a malformed or dangerous name, or a mirror that is no data set.
    pub fn parse(text: &str) -> Result<Option<DataSetHandle>> {
        if !text.starts_with(DATA_SETS) {
            return Ok(None);
        }
        let refuse = |reason: String| Error::Handle {
            handle: text.to_owned(),
            reason,
        };
        match mirrors::of_user(text).map_err(refuse)? {
            None => DataSetHandle::understand(text),
            Some(mirror) if mirror.starts_with(DATA_SETS) => DataSetHandle::understand(&mirror),
            Some(mirror) => Err(refuse(format!(
                "the file of mirrors has \"{mirror}\" for it, which is no hf://datasets/org/name"
            ))),
        }
    }

    /// As [`Self::parse`], without a look at mirrors: what a cache has is called by its own name.
    ///
    /// # Errors
    ///
    /// [`Error::Handle`] for a malformed or dangerous name.
    pub fn understand(text: &str) -> Result<Option<DataSetHandle>> {
        let Some(rest) = text.strip_prefix(DATA_SETS) else {
            return Ok(None);
        };
        match hugging_face(rest) {
            Ok(Handle::HuggingFace {
                repository,
                revision,
            }) => Ok(Some(DataSetHandle {
                repository,
                revision,
            })),
            Ok(_) => Ok(None),
            Err(reason) => Err(Error::Handle {
                handle: text.to_owned(),
                reason,
            }),
        }
    }
}

impl fmt::Display for DataSetHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let revision = self.revision.as_deref();
        f.write_str(&Kind::DataSet.handle(&self.repository, revision))
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
            } => f.write_str(&Kind::Model.handle(repository, revision.as_deref())),
            Handle::Kaggle(model) => model.fmt(f),
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
    let mut reason = String::from("there is no preset and no folder of this name");
    let names = named_presets().iter().map(|preset| preset.name);
    if text.split('/').count() == 2 && hugging_face(text).is_ok() {
        reason.push_str(&format!(
            "; for a repository of the Hugging Face hub write hf://{text}"
        ));
    } else if let Some(name) = nearest(text, names) {
        reason.push_str(&format!(". Did you mean \"{name}\"?"));
    } else {
        reason
            .push_str("; `engraft presets` lists those that have a name, and a folder must exist");
    }
    reason
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
            ("bert_base_enn", "bert_base_en"),
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
    fn an_unknown_name_says_where_names_are_and_that_a_folder_must_exist() {
        let message = refusal("no_such_thing_anywhere");
        assert!(
            message.contains("`engraft presets` lists those")
                && message.ends_with("a folder must exist"),
            "{message}"
        );
    }

    #[test]
    fn models_of_kaggle_may_carry_a_version() {
        for text in [
            "kaggle://keras/bert/keras/bert_base_en",
            "kaggle://keras/bert/keras/bert_base_en/3",
        ] {
            assert_eq!(Handle::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(
            Handle::parse("KAGGLE://keras/gemma/Keras/gemma_2b_en")
                .unwrap()
                .to_string(),
            "kaggle://keras/gemma/Keras/gemma_2b_en"
        );
        for (text, says) in [
            ("kaggle://keras/bert", "is written kaggle://owner/model"),
            ("kaggle://keras/bert/keras/x/y", "its version is a number"),
            ("kaggle://keras/bert/keras/x/0", "its version is a number"),
            (
                "kaggle://../bert/keras/x",
                "is written kaggle://owner/model",
            ),
            (
                "kaggle://keras/bert/keras/x/3/4",
                "is written kaggle://owner/model",
            ),
            ("s3://bucket", "\"s3://\" is not a kind of preset"),
            ("hf://datasets/org/name", "it is a data set"),
        ] {
            let message = refusal(text);
            assert!(message.contains(says), "{message}");
        }
    }

    #[test]
    fn data_sets_have_handles_of_their_own() {
        let parse = |text: &str| DataSetHandle::parse(text);
        let found = parse("hf://datasets/org/name@v2").unwrap().unwrap();
        assert_eq!(
            (found.repository.as_str(), found.revision.as_deref()),
            ("org/name", Some("v2"))
        );
        assert_eq!(found.to_string(), "hf://datasets/org/name@v2");
        assert_eq!(parse("hf://org/name").unwrap(), None);
        assert!(parse("hf://datasets/../name").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "(hf://|kaggle://|)\\PC{0,30}") {
            let _ = Handle::parse(&text);
        }
    }
}
