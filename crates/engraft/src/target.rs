//! What is to be predicted of rows, and what they weigh, in whichever form users have it.

use std::fmt;

use engraft_data::Label;

/// What is to be predicted of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// The number of a class, or a number.
    Whole(i64),
    /// A number.
    Number(f64),
    /// The name of a class, or a text that is to be written.
    Text(String),
    /// Whether a row has one of several classes.
    Flag(bool),
    /// Several: numbers, flags, a class for each letter or word, or the token after each.
    Several(Vec<Target>),
}

/// Numbers and texts are targets.
macro_rules! targets {
    ($($type:ty => |$value:ident| $target:expr;)+) => {$(
        impl From<$type> for Target {
            fn from($value: $type) -> Self {
                $target
            }
        }

        impl From<&$type> for Target {
            fn from(value: &$type) -> Self {
                value.to_owned().into()
            }
        }
    )+};
}

targets! {
    i32 => |value| Self::Whole(value.into());
    i64 => |value| Self::Whole(value);
    u8 => |value| Self::Whole(value.into());
    u32 => |value| Self::Whole(value.into());
    usize => |value| i64::try_from(value).map_or(Self::Number(value as f64), Self::Whole);
    f32 => |value| Self::Number(value.into());
    f64 => |value| Self::Number(value);
    bool => |value| Self::Flag(value);
    String => |value| Self::Text(value);
}

impl From<&str> for Target {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&&str> for Target {
    fn from(text: &&str) -> Self {
        Self::Text((*text).to_owned())
    }
}

impl<T: Into<Target>> From<Vec<T>> for Target {
    fn from(several: Vec<T>) -> Self {
        Self::Several(several.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Target>, const N: usize> From<[T; N]> for Target {
    fn from(several: [T; N]) -> Self {
        Self::Several(several.into_iter().map(Into::into).collect())
    }
}

/// As it would be written in Rust.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(number) => write!(f, "{number}"),
            Self::Number(number) => write!(f, "{number:?}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Several(several) => {
                f.write_str("[")?;
                for (at, target) in several.iter().enumerate() {
                    write!(f, "{}{target}", if at == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
        }
    }
}

impl Target {
    pub(crate) fn class(&self) -> Option<Label> {
        match self {
            Self::Whole(number) => u64::try_from(*number).ok().map(Label::Index),
            Self::Number(number) if number.fract() == 0.0 && *number >= 0.0 => {
                Some(Label::Index(*number as u64))
            }
            Self::Text(name) => Some(Label::Name(name.clone())),
            Self::Flag(flag) => Some(Label::Index(u64::from(*flag))),
            _ => None,
        }
    }

    /// Calls classes by their names where they have some, rather than by their numbers; gives back a number that is none of `count`.
    pub(crate) fn name_classes(&mut self, count: usize, names: &[String]) -> Result<(), i64> {
        match self {
            Self::Several(several) => several
                .iter_mut()
                .try_for_each(|target| target.name_classes(count, names)),
            // A number may be what a class is called.
            Self::Whole(number) if names.contains(&number.to_string()) => Ok(()),
            Self::Whole(number) => {
                let number = *number;
                match usize::try_from(number) {
                    Ok(at) if at >= count => Err(number),
                    Ok(at) => {
                        if let Some(name) = names.get(at) {
                            *self = Self::Text(name.clone());
                        }
                        Ok(())
                    }
                    Err(_) => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Whole(number) => Some(*number as f64),
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The numbers of a row, one or several.
    pub(crate) fn numbers(&self) -> Option<Vec<f64>> {
        match self {
            Self::Several(several) => several.iter().map(Self::number).collect(),
            one => Some(vec![one.number()?]),
        }
    }

    pub(crate) fn flags(&self) -> Option<Vec<bool>> {
        let flag = |target: &Self| match target {
            Self::Flag(flag) => Some(*flag),
            Self::Whole(0) => Some(false),
            Self::Whole(1) => Some(true),
            _ => None,
        };
        match self {
            Self::Several(several) => several.iter().map(flag).collect(),
            _ => None,
        }
    }

    pub(crate) fn id(&self) -> Option<u32> {
        match self {
            Self::Whole(number) => u32::try_from(*number).ok(),
            _ => None,
        }
    }
}

/// What a row weighs in the loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weight(f32);

/// Numbers are weights.
macro_rules! weights {
    ($($number:ty),+) => {$(
        impl From<$number> for Weight {
            fn from(weight: $number) -> Self {
                Self(weight as f32)
            }
        }

        impl From<&$number> for Weight {
            fn from(weight: &$number) -> Self {
                (*weight).into()
            }
        }
    )+};
}

weights!(f32, f64);

impl Weight {
    pub(crate) fn get(self) -> f32 {
        self.0
    }
}
