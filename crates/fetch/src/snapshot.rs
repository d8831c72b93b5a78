//! One state of a repository: its folder here, and what files it has at the hub.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::digest::Digest;
use crate::listing::{Entry, Listing, bytes_of, stays_inside};
use crate::watch::{Plan, report};
use crate::{Error, Hubs, Result, hugging_face, kaggle, space};

/// Files that are fetched at the same time.
const AT_ONCE: usize = 4;

/// Room that is left on a disk.
const ROOM: u64 = 16 << 20;

/// One state of a repository.
#[derive(Debug)]
pub struct Snapshot {
    hubs: &'static Hubs,
    /// What a user calls it.
    name: String,
    folder: PathBuf,
    /// What is at the hub; none where that is not known, and all there is lies in the folder.
    listing: Option<Listing>,
    home: Home,
}

/// Where its files come from.
#[derive(Debug)]
pub(crate) enum Home {
    HuggingFace(hugging_face::Home),
    Kaggle(kaggle::Home),
}

/// What came of looking at a file of a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// Its bytes are those that the hub announced.
    Whole,
    /// They are not.
    Broken,
    /// It is not known what they should be.
    Unknown,
}

impl Snapshot {
    pub(crate) fn new(
        hubs: &'static Hubs,
        name: String,
        folder: PathBuf,
        listing: Option<Listing>,
        home: Home,
    ) -> Self {
        Self {
            hubs,
            name,
            folder,
            listing,
            home,
        }
    }

    /// What a user calls it, as `hf://org/name`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder of its files, of which not all need to be there.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether it is known what the hub has.
    pub fn is_listed(&self) -> bool {
        self.listing.is_some()
    }

    /// The paths of all files that it has at the hub, or, where that is not known, here.
    pub fn files(&self) -> Vec<String> {
        match &self.listing {
            Some(listing) => listing.iter().map(|(path, _)| path.to_owned()).collect(),
            None => files_below(&self.folder),
        }
    }

    /// How long a file is, where that is known.
    pub fn size(&self, path: &str) -> Option<u64> {
        match &self.listing {
            Some(listing) => listing.get(path)?.size,
            None => Some(self.folder.join(path).metadata().ok()?.len()),
        }
    }

    /// Whether a file is here, as long as the hub says.
    pub fn is_here(&self, path: &str) -> bool {
        let file = self.folder.join(path);
        let is_said_to_be = match &self.home {
            Home::HuggingFace(_) => stays_inside(path),
            Home::Kaggle(home) => home.is_marked(path),
        };
        is_said_to_be && file.is_file() && !self.size_differs(path, &file)
    }

    /// Whether the hub has a file that is not here.
    pub fn is_missing(&self, path: &str) -> bool {
        let listed = self.listing.as_ref();
        listed.is_some_and(|listing| listing.get(path).is_some()) && !self.is_here(path)
    }

    /// Of these files, the bytes that would have to be fetched, where that is known, and their number.
    pub fn missing<'a>(&self, paths: impl IntoIterator<Item = &'a str>) -> (usize, u64) {
        let missing = paths.into_iter().filter(|path| !self.is_here(path));
        missing.fold((0, 0), |(files, bytes), path| {
            (files + 1, bytes + self.size(path).unwrap_or_default())
        })
    }

    /// Brings these of its files that are not here yet.
    ///
    /// # Errors
    ///
    /// The hub does not have one, does not give it or cannot be reached, what it gives is not what it announced, the disk is full, or nothing is
    /// to be fetched.
    pub fn fetch<'a>(&self, paths: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let mut wanted = Vec::new();
        for path in paths {
            if self.is_here(path) {
                continue;
            }
            let entry = self.listing.as_ref().and_then(|listing| listing.get(path));
            let entry = entry.ok_or_else(|| Error::Cache {
                place: self.name.clone(),
                reason: format!("has no file {path}"),
            })?;
            wanted.push((path, entry));
        }
        if wanted.is_empty() {
            // A cache that only others write to need not know it.
            let _ = self.note();
            return Ok(());
        }
        if self.hubs.is_offline() {
            let names: Vec<&str> = wanted.iter().map(|(path, _)| *path).collect();
            return Err(Error::Offline {
                name: self.name.clone(),
                what: format!("without {}", shortened(&names)),
            });
        }
        self.bring(&wanted)
    }

    fn bring(&self, wanted: &[(&str, &Entry)]) -> Result<()> {
        let is_archived =
            matches!(self.home, Home::Kaggle(_)) && kaggle::Home::is_archived(wanted.len());
        // An archive has all files, and lies beside them until it is unpacked.
        let (bytes, room) = match &self.listing {
            Some(listing) if is_archived => (listing.bytes(), listing.bytes().saturating_mul(2)),
            _ => {
                let bytes = bytes_of(wanted.iter().map(|(_, entry)| *entry));
                (bytes, bytes)
            }
        };
        let begun = wanted.iter().map(|(path, entry)| self.begun(path, entry));
        let at_hand = if is_archived { 0 } else { begun.sum() };
        let plan = Plan::new(&self.name, wanted.len(), bytes, at_hand);
        let base = self.home.base();
        make_folder(base)?;
        space::check(base, room.saturating_sub(at_hand).saturating_add(ROOM))?;
        self.note()?;
        report(|watch| watch.begins(&plan));
        let came = match &self.home {
            Home::Kaggle(home) if is_archived => home.bring_all(self.hubs, self),
            _ => in_parallel(wanted, |(path, entry)| self.bring_one(path, entry)),
        };
        report(|watch| watch.ends());
        came?;
        if let Home::Kaggle(home) = &self.home {
            home.note_whole(self)?;
        }
        Ok(())
    }

    /// Notes in the cache what the hub has.
    fn note(&self) -> Result<()> {
        match (&self.listing, &self.home) {
            (Some(listing), Home::HuggingFace(home)) => home.note(self, listing),
            (Some(listing), Home::Kaggle(home)) => home.note(listing),
            (None, _) => Ok(()),
        }
    }

    fn bring_one(&self, path: &str, entry: &Entry) -> Result<()> {
        match &self.home {
            Home::HuggingFace(home) => home.bring(self.hubs, self, path, entry),
            Home::Kaggle(home) => home.bring(self.hubs, self, path, entry),
        }
    }

    /// The bytes of a file that came before, in a download that was cut.
    fn begun(&self, path: &str, entry: &Entry) -> u64 {
        let begun = match &self.home {
            Home::HuggingFace(home) => home.begun(entry),
            Home::Kaggle(home) => {
                let partial = home.partial(&self.folder, path).metadata();
                partial.map_or(0, |data| data.len())
            }
        };
        begun.min(entry.size.unwrap_or_default())
    }

    /// Looks at all bytes of each file that was fetched, and says what came of it.
    ///
    /// # Errors
    ///
    /// One cannot be read.
    pub fn verify(&self) -> Result<Vec<(String, Checked)>> {
        let mut paths = links_and_files_below(&self.folder);
        if let Home::Kaggle(home) = &self.home {
            paths.retain(|path| home.is_marked(path));
        }
        let checked = paths.into_iter().map(|path| {
            let file = self.folder.join(&path);
            let checked = self.check(&path, &file)?;
            Ok((path, checked))
        });
        checked.collect()
    }

    fn check(&self, path: &str, file: &Path) -> Result<Checked> {
        // Cut, longer than it was, or a link that leads nowhere.
        if self.size_differs(path, file) || !file.is_file() {
            return Ok(Checked::Broken);
        }
        let Some(digest) = self.digest(path, file) else {
            return Ok(Checked::Unknown);
        };
        let is_whole = digest.is_of(file);
        let is_whole = is_whole.map_err(engraft_files::Error::io("read", file))?;
        Ok(if is_whole {
            Checked::Whole
        } else {
            Checked::Broken
        })
    }

    /// Whether a file has another length than the hub says.
    fn size_differs(&self, path: &str, file: &Path) -> bool {
        let listed = self.listing.as_ref();
        let size = listed.and_then(|listing| listing.get(path)?.size);
        let length = file.metadata().ok().map(|data| data.len());
        size.is_some_and(|size| length != Some(size))
    }

    /// What a file here should add up to; none where that is not known.
    fn digest(&self, path: &str, file: &Path) -> Option<Digest> {
        let entry = self.listing.as_ref().and_then(|listing| listing.get(path));
        if let Some(digest) = entry.and_then(|entry| entry.digest.clone()) {
            return Some(digest);
        }
        match &self.home {
            // A file of the cache is called by its digest.
            Home::HuggingFace(_) => hugging_face::cache::digest_of(file),
            Home::Kaggle(home) => home.digest(path, file.metadata().ok()?.len()),
        }
    }

    pub(crate) fn listing(&self) -> Option<&Listing> {
        self.listing.as_ref()
    }
}

impl Home {
    /// The folder of the repository in the cache.
    fn base(&self) -> &Path {
        match self {
            Self::HuggingFace(home) => home.base(),
            Self::Kaggle(home) => home.base(),
        }
    }
}

/// Does something with each of several things, a few at a time, until one fails.
fn in_parallel<T: Sync>(things: &[T], work: impl Fn(&T) -> Result<()> + Sync) -> Result<()> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(things.len()) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed)
                    && let Some(thing) = things.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    if let Err(error) = work(thing) {
                        stop.store(true, Ordering::Relaxed);
                        let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                        failed.get_or_insert(error);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.map_or(Ok(()), Err)
}

/// Makes a folder and those above it.
pub(crate) fn make_folder(folder: &Path) -> Result<()> {
    let made = std::fs::create_dir_all(folder);
    Ok(made.map_err(engraft_files::Error::io("create", folder))?)
}

/// The paths of all files below a folder, in order.
pub(crate) fn files_below(folder: &Path) -> Vec<String> {
    let mut found = links_and_files_below(folder);
    found.retain(|path| folder.join(path).is_file());
    found
}

/// The same with links that lead nowhere.
fn links_and_files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_path_buf(), String::new())];
    while let Some((folder, before)) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let path = format!("{before}{name}");
            // A link to a folder is not followed, as it may lead around in a circle.
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder {
                folders.push((entry.path(), format!("{path}/")));
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// What the files below a folder take, links not counted.
pub(crate) fn bytes_below(folder: &Path) -> u64 {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        bytes += match entry.file_type() {
            Ok(kind) if kind.is_dir() => bytes_below(&entry.path()),
            Ok(kind) if kind.is_file() => entry.metadata().map_or(0, |data| data.len()),
            _ => 0,
        };
    }
    bytes
}

/// The first of several names.
fn shortened(names: &[&str]) -> String {
    const SHOWN: usize = 3;
    let shown = names
        .iter()
        .take(SHOWN)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().checked_sub(SHOWN) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}
