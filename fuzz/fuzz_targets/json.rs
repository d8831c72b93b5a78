//! Any bytes are JSON lines or an array of objects, or refused.

#![no_main]

mod tables;

use engraft_data::Format;
use libfuzzer_sys::fuzz_target;
use tables::{options, read};

fuzz_target!(|file: &[u8]| {
    read("a", file, &options(Format::Json));
});
