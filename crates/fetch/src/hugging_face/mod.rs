//! Repositories of the Hugging Face hub.
//!
//! A name and a revision become a commit (`/api/models/org/name/revision/main`), a commit becomes a list of files with sizes and digests
//! (`/api/models/org/name/tree/COMMIT`), and a file is fetched from `/org/name/resolve/COMMIT/PATH`, which leads to another host where it is large.

pub(crate) mod cache;

use std::fmt;
use std::path::{Path, PathBuf};

use engraft_component::nearest;
use serde_json::Value;

use self::cache::{Folders, HubCache, is_commit};
use crate::client::{Answer, Call, TRIES, in_address};
use crate::credential::Credential;
use crate::error::Refusal;
use crate::listing::{Entry, Listing};
use crate::locks::hold;
use crate::snapshot::make_folder;
use crate::transfer::{self, Wanted};
use crate::{Error, Hubs, Result, Snapshot, Wish};

/// The branch that is meant without a revision.
const MAIN: &str = "main";

/// Pages of a list of files, of 1000 each.
const PAGES: usize = 200;

/// Kinds of repositories.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub enum Kind {
    /// Of a model.
    Model,
    /// Of a data set.
    DataSet,
}

impl Kind {
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Model => "models",
            Self::DataSet => "datasets",
        }
    }

    /// What a user calls a repository.
    pub fn handle(self, name: &str, revision: Option<&str>) -> String {
        let kind = match self {
            Self::Model => "",
            Self::DataSet => "datasets/",
        };
        match revision {
            Some(revision) => format!("hf://{kind}{name}@{revision}"),
            None => format!("hf://{kind}{name}"),
        }
    }

    /// What comes before its name in addresses of files and pages.
    fn in_address(self) -> &'static str {
        match self {
            Self::Model => "",
            Self::DataSet => "datasets/",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Model => "model",
            Self::DataSet => "data set",
        })
    }
}

/// Where a snapshot lies in the cache, and where it comes from.
#[derive(Debug)]
pub(crate) struct Home {
    kind: Kind,
    repository: String,
    revision: String,
    commit: String,
    folders: Folders,
}

/// Finds a repository at a revision.
///
/// # Errors
///
/// It is not in the cache, and the hub does not have it, does not give it or cannot be reached.
pub(crate) fn open(
    hubs: &'static Hubs,
    kind: Kind,
    repository: &str,
    revision: Option<&str>,
    wish: Wish,
) -> Result<Snapshot> {
    let name = kind.handle(repository, revision);
    let folders = HubCache::at(&hubs.settings().hugging_face.cache).folders(kind, repository);
    let revision = revision.unwrap_or(MAIN);
    let cached = folders.commit(revision)?;
    let asked = Question {
        hubs,
        kind,
        repository,
        name: &name,
    };
    let snapshot = |commit: String, listing| {
        let folder = folders.snapshot(&commit);
        let home = Home {
            kind,
            repository: repository.to_owned(),
            revision: revision.to_owned(),
            commit,
            folders: folders.clone(),
        };
        let home = crate::snapshot::Home::HuggingFace(home);
        Snapshot::new(hubs, name.clone(), folder, listing, home)
    };
    let stays = wish == Wish::AsCached || is_commit(revision);
    let known = cached.clone().filter(|_| stays);
    if let Some(commit) = known
        && let Some(listing) = folders.listing(&commit)
    {
        return Ok(snapshot(commit, Some(listing)));
    }
    if hubs.is_offline() {
        return match cached {
            Some(commit) => {
                let listing = folders.listing(&commit);
                Ok(snapshot(commit, listing))
            }
            None => Err(Error::Offline {
                what: format!("looked for {}", looked_for(&folders, revision).display()),
                name,
            }),
        };
    }
    let commit = match cached.clone().filter(|_| stays) {
        Some(commit) => commit,
        None => asked.commit(revision)?,
    };
    let listing = match folders.listing(&commit) {
        Some(listing) => Ok(listing),
        // Where files of others lie, a hub that does not answer is no reason to wait.
        None if stays && cached.is_some() => asked.listing(&commit, 1),
        None => asked.listing(&commit, TRIES),
    };
    match (listing, cached) {
        (Ok(listing), _) => Ok(snapshot(commit, Some(listing))),
        // What others fetched is good enough where the hub does not answer, or does not know it any more.
        (Err(error), Some(commit)) if stays && error.is_refusal_of_hub() => {
            Ok(snapshot(commit, None))
        }
        (Err(error), _) => Err(error),
    }
}

/// Whether a repository is in the cache at this revision, if only in part.
pub(crate) fn is_cached(hubs: &Hubs, kind: Kind, name: &str, revision: Option<&str>) -> bool {
    let folders = HubCache::at(&hubs.settings().hugging_face.cache).folders(kind, name);
    matches!(folders.commit(revision.unwrap_or(MAIN)), Ok(Some(_)))
}

fn looked_for(folders: &Folders, revision: &str) -> PathBuf {
    if folders.base.is_dir() {
        folders.base.join("refs").join(revision)
    } else {
        folders.base.clone()
    }
}

/// A repository that the hub is asked about.
struct Question<'a> {
    hubs: &'a Hubs,
    kind: Kind,
    repository: &'a str,
    /// What a user calls it.
    name: &'a str,
}

impl Question<'_> {
    fn endpoint(&self) -> &str {
        &self.hubs.settings().hugging_face.endpoint
    }

    fn call<'a>(&'a self, path: &str, credential: Option<&'a Credential>) -> Call<'a> {
        Call {
            name: self.name,
            url: format!("{}{path}", self.endpoint()),
            credential,
            from: None,
            json: None,
        }
    }

    /// The commit that a branch, tag or commit is now.
    fn commit(&self, revision: &str) -> Result<String> {
        let credential = self.hubs.settings().hugging_face.credential()?;
        let path = format!(
            "/api/{}/{}/revision/{}",
            self.kind.plural(),
            self.repository,
            in_address(revision).replace('/', "%2F")
        );
        let call = self.call(&path, credential.as_ref());
        let explain = |answer: &mut Answer| self.explain(answer, Some(revision), &credential);
        let mut answer = self.hubs.client().ask_patiently(&call, explain)?;
        let found = answer.json(&call)?;
        let commit = found.get("sha").and_then(Value::as_str);
        let commit = commit.filter(|commit| is_commit(commit));
        let commit = commit.ok_or_else(|| call.senseless(&answer.host, "no commit").error)?;
        Ok(commit.to_owned())
    }

    /// All files of a commit.
    fn listing(&self, commit: &str, tries: u32) -> Result<Listing> {
        let credential = self.hubs.settings().hugging_face.credential()?;
        let path = format!(
            "/api/{}/{}/tree/{commit}?recursive=true&expand=false",
            self.kind.plural(),
            self.repository
        );
        let mut call = self.call(&path, credential.as_ref());
        let mut listing = Listing::default();
        for _ in 0..PAGES {
            let explain = |answer: &mut Answer| self.explain(answer, Some(commit), &credential);
            let mut answer = self.hubs.client().ask_at_most(tries, &call, explain)?;
            let page = answer.json(&call)?;
            let added = listing.add_tree(&page);
            added.map_err(|problem| {
                let what = format!("a list of files of which {problem}");
                call.senseless(&answer.host, &what).error
            })?;
            let next = answer.header("link").and_then(next_page);
            let Some(next) = next else {
                return Ok(listing);
            };
            // The token may go to no other host than the hub, and so neither may the question.
            if crate::client::origin(next) != crate::client::origin(&call.url) {
                return Err(call
                    .senseless(&answer.host, "a list that goes on elsewhere")
                    .error);
            }
            call.url = next.to_owned();
        }
        Err(call.senseless(self.endpoint(), "a list without end").error)
    }

    /// What an answer means that is no success.
    fn explain(
        &self,
        answer: &mut Answer,
        revision: Option<&str>,
        credential: &Option<Credential>,
    ) -> Error {
        let code = answer.header("x-error-code").unwrap_or_default().to_owned();
        let message = answer
            .header("x-error-message")
            .map(crate::client::one_line);
        let page = format!(
            "{}/{}{}",
            self.endpoint(),
            self.kind.in_address(),
            self.repository
        );
        let (status, kind) = (answer.status, self.kind);
        let has_token = credential.is_some();
        let is_bad_token = message.as_deref().is_some_and(|text| {
            text.to_lowercase().contains("invalid") && text.to_lowercase().contains("cred")
        });
        let (reason, kind) = match (status, code.as_str()) {
            (_, "GatedRepo") if has_token => (
                format!(
                    "the {kind} is gated, and the account of your token has no access; ask for it at {page}"
                ),
                Refusal::Forbidden,
            ),
            (_, "GatedRepo") => (
                format!(
                    "the {kind} is gated; accept its terms at {page}, then give a token by HF_TOKEN or `hf auth login`"
                ),
                Refusal::Forbidden,
            ),
            (_, "RevisionNotFound") => (
                format!(
                    "the {kind} has no branch, tag or commit \"{}\"; {page}/tree/main shows those there are",
                    revision.unwrap_or(MAIN)
                ),
                Refusal::NotFound,
            ),
            (_, "EntryNotFound") => (
                format!(
                    "the {kind} does not have this file any more; fetch anew with engraft download"
                ),
                Refusal::NotFound,
            ),
            (401, _) if has_token && is_bad_token => (
                format!(
                    "{} does not know the token; make a new one at {}/settings/tokens and give it by HF_TOKEN or `hf auth login`",
                    answer.host,
                    self.endpoint()
                ),
                Refusal::Forbidden,
            ),
            (401 | 404, _) => {
                let near = self.nearest();
                let near =
                    near.map(|near| format!(". Did you mean {}?", self.kind.handle(&near, None)));
                let token = if has_token {
                    "your token does not open it"
                } else {
                    "it is private and needs a token by HF_TOKEN or `hf auth login`"
                };
                (
                    format!(
                        "{} has no {kind} {}, or {token}{}",
                        answer.host,
                        self.repository,
                        near.unwrap_or_default()
                    ),
                    Refusal::NotFound,
                )
            }
            (403, _) => {
                let said = message
                    .or_else(|| answer.words())
                    .unwrap_or_else(|| "access is denied".to_owned());
                (
                    format!("{} refuses: {said}; see {page}", answer.host),
                    Refusal::Forbidden,
                )
            }
            (429, _) => (
                format!(
                    "{} gets too many questions from here; come back in a few minutes, or give a token of your own by HF_TOKEN",
                    answer.host
                ),
                Refusal::Later,
            ),
            (500..=599, _) => (
                format!(
                    "{} is in trouble (status {status}); try again later, what came is kept",
                    answer.host
                ),
                Refusal::Later,
            ),
            _ => (
                format!(
                    "{} answered with status {status}; check HF_ENDPOINT and the name",
                    answer.host
                ),
                Refusal::Senseless,
            ),
        };
        Error::Refused {
            name: self.name.to_owned(),
            reason,
            kind,
        }
    }

    /// A repository that is called nearly so.
    fn nearest(&self) -> Option<String> {
        let (organisation, own) = self
            .repository
            .split_once('/')
            .unwrap_or(("", self.repository));
        let start = own.split(['-', '_', '.']).next().unwrap_or(own);
        let mut names = Vec::new();
        // The hub looks for names that hold a word.
        for word in [own, start, organisation]
            .into_iter()
            .filter(|word| word.len() > 2)
        {
            let path = format!(
                "/api/{}?search={}&limit=50",
                self.kind.plural(),
                in_address(word)
            );
            let call = self.call(&path, None);
            let mut answer = self.hubs.client().ask(&call).ok()?;
            let found = answer.json(&call).ok()?;
            let found = found.as_array()?.iter();
            names.extend(found.filter_map(|it| Some(it.get("id")?.as_str()?.to_owned())));
        }
        let near = nearest(self.repository, names.iter().map(String::as_str))?;
        let is_clean = near.chars().all(|c| c.is_ascii_graphic());
        is_clean.then(|| near.to_owned())
    }
}

impl Home {
    /// The folder of the repository in the cache.
    pub(crate) fn base(&self) -> &Path {
        &self.folders.base
    }

    /// Notes in the cache what the hub has, and which commit a branch or tag is.
    pub(crate) fn note(&self, snapshot: &Snapshot, listing: &Listing) -> Result<()> {
        make_folder(snapshot.folder())?;
        if self.folders.listing(&self.commit).is_none() {
            self.folders.keep_listing(&self.commit, listing)?;
        }
        self.folders.refer(&self.revision, &self.commit)
    }

    /// The bytes of a file that are here already: all of them under another name, or the part that came before.
    pub(crate) fn begun(&self, entry: &Entry) -> u64 {
        let Some(etag) = entry.etag() else { return 0 };
        let length = |path: PathBuf| path.metadata().ok().map(|data| data.len());
        let whole = length(self.folders.blob(etag)).filter(|length| Some(*length) == entry.size);
        whole
            .or_else(|| length(self.folders.partial(etag)))
            .unwrap_or_default()
    }

    /// Brings a file.
    pub(crate) fn bring(
        &self,
        hubs: &Hubs,
        snapshot: &Snapshot,
        path: &str,
        entry: &Entry,
    ) -> Result<()> {
        let Some(etag) = entry.etag() else {
            return Err(Error::Cache {
                place: snapshot.name().to_owned(),
                reason: format!("it is not known what {path} should be"),
            });
        };
        let (blob, partial) = (self.folders.blob(etag), self.folders.partial(etag));
        if let Some(folder) = blob.parent() {
            make_folder(folder)?;
        }
        // One process fetches a file; the others find it when they have the lock.
        let _lock = hold(&self.folders.lock(etag), path)?;
        if snapshot.is_here(path) {
            return Ok(());
        }
        if !is_whole(&blob, entry) {
            let credential = hubs.settings().hugging_face.credential()?;
            let asked = Question {
                hubs,
                kind: self.kind,
                repository: &self.repository,
                name: snapshot.name(),
            };
            let address = format!(
                "/{}{}/resolve/{}/{}",
                self.kind.in_address(),
                self.repository,
                self.commit,
                in_address(path)
            );
            let call = asked.call(&address, credential.as_ref());
            let wanted = Wanted {
                name: snapshot.name(),
                file: path,
                size: entry.size,
                digest: entry.digest.as_ref(),
                etag: Some(etag),
            };
            transfer::fetch(hubs.client(), &call, &wanted, &partial, |answer| {
                asked.explain(answer, Some(&self.commit), &credential)
            })?;
            let placed = std::fs::rename(&partial, &blob);
            if let Err(error) = placed
                && !is_whole(&blob, entry)
            {
                return Err(engraft_files::Error::io("write", &blob)(error).into());
            }
        }
        self.folders.place(&self.commit, path, etag)
    }
}

/// Whether a file has all its bytes.
fn is_whole(blob: &Path, entry: &Entry) -> bool {
    let length = blob.metadata().map(|data| data.len());
    length.is_ok_and(|length| entry.size == Some(length))
}

/// The address of the next page in a header `Link`.
fn next_page(link: &str) -> Option<&str> {
    link.split(',').find_map(|part| {
        let (address, about) = part.split_once(';')?;
        let address = address.trim().strip_prefix('<')?.strip_suffix('>')?;
        about.contains("rel=\"next\"").then_some(address)
    })
}
