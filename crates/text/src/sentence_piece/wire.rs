//! The encoding of protocol buffers, as far as SentencePiece files use it: numbered fields, one after another.
//! <https://protobuf.dev/programming-guides/encoding/>

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content<'a> {
    /// An integer, an enumeration or a flag.
    Number(u64),
    /// Four bytes: a float.
    Four([u8; 4]),
    /// Eight bytes, which no field that matters has.
    Eight,
    /// Text, bytes, or fields within.
    Bytes(Message<'a>),
}

/// One field of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field<'a> {
    pub(super) number: u64,
    pub(super) content: Content<'a>,
}

/// Where and why a file cannot be read on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// Bytes before it in the file.
    pub(super) place: usize,
    pub(super) reason: String,
}

/// Bytes of a file that hold fields, and where they begin in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) place: usize,
}

impl<'a> Message<'a> {
    pub(super) fn whole(bytes: &'a [u8]) -> Message<'a> {
        Message { bytes, place: 0 }
    }

    /// The fields, in their order, up to the first that is broken.
    pub(super) fn fields(self) -> Fields<'a> {
        Fields { rest: self }
    }

    /// Takes bytes from the front.
    fn take(&mut self, count: usize) -> Option<Message<'a>> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        let message = Message {
            bytes: taken,
            place: self.place,
        };
        self.bytes = rest;
        self.place += count;
        Some(message)
    }

    fn broken<T>(self, reason: impl Into<String>) -> Result<T, Broken> {
        Err(Broken {
            place: self.place,
            reason: reason.into(),
        })
    }

    /// Seven bits a byte, the low ones first, the high bit saying that more follow.
    fn number(&mut self) -> Result<u64, Broken> {
        let start = *self;
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let Some(byte) = self
                .take(1)
                .and_then(|message| message.bytes.first().copied())
            else {
                return start.broken("a number is cut off");
            };
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        start.broken("a number has more than ten bytes")
    }

    fn field(&mut self) -> Result<Field<'a>, Broken> {
        let start = *self;
        let key = self.number()?;
        let content = match key & 7 {
            0 => Content::Number(self.number()?),
            1 => match self.take(8) {
                Some(_) => Content::Eight,
                None => return start.broken("a field of eight bytes is cut off"),
            },
            2 => {
                let length = self.number()?;
                let left = self.bytes.len();
                match usize::try_from(length)
                    .ok()
                    .and_then(|length| self.take(length))
                {
                    Some(message) => Content::Bytes(message),
                    None => {
                        return start.broken(format!(
                            "a field says it has {length} bytes, but {left} are left"
                        ));
                    }
                }
            }
            5 => match self.take(4).and_then(|four| four.bytes.try_into().ok()) {
                Some(four) => Content::Four(four),
                None => return start.broken("a field of four bytes is cut off"),
            },
            kind => return start.broken(format!("a field is of the unknown kind {kind}")),
        };
        Ok(Field {
            number: key >> 3,
            content,
        })
    }
}

/// The fields of a message.
pub(super) struct Fields<'a> {
    rest: Message<'a>,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.bytes.is_empty() {
            return None;
        }
        let field = self.rest.field();
        if field.is_err() {
            self.rest.bytes = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(bytes: &[u8]) -> Result<Vec<Field<'_>>, Broken> {
        Message::whole(bytes).fields().collect()
    }

    #[test]
    fn fields_of_every_kind_are_read_and_places_count_from_the_file() {
        let bytes = [
            0x08, 0x96, 0x01, // field 1, the number 150
            0x12, 0x03, 0x0a, 0x01, b'x', // field 2, a message with a text
            0x1d, 0, 0, 0x80, 0x3f, // field 3, the float 1
            0x21, 1, 2, 3, 4, 5, 6, 7, 8, // field 4, eight bytes
        ];
        let fields = fields(&bytes).unwrap();
        assert_eq!(
            fields.iter().map(|field| field.number).collect::<Vec<_>>(),
            [1, 2, 3, 4]
        );
        assert_eq!(fields[0].content, Content::Number(150));
        assert_eq!(fields[2].content, Content::Four(1.0f32.to_le_bytes()));
        let Content::Bytes(message) = fields[1].content else {
            panic!("field 2 has bytes")
        };
        let inner = message.fields().next().unwrap().unwrap();
        assert_eq!(
            inner.content,
            Content::Bytes(Message {
                bytes: b"x",
                place: 7
            })
        );
    }

    #[test]
    fn what_is_cut_off_is_placed() {
        let broken = |bytes: &[u8]| fields(bytes).unwrap_err();
        let expected = Broken {
            place: 2,
            reason: "a field says it has 300 bytes, but 1 are left".into(),
        };
        assert_eq!(broken(&[0x08, 1, 0x12, 0xac, 0x02, 7]), expected);
        assert_eq!(
            broken(&[0x0d, 1, 2]).reason,
            "a field of four bytes is cut off"
        );
        assert_eq!(broken(&[0x80]).reason, "a number is cut off");
        assert_eq!(
            broken(&[0xff; 11]).reason,
            "a number has more than ten bytes"
        );
        assert_eq!(
            broken(b"version").reason,
            "a field is of the unknown kind 6"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_fields_or_broken(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let count = Message::whole(&bytes).fields().count();
            prop_assert!(count <= bytes.len());
        }
    }
}
