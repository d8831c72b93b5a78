//! Any bytes are a Parquet file or refused; a panic of the crate that reads it is what is wrong with the file.

#![no_main]

mod tables;

use engraft_data::{Format, panics_are_caught};
use libfuzzer_sys::fuzz_target;
use tables::{options, read};

fuzz_target!(
    init: {
        // The fuzzer's own hook ends the program at every panic, caught or not.
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !panics_are_caught() {
                hook(panic);
            }
        }));
    },
    |file: &[u8]| {
        read("a", file, &options(Format::Parquet));
    }
);
