//! The bytes of an event file: TensorFlow's records, each a message of `event.proto` or `summary.proto`.
//!
//! A record is the length of its message as 8 bytes, a check of these, the message, and a check of it. A check is the CRC-32C of the bytes,
//! rotated and shifted by a constant so that checks of bytes that hold checks are no special values. Fields of a message are written in the
//! order of their numbers, as Google's own writers do.

use std::io::{self, Read};

/// What one record says.
pub(super) enum Content<'a> {
    /// The first record of each file.
    Version,
    /// Scalars by name.
    Scalars(&'a [(String, f64)]),
    /// A text in Markdown under a name.
    Text(&'a str, &'a str),
    /// From here on steps are done anew that readers may know already.
    Start,
}

/// A record of what was at a step, at a time in seconds since 1970.
pub(super) fn record(time: f64, step: u64, content: &Content<'_>) -> Vec<u8> {
    let mut event = Message::default();
    event.double(1, time);
    event.number(2, step);
    match content {
        Content::Version => event.bytes(3, b"brain.Event:2"),
        Content::Scalars(scalars) => {
            let mut summary = Message::default();
            for (tag, scalar) in *scalars {
                let mut value = Message::default();
                value.bytes(1, tag.as_bytes());
                value.float(2, *scalar as f32);
                summary.message(1, value);
            }
            event.message(5, summary);
        }
        Content::Text(tag, text) => {
            let mut value = Message::default();
            value.bytes(1, tag.as_bytes());
            value.message(8, text_tensor(text));
            value.message(9, text_plugin());
            let mut summary = Message::default();
            summary.message(1, value);
            event.message(5, summary);
        }
        Content::Start => {
            let mut session = Message::default();
            session.number(1, 1);
            event.message(7, session);
        }
    }
    framed(&event.0)
}

/// A tensor of one text.
fn text_tensor(text: &str) -> Message {
    const STRING: u64 = 7;
    let (mut dimension, mut shape, mut tensor) =
        (Message::default(), Message::default(), Message::default());
    dimension.number(1, 1);
    shape.message(2, dimension);
    tensor.number(1, STRING);
    tensor.message(2, shape);
    tensor.bytes(8, text.as_bytes());
    tensor
}

/// Names the part of TensorBoard that shows texts.
fn text_plugin() -> Message {
    let (mut plugin, mut metadata) = (Message::default(), Message::default());
    plugin.bytes(1, b"text");
    metadata.message(1, plugin);
    metadata
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = (message.len() as u64).to_le_bytes();
    let checks = [check(&length), check(message)].map(u32::to_le_bytes);
    [&length[..], &checks[0], message, &checks[1]].concat()
}

fn check(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

/// A message being written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn key(&mut self, field: u8, wire: u8) {
        self.0.push(field << 3 | wire);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// A whole number; 0 is what readers take a missing one for.
    fn number(&mut self, field: u8, value: u64) {
        if value > 0 {
            self.key(field, 0);
            self.varint(value);
        }
    }

    fn double(&mut self, field: u8, value: f64) {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
    }

    fn float(&mut self, field: u8, value: f32) {
        self.key(field, 5);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u8, value: &[u8]) {
        self.key(field, 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
    }

    fn message(&mut self, field: u8, value: Message) {
        self.bytes(field, &value.0);
    }
}

/// Reads a record; returns its message, or nothing at the end of the file and where it is damaged or cut off.
pub(super) fn read_record(reader: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut start = [0; 12];
    if !fill(reader, &mut start)? {
        return Ok(None);
    }
    let [length, checked] = [&start[..8], &start[8..]];
    if check(length).to_le_bytes() != *checked {
        return Ok(None);
    }
    let length = length
        .iter()
        .rev()
        .fold(0, |all, &byte| all << 8 | u64::from(byte));
    let mut message = Vec::new();
    // Read as it comes, so that a length that is not true asks for no memory.
    reader.by_ref().take(length).read_to_end(&mut message)?;
    let mut end = [0; 4];
    let whole = message.len() as u64 == length && fill(reader, &mut end)?;
    Ok((whole && check(&message).to_le_bytes() == end).then_some(message))
}

/// Whether there were enough bytes left.
fn fill(reader: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a message of ours holds scalars: its summary's first value has one.
pub(super) fn holds_scalars(message: &[u8]) -> bool {
    let value = field(message, 5).and_then(|summary| field(summary, 1));
    value.is_some_and(|value| field(value, 2).is_some())
}

/// The bytes of the first field of that number.
fn field(message: &[u8], wanted: u64) -> Option<&[u8]> {
    let mut rest = message;
    loop {
        let key = take_varint(&mut rest)?;
        let length = match key & 7 {
            0 => {
                let before = rest;
                take_varint(&mut rest)?;
                let length = before.len() - rest.len();
                rest = before;
                length
            }
            1 => 8,
            2 => usize::try_from(take_varint(&mut rest)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let (bytes, after) = rest.split_at_checked(length)?;
        if key >> 3 == wanted {
            return Some(bytes);
        }
        rest = after;
    }
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}
