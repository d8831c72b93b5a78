//! Predicted against true, and what is left between them.

use super::{Plot, stem};
use crate::drawing::{Axis, Colour, Drawing, Frame, Labels};
use crate::escape::name;
use crate::findings::NumberFindings;
use crate::numbers::score;

/// More outputs than this are not drawn.
const MOST: usize = 24;
/// More rows than this are drawn as a density.
const DOTS: usize = 1500;

/// Two plots for each output.
pub(super) fn plots(found: &NumberFindings) -> Vec<Plot> {
    let outputs = found.names().iter().take(MOST).enumerate();
    let mut plots = Vec::new();
    for (output, label) in outputs {
        let pairs = found.pairs(output);
        if pairs.is_empty() {
            continue;
        }
        let label = match found.names().len() {
            1 => None,
            _ => Some(name(label)),
        };
        let end = match &label {
            Some(label) => format!("_{output}_{}", stem(label)),
            None => String::new(),
        };
        let of = label.map_or_else(String::new, |label| format!(": {label}"));
        plots.push(against(&pairs, &of, &end));
        plots.push(residuals(&pairs, &of, &end));
    }
    plots
}

fn against(pairs: &[(f64, f64)], of: &str, end: &str) -> Plot {
    let title = format!("Predicted against true{of}");
    let axis = Axis::around(
        pairs
            .iter()
            .flat_map(|&(truth, predicted)| [truth, predicted]),
    );
    let (width, height) = Drawing::SIZE;
    let mut drawing = Drawing::new(width, height + 40.0);
    let labels = Labels {
        title: &title,
        x: "true",
        y: "predicted",
    };
    let frame = Frame::draw(&mut drawing, labels, &[], (axis, axis), 0.0);
    let (low, high) = (axis.low(), axis.high());
    drawing.dashes(
        frame.at(low, low),
        frame.at(high, high),
        Colour::Muted.at(0.7),
    );
    let note = if pairs.len() <= DOTS {
        let opacity = if pairs.len() > 300 { 0.35 } else { 0.55 };
        for &(truth, predicted) in pairs {
            let (x, y) = frame.at(truth, predicted);
            drawing.dot(x, y, 2.75, Colour::Blue.at(opacity));
        }
        "Each dot is a row; on the dashed line the prediction is right."
    } else {
        density(&mut drawing, &frame, pairs);
        "The darker, the more rows, on a logarithmic scale; on the dashed line the prediction is right."
    };
    Plot {
        stem: format!("predicted_against_true{end}"),
        description: format!(
            "{title}: {} rows between {low:.4} and {high:.4}.",
            pairs.len()
        ),
        caption: String::new(),
        note: note.to_owned(),
        title,
        drawing,
    }
}

/// Rows counted in small squares.
fn density(drawing: &mut Drawing, frame: &Frame, pairs: &[(f64, f64)]) {
    const CELLS: usize = 64;
    let mut counts = vec![0_u32; CELLS * CELLS];
    let (x, y) = (frame.x(), frame.y());
    let cell = |value: f64, axis: Axis| {
        let share = (value - axis.low()) / (axis.high() - axis.low());
        ((share * CELLS as f64) as usize).min(CELLS - 1)
    };
    for &(truth, predicted) in pairs {
        counts[cell(predicted, y) * CELLS + cell(truth, x)] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(1).max(1);
    let scale = f64::from(most).ln_1p();
    let (wide, high) = (
        (frame.right - frame.left) / CELLS as f64,
        (frame.bottom - frame.top) / CELLS as f64,
    );
    for (at, count) in counts
        .into_iter()
        .enumerate()
        .filter(|(_, count)| *count > 0)
    {
        let left = frame.left + (at % CELLS) as f64 * wide;
        let top = frame.bottom - (at / CELLS + 1) as f64 * high;
        let shade = Colour::Blue.at(0.15 + 0.85 * f64::from(count).ln_1p() / scale);
        drawing.rectangle(left, top, wide, high, shade);
    }
}

fn residuals(pairs: &[(f64, f64)], of: &str, end: &str) -> Plot {
    let title = format!("Residuals{of}");
    let errors: Vec<f64> = pairs
        .iter()
        .map(|&(truth, predicted)| predicted - truth)
        .collect();
    let count = errors.len() as f64;
    let mean = errors.iter().sum::<f64>() / count;
    let squares = errors.iter().map(|error| (error - mean).powi(2));
    let deviation = (squares.sum::<f64>() / count).sqrt();
    let axis = Axis::around(errors.iter().copied().chain([0.0]));
    let bins = (count.sqrt().ceil() as usize).clamp(5, 40);
    let mut heights = vec![0_u64; bins];
    let step = (axis.high() - axis.low()) / bins as f64;
    for error in &errors {
        let at = ((error - axis.low()) / step) as usize;
        heights[at.min(bins - 1)] += 1;
    }
    let most = heights.iter().copied().max().unwrap_or(1) as f64;

    let (width, height) = Drawing::SIZE;
    let mut drawing = Drawing::new(width, height + 40.0);
    let labels = Labels {
        title: &title,
        x: "predicted less true",
        y: "rows",
    };
    let axes = (axis, Axis::steps(0.0, most * 1.05));
    let frame = Frame::draw(&mut drawing, labels, &[], axes, 0.0);
    for (at, &rows) in heights.iter().enumerate().filter(|(_, rows)| **rows > 0) {
        let from = axis.low() + at as f64 * step;
        let (left, top) = frame.at(from, rows as f64);
        let (right, bottom) = frame.at(from + step, 0.0);
        drawing.rectangle(
            left + 0.75,
            top,
            right - left - 1.5,
            bottom - top,
            Colour::Blue.at(0.7),
        );
    }
    drawing.dashes(
        frame.at(0.0, 0.0),
        frame.at(0.0, most * 1.05),
        Colour::Muted.at(0.7),
    );
    let spread = format!(
        "mean {}, standard deviation {}",
        score(mean),
        score(deviation)
    );
    Plot {
        stem: format!("residuals{end}"),
        description: format!("{title}: histogram of {} rows, {spread}.", errors.len()),
        caption: format!("Residuals have {spread}."),
        note: String::new(),
        title,
        drawing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drawing::Mark;

    fn found(rows: usize) -> NumberFindings {
        let mut found = NumberFindings::new(vec!["kd".into(), "tm/°C".into()]);
        for row in 0..rows {
            found.add(&[row as f32 + 1.0, 0.5], &[row as f32, 0.5]);
        }
        found
    }

    #[test]
    fn each_output_has_both_plots_with_files_of_their_own() {
        let plots = plots(&found(4));
        let stems: Vec<&str> = plots.iter().map(|plot| plot.stem.as_str()).collect();
        assert_eq!(
            stems,
            [
                "predicted_against_true_0_kd",
                "residuals_0_kd",
                "predicted_against_true_1_tm__c",
                "residuals_1_tm__c"
            ]
        );
        assert!(
            plots[1]
                .caption
                .contains("mean 1.0000, standard deviation 0.0000"),
            "{}",
            plots[1].caption
        );
    }

    #[test]
    fn many_rows_become_a_density() {
        let dots = |rows| {
            let plots = plots(&found(rows));
            let marks = plots[0].drawing.marks.iter();
            marks
                .filter(|mark| matches!(mark, Mark::Dot { .. }))
                .count()
        };
        assert_eq!((dots(1500), dots(1501)), (1500, 0));
    }
}
