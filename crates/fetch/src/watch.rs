//! Progress of what is fetched, for whoever shows it.

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

/// Shows what is fetched; called by several threads at once.
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

/// Says what shows progress in this process. The first that is given stays; without one, nothing is shown.
pub fn watch_with(watch: impl Watch + 'static) {
    let _ = WATCH.set(Box::new(watch));
}

/// Shows a note, one sentence.
pub fn say(text: &str) {
    report(|watch| watch.note(text));
}

/// Passes something on to what shows progress, if anything does.
pub(crate) fn report(what: impl FnOnce(&dyn Watch)) {
    if let Some(watch) = WATCH.get() {
        what(&**watch);
    }
}
