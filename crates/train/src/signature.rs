//! What a resumed run must share with the one that wrote its checkpoint.

use std::collections::BTreeMap;
use std::path::Path;

use engraft_component::{Note, NoteKind};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What a resumed run must share with the one that wrote the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Signature {
    /// Must be equal: name and value of what decides which rows come when.
    pub(crate) data: BTreeMap<String, String>,
    /// Should be equal, for results equal to the bit.
    pub(crate) machine: BTreeMap<String, String>,
}

impl Signature {
    pub(crate) fn machine() -> BTreeMap<String, String> {
        let program = std::env::current_exe().ok().and_then(|path| {
            let about = std::fs::metadata(path).ok()?;
            let modified = about
                .modified()
                .ok()?
                .duration_since(std::time::UNIX_EPOCH)
                .ok()?;
            Some(format!("{} bytes of {}", about.len(), modified.as_secs()))
        });
        let processor = std::fs::read_to_string("/proc/cpuinfo")
            .ok()
            .and_then(|text| {
                let line = text.lines().find(|line| line.starts_with("model name"))?;
                Some(line.split_once(':')?.1.trim().to_owned())
            });
        BTreeMap::from([
            ("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            ("program".to_owned(), program.unwrap_or_default()),
            (
                "processor".to_owned(),
                processor.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            ),
            (
                "threads".to_owned(),
                rayon::current_num_threads().to_string(),
            ),
        ])
    }

    /// Refuses a resumed run whose rows would come otherwise; the notes tell what may cost equality to the bit.
    pub(crate) fn check(&self, now: &Self, checkpoint: &Path) -> Result<Vec<Note>> {
        for (name, was) in &self.data {
            let is = now.data.get(name).map_or("", String::as_str);
            if is != was {
                return Err(Error::checkpoint(
                    checkpoint,
                    format!(
                        "the run was started with {name} {was} and cannot go on with {is}; give the same, or start anew from its weights"
                    ),
                ));
            }
        }
        let differing = self
            .machine
            .iter()
            .filter(|(name, was)| now.machine.get(*name) != Some(was));
        Ok(differing
            .map(|(name, was)| {
                let is = now.machine.get(name).map_or("", String::as_str);
                let text = format!("{was} before, {is} now: results may differ in the last bits from an uninterrupted run");
                Note::of(NoteKind::Training, name, text)
            })
            .collect())
    }
}
