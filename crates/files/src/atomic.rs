//! Files and folders that are complete or absent, whenever the program is stopped.
//!
//! Each is built beside its final place as `.<name>.tmp-<process>-<number>`, forced to the disk, and renamed. What a killed
//! process leaves behind is hidden, and [`recover`] clears it away.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::aside::{Aside, remove_now};
use crate::{Error, Result};

/// Marks what is being built.
const UNFINISHED: &str = ".tmp-";
/// Marks what is being removed.
const REMOVED: &str = ".tmp-removed";
/// Marks a folder set aside while its successor takes its place.
const SET_ASIDE: &str = ".old-";

/// Writes a whole file, replacing one of the same name.
///
/// # Errors
///
/// When the folder does not exist, the disk is full, or the place cannot be written to; the old file is then untouched.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = Writer::create(path)?;
    file.put(bytes)?;
    file.commit()
}

/// Puts right what a killed process left beside `path`: a folder that was set aside and not replaced is restored, and
/// unfinished files and folders are removed. To be called only while no other process is writing `path`.
///
/// # Errors
///
/// When something there cannot be renamed or removed.
pub fn recover(path: &Path) -> Result<()> {
    let target = Target::new(path)?;
    let entries = match fs::read_dir(&target.parent) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("read", &target.parent)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(Error::io("read", &target.parent))?;
        let left = entry.path();
        if target.is_leftover(&entry.file_name(), SET_ASIDE) && !path.exists() {
            fs::rename(&left, path).map_err(Error::io("restore", path))?;
        } else if target.is_leftover(&entry.file_name(), SET_ASIDE)
            || target.is_leftover(&entry.file_name(), UNFINISHED)
        {
            remove_now(&left).map_err(Error::io("remove", &left))?;
        }
    }
    Ok(())
}

/// Removes a file or folder that nobody wants any more; one that is gone already, or cannot be removed, is no reason to stop.
///
/// It is renamed first, to what [`remove_unfinished`] finds: a process killed half-way leaves something to clear away, not half
/// of a folder under the name of a whole one.
pub fn remove(path: &Path) {
    let hidden = path.file_name().map(|name| {
        let name = name.to_string_lossy();
        format!(".{}{REMOVED}", name.trim_start_matches('.'))
    });
    let aside = hidden
        .map(|name| path.with_file_name(name))
        .filter(|aside| fs::rename(path, aside).is_ok());
    let _ = remove_now(aside.as_deref().unwrap_or(path));
}

/// Removes what killed processes had begun to write or to remove in `folder`, whatever its name was to be. To be called only
/// while no other process is writing there.
pub fn remove_unfinished(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_str();
        if name.is_some_and(|name| name.starts_with('.') && name.contains(UNFINISHED)) {
            remove(&entry.path());
        }
    }
}

/// A file being written. Dropped without [`commit`](Writer::commit), it leaves nothing.
///
/// As [`io::Write`] its errors are the system's own; [`put`](Writer::put) gives errors that name the file.
#[derive(Debug)]
pub struct Writer {
    target: Target,
    file: BufWriter<File>,
    aside: Aside,
}

impl Writer {
    /// Begins a file that will be `path`.
    ///
    /// # Errors
    ///
    /// When its folder does not exist or cannot be written to, or when `path` is a folder.
    pub fn create(path: &Path) -> Result<Writer> {
        let target = Target::new(path)?;
        if path.is_dir() {
            return Err(target.unwritable("it is a folder; name a file"));
        }
        if !target.parent.is_dir() {
            return Err(target.unwritable(&format!(
                "the folder {} does not exist",
                target.parent.display()
            )));
        }
        let begun = Aside::new_file(target.sibling(UNFINISHED));
        let (aside, file) = begun.map_err(Error::io("write", path))?;
        Ok(Writer {
            target,
            file: BufWriter::with_capacity(1 << 20, file),
            aside,
        })
    }

    /// Adds `bytes` to the file.
    ///
    /// # Errors
    ///
    /// When they cannot be written, as on a full disk.
    pub fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all(bytes)
            .map_err(Error::io("write", &self.target.path))
    }

    /// Forces the file to the disk and gives it its name.
    ///
    /// # Errors
    ///
    /// When that fails; what had the name before is then untouched.
    pub fn commit(mut self) -> Result<()> {
        let path = &self.target.path;
        self.file.flush().map_err(Error::io("write", path))?;
        self.file
            .get_ref()
            .sync_all()
            .map_err(Error::io("write", path))?;
        let placed = self.aside.put_in_place(path);
        placed.map_err(Error::io("write", path))?;
        sync_folder(&self.target.parent)
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A folder being filled. Dropped without [`commit`](Folder::commit), it is removed with what is in it.
#[derive(Debug)]
pub struct Folder {
    target: Target,
    aside: Aside,
}

impl Folder {
    /// Begins a folder that will be `path`, making the folders above it.
    ///
    /// # Errors
    ///
    /// When `path` is a file, or its place cannot be written to.
    pub fn create(path: &Path) -> Result<Folder> {
        let target = Target::new(path)?;
        if path.exists() && !path.is_dir() {
            return Err(target.unwritable("it is a file; name a folder"));
        }
        fs::create_dir_all(&target.parent).map_err(Error::io("create", &target.parent))?;
        let begun = Aside::new_folder(target.sibling(UNFINISHED));
        let aside = begun.map_err(Error::io("create", path))?;
        Ok(Folder { target, aside })
    }

    /// Where its files are to be put until it is committed.
    pub fn path(&self) -> &Path {
        self.aside.path()
    }

    /// Forces everything in it to the disk and gives it its name, replacing a folder that has it. The old folder is whole
    /// until the new one is in place, and is then removed with all it holds: whether it may be is for the caller to know.
    ///
    /// # Errors
    ///
    /// When that fails; what had the name before is then untouched.
    pub fn commit(self) -> Result<()> {
        let path = &self.target.path;
        sync_tree(self.aside.path()).map_err(Error::io("write", path))?;
        if path.exists() {
            replace(&self.aside, &self.target)?;
        } else {
            let placed = self.aside.put_in_place(path);
            placed.map_err(Error::io("write", path))?;
        }
        sync_folder(&self.target.parent)
    }
}

/// Puts the new folder in the place of the old one, and the old one in the place of the new, where it will be removed.
fn replace(new: &Aside, target: &Target) -> Result<()> {
    if swap(new.path(), &target.path) {
        return Ok(());
    }
    // Without an exchange there is a moment in which neither has the name; `recover` undoes a death in it.
    let set_aside = target.sibling(SET_ASIDE);
    fs::rename(&target.path, &set_aside).map_err(Error::io("replace", &target.path))?;
    fs::rename(new.path(), &target.path).map_err(|error| {
        // Where the old folder cannot have its name back either, it stays set aside, and `recover` finds it.
        let _ = fs::rename(&set_aside, &target.path);
        Error::io("write", &target.path)(error)
    })?;
    drop(Aside::new(set_aside));
    Ok(())
}

/// Exchanges two names in one step; false where the system cannot.
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn swap(one: &Path, other: &Path) -> bool {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).is_ok()
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn swap(_one: &Path, _other: &Path) -> bool {
    false
}

/// A final place: its path, its folder, and its name in it.
#[derive(Debug)]
struct Target {
    path: PathBuf,
    parent: PathBuf,
    name: OsString,
}

impl Target {
    fn new(path: &Path) -> Result<Target> {
        let name = path.file_name().ok_or_else(|| Error::Unwritable {
            path: path.to_path_buf(),
            reason: "it has no name of its own; name a file or folder".into(),
        })?;
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        Ok(Target {
            path: path.to_path_buf(),
            parent: parent.to_path_buf(),
            name: name.to_os_string(),
        })
    }

    /// A name in the same folder that nothing else has.
    fn sibling(&self, kind: &str) -> PathBuf {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let mut name = OsString::from(".");
        name.push(&self.name);
        name.push(format!(
            "{kind}{}-{}",
            process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        ));
        self.parent.join(name)
    }

    fn is_leftover(&self, name: &OsStr, kind: &str) -> bool {
        let (name, own) = (name.as_encoded_bytes(), self.name.as_encoded_bytes());
        name.strip_prefix(b".")
            .and_then(|name| name.strip_prefix(own))
            .and_then(|name| name.strip_prefix(kind.as_bytes()))
            .is_some_and(|end| {
                !end.is_empty()
                    && end
                        .iter()
                        .all(|byte| byte.is_ascii_digit() || *byte == b'-')
            })
    }

    fn unwritable(&self, reason: &str) -> Error {
        Error::Unwritable {
            path: self.path.clone(),
            reason: reason.to_owned(),
        }
    }
}

/// Forces a folder and everything below it to the disk.
fn sync_tree(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            sync_tree(&entry.path())?;
        } else if kind.is_file() {
            File::open(entry.path())?.sync_all()?;
        }
    }
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// Forces a folder's list of names to the disk, where folders can be opened for that.
fn sync_folder(folder: &Path) -> Result<()> {
    #[cfg(unix)]
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(Error::io("write", folder))?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}
