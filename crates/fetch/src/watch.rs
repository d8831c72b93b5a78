//! Who looks on while files are fetched.

use std::sync::OnceLock;

/// What is about to be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// What it is of, as a user names it.
    pub name: String,
    /// How many files.
    pub files: usize,
    /// All their bytes.
    pub bytes: u64,
    /// How many of these came before, in a download that was cut.
    pub at_hand: u64,
}

impl Plan {
    /// So many files of something, with so many bytes, some of which are here.
    pub fn new(name: &str, files: usize, bytes: u64, at_hand: u64) -> Self {
        Self {
            name: name.to_owned(),
            files,
            bytes,
            at_hand,
        }
    }
}

/// Is told what is fetched, by several threads at once.
pub trait Watch: Send + Sync {
    /// Files are about to be fetched.
    fn begins(&self, plan: &Plan);
    /// So many bytes came, or, below zero, turned out to be useless.
    fn advances(&self, bytes: i64);
    /// All files are there, or none more will come.
    fn ends(&self);
    /// Something to know, in one sentence.
    fn note(&self, text: &str);
}

static WATCH: OnceLock<Box<dyn Watch>> = OnceLock::new();

/// Says who looks on in this process, of which the first that is said stays; without one, nothing is told.
pub fn watch_with(watch: impl Watch + 'static) {
    let _ = WATCH.set(Box::new(watch));
}

/// Says something to whom looks on, in one sentence.
pub fn say(text: &str) {
    tell(|watch| watch.note(text));
}

/// Does something with whom looks on.
pub(crate) fn tell(what: impl FnOnce(&dyn Watch)) {
    if let Some(watch) = WATCH.get() {
        what(&**watch);
    }
}
