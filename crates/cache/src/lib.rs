//! What is dear to compute, kept on disk by a key of its content, and shared by all processes that name the same folder.
//!
//! A [`Cache`] holds bytes under [`Key`]s. Keys are hashes of everything that the bytes depend on, so a value is never out of date; it can
//! only be absent. Every value is checked when it is read, and one that is damaged counts as absent. Nothing that goes wrong with the folder
//! is an error: what cannot be read is computed, what cannot be written is not kept, and [`Cache::take_notes`] says so.
//!
//! # The folder
//!
//! Values lie in *segments*, files named `<space>-<number>.segment`: the first 16 bytes of a [`Space`] and 8 bytes that no other segment has,
//! in hexadecimal digits. A space is one set of values that are used together, such as what one encoder makes of sequences; a process
//! reads the segments of its own space alone. Other files in the folder are left alone.
//!
//! # A segment, byte by byte
//!
//! All numbers are little-endian. A header of 64 bytes:
//!
//! | Bytes | What |
//! |---|---|
//! | 0 to 8 | `ENGRAFTC` |
//! | 8 to 12 | the version of this layout, 1 |
//! | 12 to 16 | zero |
//! | 16 to 48 | the space |
//! | 48 to 56 | zero |
//! | 56 to 64 | the first 8 bytes of the BLAKE3 hash of bytes 0 to 56 |
//!
//! Then records, one after the other to the end of the file, each of a header of 64 bytes and its value:
//!
//! | Bytes | What |
//! |---|---|
//! | 0 to 32 | the key |
//! | 32 to 40 | the length of the value in bytes |
//! | 40 to 56 | the first 16 bytes of the BLAKE3 hash of the key and the value |
//! | 56 to 64 | the first 8 bytes of the BLAKE3 hash of bytes 0 to 56 of this header |
//! | 64 and on | the value |
//!
//! # Several processes
//!
//! A segment is only ever appended to, and by the one process that holds its exclusive lock (`flock` on Unix). A process that dies leaves at
//! most one unfinished record at the end of its segment, which readers pass over and the next writer cuts off. Readers hold a shared lock on
//! the segments of their space where they can get it, and need none to read: they never look beyond the records that they have checked.
//! The file `.lock` is held while records are written and segments removed, so that the folder's size is bounded by the strictest of the
//! processes. Segments are removed whole, those that were used longest ago first (a file's time of modification is that of its
//! last use), and none of which another process holds the lock. Where a file system has no locks nothing is removed or appended to, and reading
//! and writing new segments work all the same.

mod cache;
mod folder;
mod held;
mod record;
mod segment;

pub use cache::{Cache, Limits};
pub use folder::default_folder;
pub use record::{Key, SEGMENT_HEADER, Space};
pub use segment::{Ending, Place, Scan, Source, push_record, scan};
