//! What can go wrong with files and folders, each said in one sentence.

use std::io;
use std::path::{Path, PathBuf};

/// The result of the operations of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong when a file or folder is read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An operation of the file system that failed.
    #[error("cannot {action} {}: {source}{}", path.display(), remedy(source))]
    Io {
        /// What was being done, as a verb: "read", "write".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },

    /// A path that cannot be written to, for a reason that can be told before trying.
    #[error("cannot write {}: {reason}", path.display())]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// Why, and what would do.
        reason: String,
    },
}

impl Error {
    /// A failure of the file system while doing `action`, a verb, to `path`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_path_buf();
        move |source| Error::Io {
            action,
            path,
            source,
        }
    }
}

/// What the user can do about the failures of the file system that they meet most.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free some space, or name a place on another disk"
        }
        io::ErrorKind::PermissionDenied => "; check its permissions, or name another place",
        io::ErrorKind::ReadOnlyFilesystem => "; name a place that can be written to",
        _ => "",
    }
}
