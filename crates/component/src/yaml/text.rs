//! Bytes to text, and what the scanner says about text that is no YAML.

use std::sync::Arc;

use saphyr_parser::ScanError;

use crate::error::{Error, Span};

/// The bytes as text, without a byte order mark.
pub(super) fn text<'a>(bytes: &'a [u8], source: &Arc<str>) -> Result<&'a str, Error> {
    let refuse = |at: usize, message: String| {
        let newlines = bytes.iter().take(at).filter(|byte| **byte == b'\n').count();
        Err(Error::new(
            &Span::line(source, line_number(newlines + 1)),
            "",
            message,
        ))
    };
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return refuse(0, "UTF-16 text. Save the file as UTF-8".to_owned());
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            return refuse(
                error.valid_up_to(),
                "not UTF-8 text. Is it a binary file?".to_owned(),
            );
        }
    };
    let strange = |char: char| char.is_control() && !matches!(char, '\n' | '\r' | '\t' | '\u{85}');
    if let Some((at, char)) = text.char_indices().find(|(_, char)| strange(*char)) {
        let message = format!(
            "contains the control character U+{:04X}. Is it a binary file?",
            u32::from(char)
        );
        return refuse(at, message);
    }
    Ok(text)
}

/// A line as spans count them.
pub(super) fn line_number(line: usize) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}

/// What the scanner refused, at its line.
pub(super) fn syntax_error(text: &str, error: &ScanError, source: &Arc<str>) -> Error {
    // An error at the end of the text belongs to its last line.
    let line = error.marker().line().min(text.lines().count().max(1));
    let indented_by_tab = |line: usize| {
        let written = line
            .checked_sub(1)
            .and_then(|index| text.lines().nth(index));
        written.is_some_and(|written| {
            let indent = written.trim_start_matches([' ', '\t']);
            written
                .get(..written.len() - indent.len())
                .is_some_and(|indent| indent.contains('\t'))
        })
    };
    let tabbed = [line, line.saturating_sub(1)]
        .into_iter()
        .find(|line| indented_by_tab(*line));
    match tabbed {
        Some(line) => Error::new(
            &Span::line(source, line_number(line)),
            "",
            "indented with a tab, which YAML does not allow. Use spaces",
        ),
        None => Error::new(
            &Span::line(source, line_number(line)),
            "",
            format!("not valid YAML, {}", error.info()),
        ),
    }
}
