//! Files and folders that are complete or absent, and of which one process at a time is the writer.
//!
//! * [`atomic`] builds a file or folder beside its final place, forces it to the disk and renames it; it also removes them so
//!   that no half is ever seen under the name of the whole.
//! * [`Aside`] is the piece that this is made of: something under a name of its own that is renamed or removed. [`remove_begun`] removes what a
//!   process leaves that a signal ends.
//! * [`lock`] asks for the lock of a file, and says where there are none.
//!
//! ```
//! let folder = std::env::temp_dir();
//! let file = folder.join(format!("engraft-files-{}.txt", std::process::id()));
//! engraft_files::atomic::write(&file, b"all of it")?;
//! assert_eq!(std::fs::read(&file).ok().as_deref(), Some(&b"all of it"[..]));
//! engraft_files::atomic::remove(&file);
//! assert!(!file.exists());
//! # Ok::<(), engraft_files::Error>(())
//! ```

mod aside;
pub mod atomic;
mod error;
pub mod lock;

pub use aside::{Aside, remove_begun};
pub use error::{Error, Result};
