//! Reliability diagrams: what was stated against what came true.

use super::Plot;
use crate::calibration::Calibration;
use crate::drawing::{Align, Axis, Colour, Drawing, Frame, Labels, Legend, Text};
use crate::findings::{ClassFindings, LabelFindings};
use crate::numbers::percent;

pub(super) fn of_classes(found: &ClassFindings) -> Option<Plot> {
    let labels = ["probability of the predicted class", "share that is right"];
    plot(
        found.calibration(),
        labels,
        "on the probability of the predicted class",
    )
}

pub(super) fn of_labels(found: &LabelFindings) -> Option<Plot> {
    let labels = ["probability of a label", "share it applies to"];
    plot(
        found.calibration(),
        labels,
        "on the probability of each label of each row",
    )
}

fn plot(calibration: &Calibration, [x, y]: [&str; 2], on: &str) -> Option<Plot> {
    /// Height of the histogram beneath the diagram.
    const BELOW: f64 = 64.0;
    let error = calibration.error()?;
    let legend = [
        Legend {
            name: "observed".to_owned(),
            shade: Colour::Blue.into(),
        },
        Legend {
            name: "as stated".to_owned(),
            shade: Colour::Muted.at(0.5),
        },
    ];
    let (width, height) = Drawing::SIZE;
    let mut drawing = Drawing::new(width, height + BELOW);
    let labels = Labels {
        title: "Calibration",
        x,
        y,
    };
    let unit = Axis::new(0.0, 1.0);
    let frame = Frame::draw(&mut drawing, labels, &legend, (unit, unit), BELOW);
    let count = calibration.count() as f64;
    let base = drawing.height - 12.0;
    let largest = calibration.bins().iter().map(|bin| bin.count).max();
    let largest = largest.unwrap_or(1).max(1) as f64;
    let step = 1.0 / Calibration::BINS as f64;
    for (at, bin) in calibration.bins().iter().enumerate() {
        if bin.count == 0 {
            continue;
        }
        let (left, top) = frame.at(at as f64 * step, bin.observed());
        let (right, bottom) = frame.at((at + 1) as f64 * step, 0.0);
        let (x, width) = (left + 1.0, right - left - 2.0);
        drawing.rectangle(x, top, width, bottom - top, Colour::Blue.at(0.3));
        let (stated, _) = frame.at(bin.stated(), 0.0);
        drawing.dot(stated, top, 3.5, Colour::Blue.into());
        let tall = (BELOW - 26.0) * bin.count as f64 / largest;
        let tall = tall.max(1.0);
        drawing.rectangle(x, base - tall, width, tall, Colour::Muted.at(0.45));
    }
    let (from, to) = (frame.at(0.0, 0.0), frame.at(1.0, 1.0));
    drawing.dashes(from, to, Colour::Muted.at(0.7));
    let line = vec![(frame.left, base), (frame.right, base)];
    drawing.line(line, Colour::Muted.at(0.6), 1.0);
    let place = (frame.left - 6.0, base - 2.0);
    let counts = Text::at(place.0, place.1, "count");
    drawing.write(counts.align(Align::End));
    Some(Plot {
        stem: "calibration".to_owned(),
        title: "Calibration".to_owned(),
        description: format!(
            "Reliability diagram of {count:.0} probabilities in {} bins. Expected calibration error {error:.4}.",
            Calibration::BINS
        ),
        caption: format!(
            "Expected calibration error {error:.4} ({}): {} bins of equal width {on}; the gap between the mean probability and the observed share of each bin, weighed by its size. Grey bars count each bin.",
            percent(error),
            Calibration::BINS
        ),
        note: String::new(),
        drawing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caption_states_the_error_and_its_definition() {
        let mut found = ClassFindings::new(vec!["a".into(), "b".into()], "rows");
        found.add(&[0.75, 0.25], 0, 0);
        found.add(&[0.75, 0.25], 0, 1);
        let plot = of_classes(&found).unwrap();
        assert!(
            plot.caption
                .contains("0.2500 (25.0 %): 15 bins of equal width"),
            "{}",
            plot.caption
        );
    }

    #[test]
    fn without_rows_there_is_no_diagram() {
        let found = ClassFindings::new(vec!["a".into(), "b".into()], "rows");
        assert_eq!(of_classes(&found), None);
    }
}
