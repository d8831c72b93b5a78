//! Calls into crates that panic on damaged files.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static SHIELDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread would be caught and reported as what is wrong with a file.
///
/// A panic hook that ends the program, or prints, should leave such a panic alone.
pub fn panics_are_caught() -> bool {
    SHIELDED.get()
}

/// Runs code that may panic; what it said if it did.
pub(crate) fn shielded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    let outer = SHIELDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(run));
    SHIELDED.set(outer);
    result.map_err(|payload| {
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        text.unwrap_or_else(|| "no reason given".to_owned())
    })
}
