//! The decoders of the crate `tokenizers` as steps that take one token at a time.

use std::collections::HashMap;
use std::sync::LazyLock;

use tokenizers::{Decoder, DecoderWrapper, Result};

use super::Replaced;

/// One decoder after the other.
#[derive(Debug, Clone)]
pub(super) struct Steps(Vec<Step>);

#[derive(Debug, Clone)]
enum Step {
    /// What a token becomes depends on it alone.
    Each(DecoderWrapper),
    /// The first token becomes something else than those after it.
    First {
        decoder: DecoderWrapper,
        passed: bool,
    },
    /// The last token becomes something else than those before it.
    Last {
        decoder: DecoderWrapper,
        held: Option<String>,
    },
    /// Of equal neighbours one stays.
    Repeated {
        decoder: DecoderWrapper,
        before: Option<String>,
    },
    /// Tokens such as `<0x0A>` are bytes.
    ByteTokens(Vec<u8>),
    /// The letters of all tokens are bytes.
    ByteLetters(Vec<u8>),
    /// Spaces between tokens.
    Spaces { passed: bool },
    /// From here on the tokens are one.
    Front { letter: char, left: usize },
    /// Letters at the end of the one text are dropped, this many at most.
    Back {
        letter: char,
        most: usize,
        held: usize,
    },
}

impl Steps {
    /// The steps of a decoder; none if one of its parts must see the whole text.
    pub(super) fn of(decoder: &DecoderWrapper) -> Option<Steps> {
        let mut steps = Vec::new();
        let mut state = Division::Tokens;
        add(decoder, &mut steps, &mut state)?;
        Some(Steps(steps))
    }

    /// The steps where there is no decoder.
    pub(super) fn spaced() -> Steps {
        Steps(vec![Step::Spaces { passed: false }])
    }

    /// Adds to `text` what `token` settles.
    pub(super) fn push(&mut self, token: String, text: &mut String) -> Result<()> {
        drive(&mut self.0, token, text)
    }

    /// Adds to `text` what waited for more.
    pub(super) fn finish(&mut self, text: &mut String) -> Result<()> {
        for at in 0..self.0.len() {
            let Some((step, rest)) = self.0.get_mut(at..).and_then(<[Step]>::split_first_mut)
            else {
                break;
            };
            if let Some(token) = step.finish()? {
                drive(rest, token, text)?;
            }
        }
        Ok(())
    }
}

/// What a step is given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Division {
    /// The tokens as they are.
    Tokens,
    /// Parts of the tokens that another step would join otherwise.
    Parts,
    /// Parts of what is one token.
    One,
}

fn add(decoder: &DecoderWrapper, steps: &mut Vec<Step>, state: &mut Division) -> Option<()> {
    use DecoderWrapper as D;
    match (decoder, *state) {
        (D::Sequence(sequence), _) => {
            for decoder in sequence.get_decoders() {
                add(decoder, steps, state)?;
            }
        }
        (D::Fuse(_), _) => *state = Division::One,
        (D::Strip(strip), Division::One) => {
            let (letter, left, most) = (strip.content, strip.start, strip.stop);
            steps.push(Step::Front { letter, left });
            steps.push(Step::Back {
                letter,
                most,
                held: 0,
            });
        }
        (_, Division::One | Division::Parts) => return None,
        (D::Replace(_) | D::Strip(_), Division::Tokens) => steps.push(Step::Each(decoder.clone())),
        (D::WordPiece(_) | D::Metaspace(_), Division::Tokens) => steps.push(Step::First {
            decoder: decoder.clone(),
            passed: false,
        }),
        (D::BPE(_), Division::Tokens) => steps.push(Step::Last {
            decoder: decoder.clone(),
            held: None,
        }),
        (D::CTC(_), Division::Tokens) => steps.push(Step::Repeated {
            decoder: decoder.clone(),
            before: None,
        }),
        (D::ByteFallback(_), Division::Tokens) => {
            steps.push(Step::ByteTokens(Vec::new()));
            *state = Division::Parts;
        }
        (D::ByteLevel(_), Division::Tokens) => {
            steps.push(Step::ByteLetters(Vec::new()));
            *state = Division::One;
        }
    }
    Some(())
}

/// Passes a token through the steps.
fn drive(steps: &mut [Step], token: String, text: &mut String) -> Result<()> {
    let Some((step, rest)) = steps.split_first_mut() else {
        text.push_str(&token);
        return Ok(());
    };
    for token in step.push(token)? {
        drive(rest, token, text)?;
    }
    Ok(())
}

impl Step {
    fn push(&mut self, token: String) -> Result<Vec<String>> {
        // Stands for a neighbour where only its being there matters.
        let neighbour = || "a".to_owned();
        Ok(match self {
            Step::Each(decoder) => decoder.decode_chain(vec![token])?,
            Step::First { decoder, passed } => {
                if std::mem::replace(passed, true) {
                    let tokens = decoder.decode_chain(vec![neighbour(), token])?;
                    tokens.into_iter().skip(1).collect()
                } else {
                    decoder.decode_chain(vec![token])?
                }
            }
            Step::Last { decoder, held } => match held.replace(token) {
                Some(before) => {
                    let tokens = decoder.decode_chain(vec![before, neighbour()])?;
                    tokens.into_iter().take(1).collect()
                }
                None => Vec::new(),
            },
            Step::Repeated { decoder, before } => {
                if before.as_ref() == Some(&token) {
                    Vec::new()
                } else {
                    *before = Some(token.clone());
                    decoder.decode_chain(vec![token])?
                }
            }
            Step::ByteTokens(bytes) => {
                let mut text = String::new();
                let is_byte = byte_of(&token).map(|byte| bytes.push(byte)).is_some();
                if is_byte {
                    Replaced::EachByte.settle(bytes, &mut text);
                } else {
                    Replaced::EachByte.flush(bytes, &mut text);
                    text.push_str(&token);
                }
                vec![text]
            }
            Step::ByteLetters(bytes) => {
                let mut text = String::new();
                let known: Option<Vec<u8>> = token
                    .chars()
                    .map(|letter| LETTERS.get(&letter).copied())
                    .collect();
                bytes.extend(known.unwrap_or_else(|| token.into_bytes()));
                Replaced::EachStart.settle(bytes, &mut text);
                vec![text]
            }
            Step::Spaces { passed } => {
                let space = if std::mem::replace(passed, true) {
                    " "
                } else {
                    ""
                };
                vec![format!("{space}{token}")]
            }
            Step::Front { letter, left } => {
                let mut rest = token.as_str();
                while *left > 0 && !rest.is_empty() {
                    match rest.strip_prefix(*letter) {
                        Some(stripped) => (*left, rest) = (*left - 1, stripped),
                        None => *left = 0,
                    }
                }
                vec![rest.to_owned()]
            }
            Step::Back { letter, most, held } => {
                let end = token.trim_end_matches(*letter);
                let letters = token[end.len()..].chars().count();
                let mut text = String::new();
                if !end.is_empty() {
                    text.extend(std::iter::repeat_n(*letter, std::mem::take(held)));
                    text.push_str(end);
                }
                let waiting = *held + letters;
                *held = waiting.min(*most);
                text.extend(std::iter::repeat_n(*letter, waiting - *held));
                vec![text]
            }
        })
    }

    fn finish(&mut self) -> Result<Option<String>> {
        let mut text = String::new();
        match self {
            Step::Last { decoder, held } => {
                if let Some(token) = held.take() {
                    text = decoder.decode_chain(vec![token])?.concat();
                }
            }
            Step::ByteTokens(bytes) => Replaced::EachByte.flush(bytes, &mut text),
            Step::ByteLetters(bytes) => Replaced::EachStart.flush(bytes, &mut text),
            _ => {}
        }
        Ok((!text.is_empty()).then_some(text))
    }
}

/// The byte that a token such as `<0x0A>` stands for.
pub(crate) fn byte_of(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    let is_hexadecimal = digits.len() == 2 && digits.bytes().all(|it| it.is_ascii_hexdigit());
    is_hexadecimal
        .then(|| u8::from_str_radix(digits, 16).ok())
        .flatten()
}

/// The letters that stand for bytes in GPT-2's vocabulary.
pub(crate) fn byte_letters() -> impl Iterator<Item = char> {
    LETTERS.keys().copied()
}

/// The bytes that letters stand for in GPT-2's vocabulary: printable ones for themselves, the others from U+0100 up.
static LETTERS: LazyLock<HashMap<char, u8>> = LazyLock::new(|| {
    let mut beyond = 0x100;
    let letter = |byte: u8| match byte {
        b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => (char::from(byte), byte),
        _ => {
            beyond += 1;
            (char::from_u32(beyond - 1).unwrap_or_default(), byte)
        }
    };
    (0..=u8::MAX).map(letter).collect()
});
