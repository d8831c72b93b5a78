//! Files of the hubs of models and data sets: fetched, checked, and kept where the hubs' own tools keep them.
//!
//! [`Hubs`] finds a repository of Hugging Face ([`Hubs::repository`]) or a model of Kaggle ([`Hubs::kaggle`]) and gives a [`Snapshot`]: the
//! folder of one state of it, with a list of all files that it has at the hub. [`Snapshot::fetch`] brings those that are wanted and not there
//! yet. What lies in the cache is used as it is; only what is missing is asked for.
//!
//! Nothing has its final name before its size and its digest are those that the hub announced. What was cut goes on where it ended. One process
//! fetches a file while others wait for it. Sizes are bounded by what was announced, names by what a cache can hold, and what opens a hub to its
//! user is sent to that hub alone.
//!
//! ```no_run
//! use engraft_fetch::{Hubs, Kind, Wish};
//!
//! let hubs = Hubs::of_process();
//! let snapshot = hubs.repository(Kind::Model, "facebook/esm2_t6_8M_UR50D", None, Wish::AsCached)?;
//! snapshot.fetch(["config.json", "vocab.txt"])?;
//! assert!(snapshot.folder().join("vocab.txt").is_file());
//! # Ok::<(), engraft_fetch::Error>(())
//! ```

pub mod archive;
mod behind;
mod client;
mod credential;
mod digest;
mod error;
mod hubs;
mod hugging_face;
mod kaggle;
pub mod listing;
mod locks;
mod settings;
mod snapshot;
mod space;
mod transfer;
mod watch;

pub use error::{Error, Refusal, Result, size_in_words};
pub use hubs::{Hubs, Wish};
pub use hugging_face::{
    Kind,
    cache::{Cached, HubCache},
};
pub use kaggle::{CachedModel, KaggleModel};
pub use settings::Settings;
pub use snapshot::{Checked, Snapshot};
pub use watch::{Plan, Watch, say, watch_with};
