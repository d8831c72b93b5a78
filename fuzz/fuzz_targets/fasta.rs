//! Any bytes are FASTA or refused, whichever way headers are taken apart.

#![no_main]

mod tables;

use engraft_data::Format;
use libfuzzer_sys::fuzz_target;
use tables::{is_packed, options, read};

fuzz_target!(|file: &[u8]| {
    if let Some(table) = read("a", file, &options(Format::Fasta)) {
        let headers = file.iter().filter(|byte| **byte == b'>').count();
        assert!(is_packed(file) || table.len() <= headers);
    }
    let mut pattern = options(Format::Fasta);
    pattern.arguments.header_pattern = Some(r"(?<id>[A-Za-z0-9]+)\|?(?<label>[0-9]*)".to_owned());
    read("a", file, &pattern);
    let mut fields = options(Format::Fasta);
    fields.arguments.sep = Some("|".to_owned());
    fields.arguments.names = Some(["id", "label"].map(String::from).to_vec());
    read("a", file, &fields);
});
