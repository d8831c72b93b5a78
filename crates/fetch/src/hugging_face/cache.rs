//! The folder in which Hugging Face's own tools keep what they have fetched.
//!
//! `<cache>/models--org--name/refs/<revision>` holds a commit; `snapshots/<commit>/` holds the files, as links to `blobs/<digest>`;
//! `trees/<commit>.json` lists what the hub has. Data sets lie in `datasets--org--name`. Locks are `.locks/models--org--name/<digest>.lock`.
//! Layout: <https://huggingface.co/docs/huggingface_hub/guides/manage-cache>.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::digest::{Digest, is_hex};
use crate::listing::Listing;
use crate::snapshot::{bytes_below, files_below, make_folder};
use crate::{Error, Kind, Result};

/// Where repositories of the Hugging Face hub lie on this machine.
#[derive(Debug, Clone)]
pub struct HubCache {
    root: PathBuf,
}

/// The folders of one repository.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    /// What it is called in the cache.
    pub(crate) own: String,
    pub(crate) base: PathBuf,
    root: PathBuf,
}

/// A repository in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cached {
    /// A model or a data set.
    pub kind: Kind,
    /// `org/name`.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Its branches and tags here.
    pub revisions: Vec<String>,
    /// Its commits here.
    pub commits: Vec<String>,
    /// What its files take.
    pub bytes: u64,
}

impl HubCache {
    /// The cache in the folder `root`, which holds `models--org--name` folders.
    pub fn at(root: impl Into<PathBuf>) -> HubCache {
        HubCache { root: root.into() }
    }

    pub(crate) fn folders(&self, kind: Kind, name: &str) -> Folders {
        let own = format!("{}--{}", kind.plural(), name.replace('/', "--"));
        Folders {
            base: self.root.join(&own),
            own,
            root: self.root.clone(),
        }
    }

    /// Every repository in the cache, by name.
    pub fn repositories(&self) -> Vec<Cached> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.root).into_iter().flatten().flatten() {
            let Ok(own) = entry.file_name().into_string() else {
                continue;
            };
            let kinds = [Kind::Model, Kind::DataSet];
            let named = kinds.into_iter().find_map(|kind| {
                let name = own.strip_prefix(kind.plural())?.strip_prefix("--")?;
                Some((kind, name.replacen("--", "/", 1)))
            });
            if let Some((kind, name)) = named.filter(|_| entry.path().is_dir()) {
                let folder = entry.path();
                found.push(Cached {
                    kind,
                    name,
                    revisions: references(&folder.join("refs")),
                    commits: names_in(&folder.join("snapshots")),
                    bytes: bytes_below(&folder),
                    folder,
                });
            }
        }
        found.sort_by(|a, b| (a.kind.plural(), &a.name).cmp(&(b.kind.plural(), &b.name)));
        found
    }

    /// Removes a repository; gives the bytes that it took, or none if it is not there.
    ///
    /// # Errors
    ///
    /// It cannot be removed.
    pub fn remove(&self, kind: Kind, name: &str) -> Result<Option<u64>> {
        let folders = self.folders(kind, name);
        if !folders.base.is_dir() {
            return Ok(None);
        }
        let bytes = bytes_below(&folders.base);
        engraft_files::atomic::remove(&folders.base);
        engraft_files::atomic::remove(&folders.root.join(".locks").join(&folders.own));
        if folders.base.exists() {
            return Err(Error::Cache {
                place: folders.base.display().to_string(),
                reason: "cannot be removed; check its permissions".to_owned(),
            });
        }
        Ok(Some(bytes))
    }
}

impl Folders {
    pub(crate) fn snapshot(&self, commit: &str) -> PathBuf {
        self.base.join("snapshots").join(commit)
    }

    pub(crate) fn blob(&self, etag: &str) -> PathBuf {
        self.base.join("blobs").join(etag)
    }

    pub(crate) fn partial(&self, etag: &str) -> PathBuf {
        self.base.join("blobs").join(format!("{etag}.incomplete"))
    }

    pub(crate) fn lock(&self, etag: &str) -> PathBuf {
        let locks = self.root.join(".locks").join(&self.own);
        locks.join(format!("{etag}.lock"))
    }

    fn reference(&self, revision: &str) -> PathBuf {
        self.base.join("refs").join(revision)
    }

    fn tree(&self, commit: &str) -> PathBuf {
        self.base.join("trees").join(format!("{commit}.json"))
    }

    /// The commit that a branch, tag or commit is here; none if it is not.
    ///
    /// # Errors
    ///
    /// The file that should hold a commit cannot be read or holds something else.
    pub(crate) fn commit(&self, revision: &str) -> Result<Option<String>> {
        // A commit names its snapshot; a branch or tag names a file that holds the commit.
        if !revision.contains('/') && self.snapshot(revision).is_dir() {
            return Ok(Some(revision.to_owned()));
        }
        let reference = self.reference(revision);
        let commit = match fs::read_to_string(&reference) {
            Ok(commit) => commit.trim().to_owned(),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(engraft_files::Error::io("read", &reference)(error).into()),
        };
        if commit.is_empty() || !commit.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(Error::Cache {
                place: reference.display().to_string(),
                reason: "does not hold a commit; remove it, and fetch the repository again".into(),
            });
        }
        Ok(self.snapshot(&commit).is_dir().then_some(commit))
    }

    /// Notes that a branch or tag is this commit.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub(crate) fn refer(&self, revision: &str, commit: &str) -> Result<()> {
        if revision == commit {
            return Ok(());
        }
        let reference = self.reference(revision);
        if fs::read_to_string(&reference).is_ok_and(|before| before == commit) {
            return Ok(());
        }
        write(&reference, commit.as_bytes())
    }

    /// What the hub has at this commit; none where that is not known here.
    pub(crate) fn listing(&self, commit: &str) -> Option<Listing> {
        let bytes = fs::read(self.tree(commit)).ok()?;
        Listing::from_tree_file(&bytes).ok().flatten()
    }

    /// Keeps what the hub has at a commit.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub(crate) fn keep_listing(&self, commit: &str, listing: &Listing) -> Result<()> {
        write(&self.tree(commit), &listing.to_tree_file())
    }

    /// Makes a file of a snapshot of a blob.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub(crate) fn place(&self, commit: &str, path: &str, etag: &str) -> Result<()> {
        let pointer = self.snapshot(commit).join(path);
        let leads_there = |link: PathBuf| link.file_name().is_some_and(|name| name == etag);
        if fs::read_link(&pointer).is_ok_and(leads_there) {
            return Ok(());
        }
        if let Some(folder) = pointer.parent() {
            make_folder(folder)?;
        }
        // Something else that has the name, as a file that was cut.
        let _ = fs::remove_file(&pointer);
        let blob = self.blob(etag);
        let mut target: PathBuf = std::iter::repeat_n("..", path.split('/').count() + 1).collect();
        target.extend(["blobs", etag]);
        let linked = link(&target, &pointer);
        let placed = linked.or_else(|error| {
            // Another process was faster.
            if fs::read_link(&pointer).is_ok_and(leads_there) {
                return Ok(());
            }
            // Where there are no links, the file itself lies in the snapshot.
            if cfg!(windows) || error.kind() == io::ErrorKind::Unsupported {
                return fs::rename(&blob, &pointer);
            }
            Err(error)
        });
        Ok(placed.map_err(engraft_files::Error::io("write", &pointer))?)
    }
}

/// The branches and tags that a folder of references has, without what a process left there that was killed while it wrote one.
fn references(folder: &Path) -> Vec<String> {
    let mut found = files_below(folder);
    found.retain(|path| {
        !path.split('/').any(|step| step.starts_with('.')) && !path.ends_with(".tmp")
    });
    found
}

/// The names of what lies in a folder, in order.
fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

#[cfg(unix)]
fn link(to: &Path, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(to, at)
}

#[cfg(windows)]
fn link(to: &Path, at: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(to, at)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    Ok(engraft_files::atomic::write(path, bytes)?)
}

/// What a file of a snapshot adds up to by the name of the blob that it is a link to.
pub(crate) fn digest_of(file: &Path) -> Option<Digest> {
    let blob = fs::read_link(file).ok()?;
    let name = blob.file_name()?.to_str()?;
    let size = fs::metadata(file).ok()?.len();
    Digest::of_blob(name, size)
}

/// Whether a revision is a commit, which never means anything else.
pub(crate) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && is_hex(revision)
}
