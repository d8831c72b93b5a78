//! PyTorch checkpoints: the tensors that `torch.save` wrote, found without running anything.
//!
//! Such a file is a pickle, a program for a small stack machine, and beside it the raw numbers. Python's own machine can call
//! any function that the program names; the one here ([`machine`], [`operations`]) can only build plain values and describe tensors, and
//! refuses a file that asks for more ([`class`] is the whole list). The numbers stay where they are until they are read.
//!
//! Two containers exist: a zip archive of uncompressed entries ([`archive`], since PyTorch 1.6) and pickles followed by
//! numbers ([`plain`], before). [`state_dict`] then picks the tensors and checks that each lies within its storage.
//!
//! Followed here: `torch/serialization.py` and `torch/_utils.py` of PyTorch 2 for the meaning of the parts, and
//! <https://docs.python.org/3/library/pickletools.html> for the operations.

mod archive;
mod class;
mod machine;
mod operations;
mod plain;
mod program;
mod state_dict;
mod value;

use std::fmt::Write;

use crate::contents::Contents;

/// How much of a name from a file a message shows.
const SHOWN: usize = 80;

/// Whether a file begins as a zip archive or as a pickle does.
pub(crate) fn recognises(file: &[u8]) -> bool {
    archive::recognises(file) || plain::recognises(file)
}

/// Finds the tensors of a whole file; the reason when it is refused.
pub(crate) fn parse(file: &[u8]) -> Result<Contents, String> {
    if archive::recognises(file) {
        archive::parse(file)
    } else if plain::recognises(file) {
        plain::parse(file)
    } else if file.starts_with(b"version https://git-lfs") {
        Err("it is a Git LFS pointer, not the weights; run `git lfs pull` in its folder".into())
    } else {
        Err(format!(
            "it is {} bytes long and begins neither as a zip archive nor as a pickle; fetch it again",
            file.len()
        ))
    }
}

/// A name from a file as a message may show it: one line, without control characters, not too long.
fn shown(name: &str) -> String {
    let mut text = String::new();
    for character in name.chars().take(SHOWN) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{}", character.escape_debug());
    }
    if name.chars().nth(SHOWN).is_some() {
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_is_shown_on_one_line_and_shortened() {
        assert_eq!(shown("os.system"), "os.system");
        assert_eq!(shown("a\n\u{1b}[31m"), "a\\n\\u{1b}[31m");
        assert_eq!(shown(&"x".repeat(200)), format!("{}...", "x".repeat(80)));
    }

    #[test]
    fn a_file_of_another_kind_says_so() {
        assert!(parse(b"").unwrap_err().contains("0 bytes long"));
        assert!(
            parse(b"version https://git-lfs.github.com/spec/v1\n")
                .unwrap_err()
                .contains("git lfs pull")
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }
    }
}
