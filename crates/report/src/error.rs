//! What can go wrong with a report.

/// Why a report was not written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder cannot be written.
    #[error(transparent)]
    File(#[from] engraft_files::Error),
    /// A folder cannot be made.
    #[error("cannot make the folder {folder}: {source}")]
    Folder {
        /// The folder.
        folder: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A plot cannot be drawn.
    #[error("a plot cannot be drawn: {0}")]
    Drawing(String),
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
