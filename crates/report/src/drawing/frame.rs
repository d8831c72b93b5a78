//! What surrounds a plot: title, legend, axes.

use super::{Align, Colour, Drawing, SMALL, Shade, Text, wide};
use crate::numbers::ticks;

/// The texts about a plot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labels<'a> {
    pub(crate) title: &'a str,
    pub(crate) x: &'a str,
    pub(crate) y: &'a str,
}

/// How a series looks in the legend.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Legend {
    pub(crate) name: String,
    pub(crate) shade: Shade,
}

/// The range of values along one side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Axis {
    low: f64,
    high: f64,
    /// Whether only whole numbers have a mark.
    whole: bool,
}

impl Axis {
    /// From one value to another; equal ones get room on both sides.
    pub(crate) fn new(low: f64, high: f64) -> Self {
        let (low, high) = if low < high && (high - low).is_finite() {
            (low, high)
        } else {
            let room = (low.abs() * 0.1).max(1e-6);
            (low - room, low + room)
        };
        Self {
            low,
            high,
            whole: false,
        }
    }

    /// Whole numbers, with room of one about a single one.
    pub(crate) fn steps(low: f64, high: f64) -> Self {
        let axis = if low < high {
            Self::new(low, high)
        } else {
            Self::new(low - 1.0, low + 1.0)
        };
        Self {
            whole: true,
            ..axis
        }
    }

    /// All of these values with some room; none at all are 0 to 1.
    pub(crate) fn around(values: impl Iterator<Item = f64>) -> Self {
        let range = values.filter(|value| value.is_finite()).fold(
            None,
            |range: Option<(f64, f64)>, value| {
                let (low, high) = range.unwrap_or((value, value));
                Some((low.min(value), high.max(value)))
            },
        );
        let (low, high) = range.unwrap_or((0.0, 1.0));
        let room = (high - low) * 0.05;
        Self::new(low - room, high + room)
    }

    pub(crate) fn low(&self) -> f64 {
        self.low
    }

    pub(crate) fn high(&self) -> f64 {
        self.high
    }

    /// Where a value lies, from 0 to 1.
    fn share(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }
}

/// The place where values are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
    x: Axis,
    y: Axis,
}

/// Distance of texts from the edge of the paper.
const MARGIN: f64 = 14.0;

impl Frame {
    /// Draws title, legend and axes on a drawing, and leaves `below` free beneath.
    pub(crate) fn draw(
        drawing: &mut Drawing,
        labels: Labels<'_>,
        legend: &[Legend],
        (x, y): (Axis, Axis),
        below: f64,
    ) -> Self {
        let top = head(drawing, labels.title, legend).max(32.0) + 14.0;
        let rows = ticks(y.low, y.high, 5, y.whole);
        let widest = rows.iter().map(|(_, text)| wide(text, SMALL));
        let widest = widest.fold(0.0, f64::max);
        let frame = Self {
            left: MARGIN + 18.0 + widest + 6.0,
            top,
            right: drawing.width - MARGIN - 4.0,
            bottom: drawing.height - 38.0 - below,
            x,
            y,
        };
        for (value, text) in rows {
            let (_, at) = frame.at(x.low, value);
            let line = vec![(frame.left, at), (frame.right, at)];
            drawing.line(line, Colour::Grid.into(), 1.0);
            let text = Text::at(frame.left - 6.0, at + 4.0, text).align(Align::End);
            drawing.write(text);
        }
        frame.columns(drawing);
        let (centre, middle) = (
            (frame.left + frame.right) / 2.0,
            (frame.top + frame.bottom) / 2.0,
        );
        drawing.write(
            Text::at(centre, frame.bottom + 32.0, labels.x)
                .align(Align::Middle)
                .within(frame.right - frame.left),
        );
        drawing.write(
            Text::at(MARGIN + 9.0, middle, labels.y)
                .align(Align::Middle)
                .upwards()
                .within(frame.bottom - frame.top + 20.0),
        );
        frame
    }

    /// The line at the bottom, and its marks.
    fn columns(&self, drawing: &mut Drawing) {
        let columns = ticks(self.x.low, self.x.high, 5, self.x.whole);
        let base = vec![(self.left, self.bottom), (self.right, self.bottom)];
        drawing.line(base, Colour::Muted.at(0.6), 1.0);
        let mut free = f64::NEG_INFINITY;
        for (value, text) in columns {
            let (at, _) = self.at(value, self.y.low);
            let tick = vec![(at, self.bottom), (at, self.bottom + 4.0)];
            drawing.line(tick, Colour::Muted.at(0.6), 1.0);
            let half = wide(&text, SMALL) / 2.0;
            if at - half > free {
                drawing.write(Text::at(at, self.bottom + 17.0, text).align(Align::Middle));
                free = at + half + 6.0;
            }
        }
    }

    /// Where values are on the drawing; what lies outside is brought to the edge.
    pub(crate) fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let (across, up) = (self.x.share(x), self.y.share(y));
        (
            self.left + across.clamp(0.0, 1.0) * (self.right - self.left),
            self.bottom - up.clamp(0.0, 1.0) * (self.bottom - self.top),
        )
    }

    pub(crate) fn x(&self) -> Axis {
        self.x
    }

    pub(crate) fn y(&self) -> Axis {
        self.y
    }
}

/// Draws a title and a legend, which is broken where it is too long; returns the height that they take.
pub(super) fn head(drawing: &mut Drawing, title: &str, legend: &[Legend]) -> f64 {
    /// Length of the line that shows a series.
    const SWATCH: f64 = 14.0;
    const LINE: f64 = 17.0;
    let room = drawing.width - 2.0 * MARGIN;
    let title = Text::at(MARGIN, 24.0, title).size(14.0).colour(Colour::Ink);
    drawing.write(title.within(room));
    let (mut x, mut y) = (MARGIN, 26.0);
    for (place, entry) in legend.iter().enumerate() {
        let text = Text::at(0.0, 0.0, entry.name.as_str()).within(room - SWATCH - 6.0);
        let taken = SWATCH + 6.0 + wide(&text.text, SMALL) + 16.0;
        if place == 0 || x + taken - 16.0 > drawing.width - MARGIN {
            (x, y) = (MARGIN, y + LINE);
        }
        let line = vec![(x, y - 4.0), (x + SWATCH, y - 4.0)];
        drawing.line(line, entry.shade, 3.0);
        let x_of_text = x + SWATCH + 6.0;
        drawing.write(Text {
            x: x_of_text,
            y,
            ..text
        });
        x += taken;
    }
    y
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_value_has_room_about_it() {
        let axis = Axis::around([2.0].into_iter());
        assert!(axis.low() < 2.0 && axis.high() > 2.0);
        let steps = Axis::steps(1.0, 1.0);
        assert_eq!((steps.low(), steps.high()), (0.0, 2.0));
        let none = Axis::around([f64::NAN].into_iter());
        assert!(none.low() < none.high());
    }

    #[test]
    fn values_lie_in_the_frame_with_the_largest_on_top() {
        let mut drawing = Drawing::new(440.0, 300.0);
        let labels = Labels {
            title: "Loss",
            x: "step",
            y: "loss",
        };
        let axes = (Axis::new(0.0, 10.0), Axis::new(-1.0, 1.0));
        let frame = Frame::draw(&mut drawing, labels, &[], axes, 0.0);
        assert_eq!(frame.at(0.0, -1.0), (frame.left, frame.bottom));
        assert_eq!(frame.at(10.0, 1.0), (frame.right, frame.top));
        assert_eq!(frame.at(99.0, 99.0), (frame.right, frame.top));
        assert!(frame.left > 0.0 && frame.right < 440.0 && frame.bottom < 300.0);
    }

    #[test]
    fn a_legend_too_long_for_a_line_is_broken() {
        let entry = |name: &str| Legend {
            name: name.to_owned(),
            shade: Colour::Blue.into(),
        };
        let mut drawing = Drawing::new(200.0, 100.0);
        let one = head(&mut drawing, "a", &[entry("short")]);
        let two = head(
            &mut drawing,
            "a",
            &[entry("rather long name"), entry("another long name")],
        );
        assert!(two > one);
    }
}
