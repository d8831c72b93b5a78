//! A plot as a list of marks, which become an SVG document, and of that a PNG.

mod frame;
mod letters;
mod png;
mod svg;

pub(crate) use frame::{Axis, Frame, Labels, Legend};
pub(crate) use letters::{fit, wide};
pub(crate) use png::png;
pub(crate) use svg::{Place, svg};

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

    /// On light paper.
    pub(crate) const fn light(self) -> &'static str {
        match self {
            Self::Paper => "#ffffff",
            Self::Ink => "#1b2230",
            Self::Muted => "#5a6474",
            Self::Grid => "#e3e7ed",
            Self::Blue => "#2b5fad",
            Self::Orange => "#c45a1b",
            Self::Green => "#2f7d5b",
            Self::Purple => "#7a4fa3",
            Self::Rose => "#b83a62",
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

    pub(crate) fn at(self, opacity: f64) -> Shade {
        Shade {
            colour: self,
            opacity: opacity.clamp(0.0, 1.0),
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

/// The size of texts that are looked up, which a phone shows at four fifths.
pub(crate) const SMALL: f64 = 12.0;

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
            size: SMALL,
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
        dashed: bool,
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
    pub(crate) const SIZE: (f64, f64) = (420.0, 290.0);

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
            dashed: false,
        });
    }

    /// A straight line of dashes.
    pub(crate) fn dashes(&mut self, from: (f64, f64), to: (f64, f64), shade: Shade) {
        self.marks.push(Mark::Line {
            points: vec![from, to],
            shade,
            width: 1.25,
            dashed: true,
        });
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
