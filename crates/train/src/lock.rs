//! One process at a time in the folder of a run.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use engraft_files::lock::{self, Lock};

use crate::error::{Error, Result};

/// The file whose lock is the claim; it stays when the claim ends, as removing it could take another's.
const FILE: &str = ".lock";

/// This process's claim on the folder of a run. The operating system ends it with the process, however that dies.
#[derive(Debug)]
pub(crate) struct RunLock {
    folder: PathBuf,
    _file: File,
}

impl RunLock {
    /// Claims a folder.
    ///
    /// # Errors
    /// Another process has claimed it, or the file cannot be made.
    pub(crate) fn take(folder: &Path) -> Result<Self> {
        let refuse = |problem: String| Error::Checkpoint {
            checkpoint: folder.display().to_string(),
            problem,
        };
        let opened = lock::open(&folder.join(FILE));
        let mut file = opened.map_err(|error| refuse(format!("cannot open {FILE}: {error}")))?;
        let claim = |file| Self {
            folder: folder.to_owned(),
            _file: file,
        };
        match lock::take(&file) {
            Lock::Taken => {
                // Who holds it is said to whoever is refused; a claim does not depend on it.
                let _ = file.set_len(0);
                let _ = file.write_all(std::process::id().to_string().as_bytes());
                Ok(claim(file))
            }
            Lock::Busy => {
                let mut holder = String::new();
                let read = file
                    .rewind()
                    .and_then(|()| file.read_to_string(&mut holder));
                let holder = holder.trim();
                let holder = if read.is_ok() && holder.parse::<u32>().is_ok() {
                    format!("process {holder}")
                } else {
                    "another process".to_owned()
                };
                Err(Error::Held {
                    run: folder.display().to_string(),
                    holder,
                })
            }
            // Going on unguarded is what such a file system offers.
            Lock::Unavailable => Ok(claim(file)),
        }
    }

    /// Whether this is the claim on `folder`, by whichever path.
    pub(crate) fn is_of(&self, folder: &Path) -> bool {
        let [own, other] = [&self.folder, folder].map(|folder| folder.canonicalize().ok());
        own.is_some() && own == other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_claimed_once_and_free_again_when_the_claim_ends() {
        let folder = tempfile::tempdir().unwrap();
        let claim = RunLock::take(folder.path()).unwrap();
        let message = RunLock::take(folder.path()).unwrap_err().to_string();
        let expected = format!("process {} is writing this run", std::process::id());
        assert!(message.contains(&expected), "{message}");
        assert!(claim.is_of(&folder.path().join(".")) && !claim.is_of(Path::new("/")));
        drop(claim);
        RunLock::take(folder.path()).unwrap();
    }
}
