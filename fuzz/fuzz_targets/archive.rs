//! Archives of models: nothing is written outside of the folder that they are unpacked into, and no more than was announced.

#![no_main]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use engraft_hub::fetch::archive::{Bounds, unpack};
use libfuzzer_sys::fuzz_target;

/// A folder of this process, with a file beside which archives are unpacked.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("engraft-fuzz-archive-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder can be made");
    fs::write(folder.join("beside"), "as it was").expect("a file can be written");
    folder
});

const BOUNDS: Bounds = Bounds {
    files: 8,
    bytes: 1 << 16,
};

/// The bytes of all files below a folder, of which there are no links.
fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).expect("a folder can be read");
    let sizes = entries.map(|entry| {
        let entry = entry.expect("an entry can be read");
        let kind = entry.file_type().expect("an entry has a type");
        assert!(kind.is_dir() || kind.is_file(), "{:?}", entry.path());
        if kind.is_dir() {
            bytes_below(&entry.path())
        } else {
            entry.metadata().expect("a file has a size").len()
        }
    });
    sizes.sum()
}

fuzz_target!(|input: &[u8]| {
    let (archive, into) = (FOLDER.join("archive"), FOLDER.join("into"));
    fs::write(&archive, input).expect("a file can be written");
    fs::create_dir_all(&into).expect("a folder can be made");
    let unpacked = unpack(&archive, &into, BOUNDS);
    assert!(bytes_below(&into) <= BOUNDS.bytes);
    for path in unpacked.iter().flat_map(|files| files.keys()) {
        assert!(into.join(path).is_file());
    }
    let beside = fs::read_dir(&*FOLDER).expect("a folder can be read");
    assert_eq!(beside.count(), 3);
    let text = fs::read(FOLDER.join("beside")).expect("a file can be read");
    assert_eq!(text, b"as it was");
    fs::remove_dir_all(&into).expect("a folder can be removed");
});
