//! What can go wrong with presets and checkpoint files, each said in one sentence.

use std::io;
use std::path::Path;

/// The result of the operations of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong when a preset is found, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A preset's name that has no meaning, or one that this version cannot follow.
    #[error("cannot use the preset \"{handle}\": {reason}")]
    Handle {
        /// The name as given.
        handle: String,
        /// Why, and what would do.
        reason: String,
    },

    /// What came of asking a hub, or its cache.
    #[error(transparent)]
    Fetch(#[from] engraft_fetch::Error),

    /// A preset that neither a hub nor the mirror of it gives.
    #[error("{refused}; {mirror} was tried too: {also}")]
    Refused {
        /// What the hub said.
        refused: Box<engraft_fetch::Error>,
        /// The mirror, as a user names it.
        mirror: String,
        /// Why that was not to be had either.
        also: Box<Error>,
    },

    /// A file or folder that cannot be read or written.
    #[error(transparent)]
    File(#[from] engraft_files::Error),

    /// A file that the preset must have and does not.
    #[error("{preset} has no {file}; {hint}")]
    MissingFile {
        /// The preset's name.
        preset: String,
        /// The file, or files, looked for.
        file: String,
        /// What would fix it.
        hint: String,
    },

    /// A text file too large to be what its name says.
    #[error(
        "{file} is {size} bytes long, more than the {limit} bytes a file of this kind may have"
    )]
    TooLarge {
        /// The file.
        file: String,
        /// Its size in bytes.
        size: u64,
        /// The most that is read.
        limit: u64,
    },

    /// A file that should be JSON of a certain form and is not.
    #[error("{file}:{line}:{column}: not valid JSON: {reason}")]
    Json {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1; 0 where the parser has no better place.
        column: usize,
        /// What the parser met.
        reason: String,
    },

    /// A JSON file whose content has the wrong form.
    #[error("{file}: {reason}")]
    Malformed {
        /// The file.
        file: String,
        /// What is wrong, and what should be there.
        reason: String,
    },

    /// A weights file that cannot be what it claims to be.
    #[error("{file} is not a usable {format} file: {reason}")]
    Weights {
        /// The file.
        file: String,
        /// The format that it is in, or should be: "safetensors", "PyTorch".
        format: &'static str,
        /// What is wrong, and what would fix it.
        reason: String,
    },

    /// A tensor that was asked for and is not there.
    #[error("{file} has no tensor \"{tensor}\"")]
    MissingTensor {
        /// The file or preset.
        file: String,
        /// The tensor's name.
        tensor: String,
    },

    /// A tensor whose numbers cannot be read as floating point.
    #[error(
        "{file}: tensor \"{tensor}\" has the type {dtype}; only F32, F16, BF16 and F64 can be read as weights"
    )]
    Dtype {
        /// The file.
        file: String,
        /// The tensor's name.
        tensor: String,
        /// Its type, as safetensors names it.
        dtype: String,
    },

    /// A tensor that cannot be written as described.
    #[error("cannot write the tensor \"{tensor}\": {reason}")]
    TensorToWrite {
        /// The tensor's name.
        tensor: String,
        /// What is wrong.
        reason: String,
    },
}

impl Error {
    /// A failure of the file system while doing `action` to `path`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let failed = engraft_files::Error::io(action, path);
        move |source| failed(source).into()
    }

    /// Invalid JSON in `file`.
    pub(crate) fn json(file: &str, error: &serde_json::Error) -> Error {
        // serde_json repeats the position at the end of its message; the error already begins with it.
        let message = error.to_string();
        let reason = message.split(" at line ").next().unwrap_or(&message);
        Error::Json {
            file: file.to_owned(),
            line: error.line(),
            column: error.column(),
            reason: reason.to_owned(),
        }
    }
}
