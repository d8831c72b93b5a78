//! Any bytes are a CSV or TSV table or refused, in every dialect.

#![no_main]

mod tables;

use engraft_data::{Format, Header, Quote};
use libfuzzer_sys::fuzz_target;
use tables::{is_packed, options, read, text_bytes};

fuzz_target!(|file: &[u8]| {
    for format in [Format::Csv, Format::Tsv] {
        if let Some(table) = read("a", file, &options(format)) {
            assert!(is_packed(file) || text_bytes(&table) <= file.len());
        }
    }
    // The dialect is part of the input, so that one file is tried in several.
    let mut other = options(Format::Csv);
    other.arguments.header = [Header::Infer, Header::First, Header::Absent][file.len() % 3];
    other.arguments.quotechar = [Quote::Off, Quote::Character(b'\'')][file.len() % 2];
    other.arguments.skiprows = file.len() % 5;
    read("a", file, &other);
});
