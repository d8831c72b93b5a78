//! Any bytes are plain text or refused, by lines, paragraphs and as a whole.

#![no_main]

mod tables;

use engraft_data::{Format, SampleBy};
use libfuzzer_sys::fuzz_target;
use tables::{is_packed, options, read, text_bytes};

fuzz_target!(|file: &[u8]| {
    for sample_by in [SampleBy::Line, SampleBy::Paragraph, SampleBy::Document] {
        let mut options = options(Format::Text);
        options.arguments.sample_by = sample_by;
        if let Some(table) = read("a", file, &options) {
            assert!(is_packed(file) || text_bytes(&table) <= file.len());
        }
    }
});
