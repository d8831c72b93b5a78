//! Bytes on their way from a file to a reader of text: checked, and with their lines counted.

use std::io::{self, BufRead, Read};
use std::path::Path;
use std::sync::Arc;

use super::open::{Unreadable, read_failed};
use crate::error::Error;
use crate::origin::Origin;

/// Bytes checked at once.
const BUFFER: usize = 1 << 16;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Text in UTF-8 without zero bytes or byte order mark, in pieces that end between characters.
///
/// What is wrong comes as an [`io::Error`] that holds an [`Error`]; [`TextReader::failed`] takes it out.
pub(super) struct TextReader<'a> {
    inner: Box<dyn Read + 'a>,
    path: Arc<Path>,
    buffer: Vec<u8>,
    /// Where what is checked and not consumed begins.
    start: usize,
    /// Where what is checked ends.
    checked: usize,
    /// Where what was read ends: a character may be read in part.
    filled: usize,
    lines: LineCount,
    has_content: bool,
    begun: bool,
    records: Option<Records>,
}

/// What files of records may hold that other texts may not: bytes of Latin-1 in headers, and lines that end with a `\r` alone.
#[derive(Debug)]
struct Records {
    /// The bytes that begin headers.
    markers: &'static [u8],
    /// What the line of the byte that is checked next begins with; nothing where it begins there.
    line_begins: Option<u8>,
    /// Lines with bytes that were read as Latin-1: the first and the last of them, and their number.
    latin: Option<(u64, u64)>,
    latin_lines: usize,
    /// Lines that ended with a `\r` alone.
    returns: usize,
}

impl<'a> TextReader<'a> {
    /// Of records, whose headers begin with one of these bytes. In them, a byte that is not UTF-8 is the character that it is in Latin-1;
    /// everywhere, a `\r` alone becomes a `\n`.
    pub(super) fn of_records(
        inner: Box<dyn Read + 'a>,
        path: Arc<Path>,
        markers: &'static [u8],
    ) -> TextReader<'a> {
        TextReader {
            records: Some(Records {
                markers,
                line_begins: None,
                latin: None,
                latin_lines: 0,
                returns: 0,
            }),
            ..TextReader::new(inner, path)
        }
    }

    /// How many headers held bytes that were read as Latin-1, and the line of the first.
    pub(super) fn latin_headers(&self) -> Option<(usize, u64)> {
        let records = self.records.as_ref()?;
        records.latin.map(|(first, _)| (records.latin_lines, first))
    }

    /// How many lines ended with a `\r` alone.
    pub(super) fn lone_returns(&self) -> usize {
        self.records.as_ref().map_or(0, |records| records.returns)
    }

    pub(super) fn new(inner: Box<dyn Read + 'a>, path: Arc<Path>) -> TextReader<'a> {
        TextReader {
            inner,
            path,
            buffer: vec![0; BUFFER],
            start: 0,
            checked: 0,
            filled: 0,
            lines: LineCount::default(),
            has_content: false,
            begun: false,
            records: None,
        }
    }

    /// The line of the byte that is consumed next, counted from 1.
    pub(super) fn line(&self) -> u64 {
        self.lines.line_of(self.unread().first().copied())
    }

    /// The file, and the line of the byte that is consumed next.
    pub(super) fn origin(&self) -> Origin {
        Origin {
            file: Arc::clone(&self.path),
            line: self.line(),
        }
    }

    /// The file.
    pub(super) fn file(&self) -> Arc<Path> {
        Arc::clone(&self.path)
    }

    /// Whether the last byte consumed ended a line, or none was.
    pub(super) fn at_line_start(&self) -> bool {
        self.lines.ends_line
    }

    /// Whether anything but white space was there, read to the end for it if need be.
    ///
    /// # Errors
    /// The rest cannot be read.
    fn has_content(&mut self) -> io::Result<bool> {
        while !self.has_content {
            let length = self.fill_buf()?.len();
            if length == 0 {
                break;
            }
            self.consume(length);
        }
        Ok(self.has_content)
    }

    /// Whether there was content, once `result` has come of reading it. Of a file without content that is all that is wrong.
    ///
    /// # Errors
    /// That of `result`, or the rest cannot be read.
    pub(super) fn finish(mut self, result: Result<(), Error>) -> Result<bool, Error> {
        match (result, self.has_content()) {
            (Ok(()), Ok(has_content)) => Ok(has_content),
            (Err(_), Ok(false)) => Ok(false),
            (Err(error), _) => Err(error),
            (Ok(()), Err(error)) => Err(self.failed(error)),
        }
    }

    /// What an error of this reader says.
    pub(super) fn failed(&self, error: io::Error) -> Error {
        read_failed(&self.path, error)
    }

    /// Reads up to and including the next `\n`, and gives the line without its end; none after the last.
    ///
    /// # Errors
    /// The text cannot be read.
    pub(super) fn next_line(&mut self, line: &mut Vec<u8>) -> Result<bool, Error> {
        line.clear();
        let length = self.read_until(b'\n', line);
        if length.map_err(|error| self.failed(error))? == 0 {
            return Ok(false);
        }
        if line.ends_with(b"\n") {
            line.pop();
            if line.ends_with(b"\r") {
                line.pop();
            }
        }
        Ok(true)
    }

    /// Reads over so many lines.
    ///
    /// # Errors
    /// The text cannot be read.
    pub(super) fn skip_lines(&mut self, count: usize) -> Result<(), Error> {
        let mut line = vec![];
        for _ in 0..count {
            self.next_line(&mut line)?;
        }
        Ok(())
    }

    /// What is read and not yet consumed, and more if that is nothing; empty at the end.
    ///
    /// # Errors
    /// The text cannot be read.
    pub(super) fn piece(&mut self) -> Result<&[u8], Error> {
        if let Err(error) = self.fill_buf() {
            return Err(self.failed(error));
        }
        Ok(self.unread())
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..self.checked).unwrap_or(&[])
    }

    /// Reads and checks more, once all that was checked is consumed.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.checked..self.filled, 0);
        self.filled -= self.checked;
        (self.start, self.checked) = (0, 0);
        // What was read as Latin-1 takes more room than it did.
        self.buffer.truncate(BUFFER.max(self.filled));
        loop {
            let count = self.read_more()?;
            let ended = count == 0;
            if !self.begun && (ended || self.filled >= BYTE_ORDER_MARK.len()) {
                self.begun = true;
                if self.buffer[..self.filled].starts_with(BYTE_ORDER_MARK) {
                    self.start = BYTE_ORDER_MARK.len();
                    self.checked = self.start;
                }
            }
            if self.begun || ended {
                self.check(ended)?;
            }
            if ended || self.checked > self.start {
                return Ok(());
            }
        }
    }

    fn read_more(&mut self) -> io::Result<usize> {
        loop {
            match self.inner.read(&mut self.buffer[self.filled..]) {
                Ok(count) => {
                    self.filled += count;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.located(error)),
            }
        }
    }

    /// Checks what was read, up to a character that is there only in part.
    fn check(&mut self, ended: bool) -> io::Result<()> {
        let length = loop {
            let bytes = &self.buffer[self.checked..self.filled];
            // Whether there is one at all is known faster than where.
            let has_zero = bytes.contains(&0);
            let zero = has_zero.then(|| bytes.iter().position(|byte| *byte == 0));
            let zero = zero.flatten();
            let (length, wrong) = match std::str::from_utf8(bytes) {
                Ok(text) => (text.len(), false),
                Err(error) if error.error_len().is_none() && !ended => (error.valid_up_to(), false),
                Err(error) => (error.valid_up_to(), true),
            };
            if let Some(zero) = zero.filter(|zero| *zero < length) {
                return Err(self.binary(zero, "a zero byte"));
            }
            if !wrong {
                break length;
            }
            if !self.read_as_latin(length) {
                return Err(self.binary(length, "a byte that is not UTF-8"));
            }
        };
        let length = self.end_lines(length, ended);
        let text = &self.buffer[self.checked..self.checked + length];
        let text = std::str::from_utf8(text).unwrap_or_default();
        self.has_content = self.has_content || !text.trim().is_empty();
        if let Some(records) = &mut self.records {
            records.line_begins = line_begins(text.as_bytes(), records.line_begins);
        }
        self.checked += length;
        Ok(())
    }

    /// Makes the byte `offset` after what is checked the character that it is in Latin-1, if it is in a header; whether it was.
    fn read_as_latin(&mut self, offset: usize) -> bool {
        let at = self.checked + offset;
        let line = self.line_at(at);
        let Some(records) = &mut self.records else {
            return false;
        };
        let begins = line_begins(&self.buffer[self.checked..at], records.line_begins);
        if !begins.is_some_and(|first| records.markers.contains(&first)) {
            return false;
        }
        let first = match records.latin {
            Some((first, last)) if last == line => first,
            latin => {
                records.latin_lines += 1;
                latin.map_or(line, |(first, _)| first)
            }
        };
        records.latin = Some((first, line));
        let letter = char::from(self.buffer[at]);
        let mut bytes = [0; 2];
        let bytes = letter.encode_utf8(&mut bytes).bytes();
        self.buffer.splice(at..=at, bytes);
        self.filled += 1;
        true
    }

    /// Makes each `\r` alone among the next `length` bytes a `\n`, where there are records. A `\r` at the end waits for what follows it.
    fn end_lines(&mut self, length: usize, ended: bool) -> usize {
        let Some(records) = &mut self.records else {
            return length;
        };
        let text = &mut self.buffer[self.checked..self.checked + length];
        if !text.contains(&b'\r') {
            return length;
        }
        let waits = usize::from(!ended && text.ends_with(b"\r"));
        let length = length - waits;
        for at in 0..length {
            if text[at] == b'\r' && text.get(at + 1) != Some(&b'\n') {
                text[at] = b'\n';
                records.returns += 1;
            }
        }
        length
    }

    /// The line of the byte at this place of what was read.
    fn line_at(&self, at: usize) -> u64 {
        let mut lines = self.lines;
        lines.pass(&self.buffer[self.start.min(at)..at]);
        lines.line_of(self.buffer.get(at).copied())
    }

    /// The error that the byte `offset` after what is checked is none of a text.
    fn binary(&self, offset: usize, reason: &'static str) -> io::Error {
        io::Error::other(Error::Binary {
            path: self.path.to_path_buf(),
            line: self.line_at(self.checked + offset),
            reason,
        })
    }

    /// The error of the file below, with the line that was reached.
    fn located(&self, error: io::Error) -> io::Error {
        match error.downcast::<Unreadable>() {
            Ok(Unreadable { reason }) => io::Error::other(Error::Damaged {
                path: self.path.to_path_buf(),
                line: Some(self.lines.line_of(None)),
                reason,
            }),
            Err(error) => error,
        }
    }
}

impl Read for TextReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let unread = self.fill_buf()?;
        let count = unread.len().min(buffer.len());
        buffer[..count].copy_from_slice(&unread[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for TextReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.checked {
            self.fill()?;
        }
        Ok(self.unread())
    }

    fn consume(&mut self, count: usize) {
        let end = (self.start + count).min(self.checked);
        self.lines.pass(&self.buffer[self.start..end]);
        self.start = end;
    }
}

/// What the line of the byte after `text` begins with, if that of its first byte begins with `before`.
fn line_begins(text: &[u8], before: Option<u8>) -> Option<u8> {
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    match text.iter().rposition(is_end) {
        Some(end) => text.get(end + 1).copied(),
        None => before.or(text.first().copied()),
    }
}

/// Counts lines that bytes end. A line ends with `\n`, `\r\n` or `\r`.
#[derive(Clone, Copy, Debug)]
struct LineCount {
    ended: u64,
    /// The last byte was a `\r`, which ends a line unless a `\n` follows.
    carriage_return: bool,
    ends_line: bool,
}

impl Default for LineCount {
    fn default() -> Self {
        LineCount {
            ended: 0,
            carriage_return: false,
            ends_line: true,
        }
    }
}

impl LineCount {
    fn pass(&mut self, bytes: &[u8]) {
        let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
            return;
        };
        self.ended += u64::from(self.carriage_return && *first != b'\n');
        // Without a branch, so that it is done for many bytes at once.
        let feeds = bytes.iter().filter(|byte| **byte == b'\n').count();
        self.ended += feeds as u64;
        if bytes.contains(&b'\r') {
            let pairs = bytes.windows(2);
            let returns = pairs.filter(|pair| pair[0] == b'\r' && pair[1] != b'\n');
            self.ended += returns.count() as u64;
        }
        self.carriage_return = *last == b'\r';
        self.ends_line = matches!(last, b'\n' | b'\r');
    }

    /// The line, counted from 1, of a byte that follows.
    fn line_of(&self, next: Option<u8>) -> u64 {
        let ended = self.carriage_return && next != Some(b'\n');
        self.ended + u64::from(ended) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A reader that gives a few bytes at a time.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(self.1).min(buffer.len());
            let (now, later) = self.0.split_at(count);
            buffer[..count].copy_from_slice(now);
            self.0 = later;
            Ok(count)
        }
    }

    fn reader(bytes: &[u8], at_once: usize) -> TextReader<'_> {
        TextReader::new(Box::new(Slow(bytes, at_once)), Arc::from(Path::new("a")))
    }

    proptest! {
        #[test]
        fn text_comes_through_whole_however_it_arrives(text in "(\u{feff})?[aé🧬\r\n ]{0,30}", at_once in 1usize..5) {
            let mut reader = reader(text.as_bytes(), at_once);
            let mut read = String::new();
            let mut lines = vec![];
            loop {
                let piece = std::str::from_utf8(reader.fill_buf().unwrap()).unwrap().to_owned();
                let Some(first) = piece.chars().next() else { break };
                lines.push((read.len(), reader.line()));
                reader.consume(first.len_utf8());
                read.push(first);
            }
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
            prop_assert_eq!(&read, text);
            for (offset, line) in lines {
                let before = text[..offset].replace("\r\n", "\n");
                let ended = before.matches(['\n', '\r']).count();
                // The `\r` of a `\r\n` ends no line of its own.
                let pair = before.ends_with('\r') && text[offset..].starts_with('\n');
                prop_assert_eq!(line, (ended - usize::from(pair)) as u64 + 1, "at {} of {:?}", offset, text);
            }
            prop_assert_eq!(reader.has_content().unwrap(), !text.trim().is_empty());
        }

        #[test]
        fn what_is_no_text_is_refused_however_it_arrives(before in "[aé\n]{0,6}", bad in 0usize..4, at_once in 1usize..5) {
            let bad: &[u8] = [&b"\0"[..], b"\xff", b"\xc3", b"\xf0\x9f\xa7"][bad];
            let bytes = [before.as_bytes(), bad].concat();
            let mut reader = reader(&bytes, at_once);
            let error = io::copy(&mut reader, &mut io::sink()).unwrap_err();
            let line = before.matches('\n').count() + 1;
            let message = reader.failed(error).to_string();
            prop_assert!(message.starts_with(&format!("a:{line}: a ")), "{}", message);
        }
    }
}
