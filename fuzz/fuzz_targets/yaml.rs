//! Any bytes are an experiment file's YAML or refused, and what was read and written is read again as the same.

#![no_main]

use engraft_component::{read_yaml, to_yaml};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    match read_yaml(file, "e.yaml") {
        Ok(node) => {
            let written = to_yaml(&node);
            let again = read_yaml(written.as_bytes(), "e.yaml").expect("what was written is read");
            assert_eq!(to_yaml(&again), written);
        }
        Err(error) => assert!(error.to_string().starts_with("e.yaml")),
    }
});
