//! Something that does not have its final name yet.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The names of all that this process has begun and not ended.
static BEGUN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn begun() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    BEGUN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes all that this process has begun and not ended, as it is about to end itself.
pub fn remove_begun() {
    // Another thread may be writing into a folder that is removed.
    const TIMES: usize = 3;
    for path in std::mem::take(&mut *begun()) {
        let mut times = 0..TIMES;
        while path.exists() && times.next().is_some() {
            let _ = remove_now(&path);
        }
    }
}

/// A file or folder under a name beside its final one. Dropped, it is removed with all it holds if it still has that name.
///
/// A file that is open is to be closed before: some systems remove no open files. Fields are dropped in the order of their
/// declaration.
#[derive(Debug)]
pub struct Aside {
    path: PathBuf,
    is_placed: bool,
}

impl Aside {
    /// An empty file named `path`, in the place of one that a killed process has left there.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub fn file(path: PathBuf) -> io::Result<(Aside, File)> {
        let file = File::create(&path)?;
        Ok((Aside::new(path), file))
    }

    /// An empty file named `path`, which nothing else is.
    pub(crate) fn new_file(path: PathBuf) -> io::Result<(Aside, File)> {
        let file = File::options().write(true).create_new(true).open(&path)?;
        Ok((Aside::new(path), file))
    }

    /// An empty folder named `path`, which nothing else is.
    pub(crate) fn new_folder(path: PathBuf) -> io::Result<Aside> {
        fs::create_dir(&path)?;
        Ok(Aside::new(path))
    }

    /// What another has put under the name `path`.
    pub(crate) fn new(path: PathBuf) -> Aside {
        begun().insert(path.clone());
        Aside {
            path,
            is_placed: false,
        }
    }

    /// The name it has until it gets its final one.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its final name, in the place of a file that has it.
    ///
    /// # Errors
    ///
    /// When it cannot be renamed; it is then removed, and what had the name is untouched.
    pub fn put_in_place(mut self, destination: &Path) -> io::Result<()> {
        fs::rename(&self.path, destination)?;
        self.is_placed = true;
        Ok(())
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if !self.is_placed {
            // Nothing can be done about a failure here.
            let _ = remove_now(&self.path);
        }
        begun().remove(&self.path);
    }
}

/// Removes a file, or a folder with all it holds.
pub(crate) fn remove_now(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
}
