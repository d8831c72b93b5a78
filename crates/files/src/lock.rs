//! Locks of files, which the operating system ends with the process that has them, however that dies.
//!
//! Some network file systems have no locks. Whether to go on unguarded there is for each caller to know, so it is told of it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The time between two looks at a lock that another has.
const PAUSE: Duration = Duration::from_millis(2);

/// What came of asking for the lock of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// It is held until the file is closed.
    Taken,
    /// Another has it.
    Busy,
    /// The file system has no locks.
    Unavailable,
}

impl Lock {
    /// Whether it is held now.
    pub fn is_taken(self) -> bool {
        self == Self::Taken
    }
}

/// Opens a file that is there to be locked, made if need be and never emptied. It stays when the lock ends: removing it could take another's.
///
/// # Errors
///
/// When it cannot be opened for reading and writing.
pub fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    let options = options.read(true).write(true).create(true).truncate(false);
    options.open(path)
}

/// Asks for the lock of a file that no other may have at the same time.
pub fn take(file: &File) -> Lock {
    came_of(file.try_lock())
}

/// Asks for the lock of a file that others may share.
pub fn share(file: &File) -> Lock {
    came_of(file.try_lock_shared())
}

/// As [`take`], waiting for another to end for as long as `patience`.
pub fn wait(file: &File, patience: Duration) -> Lock {
    let began = Instant::now();
    loop {
        match take(file) {
            Lock::Busy if began.elapsed() < patience => sleep(PAUSE),
            came => return came,
        }
    }
}

/// Whether an open file has no name any more, as when another process removed it before it was locked.
pub fn is_removed(file: &File) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        file.metadata().is_ok_and(|data| data.nlink() == 0)
    }
    #[cfg(not(unix))]
    {
        // A file that is open cannot be removed there.
        let _ = file;
        false
    }
}

fn came_of(tried: Result<(), TryLockError>) -> Lock {
    match tried {
        Ok(()) => Lock::Taken,
        Err(TryLockError::WouldBlock) => Lock::Busy,
        Err(TryLockError::Error(_)) => Lock::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_lock_is_taken_once_and_free_again_when_its_file_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".lock");
        let [one, other] = [&path; 2].map(|path| open(path).unwrap());
        assert_eq!(take(&one), Lock::Taken);
        assert_eq!([take(&other), share(&other)], [Lock::Busy; 2]);
        assert_eq!(wait(&other, Duration::from_millis(5)), Lock::Busy);
        drop(one);
        assert!(wait(&other, Duration::ZERO).is_taken());
    }

    #[test]
    fn a_shared_lock_keeps_out_only_who_wants_it_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("segment");
        let [one, other] = [&path; 2].map(|path| open(path).unwrap());
        assert!(share(&one).is_taken() && share(&other).is_taken());
        drop(other);
        let other = open(&path).unwrap();
        assert_eq!(take(&other), Lock::Busy);
    }

    #[test]
    fn a_file_to_be_locked_keeps_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".lock");
        fs::write(&path, "17").unwrap();
        let file = open(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "17");
        assert!(!is_removed(&file));
        fs::remove_file(&path).unwrap();
        assert_eq!(is_removed(&file), cfg!(unix));
    }
}
