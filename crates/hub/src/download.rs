//! What there is of a preset at a hub, and all of it that a model needs at once.

use std::sync::Arc;

use engraft_fetch::{Hubs, Snapshot, Wish};

use crate::{Handle, Result, needs, preset, sources};

/// A preset of a hub, of which perhaps nothing is here yet.
#[derive(Debug)]
pub struct Remote {
    snapshot: Arc<Snapshot>,
}

impl Remote {
    /// Finds the preset that a handle names, at its hub or in the cache; nothing of it is fetched.
    ///
    /// # Errors
    ///
    /// It is part of the program or a folder; it is in no cache, and no hub has it, gives it or can be reached.
    pub fn find(handle: &Handle, wish: Wish) -> Result<Remote> {
        let snapshot = sources::look(handle, Hubs::of_process(), wish)?;
        Ok(Remote { snapshot })
    }

    /// Its files here and at the hub.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The files that a model needs.
    pub fn needed(&self) -> Vec<String> {
        let files = self.snapshot.files();
        let needed = needs::by_names(&files);
        needed.into_iter().map(str::to_owned).collect()
    }

    /// Brings all that a model needs, also of a family that is not read.
    ///
    /// # Errors
    ///
    /// The hub does not give a file or cannot be reached, what it gives is not what it announced, or it cannot be written.
    pub fn fetch(&self) -> Result<()> {
        let files = self.snapshot.files();
        // All at once, so that their size is said and there is room for them before it begins.
        self.snapshot.fetch(needs::by_names(&files))?;
        let folder = self.snapshot.folder();
        let read = |file: &str| {
            let path = folder.join(file);
            let bytes = preset::read_text(&path)?;
            let place = path.display().to_string();
            bytes
                .map(|bytes| preset::json_object(&place, &bytes))
                .transpose()
        };
        let is_keras = needs::are_of_keras(&files);
        let weights = needs::weights(&files, is_keras, read)?;
        Ok(self.snapshot.fetch(weights)?)
    }
}
