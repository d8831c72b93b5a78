//! The bytes of a weights file: mapped, compiled in, or held.

use std::borrow::Cow;
use std::fs::File;
use std::ops::Deref;
use std::path::Path;

use crate::{Error, Result};

/// Bytes that stay where they are for as long as they are used.
#[derive(Debug)]
pub(crate) enum Bytes {
    /// Compiled into the program, or held in memory.
    Held(Cow<'static, [u8]>),
    /// Mapped from a file.
    Mapped(memmap2::Mmap),
}

impl Bytes {
    /// Maps a file, so that only what is read of it is brought into memory.
    pub(crate) fn map(path: &Path) -> Result<Bytes> {
        // Asked first, because opening a named pipe would wait for a writer for ever.
        let kind = std::fs::metadata(path).map_err(Error::io("read", path))?;
        if !kind.is_file() {
            return Err(Error::Malformed {
                file: path.display().to_string(),
                reason: "it is not a file".into(),
            });
        }
        let file = File::open(path).map_err(Error::io("read", path))?;
        if kind.len() == 0 {
            return Ok(Bytes::Held(Cow::Borrowed(&[])));
        }
        // SAFETY: the map is read-only and private to this process, and nothing in this program changes a file in place:
        // every file it writes is written aside and renamed, which leaves a mapped one as it was. Another program that
        // truncates the file while it is mapped ends this process with a signal; that is the known price of mapping.
        #[allow(unsafe_code)]
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(Error::io("map", path))?;
        Ok(Bytes::Mapped(map))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Held(bytes) => bytes,
            Bytes::Mapped(map) => map,
        }
    }
}
