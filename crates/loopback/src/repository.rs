//! A repository as a test describes it, and as the server holds it.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha1::{Digest, Sha1};

use crate::content::{Content, Source, hexadecimal};

/// What a repository of Hugging Face is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Below `/api/models/`.
    Model,
    /// Below `/api/datasets/`.
    DataSet,
}

impl Kind {
    /// The word in addresses.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Kind::Model => "models",
            Kind::DataSet => "datasets",
        }
    }
}

/// Who may read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    #[default]
    Open,
    /// Everybody sees it; its files are for those whose token has accepted the conditions.
    Gated,
    /// Without the token there is nothing to see.
    Private,
}

/// A repository of Hugging Face: files, revisions, who may read.
#[derive(Clone, Debug)]
pub struct Repository {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) access: Access,
    pub(crate) token: Option<String>,
    files: BTreeMap<String, File>,
    revisions: BTreeMap<String, Option<Repository>>,
    commit: Option<String>,
}

#[derive(Clone, Debug)]
struct File {
    content: Content,
    large: bool,
}

impl Repository {
    /// A model, `org/name` or a bare name.
    pub fn model(name: &str) -> Self {
        Self::new(Kind::Model, name)
    }

    /// A data set, `org/name` or a bare name.
    pub fn data_set(name: &str) -> Self {
        Self::new(Kind::DataSet, name)
    }

    fn new(kind: Kind, name: &str) -> Self {
        Repository {
            kind,
            name: name.to_string(),
            access: Access::Open,
            token: None,
            files: BTreeMap::new(),
            revisions: BTreeMap::new(),
            commit: None,
        }
    }

    /// Adds a file that the hub sends itself.
    pub fn file(mut self, path: &str, content: impl Into<Content>) -> Self {
        self.files.insert(
            path.to_string(),
            File {
                content: content.into(),
                large: false,
            },
        );
        self
    }

    /// Adds a file stored as LFS, which the hub redirects to the file store.
    pub fn large(mut self, path: &str, content: impl Into<Content>) -> Self {
        self.files.insert(
            path.to_string(),
            File {
                content: content.into(),
                large: true,
            },
        );
        self
    }

    /// Another name, a branch or tag, for the same commit; `main` needs none.
    pub fn revision(mut self, name: &str) -> Self {
        self.revisions.insert(name.to_string(), None);
        self
    }

    /// A branch or tag with the files of `other`, whose kind, name and access do not matter.
    pub fn revision_of(mut self, name: &str, other: Repository) -> Self {
        self.revisions.insert(name.to_string(), Some(other));
        self
    }

    /// Sets the commit, 40 hexadecimal digits, instead of the one that follows from the files.
    pub fn at_commit(mut self, commit: &str) -> Self {
        self.commit = Some(commit.to_string());
        self
    }

    /// Sets who may read.
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// Sets the token that opens the repository: `Authorization: Bearer <token>`.
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_string());
        self
    }

    /// The commit of `main`.
    pub fn commit(&self) -> String {
        self.snapshot().commit
    }

    fn snapshot(&self) -> Snapshot {
        let files: BTreeMap<String, Held> = self
            .files
            .iter()
            .map(|(path, file)| (path.clone(), Held::of(file)))
            .collect();
        let commit = self.commit.clone().unwrap_or_else(|| {
            let mut hash = Sha1::new();
            files
                .iter()
                .for_each(|(path, file)| hash.update(format!("{path}\0{}\n", file.blob)));
            hexadecimal(&hash.finalize())
        });
        Snapshot { commit, files }
    }
}

/// A repository in the server, hashes computed.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) access: Access,
    pub(crate) token: Option<String>,
    revisions: BTreeMap<String, Arc<Snapshot>>,
}

impl Published {
    pub(crate) fn of(repository: &Repository) -> Published {
        let main = Arc::new(repository.snapshot());
        let mut revisions: BTreeMap<String, Arc<Snapshot>> = repository
            .revisions
            .iter()
            .map(|(name, other)| {
                (
                    name.clone(),
                    other
                        .as_ref()
                        .map_or_else(|| main.clone(), |other| Arc::new(other.snapshot())),
                )
            })
            .collect();
        revisions.entry("main".to_string()).or_insert(main);
        Published {
            name: repository.name.clone(),
            kind: repository.kind,
            access: repository.access,
            token: repository.token.clone(),
            revisions,
        }
    }

    /// The files at a branch, a tag or a full commit.
    pub(crate) fn at(&self, revision: &str) -> Option<Arc<Snapshot>> {
        let by_commit = || {
            self.revisions
                .values()
                .find(|snapshot| snapshot.commit == revision)
        };
        self.revisions.get(revision).or_else(by_commit).cloned()
    }

    pub(crate) fn snapshots(&self) -> impl Iterator<Item = &Snapshot> {
        self.revisions.values().map(Arc::as_ref)
    }

    /// Whether this Authorization header opens it.
    pub(crate) fn opened_by(&self, authorization: Option<&str>) -> bool {
        let given = authorization.and_then(|value| value.strip_prefix("Bearer "));
        given.is_some() && given == self.token.as_deref()
    }
}

/// The files of one commit.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) commit: String,
    pub(crate) files: BTreeMap<String, Held>,
}

/// A file in the server.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) source: Arc<Source>,
    /// What git calls the file, or its pointer if it is stored as LFS.
    pub(crate) blob: String,
    pub(crate) large: Option<Large>,
}

/// What the hub publishes of a file stored as LFS.
#[derive(Debug)]
pub(crate) struct Large {
    pub(crate) sha256: String,
    pub(crate) pointer_size: u64,
}

impl Held {
    fn of(file: &File) -> Held {
        let source = Arc::new(Source::of(&file.content));
        if file.large {
            let sha256 = source.sha256();
            let pointer = format!(
                "version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {}\n",
                source.size()
            );
            let large = Large {
                sha256,
                pointer_size: pointer.len() as u64,
            };
            Held {
                source,
                blob: Content::from(pointer.as_str()).git_blob(),
                large: Some(large),
            }
        } else {
            Held {
                blob: source.git_blob(),
                source,
                large: None,
            }
        }
    }
}
