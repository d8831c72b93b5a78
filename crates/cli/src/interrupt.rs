//! Signals that ask the program to end: Ctrl-C, and what clusters and closing terminals send.
//!
//! The first asks the run to stop where it can, a later one ends the program at once. The exit code is what shells report of a program that a
//! signal ended, 128 and the signal's number, so that a scheduler can tell a preempted run from a failed one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};

use crate::failure::{note, say};

/// What a first signal is to say, for a run that saves itself.
pub(crate) const SAVES: &str = "stopping after this batch and saving; press Ctrl-C again, or send another signal, to stop at once";

/// What it is to say where there is nothing to save.
pub(crate) const STOPS: &str =
    "stopping after this batch; press Ctrl-C again, or send another signal, to stop at once";

/// Ctrl-C.
const INTERRUPT: i32 = 2;

/// Signals that come so soon after the first are the same one: `timeout` and closing terminals send theirs both to the program and to its group.
const ECHO: Duration = Duration::from_millis(500);

/// The signal that came first; signals are the process's, and so is its exit code.
static FIRST: AtomicI32 = AtomicI32::new(INTERRUPT);

/// The exit code of a program that was asked to end.
pub(crate) fn exit_code() -> u8 {
    code_of(FIRST.load(Ordering::SeqCst))
}

fn code_of(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}

/// Watches for signals; the flag is set by the first.
pub(crate) fn watch(message: &'static str) -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    watch_with(Arc::clone(&stop), message);
    stop
}

/// Watches for signals, the first of which sets `stop`.
pub(crate) fn watch_with(stop: Arc<AtomicBool>, message: &'static str) {
    let mut first: Option<Instant> = None;
    let watching = on_signal(move |signal| match first {
        None => {
            first = Some(Instant::now());
            FIRST.store(signal, Ordering::SeqCst);
            stop.store(true, Ordering::SeqCst);
            say("");
            say(&match name(signal) {
                Some(name) => format!("{name}: {message}"),
                None => message.to_owned(),
            });
        }
        Some(first) if first.elapsed() < ECHO => {}
        Some(_) => {
            say("");
            end(signal);
        }
    });
    if let Err(error) = watching {
        note(&format!(
            "a signal such as Ctrl-C will end this run without saving it ({error})"
        ));
    }
}

/// Ends the program at the first signal, with nothing left that is half written; for work that cannot go on later.
pub(crate) fn end_at_once() {
    // Without it the signal itself ends the program.
    let _ = on_signal(end);
}

fn end(signal: i32) {
    engraft_files::remove_begun();
    std::process::exit(i32::from(code_of(signal)));
}

/// The name of a signal that was not a key press.
fn name(signal: i32) -> Option<&'static str> {
    match signal {
        1 => Some("SIGHUP"),
        15 => Some("SIGTERM"),
        _ => None,
    }
}

/// Calls `handle` with the number of each signal, on a thread of its own.
///
/// A crate for Ctrl-C alone cannot tell signals apart, which the exit code needs.
#[cfg(unix)]
fn on_signal(mut handle: impl FnMut(i32) + Send + 'static) -> std::io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let status = std::fs::read_to_string("/proc/self/status").ok();
    let watched = [SIGHUP, SIGINT, SIGTERM].into_iter();
    let watched = watched.filter(|&signal| !is_ignored(signal, status.as_deref()));
    let mut signals = signal_hook::iterator::Signals::new(watched)?;
    let thread = std::thread::Builder::new().name("signals".to_owned());
    thread.spawn(move || signals.forever().for_each(&mut handle))?;
    Ok(())
}

/// Whether whoever started the program wants a signal ignored, as `nohup` does, by what Linux says of the process. Where that is not known,
/// a closing terminal is left to end the run or not, as it would any other program.
#[cfg(unix)]
fn is_ignored(signal: i32, status: Option<&str>) -> bool {
    let line =
        status.and_then(|status| status.lines().find_map(|line| line.strip_prefix("SigIgn:")));
    match line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()) {
        Some(mask) => mask >> (signal - 1) & 1 == 1,
        None => signal == signal_hook::consts::SIGHUP,
    }
}

/// Elsewhere there are key presses and closing windows, which cannot be told apart.
#[cfg(not(unix))]
fn on_signal(mut handle: impl FnMut(i32) + Send + 'static) -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(move || handle(INTERRUPT))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_the_starter_ignores_stays_ignored() {
        let status = "Name:\tengraft\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000004002\n";
        assert!(is_ignored(1, Some(status)));
        assert!(!is_ignored(2, Some(status)) && !is_ignored(15, Some(status)));
        assert!(is_ignored(1, None) && !is_ignored(15, None));
    }

    #[test]
    fn exit_codes_are_those_that_shells_report() {
        assert_eq!([1, 2, 15].map(code_of), [129, 130, 143]);
    }
}
