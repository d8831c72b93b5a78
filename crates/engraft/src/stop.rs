//! Ending a call from another thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// Ends what a model is doing, from any thread: training keeps the weights of its last step, everything else gives [`Error::Stopped`].
///
/// ```
/// use engraft::prelude::*;
///
/// let classifier = TextClassifier::from_preset("sapiens_vh")?.num_classes(2).build()?;
/// let stopper = classifier.stopper();
/// stopper.stop();
/// assert!(matches!(classifier.predict("EVQLVESGGG"), Err(Error::Stopped)));
/// // It ends one call.
/// assert!(classifier.predict("EVQLVESGGG").is_ok());
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Stopper(pub(crate) Arc<AtomicBool>);

impl Stopper {
    /// Ends the call that is going on, or else the next one; a call that was about to end is over all the same, and the next goes on.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Refuses to go on if it was asked to stop, which then is over.
    pub(crate) fn check(&self) -> Result<()> {
        if self.take() {
            Err(Error::Stopped)
        } else {
            Ok(())
        }
    }

    /// Whether it was asked to stop, which then is over.
    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}
