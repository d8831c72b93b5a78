//! The hubs as a process sees them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use crate::client::Client;
use crate::{
    CachedModel, HubCache, KaggleModel, Kind, Result, Settings, Snapshot, hugging_face, kaggle,
};

static OF_PROCESS: LazyLock<Hubs> = LazyLock::new(|| Hubs::new(Settings::from_environment()));

/// What is wanted of a name that may mean something else tomorrow.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub enum Wish {
    /// What the cache has under the name, without asking; what the hub has where the cache has nothing.
    AsCached,
    /// What the hub has now.
    Newest,
}

/// The hubs, and what this process has found there.
#[derive(Debug)]
pub struct Hubs {
    settings: Settings,
    client: Client,
    offline: AtomicBool,
    found: Mutex<HashMap<String, Arc<Snapshot>>>,
}

impl Hubs {
    /// The hubs that the environment names, which a whole process shares.
    pub fn of_process() -> &'static Self {
        &OF_PROCESS
    }

    /// The hubs by settings of one's own.
    pub fn new(settings: Settings) -> Self {
        Self {
            client: Client::new(settings.pause, settings.patience),
            offline: AtomicBool::new(settings.offline),
            settings,
            found: Mutex::default(),
        }
    }

    /// Says whether nothing is to be fetched from now on.
    pub fn set_offline(&self, offline: bool) {
        self.offline.store(offline, Ordering::Relaxed);
    }

    /// Whether nothing is fetched.
    pub fn is_offline(&self) -> bool {
        self.offline.load(Ordering::Relaxed)
    }

    /// The cache of Hugging Face's files.
    pub fn cache(&self) -> HubCache {
        HubCache::at(&self.settings.hugging_face.cache)
    }

    /// A repository of Hugging Face, `org/name`, at a branch, tag or commit; `main` without one.
    ///
    /// # Errors
    ///
    /// It is not in the cache, and the hub does not have it, does not give it or cannot be reached.
    pub fn repository(
        &'static self,
        kind: Kind,
        name: &str,
        revision: Option<&str>,
        wish: Wish,
    ) -> Result<Arc<Snapshot>> {
        let key = kind.handle(name, revision);
        self.once(key, wish, || {
            hugging_face::open(self, kind, name, revision, wish)
        })
    }

    /// A model of Kaggle.
    ///
    /// # Errors
    ///
    /// Those of [`Hubs::repository`].
    pub fn kaggle(&'static self, model: &KaggleModel, wish: Wish) -> Result<Arc<Snapshot>> {
        self.once(model.to_string(), wish, || kaggle::open(self, model, wish))
    }

    /// Whether a repository is in the cache at this revision, if only in part.
    pub fn has_repository(&self, kind: Kind, name: &str, revision: Option<&str>) -> bool {
        hugging_face::is_cached(self, kind, name, revision)
    }

    /// Whether a model of Kaggle is in the cache, if only in part; any version of it where none is named.
    pub fn has_kaggle(&self, model: &KaggleModel) -> bool {
        kaggle::is_cached(self, model)
    }

    /// Every model in the cache of Kaggle's files.
    pub fn kaggle_models(&self) -> Vec<CachedModel> {
        kaggle::models(self)
    }

    /// Removes a model of Kaggle from the cache, all versions where none is named; gives the bytes that it took, or none if it is not there.
    ///
    /// # Errors
    ///
    /// It cannot be removed.
    pub fn remove_kaggle(&self, model: &KaggleModel) -> Result<Option<u64>> {
        kaggle::remove(self, model)
    }

    /// What was found before in this process, so that a name means the same from its beginning to its end.
    fn once(
        &self,
        key: String,
        wish: Wish,
        find: impl FnOnce() -> Result<Snapshot>,
    ) -> Result<Arc<Snapshot>> {
        let lock = || self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().get(&key).cloned();
        if let Some(known) = known.filter(|_| wish == Wish::AsCached) {
            return Ok(known);
        }
        let found = Arc::new(find()?);
        lock().insert(key, Arc::clone(&found));
        Ok(found)
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }
}
