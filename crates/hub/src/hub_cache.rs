//! The folder in which Hugging Face's own tools keep what they have downloaded.
//!
//! `<cache>/models--org--name/refs/<revision>` holds a commit; `snapshots/<commit>/` holds the files. Data sets lie in `datasets--org--name`.
//! Layout and variables: <https://huggingface.co/docs/huggingface_hub/guides/manage-cache>.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::PathBuf;

use crate::{Error, Handle, Result};

/// Where repositories of the Hugging Face hub lie on this machine.
#[derive(Debug, Clone)]
pub struct HubCache {
    root: PathBuf,
}

impl HubCache {
    /// The cache in the folder `root`, which holds `models--org--name` folders.
    pub fn at(root: impl Into<PathBuf>) -> HubCache {
        HubCache { root: root.into() }
    }

    /// The cache that the environment names, found as Hugging Face's own tools find it: `HF_HUB_CACHE`, else `HF_HOME/hub`,
    /// else `XDG_CACHE_HOME/huggingface/hub`, else `~/.cache/huggingface/hub`.
    pub fn from_environment() -> HubCache {
        HubCache::from_variables(|name| std::env::var_os(name))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> HubCache {
        let folder = |name: &str| {
            variable(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let root = folder("HF_HUB_CACHE")
            .or_else(|| folder("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| Some(folder("HF_HOME")?.join("hub")))
            .or_else(|| Some(folder("XDG_CACHE_HOME")?.join("huggingface/hub")))
            .or_else(|| {
                Some(
                    folder("HOME")
                        .or_else(|| folder("USERPROFILE"))?
                        .join(".cache/huggingface/hub"),
                )
            })
            .unwrap_or_else(|| PathBuf::from(".cache/huggingface/hub"));
        HubCache { root }
    }

    /// The folder of files of a model's repository at a revision.
    pub(crate) fn snapshot(&self, repository: &str, revision: Option<&str>) -> Result<PathBuf> {
        let handle = Handle::HuggingFace {
            repository: repository.to_owned(),
            revision: revision.map(str::to_owned),
        };
        self.find("models", repository, revision, |looked_for| {
            Error::NotCached {
                handle: handle.to_string(),
                repository: repository.to_owned(),
                looked_for,
            }
        })
    }

    /// The folder of files of a data set's repository at a revision, a branch, tag or commit; `main` without one.
    ///
    /// # Errors
    /// It is not there, with the file or folder that should be.
    pub fn data_set(&self, repository: &str, revision: Option<&str>) -> Result<PathBuf> {
        self.find("datasets", repository, revision, |looked_for| {
            Error::DataNotCached {
                repository: repository.to_owned(),
                looked_for,
            }
        })
    }

    fn find(
        &self,
        kind: &str,
        repository: &str,
        revision: Option<&str>,
        missing: impl Fn(PathBuf) -> Error,
    ) -> Result<PathBuf> {
        let folder = self
            .root
            .join(format!("{kind}--{}", repository.replace('/', "--")));
        let snapshots = folder.join("snapshots");

        // A commit names its snapshot; a branch or tag names a file that holds the commit.
        if let Some(revision) = revision {
            let snapshot = snapshots.join(revision);
            if !revision.contains('/') && snapshot.is_dir() {
                return Ok(snapshot);
            }
        }
        let reference = folder.join("refs").join(revision.unwrap_or("main"));
        let commit = match fs::read_to_string(&reference) {
            Ok(commit) => commit.trim().to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(missing(if folder.is_dir() { reference } else { folder }));
            }
            Err(error) => return Err(Error::io("read", &reference)(error)),
        };
        if commit.is_empty() || !commit.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(Error::Malformed {
                file: reference.display().to_string(),
                reason: "does not hold a commit; fetch the repository again".into(),
            });
        }
        let snapshot = snapshots.join(commit);
        if snapshot.is_dir() {
            Ok(snapshot)
        } else {
            Err(missing(snapshot))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn cache() -> (tempfile::TempDir, HubCache) {
        let root = tempfile::tempdir().unwrap();
        let repository = root.path().join("models--org--name");
        fs::create_dir_all(repository.join("snapshots/abc123")).unwrap();
        fs::create_dir_all(repository.join("refs/refs/pr")).unwrap();
        fs::write(repository.join("refs/main"), "abc123\n").unwrap();
        fs::write(repository.join("refs/refs/pr/1"), "abc123").unwrap();
        fs::write(repository.join("refs/gone"), "fff").unwrap();
        fs::write(repository.join("refs/evil"), "../../..").unwrap();
        let cache = HubCache::at(root.path());
        (root, cache)
    }

    #[test]
    fn a_repository_is_found_by_default_branch_commit_and_nested_reference() {
        let (root, cache) = cache();
        let expected = root.path().join("models--org--name/snapshots/abc123");
        for revision in [None, Some("main"), Some("abc123"), Some("refs/pr/1")] {
            assert_eq!(cache.snapshot("org/name", revision).unwrap(), expected);
        }
    }

    #[test]
    fn data_sets_lie_apart_from_models() {
        let (root, cache) = cache();
        let repository = root.path().join("datasets--org--name");
        fs::create_dir_all(repository.join("snapshots/def456")).unwrap();
        fs::create_dir_all(repository.join("refs")).unwrap();
        fs::write(repository.join("refs/main"), "def456").unwrap();
        let found = cache.data_set("org/name", None).unwrap();
        assert_eq!(found, repository.join("snapshots/def456"));
        let message = cache.data_set("org/other", None).unwrap_err().to_string();
        assert!(message.contains("datasets--org--other"), "{message}");
    }

    #[test]
    fn what_is_not_cached_says_where_it_was_looked_for() {
        let (root, cache) = cache();
        let message = cache.snapshot("org/other", None).unwrap_err().to_string();
        let looked_for = root.path().join("models--org--other");
        assert!(
            message.contains(&looked_for.display().to_string()),
            "{message}"
        );
        assert!(
            message.contains("downloading is not supported yet"),
            "{message}"
        );
        assert!(cache.snapshot("org/name", Some("gone")).is_err());
    }

    #[test]
    fn a_reference_cannot_lead_out_of_the_cache() {
        let (_root, cache) = cache();
        let message = cache
            .snapshot("org/name", Some("evil"))
            .unwrap_err()
            .to_string();
        assert!(message.contains("does not hold a commit"), "{message}");
    }

    #[test]
    fn the_environment_is_read_as_hugging_faces_tools_read_it() {
        let root = |variables: &[(&str, &str)]| {
            HubCache::from_variables(|name| {
                let (_, value) = variables.iter().find(|(key, _)| *key == name)?;
                Some(OsString::from(value))
            })
            .root
        };
        assert_eq!(
            root(&[("HOME", "/h")]),
            Path::new("/h/.cache/huggingface/hub")
        );
        assert_eq!(
            root(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]),
            Path::new("/x/huggingface/hub")
        );
        assert_eq!(
            root(&[("HOME", "/h"), ("HF_HOME", "/f")]),
            Path::new("/f/hub")
        );
        assert_eq!(
            root(&[("HF_HOME", "/f"), ("HF_HUB_CACHE", "/c")]),
            Path::new("/c")
        );
        assert_eq!(
            root(&[("HF_HOME", ""), ("HOME", "/h")]),
            Path::new("/h/.cache/huggingface/hub")
        );
    }
}
