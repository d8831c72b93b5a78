//! The cache that `kagglehub` keeps.
//!
//! `<cache>/models/OWNER/MODEL/FRAMEWORK/VARIATION/VERSION/` holds the files; `VERSION.complete` beside it says that all are there, and
//! `.complete/VERSION/PATH.complete` that one is. In `.complete` also lie locks and lists of files, which kagglehub does not look at.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::KaggleModel;
use super::service::{ONE_BY_ONE, Question};
use crate::archive::{self, Bounds};
use crate::digest::Digest;
use crate::listing::{Entry, Listing, stays_inside};
use crate::locks::hold;
use crate::snapshot::{bytes_below, make_folder};
use crate::transfer::{self, Came, Wanted};
use crate::{Error, Hubs, Result, Snapshot};

/// Where a snapshot lies in the cache, and where it comes from.
#[derive(Debug)]
pub(crate) struct Home {
    pub(super) model: KaggleModel,
    pub(super) version: u32,
    /// The folder of the variation.
    pub(super) base: PathBuf,
}

pub(super) fn base(hubs: &Hubs, model: &KaggleModel) -> PathBuf {
    let names = [
        &model.owner,
        &model.model,
        &model.framework,
        &model.variation,
    ];
    names
        .iter()
        .fold(hubs.settings().kaggle.cache.join("models"), |path, name| {
            path.join(name)
        })
}

/// Whether a model is in the cache, if only in part.
pub(crate) fn is_cached(hubs: &Hubs, model: &KaggleModel) -> bool {
    let base = base(hubs, model);
    let mut versions = cached_versions(&base).into_iter();
    versions.any(|version| {
        let is_meant = model.version.is_none_or(|wanted| wanted == version);
        is_meant && has_files(&base, version)
    })
}

/// Whether at least one file of a version is here.
fn has_files(base: &Path, version: u32) -> bool {
    let of_all = base.join(format!("{version}.complete"));
    let of_each = base.join(".complete").join(version.to_string());
    of_all.exists() || of_each.is_dir()
}

/// The versions of a variation that are here, if only in part.
pub(super) fn cached_versions(base: &Path) -> Vec<u32> {
    let entries = fs::read_dir(base).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.path().is_dir());
    folders
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// A model in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CachedModel {
    /// What it is called, with its version.
    pub model: KaggleModel,
    /// Its folder.
    pub folder: PathBuf,
    /// What its files take.
    pub bytes: u64,
}

/// Every model of Kaggle in the cache.
pub(crate) fn models(hubs: &Hubs) -> Vec<CachedModel> {
    let root = hubs.settings().kaggle.cache.join("models");
    let mut variations = vec![(root, String::new())];
    for _ in 0..4 {
        variations = variations
            .iter()
            .flat_map(|(folder, name)| folders_of(folder, name))
            .collect();
    }
    let mut found = Vec::new();
    for (base, name) in variations {
        let Ok(model) = KaggleModel::parse(&name) else {
            continue;
        };
        for version in cached_versions(&base) {
            let folder = base.join(version.to_string());
            found.push(CachedModel {
                model: model.with_version(version),
                bytes: bytes_below(&folder),
                folder,
            });
        }
    }
    found.sort_by(|a, b| a.model.cmp(&b.model));
    found
}

fn folders_of(folder: &Path, before: &str) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.path().is_dir());
    folders
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let joined = if before.is_empty() {
                name
            } else {
                format!("{before}/{name}")
            };
            Some((entry.path(), joined))
        })
        .collect()
}

/// Removes a model, all versions of it where none is named; gives the bytes that they took, or none if there is none.
pub(crate) fn remove(hubs: &Hubs, model: &KaggleModel) -> Result<Option<u64>> {
    let base = base(hubs, model);
    let mut removed = None;
    for version in cached_versions(&base) {
        if model.version.is_some_and(|wanted| wanted != version) {
            continue;
        }
        let home = Home {
            model: model.clone(),
            version,
            base: base.clone(),
        };
        let folder = base.join(version.to_string());
        *removed.get_or_insert(0) += bytes_below(&folder);
        // What says that they are there goes first.
        for path in [
            home.whole_marker(),
            home.kept(),
            home.markers(),
            folder.clone(),
            home.archive(),
            home.locks(),
        ] {
            if path.exists() {
                engraft_files::atomic::remove(&path);
            }
        }
        if folder.exists() {
            return Err(Error::Cache {
                place: folder.display().to_string(),
                reason: "cannot be removed; check its permissions".to_owned(),
            });
        }
    }
    Ok(removed)
}

impl Home {
    /// The folder of the variation in the cache.
    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    /// Whether so many files come as one archive.
    pub(crate) fn is_archived(wanted: usize) -> bool {
        wanted > ONE_BY_ONE
    }

    fn markers(&self) -> PathBuf {
        self.base.join(".complete").join(self.version.to_string())
    }

    pub(super) fn whole_marker(&self) -> PathBuf {
        self.base.join(format!("{}.complete", self.version))
    }

    /// Where the list of files is kept, which kagglehub does not do.
    pub(super) fn kept(&self) -> PathBuf {
        self.base
            .join(".complete")
            .join(format!("{}.files.json", self.version))
    }

    fn archive(&self) -> PathBuf {
        self.base.join(format!("{}.archive", self.version))
    }

    /// Where locks of single files lie.
    fn locks(&self) -> PathBuf {
        self.base
            .join(".complete")
            .join(format!("{}.locks", self.version))
    }

    fn marker(&self, path: &str) -> PathBuf {
        self.markers().join(format!("{path}.complete"))
    }

    /// Whether a file is said to be here.
    pub(crate) fn is_marked(&self, path: &str) -> bool {
        stays_inside(path) && (self.whole_marker().exists() || self.marker(path).exists())
    }

    /// Keeps the list of what Kaggle has.
    pub(crate) fn note(&self, listing: &Listing) -> Result<()> {
        if self.kept().exists() {
            return Ok(());
        }
        make_folder(&self.base.join(".complete"))?;
        Ok(engraft_files::atomic::write(
            &self.kept(),
            &listing.to_keep(),
        )?)
    }

    /// Where the part of a file lies that came before.
    pub(crate) fn partial(&self, folder: &Path, path: &str) -> PathBuf {
        folder.join(format!("{path}.incomplete"))
    }

    /// Brings a file.
    pub(crate) fn bring(
        &self,
        hubs: &Hubs,
        snapshot: &Snapshot,
        path: &str,
        entry: &Entry,
    ) -> Result<()> {
        let file = snapshot.folder().join(path);
        let partial = self.partial(snapshot.folder(), path);
        if let Some(folder) = file.parent() {
            make_folder(folder)?;
        }
        let lock = self
            .locks()
            .join(format!("{}.lock", path.replace('/', "--")));
        let _lock = hold(&lock, path)?;
        if snapshot.is_here(path) {
            return Ok(());
        }
        // What kagglehub began lies where the whole is to be.
        if file.is_file() && !partial.exists() {
            let _ = fs::rename(&file, &partial);
        }
        let came = self.transfer(
            hubs,
            snapshot.name(),
            path,
            Some(path),
            entry.size,
            &partial,
        )?;
        // Another process may have brought all files at once meanwhile.
        if let Err(error) = fs::rename(&partial, &file)
            && !snapshot.is_here(path)
        {
            return Err(engraft_files::Error::io("write", &file)(error).into());
        }
        self.mark(path, came.digest)
    }

    /// Says that a file is here, and what it adds up to.
    fn mark(&self, path: &str, digest: Option<Digest>) -> Result<()> {
        let marker = self.marker(path);
        if let Some(folder) = marker.parent() {
            make_folder(folder)?;
        }
        let said = digest.map(|digest| digest.to_text()).unwrap_or_default();
        Ok(engraft_files::atomic::write(&marker, said.as_bytes())?)
    }

    fn transfer(
        &self,
        hubs: &Hubs,
        name: &str,
        shown: &str,
        path: Option<&str>,
        size: Option<u64>,
        partial: &Path,
    ) -> Result<Came> {
        let asked = Question {
            hubs,
            model: &self.model,
            name,
        };
        let credential = asked.credential()?;
        let more = path.map_or_else(|| json!({}), |path| json!({"path": path}));
        let call = asked.call("DownloadModelInstanceVersion", &more, credential.as_ref());
        let wanted = Wanted {
            name,
            file: shown,
            size,
            digest: None,
            etag: None,
        };
        transfer::fetch(hubs.client(), &call, &wanted, partial, |answer| {
            asked.explain(answer, credential.is_some())
        })
    }

    /// Brings all files as one archive.
    pub(crate) fn bring_all(&self, hubs: &Hubs, snapshot: &Snapshot) -> Result<()> {
        let lock = self
            .base
            .join(".complete")
            .join(format!("{}.lock", self.version));
        let _lock = hold(&lock, "the archive")?;
        let listing = snapshot.listing().cloned().unwrap_or_default();
        // Another process may have brought them meanwhile.
        if listing.iter().all(|(path, _)| snapshot.is_here(path)) {
            return Ok(());
        }
        // What a process left that was killed while it unpacked.
        engraft_files::atomic::recover(snapshot.folder())?;
        let archive = self.archive();
        self.transfer(hubs, snapshot.name(), "the archive", None, None, &archive)?;
        let begun = engraft_files::atomic::Folder::create(snapshot.folder())?;
        let bounds = Bounds {
            files: listing.len(),
            bytes: listing.bytes(),
        };
        let unpacked = archive::unpack(&archive, begun.path(), bounds).and_then(|paths| {
            let differs = listing.iter().find(|(path, entry)| {
                let length = begun
                    .path()
                    .join(path)
                    .metadata()
                    .ok()
                    .map(|data| data.len());
                length.is_none() || entry.size.is_some_and(|size| length != Some(size))
            });
            match differs {
                Some((path, _)) => Err(Error::Archive {
                    archive: archive.clone(),
                    reason: format!("its {path} is not the file that was announced"),
                }),
                None => Ok(paths),
            }
        });
        let sums = match unpacked {
            Ok(sums) => sums,
            Err(error) => {
                // One that only found no room is unpacked the next time.
                if matches!(error, Error::Archive { .. }) {
                    let _ = fs::remove_file(&archive);
                }
                return Err(error);
            }
        };
        begun.commit()?;
        for (path, sum) in sums {
            self.mark(&path, Some(Digest::Crc32c(sum)))?;
        }
        engraft_files::atomic::write(&self.whole_marker(), b"")?;
        let _ = fs::remove_file(&archive);
        Ok(())
    }

    /// Says that all files are here, where they are.
    pub(crate) fn note_whole(&self, snapshot: &Snapshot) -> Result<()> {
        let Some(listing) = snapshot.listing() else {
            return Ok(());
        };
        if !listing.is_empty()
            && listing.iter().all(|(path, _)| snapshot.is_here(path))
            && !self.whole_marker().exists()
        {
            engraft_files::atomic::write(&self.whole_marker(), b"")?;
        }
        Ok(())
    }

    /// What a file added up to when it came.
    pub(crate) fn digest(&self, path: &str, size: u64) -> Option<Digest> {
        let said = fs::read_to_string(self.marker(path)).ok()?;
        Digest::from_text(&said, size)
    }
}
