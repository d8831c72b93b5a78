//! Any bytes are FASTQ or refused, and each letter that is read has a quality.

#![no_main]

mod tables;

use engraft_data::Format;
use libfuzzer_sys::fuzz_target;
use tables::{options, read};

fuzz_target!(|file: &[u8]| {
    if let Some(table) = read("a", file, &options(Format::Fastq)) {
        let length = |name: &str, row: usize| {
            let cell = &table.column(name).expect("a column of every file").cells[row];
            cell.text().expect("a text of every record").len()
        };
        for row in 0..table.len() {
            assert_eq!(length("sequence", row), length("quality", row));
        }
    }
});
