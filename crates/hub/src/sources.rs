//! Where the files of a preset come from: the hub that its handle names, or a mirror.

use std::sync::Arc;

use engraft_fetch::{Hubs, Kind, Snapshot, Wish, say};

use crate::{Error, Handle, Result, needs};

/// Finds a preset at a hub or in its cache, with the files that describe it.
///
/// # Errors
///
/// It is in no cache, and no hub has it, gives it or can be reached.
pub(crate) fn find(handle: &Handle, hubs: &'static Hubs, wish: Wish) -> Result<Arc<Snapshot>> {
    of_hub_or_mirror(handle, hubs, wish, |found| {
        // Of a repository of which nothing is known but what lies here, that is all.
        if found.is_listed() {
            let files = found.files();
            found.fetch(needs::descriptions(&files))?;
        }
        Ok(())
    })
}

/// Finds a preset at a hub or in its cache, and fetches nothing of it.
///
/// # Errors
///
/// Those of [`find`].
pub(crate) fn look(handle: &Handle, hubs: &'static Hubs, wish: Wish) -> Result<Arc<Snapshot>> {
    of_hub_or_mirror(handle, hubs, wish, |_| Ok(()))
}

fn of_hub_or_mirror(
    handle: &Handle,
    hubs: &'static Hubs,
    wish: Wish,
    bring: impl Fn(&Snapshot) -> Result<()>,
) -> Result<Arc<Snapshot>> {
    let open = |handle: &Handle| -> Result<Arc<Snapshot>> {
        let found = of_hub(handle, hubs, wish)?;
        bring(&found)?;
        Ok(found)
    };
    let Some(mirror) = handle.mirror() else {
        return open(handle);
    };
    // What was fetched from the mirror before is as good as it was then.
    if wish == Wish::AsCached && !handle.is_cached(hubs) && mirror.is_cached(hubs) {
        return open(&mirror);
    }
    let refused = match open(handle) {
        Err(Error::Fetch(refused)) if refused.is_refusal_of_hub() => refused,
        found => return found,
    };
    match open(&mirror) {
        Ok(found) => {
            say(&format!("{refused}; {mirror} is used instead"));
            Ok(found)
        }
        Err(also) => Err(Error::Refused {
            refused: Box::new(refused),
            mirror: mirror.to_string(),
            also: Box::new(also),
        }),
    }
}

/// A preset of one hub.
fn of_hub(handle: &Handle, hubs: &'static Hubs, wish: Wish) -> Result<Arc<Snapshot>> {
    match handle {
        Handle::HuggingFace {
            repository,
            revision,
        } => Ok(hubs.repository(Kind::Model, repository, revision.as_deref(), wish)?),
        Handle::Kaggle(model) => Ok(hubs.kaggle(model, wish)?),
        Handle::BuiltIn(_) | Handle::Folder(_) => Err(Error::Handle {
            handle: handle.to_string(),
            reason: "it is here already".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests;
