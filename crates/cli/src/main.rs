//! The `engraft` program: from a command line to a run, its messages and its exit code.
//!
//! Exit codes: 0 when all went well, 2 for what is wrong before a run starts (usage, configuration, data, weights), 1 for a
//! failure once it runs, 128 and the signal's number when one asked it to end: 130 after Ctrl-C, 143 after SIGTERM.

mod arguments;
mod commands;
mod elsewhere;
mod failure;
mod given;
mod help;
mod interrupt;
mod named;
mod opening;
mod teller;
mod text;

use std::process::ExitCode;

// Large temporaries come and go with every batch; the system's allocator maps and clears each of them anew.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    failure::report_panics();
    engraft_run::show_fetching();
    let result =
        arguments::from_process().and_then(|(command, tail)| commands::run(command, &tail));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
