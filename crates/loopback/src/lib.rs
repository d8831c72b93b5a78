//! A server on loopback that speaks as the Hugging Face hub and Kaggle's models do, well or badly, for tests of downloads.
//!
//! A [`Hub`] has two origins: the hub itself and a file store that the hub redirects large files to. Tests add repositories, ask for
//! [faults](What) and look afterwards at the requests that came in.
//!
//! ```
//! use engraft_loopback::{Content, Fault, Hub, Origin, Repository, What};
//!
//! let hub = Hub::start()?;
//! let weights = Content::Generated { seed: 1, size: 1 << 20 };
//! hub.add(Repository::model("org/name").file("config.json", b"{}").large("model.safetensors", weights));
//! hub.misbehave(Fault::new("model.safetensors", What::Cut { after: 1000 }).at(Origin::Store).times(1));
//! // .. download from hub.url() ..
//! assert!(hub.seen().iter().all(|request| request.authorization.is_none()));
//! # Ok::<(), std::io::Error>(())
//! ```

mod answer;
mod archive;
mod content;
mod delivery;
mod fault;
mod http;
mod hugging_face;
mod kaggle;
mod kaggle_model;
mod repository;
mod request;
mod server;
mod shelf;
mod store;

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use content::Content;
pub use fault::{Fault, What};
pub use kaggle_model::KaggleModel;
pub use repository::{Access, Repository};
pub use request::{Origin, Request};

use kaggle_model::PublishedModel;
use repository::Published;
use server::Server;

/// The server. It stops when it is dropped: open connections are shut down and all its threads have ended.
pub struct Hub {
    server: Server,
}

impl Hub {
    /// Starts the hub and its file store on any two free ports of 127.0.0.1.
    pub fn start() -> io::Result<Hub> {
        Hub::at(0)
    }

    /// Starts the hub on this port.
    pub fn at(port: u16) -> io::Result<Hub> {
        Ok(Hub {
            server: Server::start(port)?,
        })
    }

    /// The address of the hub: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        self.server.shared.shelf.hub_url()
    }

    /// The address of the file store, another origin.
    pub fn store_url(&self) -> String {
        self.server.shared.shelf.store_url()
    }

    /// Adds a repository, or replaces the one of its kind and name with all its revisions.
    pub fn add(&self, repository: Repository) {
        self.server.shared.shelf.add(Published::of(&repository));
    }

    /// Adds a version of a model of Kaggle, which becomes the current one, or replaces it.
    pub fn add_kaggle(&self, model: KaggleModel) {
        self.server
            .shared
            .shelf
            .add_model(PublishedModel::of(&model));
    }

    /// Sets how many entries a page of a tree of Hugging Face has at most: 1000 at first.
    pub fn page_size(&self, entries: usize) {
        self.server.shared.shelf.set_page_size(entries);
    }

    /// Adds a fault, after those there are.
    pub fn misbehave(&self, fault: Fault) {
        lock(&self.server.shared.faults).push(fault);
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        lock(&self.server.shared.faults).clear();
    }

    /// Every request so far, in the order they came.
    pub fn seen(&self) -> Vec<Request> {
        lock(&self.server.shared.log)
            .iter()
            .map(request::Logged::request)
            .collect()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        lock(&self.server.shared.log).clear();
    }
}

/// The value behind a lock, also after a thread has died with it: each holds it for one complete step only.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
