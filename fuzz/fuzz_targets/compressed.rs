//! Any bytes are compressed or refused. Packed they give what they were, and packed and cut short they give nothing.

#![no_main]

mod tables;

use std::io::Write;
use std::path::Path;

use engraft_data::{Format, ReaderOptions, table_of_bytes};
use libfuzzer_sys::fuzz_target;
use tables::{is_packed, options, read};

fuzz_target!(|file: &[u8]| {
    for name in ["a.txt.gz", "a.txt.zst", "a.fa"] {
        read(name, file, &ReaderOptions::default());
    }
    let options = options(Format::Text);
    let plain = table_of_bytes(Path::new("a"), file, &options)
        .map(|table| table.columns)
        .ok();
    // What is compressed twice is decompressed once.
    if is_packed(file) {
        return;
    }
    let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    gzip.write_all(file).expect("memory takes bytes");
    let gzip = gzip.finish().expect("memory takes bytes");
    let zstd = zstd::encode_all(file, 1).expect("memory takes bytes");
    // A name says that the first few bytes are those of a compressed file, which they are too few to say themselves.
    for (name, packed) in [("a.gz", gzip), ("a.zst", zstd)] {
        let whole = table_of_bytes(Path::new(name), &packed, &options)
            .map(|table| table.columns)
            .ok();
        assert_eq!(whole, plain);
        let cut = file.len() % packed.len();
        assert!(table_of_bytes(Path::new(name), &packed[..cut], &options).is_err());
    }
});
