//! Everything the two servers have to give.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::content::Source;
use crate::hugging_face;
use crate::kaggle_model::{Place, PublishedModel};
use crate::lock;
use crate::repository::{Access, Kind, Published};

/// Entries of a tree on one page, unless a test wants fewer.
const PAGE_SIZE: usize = 1000;

/// Repositories, models of Kaggle and the files in the file store.
pub(crate) struct Shelf {
    hub_port: u16,
    store_port: u16,
    page_size: AtomicUsize,
    repositories: Mutex<BTreeMap<(Kind, String), Arc<Published>>>,
    models: Mutex<HashMap<Place, Versions>>,
    store: Mutex<HashMap<String, Stored>>,
}

#[derive(Default)]
struct Versions {
    current: u32,
    all: BTreeMap<u32, Arc<PublishedModel>>,
}

/// A file in the file store.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) source: Arc<Source>,
    pub(crate) etag: String,
    /// The header `x-goog-hash`.
    pub(crate) goog_hash: Option<String>,
}

impl Shelf {
    pub(crate) fn new(hub_port: u16, store_port: u16) -> Shelf {
        Shelf {
            hub_port,
            store_port,
            page_size: AtomicUsize::new(PAGE_SIZE),
            repositories: Mutex::default(),
            models: Mutex::default(),
            store: Mutex::default(),
        }
    }

    pub(crate) fn hub_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.hub_port)
    }

    pub(crate) fn store_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.store_port)
    }

    pub(crate) fn page_size(&self) -> usize {
        self.page_size.load(Ordering::SeqCst)
    }

    pub(crate) fn set_page_size(&self, entries: usize) {
        self.page_size.store(entries.max(1), Ordering::SeqCst);
    }

    pub(crate) fn add(&self, repository: Published) {
        for snapshot in repository.snapshots() {
            for (path, file) in &snapshot.files {
                let Some(large) = &file.large else { continue };
                let etag = large.sha256[..32].to_string();
                let stored = Stored {
                    source: file.source.clone(),
                    etag,
                    goog_hash: None,
                };
                self.put(
                    hugging_face::store_path(&repository, &large.sha256, path),
                    stored,
                );
            }
        }
        lock(&self.repositories).insert(
            (repository.kind, repository.name.clone()),
            Arc::new(repository),
        );
    }

    pub(crate) fn repository(&self, kind: Kind, name: &str) -> Option<Arc<Published>> {
        lock(&self.repositories)
            .get(&(kind, name.to_string()))
            .cloned()
    }

    pub(crate) fn public_names(&self, kind: Kind) -> Vec<String> {
        let repositories = lock(&self.repositories);
        let visible = repositories
            .values()
            .filter(|repository| repository.kind == kind && repository.access != Access::Private);
        visible.map(|repository| repository.name.clone()).collect()
    }

    /// Whether this Authorization header opens any repository.
    pub(crate) fn knows_token(&self, authorization: Option<&str>) -> bool {
        lock(&self.repositories)
            .values()
            .any(|repository| repository.opened_by(authorization))
    }

    pub(crate) fn add_model(&self, model: PublishedModel) {
        let mut models = lock(&self.models);
        let versions = models.entry(model.place.clone()).or_default();
        versions.current = model.version;
        versions.all.insert(model.version, Arc::new(model));
    }

    /// A version of a model of Kaggle, the current one if none is named.
    pub(crate) fn model(&self, place: &Place, version: Option<u32>) -> Option<Arc<PublishedModel>> {
        let models = lock(&self.models);
        let versions = models.get(place)?;
        versions
            .all
            .get(&version.unwrap_or(versions.current))
            .cloned()
    }

    /// Puts a file into the file store.
    pub(crate) fn put(&self, path: String, stored: Stored) {
        lock(&self.store).insert(path, stored);
    }

    pub(crate) fn stored(&self, path: &str) -> Option<Stored> {
        lock(&self.store).get(path).cloned()
    }
}
