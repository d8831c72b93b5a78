//! Numbers, flags and text, read as the ecosystem's YAML files mean them.
//!
//! Those files are written for YAML 1.1 with a type-directed reader: `1e-3` is a number, `196_608` is one too, `0` will do
//! for a fraction, and `3,` is text.

use std::path::PathBuf;

use crate::context::Context;
use crate::decode::FromNode;
use crate::kind::Kind;
use crate::node::{Node, Scalar, Style};
use crate::refusal::Refusal;

/// Reads a flag.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// Reads a number; infinities and not-a-number only where the text says so.
pub(crate) fn float(text: &str) -> Option<f64> {
    if let Some(special) = special_float(text) {
        return Some(special);
    }
    let digits = number_text(text)?;
    digits.parse().ok()
}

fn special_float(text: &str) -> Option<f64> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    match rest.strip_prefix('.').unwrap_or(rest) {
        "inf" | "Inf" | "INF" => Some(sign * f64::INFINITY),
        "nan" | "NaN" | "NAN" if rest.len() == text.len() => Some(f64::NAN),
        _ => None,
    }
}

/// The text of a decimal number without the underscores between its digits.
fn number_text(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let is_digit = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at))
            .is_some_and(u8::is_ascii_digit)
    };
    let mut digits = String::with_capacity(text.len());
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'_' if is_digit(at.checked_sub(1)) && is_digit(Some(at + 1)) => {}
            b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-' => digits.push(char::from(*byte)),
            _ => return None,
        }
    }
    digits
        .bytes()
        .any(|byte| byte.is_ascii_digit())
        .then_some(digits)
}

/// Why a text is not a whole number; each reads on after "expected a whole number, ...".
enum NotWhole {
    NotANumber,
    Fraction,
    LeadingZero,
    TooLarge,
}

fn integer(text: &str) -> Result<i128, NotWhole> {
    if let Some(hex) = text.strip_prefix("0x") {
        return i128::from_str_radix(hex, 16).map_err(|_| NotWhole::NotANumber);
    }
    let digits = number_text(text).ok_or(NotWhole::NotANumber)?;
    let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(&digits);
    if unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        if unsigned.len() > 1 && unsigned.starts_with('0') {
            return Err(NotWhole::LeadingZero);
        }
        return digits.parse().map_err(|_| NotWhole::TooLarge);
    }
    let value: f64 = digits.parse().map_err(|_| NotWhole::NotANumber)?;
    // Above 2^53 a float no longer names one whole number.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() != 0.0 {
        Err(NotWhole::Fraction)
    } else if value.abs() > EXACT {
        Err(NotWhole::TooLarge)
    } else {
        Ok(value as i128)
    }
}

fn scalar<'a>(node: &'a Node, cx: &Context, wanted: &str) -> Result<&'a Scalar, Refusal> {
    match node.as_scalar() {
        Some(scalar) if !scalar.is_null() => Ok(scalar),
        _ => Err(cx.expected(node, wanted)),
    }
}

impl FromNode for bool {
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, Refusal> {
        let wanted = "true or false";
        let scalar = scalar(node, cx, wanted)?;
        if scalar.style == Style::Flag {
            return Ok(true);
        }
        boolean(&scalar.text).ok_or_else(|| cx.expected(node, wanted))
    }

    fn to_node(&self) -> Node {
        Node::plain(if *self { "true" } else { "false" })
    }

    fn kind() -> Kind {
        Kind::Boolean
    }
}

fn whole_number(node: &Node, cx: &Context, min: i128, max: i128) -> Result<i128, Refusal> {
    let wanted = if min == 0 {
        "a whole number, zero or more"
    } else {
        "a whole number"
    };
    let scalar = scalar(node, cx, wanted)?;
    if scalar.style == Style::Flag {
        return Err(cx.expected(node, wanted));
    }
    match integer(&scalar.text) {
        Ok(value) if value < min && min == 0 => Err(cx.expected(node, wanted)),
        Ok(value) if value < min || value > max => Err(cx
            .expected(node, "a whole number")
            .help(format!("It must lie between {min} and {max}"))),
        Ok(value) => Ok(value),
        Err(NotWhole::LeadingZero) => Err(cx.expected(node, wanted).help(
            "A leading zero means octal to some readers and decimal to others: write the number without it",
        )),
        Err(NotWhole::TooLarge) => Err(cx
            .expected(node, "a whole number")
            .help(format!("It must lie between {min} and {max}"))),
        Err(NotWhole::NotANumber | NotWhole::Fraction) => Err(cx.expected(node, wanted)),
    }
}

macro_rules! whole_number {
    ($($type:ty),*) => {$(
        impl FromNode for $type {
            fn from_node(node: &Node, cx: &mut Context) -> Result<Self, Refusal> {
                let value = whole_number(node, cx, <$type>::MIN as i128, <$type>::MAX as i128)?;
                <$type>::try_from(value).map_err(|_| cx.expected(node, "a smaller whole number"))
            }

            fn to_node(&self) -> Node {
                Node::plain(self.to_string())
            }

            fn kind() -> Kind {
                Kind::Integer { min: <$type>::MIN as i128, max: <$type>::MAX as i128 }
            }
        }
    )*};
}

whole_number!(u8, u16, u32, u64, usize, i32, i64);

/// Digits that every YAML reader takes for a number: `1e-5` is text to some, `1.0e-5` to none.
fn float_text(shortest: &str) -> String {
    match shortest {
        "inf" => ".inf".to_owned(),
        "-inf" => "-.inf".to_owned(),
        "NaN" => ".nan".to_owned(),
        _ => match shortest.split_once('e') {
            Some((mantissa, exponent)) if !mantissa.contains('.') => {
                format!(
                    "{mantissa}.0e{}{exponent}",
                    if exponent.starts_with('-') { "" } else { "+" }
                )
            }
            Some((mantissa, exponent)) if !exponent.starts_with('-') => {
                format!("{mantissa}e+{exponent}")
            }
            _ => shortest.to_owned(),
        },
    }
}

/// The error that a text is no number; one with a decimal comma is told what to write.
fn no_number(node: &Node, cx: &Context, wanted: &str) -> Refusal {
    let error = cx.expected(node, wanted);
    let text = node.as_text().unwrap_or_default();
    let with_point = text.replacen(',', ".", 1);
    if with_point != text && float(&with_point).is_some() {
        error.help(format!("Decimals have a point: {with_point}"))
    } else {
        error
    }
}

macro_rules! number {
    ($type:ty, $allows_nan:expr) => {
        impl FromNode for $type {
            fn from_node(node: &Node, cx: &mut Context) -> Result<Self, Refusal> {
                let wanted = "a number";
                let scalar = scalar(node, cx, wanted)?;
                if scalar.style == Style::Flag {
                    return Err(cx.expected(node, wanted));
                }
                if let Some(special) = special_float(&scalar.text) {
                    if special.is_nan() && !$allows_nan {
                        return Err(cx.expected(node, wanted));
                    }
                    return Ok(special as $type);
                }
                let value: $type = number_text(&scalar.text)
                    .and_then(|digits| digits.parse().ok())
                    .ok_or_else(|| no_number(node, cx, wanted))?;
                if value.is_infinite() {
                    return Err(cx
                        .expected(node, wanted)
                        .help(format!("It must be at most {:e}", <$type>::MAX)));
                }
                Ok(value)
            }

            fn to_node(&self) -> Node {
                Node::plain(float_text(&format!("{self:?}")))
            }

            fn kind() -> Kind {
                Kind::Number
            }
        }
    };
}

number!(f32, false);
number!(f64, true);

fn text(node: &Node, cx: &Context, wanted: &str) -> Result<String, Refusal> {
    // `None` is null to a type that has one, and a word to a type that has not.
    match node.as_scalar() {
        Some(scalar) if scalar.text == "None" => Ok(scalar.text.clone()),
        _ => node
            .as_text()
            .map(str::to_owned)
            .ok_or_else(|| cx.expected(node, wanted)),
    }
}

impl FromNode for String {
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, Refusal> {
        text(node, cx, "text")
    }

    fn to_node(&self) -> Node {
        Node::text(self.as_str())
    }

    fn kind() -> Kind {
        Kind::Text
    }
}

impl FromNode for PathBuf {
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, Refusal> {
        text(node, cx, "a path").map(PathBuf::from)
    }

    fn to_node(&self) -> Node {
        Node::text(self.to_string_lossy())
    }

    fn kind() -> Kind {
        Kind::Path
    }
}
