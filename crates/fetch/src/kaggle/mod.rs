//! Models of Kaggle: what they are called, and where they are found.

mod cache;
mod service;

use std::fmt;
use std::fs;
use std::path::Path;

pub use self::cache::CachedModel;
pub(crate) use self::cache::{Home, is_cached, models, remove};
use self::cache::{base, cached_versions};
use self::service::Question;
use crate::listing::{Entry, Listing, stays_inside};
use crate::snapshot::files_below;
use crate::{Error, Hubs, Result, Snapshot, Wish};

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
        listing = Some(found);
    }
    let home = crate::snapshot::Home::Kaggle(home);
    Ok(Snapshot::new(hubs, name, folder, listing, home))
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
