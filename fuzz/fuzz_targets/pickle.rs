//! Any bytes are read as a checkpoint or refused, and no tensor takes more room than the file.

#![no_main]

use engraft_hub::Weights;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    // The name sends what is neither a zip archive nor a pickle to the same reader.
    match Weights::from_bytes("pytorch_model.bin", file.to_vec()) {
        Ok(weights) => read_all(&weights, file.len()),
        Err(error) => assert!(!error.to_string().contains(char::is_control)),
    }
});

/// Reads every tensor in every way that there is.
fn read_all(weights: &Weights, size: usize) {
    for tensor in weights.iter() {
        let bytes = tensor.bytes();
        let count: usize = tensor.shape().iter().product();
        assert!(bytes.len() <= size);
        assert_eq!(bytes.len() * 8, count * tensor.dtype().bitsize());
        if let Ok(numbers) = tensor.to_f32() {
            assert_eq!(numbers.len(), count);
            assert!(tensor.non_finite() <= count);
        }
    }
    assert_eq!(weights.fingerprint().len(), 64);
}
