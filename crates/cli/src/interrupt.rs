//! Ctrl-C: the first press asks the run to stop where it can, the second ends the program at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::{note, say};

/// What a first press of Ctrl-C is to say, for a run that saves itself.
pub(crate) const SAVES: &str =
    "stopping after this step and saving; press Ctrl-C again to stop at once";

/// What it is to say where there is nothing to save.
pub(crate) const STOPS: &str = "stopping after this batch; press Ctrl-C again to stop at once";

/// Watches for Ctrl-C; the flag is set by the first press.
pub(crate) fn watch(message: &'static str) -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let watching = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::SeqCst) {
            say("");
            std::process::exit(130);
        }
        say("");
        say(message);
    });
    if let Err(error) = watching {
        note(&format!(
            "Ctrl-C will end this run without saving it ({error})"
        ));
    }
    stop
}
