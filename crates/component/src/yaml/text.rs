//! Bytes to text, and what the scanner says about text that is no YAML.

use std::sync::Arc;

use saphyr_parser::ScanError;

use crate::refusal::{Refusal, Span};

/// The bytes as text, without a byte order mark.
pub(super) fn text<'a>(bytes: &'a [u8], source: &Arc<str>) -> Result<&'a str, Refusal> {
    let refuse = |at: usize, message: String| {
        let newlines = bytes.iter().take(at).filter(|byte| **byte == b'\n').count();
        Err(Refusal::new(
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
                "not UTF-8 text. Save the file as UTF-8, if it is a text".to_owned(),
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
pub(super) fn syntax_error(text: &str, error: &ScanError, source: &Arc<str>) -> Refusal {
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
        Some(line) => Refusal::new(
            &Span::line(source, line_number(line)),
            "",
            "indented with a tab, which YAML does not allow. Use spaces",
        ),
        None => Refusal::new(
            &Span::line(source, line_number(line)),
            "",
            format!("not valid YAML, {}", in_plain_words(error.info())),
        ),
    }
}

/// What the scanner says, in words of those who write the file rather than of those who read YAML.
fn in_plain_words(info: &str) -> String {
    const WORDS: &[(&str, &str)] = &[
        (
            "mapping values are not allowed",
            "a key stands where none can be. Is its line indented too far, or does the line above lack its colon?",
        ),
        (
            "did not find expected key",
            "a line does not fit the lines above it. Give keys of one group the same indentation",
        ),
        (
            "simple key expected",
            "a line is no key. Give each key a colon and a space after it",
        ),
        (
            "did not find expected '-' indicator",
            "an item of a list does not begin with a dash. Give all items the same indentation",
        ),
        (
            "block sequence entries are not allowed",
            "an item of a list stands where none can be. Put the first dash on a line of its own",
        ),
        (
            "parsing a flow sequence",
            "a list that begins with [ has no end, or an item no comma after it. Close it with ]",
        ),
        (
            "parsing a flow mapping",
            "a mapping that begins with { has no end, or a value no comma after it. Close it with }",
        ),
        (
            "quoted scalar, found unexpected end",
            "a text that begins with a quote has no end. Close it with the same quote",
        ),
        (
            "after double-quoted scalar",
            "something follows a text in quotes. Close the quotes where the text ends",
        ),
        (
            "unknown escape character",
            "a backslash in double quotes begins no known character. Use single quotes, in which it means itself",
        ),
        (
            "unknown anchor",
            "an alias (*name) refers to what no anchor (&name) above it names. Write the value out",
        ),
        (
            "invalid indentation",
            "a line is indented less than what it belongs to. Give keys of one group the same indentation",
        ),
    ];
    let known = WORDS.iter().find(|(said, _)| info.contains(said));
    known.map_or_else(|| info.to_owned(), |(_, words)| (*words).to_owned())
}
