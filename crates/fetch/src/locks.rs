//! One process at a time fetches a file.

use std::path::Path;
use std::time::Duration;

use engraft_files::lock::{self, Lock};

use crate::Result;
use crate::snapshot::make_folder;
use crate::watch::report;

/// How long another process is waited for between two looks.
const PATIENCE: Duration = Duration::from_secs(5);

/// Waits for the lock of a file, however long another process takes that fetches it.
pub(crate) fn hold(path: &Path, file: &str) -> Result<std::fs::File> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    let mut said = false;
    loop {
        let opened = lock::open(path).map_err(engraft_files::Error::io("lock", path))?;
        match lock::wait(&opened, PATIENCE) {
            // Another process may have removed it before it was locked.
            Lock::Taken if lock::is_removed(&opened) => {}
            Lock::Taken | Lock::Unavailable => return Ok(opened),
            Lock::Busy if said => {}
            Lock::Busy => {
                said = true;
                let note = format!("another process fetches {file}; waiting for it");
                report(|watch| watch.note(&note));
            }
        }
    }
}
