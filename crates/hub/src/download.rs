//! What there is of a preset at a hub, and all of it that a model needs at once.

use std::sync::Arc;

use engraft_fetch::{Hubs, Snapshot, Wish};

use crate::{Error, Handle, Result, elsewhere, needs, preset, sources};

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

    /// Whether all that a model needs of a preset is here, so that opening it asks no hub.
    pub fn is_at_hand(handle: &Handle) -> bool {
        let hubs = Hubs::of_process();
        match handle {
            Handle::BuiltIn(_) => return true,
            Handle::Folder(path) => return path.is_dir(),
            handle => {
                let mirror = handle.mirror();
                let is_cached = |handle: &Handle| handle.is_cached(hubs);
                if !is_cached(handle) && !mirror.as_ref().is_some_and(is_cached) {
                    return false;
                }
            }
        }
        let Ok(remote) = Remote::find(handle, Wish::AsCached) else {
            return false;
        };
        let needed = remote.needed();
        let has_config = needed.iter().any(|path| path == "config.json");
        has_config && needed.iter().all(|path| remote.snapshot.is_here(path))
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
        let describes =
            |path: &String| ["config.json", "adapter_config.json"].contains(&path.as_str());
        if !files.iter().any(describes) {
            let known = elsewhere::among(&files, "config.json");
            let reason = known.unwrap_or_else(|| {
                "it has no config.json, and so is no model here; --all brings its files".to_owned()
            });
            return Err(Error::Handle {
                handle: self.snapshot.name().to_owned(),
                reason,
            });
        }
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
