//! Whether a disk has room.

use std::path::Path;

use crate::{Error, Result};

/// Refuses to begin what the disk of a folder has no room for.
///
/// # Errors
///
/// It has less room than `needed` bytes. Where the system does not say, there is none.
pub(crate) fn check(folder: &Path, needed: u64) -> Result<()> {
    match free(folder) {
        Some(free) if free < needed => Err(Error::Space {
            folder: folder.to_path_buf(),
            needed,
            free,
        }),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn free(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

#[cfg(not(unix))]
fn free(_folder: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_has_some_room_and_not_all_there_could_be() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check(folder.path(), 1).is_ok());
        if cfg!(unix) {
            let message = check(folder.path(), u64::MAX).unwrap_err().to_string();
            assert!(message.contains("free"), "{message}");
        }
    }
}
