//! Models of Kaggle, in the cache that `kagglehub` keeps.
//!
//! `<cache>/models/OWNER/MODEL/FRAMEWORK/VARIATION/VERSION/` holds the files; `VERSION.complete` beside it says that all are there, and
//! `.complete/VERSION/PATH.complete` that one is. What is asked is a POST of JSON to `models.ModelApiService`; files are fetched from the storage
//! that the answer leads to, which says by `x-goog-hash` what they add up to.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::archive::{self, Bounds};
use crate::client::{Answer, Call, one_line};
use crate::credential::Credential;
use crate::digest::Digest;
use crate::error::Refusal;
use crate::hugging_face::hold;
use crate::listing::{Entry, Listing, stays_inside};
use crate::snapshot::{files_below, make_folder};
use crate::transfer::{self, Came, Wanted};
use crate::{Error, Hubs, Result, Snapshot, Wish};

/// More files than these are fetched as one archive.
const ONE_BY_ONE: usize = 25;

/// Pages of a list of files.
const PAGES: usize = 10_000;

/// A model of Kaggle.
#[derive(Clone, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub struct KaggleModel {
    /// Who published it.
    pub owner: String,
    /// What it is called.
    pub model: String,
    /// What it was made with, as `keras`.
    pub framework: String,
    /// Which of its forms.
    pub variation: String,
    /// Which state of that; the current one if it is none.
    pub version: Option<u32>,
}

impl KaggleModel {
    /// Understands `owner/model/framework/variation[/version]`.
    ///
    /// # Errors
    ///
    /// It is something else, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let (names, version) = match parts.as_slice() {
            [names @ .., version] if names.len() == 4 => (names, Some(*version)),
            names => (names, None),
        };
        let is_name = |part: &&str| {
            let letters = part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
            letters && stays_inside(part) && !part.starts_with('.')
        };
        match names {
            [owner, model, framework, variation] if names.iter().all(is_name) => {
                let version = version.map(|it| it.parse().ok().filter(|it| *it > 0));
                Ok(Self {
                    owner: (*owner).to_owned(),
                    model: (*model).to_owned(),
                    framework: (*framework).to_owned(),
                    variation: (*variation).to_owned(),
                    version: match version {
                        Some(None) => return Err("its version is a number from 1".to_owned()),
                        version => version.flatten(),
                    },
                })
            }
            _ => Err("a model of Kaggle is written kaggle://owner/model/framework/variation or kaggle://owner/model/framework/variation/version, of letters, digits, \"-\", \"_\" and \".\"".to_owned()),
        }
    }

    /// What the service calls its framework: `MODEL_FRAMEWORK_PY_TORCH` of `pyTorch`.
    fn framework_of_service(&self) -> String {
        const KNOWN: [&str; 9] = [
            "TENSOR_FLOW_1",
            "TENSOR_FLOW_2",
            "TF_LITE",
            "TF_JS",
            "PY_TORCH",
            "MAX_TEXT",
            "GEMMA_CPP",
            "SCIKIT_LEARN",
            "TENSOR_RT_LLM",
        ];
        let bare = |text: &str| text.replace(['_', '-'], "").to_uppercase();
        let own = bare(&self.framework);
        let known = KNOWN.iter().find(|known| bare(known) == own);
        format!(
            "MODEL_FRAMEWORK_{}",
            known.map_or(own.as_str(), |known| known)
        )
    }

    fn with_version(&self, version: u32) -> Self {
        Self {
            version: Some(version),
            ..self.clone()
        }
    }
}

impl fmt::Display for KaggleModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            owner,
            model,
            framework,
            variation,
            version,
        } = self;
        write!(f, "kaggle://{owner}/{model}/{framework}/{variation}")?;
        match version {
            Some(version) => write!(f, "/{version}"),
            None => Ok(()),
        }
    }
}

/// Where a snapshot lies in the cache, and where it comes from.
#[derive(Debug)]
pub(crate) struct Home {
    model: KaggleModel,
    version: u32,
    /// The folder of the variation.
    base: PathBuf,
}

fn base(hubs: &Hubs, model: &KaggleModel) -> PathBuf {
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

/// Finds a model.
///
/// # Errors
///
/// It is not in the cache, and Kaggle does not have it, does not give it or cannot be reached.
pub(crate) fn open(hubs: &'static Hubs, model: &KaggleModel, wish: Wish) -> Result<Snapshot> {
    let name = model.to_string();
    let base = base(hubs, model);
    let offline = |what: String| Error::Offline {
        name: name.clone(),
        what,
    };
    let cached = || cached_versions(&base).into_iter().max();
    let asked = Question {
        hubs,
        model,
        name: &name,
    };
    let version = match (model.version, wish) {
        (Some(version), _) => version,
        (None, Wish::AsCached) if let Some(version) = cached() => version,
        (None, _) if hubs.is_offline() => {
            let cached = cached();
            cached.ok_or_else(|| offline(format!("looked for {}", base.display())))?
        }
        (None, _) => asked.version()?,
    };
    let home = Home {
        model: model.with_version(version),
        version,
        base,
    };
    let folder = home.base.join(version.to_string());
    let kept = fs::read(home.kept()).ok();
    let mut listing = kept.and_then(|kept| Listing::from_kept(&kept).ok());
    if listing.is_none() && home.whole_marker().exists() {
        listing = Some(of_folder(&folder)?);
    }
    if listing.is_none() && hubs.is_offline() {
        if !folder.is_dir() {
            return Err(offline(format!("looked for {}", folder.display())));
        }
    } else if listing.is_none() {
        let versioned = Question {
            model: &home.model,
            ..asked
        };
        let found = versioned.listing()?;
        make_folder(&home.base.join(".complete"))?;
        engraft_files::atomic::write(&home.kept(), &found.to_keep())?;
        listing = Some(found);
    }
    let home = crate::snapshot::Home::Kaggle(home);
    Ok(Snapshot::new(hubs, name, folder, listing, home))
}

/// Whether a model is in the cache, if only in part.
pub(crate) fn is_cached(hubs: &Hubs, model: &KaggleModel) -> bool {
    let mut versions = cached_versions(&base(hubs, model)).into_iter();
    versions.any(|version| model.version.is_none_or(|wanted| wanted == version))
}

/// What is in a folder that is known to be whole.
fn of_folder(folder: &Path) -> Result<Listing> {
    let mut listing = Listing::default();
    for path in files_below(folder) {
        let size = folder.join(&path).metadata().ok().map(|data| data.len());
        let added = listing.add(&path, Entry::of_size(size));
        added.map_err(|reason| Error::Cache {
            place: folder.display().to_string(),
            reason,
        })?;
    }
    Ok(listing)
}

/// The versions of a variation that are here, if only in part.
fn cached_versions(base: &Path) -> Vec<u32> {
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
                bytes: crate::hugging_face::cache::bytes_below(&folder),
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
        *removed.get_or_insert(0) += crate::hugging_face::cache::bytes_below(&folder);
        // What says that they are there goes first.
        for path in [
            home.whole_marker(),
            home.kept(),
            home.markers(),
            folder.clone(),
            home.archive(),
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

/// A model that Kaggle is asked about.
#[derive(Clone, Copy)]
struct Question<'a> {
    hubs: &'a Hubs,
    model: &'a KaggleModel,
    /// What a user calls it.
    name: &'a str,
}

impl Question<'_> {
    /// A call of the service, about the model.
    fn call<'a>(
        &'a self,
        what: &str,
        more: &Value,
        credential: Option<&'a Credential>,
    ) -> Call<'a> {
        let mut about = json!({
            "ownerSlug": self.model.owner,
            "modelSlug": self.model.model,
            "framework": self.model.framework_of_service(),
            "instanceSlug": self.model.variation,
        });
        if let Some(version) = self.model.version {
            about["versionNumber"] = version.into();
        }
        for (key, value) in more.as_object().into_iter().flatten() {
            about[key] = value.clone();
        }
        let endpoint = &self.hubs.settings().kaggle.endpoint;
        Call {
            name: self.name,
            url: format!("{endpoint}/models.ModelApiService/{what}"),
            credential,
            from: None,
            json: Some(about),
        }
    }

    fn credential(&self) -> Result<Option<Credential>> {
        self.hubs.settings().kaggle.credential()
    }

    fn ask(&self, what: &str, more: &Value) -> Result<(Value, String)> {
        let credential = self.credential()?;
        let call = self.call(what, more, credential.as_ref());
        let explain = |answer: &mut Answer| self.explain(answer, credential.is_some());
        let mut answer = self.hubs.client().ask_patiently(&call, explain)?;
        Ok((answer.json(&call)?, answer.host))
    }

    /// The number of its current version.
    fn version(&self) -> Result<u32> {
        let (found, host) = self.ask("GetModelInstance", &json!({}))?;
        let version = found.get("versionNumber").and_then(Value::as_u64);
        let version = version
            .and_then(|it| u32::try_from(it).ok())
            .filter(|it| *it > 0);
        version.ok_or_else(|| self.senseless(&host, "no number of a version"))
    }

    /// All its files.
    fn listing(&self) -> Result<Listing> {
        let mut listing = Listing::default();
        let mut page = json!({"pageSize": ONE_BY_ONE});
        let mut before = 0;
        for _ in 0..PAGES {
            let (found, host) = self.ask("ListModelInstanceVersionFiles", &page)?;
            let next = listing.add_kaggle(&found).map_err(|problem| {
                self.senseless(&host, &format!("a list of files of which {problem}"))
            })?;
            let Some(next) = next else {
                return Ok(listing);
            };
            if listing.len() == before {
                return Err(self.senseless(&host, "a list without end"));
            }
            before = listing.len();
            page["pageToken"] = next.into();
        }
        Err(self.senseless(&self.hubs.settings().kaggle.endpoint, "a list without end"))
    }

    fn senseless(&self, host: &str, what: &str) -> Error {
        self.call("", &json!({}), None).senseless(host, what).error
    }

    /// What an answer means that is no success.
    fn explain(&self, answer: &mut Answer, has_credential: bool) -> Error {
        let page = format!(
            "{}/models/{}/{}/{}/{}",
            self.hubs.settings().kaggle.pages,
            self.model.owner,
            self.model.model,
            self.model.framework,
            self.model.variation
        );
        let help = "KAGGLE_API_TOKEN or ~/.kaggle/access_token";
        let (reason, kind) = match answer.status {
            401 if has_credential => (
                format!(
                    "Kaggle does not know the token or key; make a new one at https://www.kaggle.com/settings and give it by {help}"
                ),
                Refusal::Forbidden,
            ),
            401 => (
                format!("Kaggle wants to know who asks; give a token by {help}"),
                Refusal::Forbidden,
            ),
            403 if has_credential => (
                format!("Kaggle refuses; if the model asks for consent, give it at {page}"),
                Refusal::Forbidden,
            ),
            403 => (
                format!(
                    "Kaggle refuses without a token; give one by {help}, and if the model asks for consent, give it at {page}"
                ),
                Refusal::Forbidden,
            ),
            404 => (
                format!("Kaggle has no such model, variation or version; see {page}"),
                Refusal::NotFound,
            ),
            429 => (
                "Kaggle gets too many questions from here; come back in a few minutes".to_owned(),
                Refusal::Later,
            ),
            status @ 500..=599 => (
                format!(
                    "Kaggle is in trouble (status {status}); try again later, what came is kept"
                ),
                Refusal::Later,
            ),
            status => {
                let said = answer.words().map(|said| format!(": {}", one_line(&said)));
                (
                    format!(
                        "{} answered with status {status}{}",
                        answer.host,
                        said.unwrap_or_default()
                    ),
                    Refusal::Senseless,
                )
            }
        };
        Error::Refused {
            name: self.name.to_owned(),
            reason,
            kind,
        }
    }
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

    fn whole_marker(&self) -> PathBuf {
        self.base.join(format!("{}.complete", self.version))
    }

    /// Where the list of files is kept, which kagglehub does not do.
    fn kept(&self) -> PathBuf {
        self.base
            .join(".complete")
            .join(format!("{}.files.json", self.version))
    }

    fn archive(&self) -> PathBuf {
        self.base.join(format!("{}.archive", self.version))
    }

    fn marker(&self, path: &str) -> PathBuf {
        self.markers().join(format!("{path}.complete"))
    }

    /// Whether a file is said to be here.
    pub(crate) fn is_marked(&self, path: &str) -> bool {
        stays_inside(path) && (self.whole_marker().exists() || self.marker(path).exists())
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
            .base
            .join(".complete")
            .join(format!("{}.locks", self.version));
        let _lock = hold(
            &lock.join(format!("{}.lock", path.replace('/', "--"))),
            path,
        )?;
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
        fs::rename(&partial, &file).map_err(engraft_files::Error::io("write", &file))?;
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
        let archive = self.archive();
        self.transfer(hubs, snapshot.name(), "the archive", None, None, &archive)?;
        let begun = engraft_files::atomic::Folder::create(snapshot.folder())?;
        let bounds = Bounds {
            files: listing.len(),
            bytes: listing
                .iter()
                .filter_map(|(_, entry)| entry.size)
                .fold(0, u64::saturating_add),
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
                let _ = fs::remove_file(&archive);
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

    /// What a file that came by itself adds up to.
    pub(crate) fn digest(&self, path: &str, size: u64) -> Option<Digest> {
        let said = fs::read_to_string(self.marker(path)).ok()?;
        Digest::from_text(&said, size)
    }
}
