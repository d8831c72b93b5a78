//! Floats written so that they read back to the bit, in any serde format.
//!
//! JSON has no NaN or infinity, and its readers may be off by the last bit; a resumed run must not be.
//! Use as `#[serde(with = "exact")]` on an `f64`, `#[serde(with = "exact::scores")]` on a `Vec<f32>` and
//! `#[serde(with = "exact::flags")]` on a `Vec<bool>`.

use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// Writes the shortest decimal text that reads back the same, `NaN` and `inf` included.
///
/// # Errors
/// Those of the format.
pub fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

/// Reads what [`serialize`] wrote.
///
/// # Errors
/// The value is no text, or no number.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    let text = String::deserialize(from)?;
    text.parse()
        .map_err(|_| D::Error::custom(format!("\"{text}\" is not a number")))
}

/// Many scores as one text of eight hexadecimal digits each.
pub mod scores {
    use std::fmt::Write;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes the bits of each score.
    ///
    /// # Errors
    /// Those of the format.
    pub fn serialize<S: Serializer>(scores: &[f32], to: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(scores.len() * 8);
        for score in scores {
            // Writing to a string cannot fail.
            let _ = write!(text, "{:08x}", score.to_bits());
        }
        to.serialize_str(&text)
    }

    /// Reads what [`serialize`] wrote.
    ///
    /// # Errors
    /// The value is no text, or not made of groups of eight hexadecimal digits.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f32>, D::Error> {
        let text = String::deserialize(from)?;
        let groups = text.as_bytes().chunks(8);
        groups
            .map(|group| score(group).ok_or_else(|| D::Error::custom("scores are damaged")))
            .collect()
    }

    fn score(group: &[u8]) -> Option<f32> {
        let digits = std::str::from_utf8(group).ok().filter(|digits| {
            digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        })?;
        u32::from_str_radix(digits, 16).ok().map(f32::from_bits)
    }
}

/// Many flags as one text of a digit each, where a list would spell out every `false`.
pub mod flags {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes 1 for true and 0 for false.
    ///
    /// # Errors
    /// Those of the format.
    pub fn serialize<S: Serializer>(flags: &[bool], to: S) -> Result<S::Ok, S::Error> {
        let digit = |&flag: &bool| if flag { '1' } else { '0' };
        to.serialize_str(&flags.iter().map(digit).collect::<String>())
    }

    /// Reads what [`serialize`] wrote.
    ///
    /// # Errors
    /// The value is no text, or has other characters than 0 and 1.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<bool>, D::Error> {
        let text = String::deserialize(from)?;
        let flag = |digit| match digit {
            '0' => Ok(false),
            '1' => Ok(true),
            _ => Err(D::Error::custom("flags are damaged")),
        };
        text.chars().map(flag).collect()
    }
}
