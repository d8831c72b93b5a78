//! Looking at rows while they are scored.

/// What sees each row, or each scored token, as metrics take it in.
pub trait Observer {
    /// One that belongs to a class: its logits `[classes]`, and the class.
    fn class(&mut self, logits: &[f32], class: usize);

    /// One that labels apply to or not: its logits `[labels]`, and which do `[labels]`.
    fn flags(&mut self, logits: &[f32], flags: &[bool]);

    /// One of numbers in the units of the data: what is predicted `[outputs]`, and what is true `[outputs]`.
    fn numbers(&mut self, predicted: &[f32], truth: &[f32]);
}

/// Nobody looks.
impl Observer for () {
    fn class(&mut self, _: &[f32], _: usize) {}

    fn flags(&mut self, _: &[f32], _: &[bool]) {}

    fn numbers(&mut self, _: &[f32], _: &[f32]) {}
}

/// What an observer is shown of a split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Nothing.
    Nothing,
    /// One class of each.
    Classes {
        /// What the classes are called.
        names: Vec<String>,
        /// What has a class each: `rows` or `tokens`.
        of: &'static str,
    },
    /// Yes or no for each label of a row.
    Flags {
        /// What the labels are called.
        names: Vec<String>,
    },
    /// Numbers of a row.
    Numbers {
        /// What they are called.
        names: Vec<String>,
    },
}

impl Shown {
    /// What the classes, labels or numbers are called.
    pub fn names(&self) -> &[String] {
        match self {
            Self::Nothing => &[],
            Self::Classes { names, .. } | Self::Flags { names } | Self::Numbers { names } => names,
        }
    }

    /// The class that F1 and the area under the ROC curve are of, where there are two.
    pub fn positive(&self) -> Option<&str> {
        match self {
            Self::Classes { names, .. } => match names.as_slice() {
                [_, positive] => Some(positive),
                _ => None,
            },
            _ => None,
        }
    }
}
