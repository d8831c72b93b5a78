//! A plot as a list of marks, drawn into SVG and PNG alike.

mod frame;
mod letters;
mod render;

pub(crate) use frame::{Axis, Frame, Labels, Legend};
pub(crate) use letters::{fit, wide};
pub(crate) use render::{png, svg};

/// A colour with a meaning; the page gives each another value in dark mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    /// What is drawn on.
    Paper,
    /// Text that is read first.
    Ink,
    /// Text that is looked up.
    Muted,
    /// Lines that lead the eye.
    Grid,
    /// The first series.
    Blue,
    /// The second.
    Orange,
    /// The third.
    Green,
    /// The fourth.
    Purple,
    /// The fifth.
    Rose,
}

impl Colour {
    pub(crate) const ALL: [Self; 9] = [
        Self::Paper,
        Self::Ink,
        Self::Muted,
        Self::Grid,
        Self::Blue,
        Self::Orange,
        Self::Green,
        Self::Purple,
        Self::Rose,
    ];

    /// Those of series, in the order in which they are taken.
    pub(crate) const SERIES: [Self; 5] = [
        Self::Blue,
        Self::Orange,
        Self::Green,
        Self::Purple,
        Self::Rose,
    ];

    pub(crate) const fn rgb(self) -> (u8, u8, u8) {
        match self {
            Self::Paper => (0xff, 0xff, 0xff),
            Self::Ink => (0x1b, 0x22, 0x30),
            Self::Muted => (0x5a, 0x64, 0x74),
            Self::Grid => (0xe3, 0xe7, 0xed),
            Self::Blue => (0x2b, 0x5f, 0xad),
            Self::Orange => (0xc4, 0x5a, 0x1b),
            Self::Green => (0x2f, 0x7d, 0x5b),
            Self::Purple => (0x7a, 0x4f, 0xa3),
            Self::Rose => (0xb8, 0x3a, 0x62),
        }
    }

    /// What stands for it on dark paper.
    pub(crate) const fn dark(self) -> &'static str {
        match self {
            Self::Paper => "var(--paper)",
            Self::Ink => "var(--ink)",
            Self::Muted => "var(--muted)",
            Self::Grid => "var(--line)",
            Self::Blue => "#7fadf0",
            Self::Orange => "#ee9a63",
            Self::Green => "#6cc59b",
            Self::Purple => "#bb98e0",
            Self::Rose => "#ee86a8",
        }
    }
}

/// A colour, more or less of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shade {
    pub(crate) colour: Colour,
    /// From 0 to 1.
    pub(crate) opacity: f64,
}

impl From<Colour> for Shade {
    fn from(colour: Colour) -> Self {
        Self {
            colour,
            opacity: 1.0,
        }
    }
}

impl Colour {
    pub(crate) fn at(self, opacity: f64) -> Shade {
        Shade {
            colour: self,
            opacity: opacity.clamp(0.0, 1.0),
        }
    }
}

/// Where a text lies about its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Start,
    Middle,
    End,
}

/// A text at a place, which is on its baseline.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Text {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) text: String,
    pub(crate) size: f64,
    pub(crate) colour: Colour,
    pub(crate) align: Align,
    /// Whether it runs upwards.
    pub(crate) upwards: bool,
    /// What it stands for, where it is cut.
    pub(crate) whole: Option<String>,
}

impl Text {
    /// A small muted text that begins at a place.
    pub(crate) fn at(x: f64, y: f64, text: impl Into<String>) -> Self {
        Self {
            x,
            y,
            text: text.into(),
            size: 11.0,
            colour: Colour::Muted,
            align: Align::Start,
            upwards: false,
            whole: None,
        }
    }

    pub(crate) fn size(self, size: f64) -> Self {
        Self { size, ..self }
    }

    pub(crate) fn colour(self, colour: Colour) -> Self {
        Self { colour, ..self }
    }

    pub(crate) fn align(self, align: Align) -> Self {
        Self { align, ..self }
    }

    pub(crate) fn upwards(self) -> Self {
        Self {
            upwards: true,
            ..self
        }
    }

    /// The same, cut to a width; what it stands for is kept beside it.
    pub(crate) fn within(self, width: f64) -> Self {
        let cut = fit(&self.text, self.size, width);
        let whole = (cut != self.text).then_some(self.text);
        Self {
            text: cut,
            whole,
            ..self
        }
    }
}

/// One thing that is drawn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mark {
    Line {
        points: Vec<(f64, f64)>,
        shade: Shade,
        width: f64,
    },
    Area {
        points: Vec<(f64, f64)>,
        shade: Shade,
    },
    Rectangle {
        x: f64,
        y: f64,
        width: f64,
        height: f64,
        shade: Shade,
    },
    Dot {
        x: f64,
        y: f64,
        radius: f64,
        shade: Shade,
    },
    Text(Text),
}

/// A plot: its size in pixels of a page, and its marks from back to front.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Drawing {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) marks: Vec<Mark>,
}

impl Drawing {
    /// The size of a plot that stands beside another on a wide page and fills a phone.
    pub(crate) const SIZE: (f64, f64) = (440.0, 300.0);

    /// Empty paper.
    pub(crate) fn new(width: f64, height: f64) -> Self {
        let mut drawing = Self {
            width,
            height,
            marks: Vec::new(),
        };
        drawing.rectangle(0.0, 0.0, width, height, Colour::Paper.into());
        drawing
    }

    pub(crate) fn line(&mut self, points: Vec<(f64, f64)>, shade: Shade, width: f64) {
        self.marks.push(Mark::Line {
            points,
            shade,
            width,
        });
    }

    /// A straight line of dashes.
    pub(crate) fn dashes(&mut self, from: (f64, f64), to: (f64, f64), shade: Shade) {
        const DASH: f64 = 5.0;
        let (across, down) = (to.0 - from.0, to.1 - from.1);
        let count = (across.hypot(down) / (2.0 * DASH)).ceil().max(1.0);
        let at = |share: f64| (from.0 + share * across, from.1 + share * down);
        for dash in 0..count as usize {
            let (start, end) = (dash as f64 / count, (dash as f64 + 0.5) / count);
            self.line(vec![at(start), at(end)], shade, 1.25);
        }
    }

    pub(crate) fn area(&mut self, points: Vec<(f64, f64)>, shade: Shade) {
        self.marks.push(Mark::Area { points, shade });
    }

    pub(crate) fn rectangle(&mut self, x: f64, y: f64, width: f64, height: f64, shade: Shade) {
        self.marks.push(Mark::Rectangle {
            x,
            y,
            width,
            height,
            shade,
        });
    }

    pub(crate) fn dot(&mut self, x: f64, y: f64, radius: f64, shade: Shade) {
        self.marks.push(Mark::Dot {
            x,
            y,
            radius,
            shade,
        });
    }

    pub(crate) fn write(&mut self, text: Text) {
        self.marks.push(Mark::Text(text));
    }
}
