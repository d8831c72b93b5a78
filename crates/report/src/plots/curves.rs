//! Metrics over the steps of a run: one plot a metric, training and validation together.

use super::{Plot, stem};
use crate::curve::{Curve, Curves, Point};
use crate::drawing::{Axis, Colour, Drawing, Frame, Labels, Legend};

/// More metrics than this are not drawn.
const MOST: usize = 40;
/// Up to so many places of a line have a dot each.
const DOTTED: usize = 40;

/// How a series was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// On the rows of a step.
    Step,
    /// The mean of an epoch.
    Epoch,
    /// On the validation rows.
    Validation,
    /// Not a score: the learning rate and its like.
    Setting,
}

/// The series of one metric.
struct Chart<'a> {
    metric: &'a str,
    series: Vec<(Kind, &'a Curve)>,
}

/// One plot for each metric, the loss first and what is no score last.
pub(super) fn plots(curves: &Curves) -> Vec<Plot> {
    let mut charts: Vec<Chart<'_>> = Vec::new();
    for (name, curve) in curves.named() {
        let (metric, kind) = parsed(name);
        match charts.iter_mut().find(|chart| chart.metric == metric) {
            Some(chart) => chart.series.push((kind, curve)),
            None => charts.push(Chart {
                metric,
                series: vec![(kind, curve)],
            }),
        }
    }
    charts.sort_by_key(|chart| {
        let setting = chart.series.iter().all(|(kind, _)| *kind == Kind::Setting);
        (setting, chart.metric != "loss")
    });
    charts.truncate(MOST);
    charts.iter().map(plot).collect()
}

/// What a column of the log measures, and on what.
fn parsed(name: &str) -> (&str, Kind) {
    if let Some(metric) = name.strip_prefix("val_") {
        return (metric, Kind::Validation);
    }
    match name.strip_prefix("train_") {
        Some(metric) => match metric.strip_suffix("_epoch") {
            Some(metric) => (metric, Kind::Epoch),
            None => (metric, Kind::Step),
        },
        None => (name, Kind::Setting),
    }
}

fn plot(chart: &Chart<'_>) -> Plot {
    let name = spelt(chart.metric);
    let mut series = chart.series.clone();
    series.sort_by_key(|(kind, _)| match kind {
        Kind::Step | Kind::Setting => 0,
        Kind::Epoch => 1,
        Kind::Validation => 2,
    });
    let alone = series.len() == 1;
    let legend: Vec<Legend> = series
        .iter()
        .filter(|(kind, _)| *kind != Kind::Setting)
        .map(|(kind, _)| Legend {
            name: said(*kind).to_owned(),
            shade: look(*kind, alone).1,
        })
        .collect();
    let points = || series.iter().flat_map(|(_, curve)| curve.points());
    let (first, last) = points().fold((f64::INFINITY, 0.0_f64), |(first, last), at| {
        (first.min(at.step), last.max(at.step))
    });
    // The beginning is in sight, unless the run began far from it.
    let first = if first < 0.1 * last && last > 1.0 {
        0.0
    } else {
        first
    };
    let heights = points().flat_map(|at| [at.low, at.high]);
    let axes = (Axis::steps(first, last), Axis::around(heights));

    let (width, height) = Drawing::SIZE;
    let mut drawing = Drawing::new(width, height);
    let labels = Labels {
        title: &name,
        x: "optimizer step",
        y: chart.metric,
    };
    let frame = Frame::draw(&mut drawing, labels, &legend, axes, 0.0);
    for (kind, curve) in &series {
        draw(&mut drawing, &frame, curve, *kind, alone);
    }
    let thinned = series.iter().any(|(_, curve)| curve.is_thinned());
    Plot {
        stem: format!("curve_{}", stem(chart.metric)),
        description: described(&name, &series),
        caption: if thinned {
            "Neighbouring steps are drawn together: the line is their mean, the band their smallest and largest value.".to_owned()
        } else {
            String::new()
        },
        title: name,
        drawing,
    }
}

/// The width and the shade of a series' line.
fn look(kind: Kind, alone: bool) -> (f64, crate::drawing::Shade) {
    match kind {
        Kind::Step if !alone => (1.25, Colour::Blue.at(0.45)),
        Kind::Step | Kind::Setting => (1.5, Colour::Blue.into()),
        Kind::Epoch => (2.0, Colour::Blue.into()),
        Kind::Validation => (2.0, Colour::Orange.into()),
    }
}

fn draw(drawing: &mut Drawing, frame: &Frame, curve: &Curve, kind: Kind, alone: bool) {
    let (width, shade) = look(kind, alone);
    let points: Vec<Point> = curve.points().collect();
    if curve.is_thinned() {
        let upper = points.iter().map(|at| frame.at(at.step, at.high));
        let lower = points.iter().rev().map(|at| frame.at(at.step, at.low));
        let band = upper.chain(lower).collect();
        drawing.area(band, shade.colour.at(0.15));
    }
    let line: Vec<(f64, f64)> = points.iter().map(|at| frame.at(at.step, at.mean)).collect();
    let dotted = match kind {
        Kind::Epoch | Kind::Validation => line.len() <= DOTTED,
        Kind::Step | Kind::Setting => line.len() <= 3,
    };
    if dotted {
        let radius = if line.len() == 1 { 4.0 } else { 2.75 };
        let dots = line.iter();
        let opaque = shade.opacity.max(0.7);
        dots.for_each(|&(x, y)| drawing.dot(x, y, radius, shade.colour.at(opaque)));
    }
    drawing.line(line, shade, width);
}

fn said(kind: Kind) -> &'static str {
    match kind {
        Kind::Step => "training, single steps",
        Kind::Epoch => "training, mean of the epoch",
        Kind::Validation => "validation",
        Kind::Setting => "",
    }
}

/// A metric's name as a heading.
fn spelt(metric: &str) -> String {
    let known = match metric {
        "lr" => "Learning rate",
        "grad_norm" => "Norm of the gradients",
        "f1" => "F1",
        "mcc" => "Matthews correlation",
        "auroc" => "AUROC",
        "mae" => "Mean absolute error",
        "mse" => "Mean squared error",
        "r2" => "R²",
        "pearson" => "Pearson correlation",
        "spearman" => "Spearman correlation",
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    let mut letters = metric.chars();
    let first = letters.next().map(char::to_uppercase);
    let rest = letters.as_str().replace('_', " ");
    first.into_iter().flatten().chain(rest.chars()).collect()
}

/// The plot in words: where each series begins and ends.
fn described(name: &str, series: &[(Kind, &Curve)]) -> String {
    let mut text = format!("{name} over optimizer steps.");
    for (kind, curve) in series {
        let mut points = curve.points();
        let (Some(first), last) = (points.next(), points.last()) else {
            continue;
        };
        let label = match kind {
            Kind::Setting => name,
            kind => said(*kind),
        };
        let number = |value: f64| {
            if value.abs() < 1e-3 {
                format!("{value:.2e}")
            } else {
                format!("{value:.4}")
            }
        };
        text.push_str(&match last {
            Some(last) => format!(
                " {label}: {} at step {:.0}, {} at step {:.0}.",
                number(first.mean),
                first.step,
                number(last.mean),
                last.step
            ),
            None => format!(
                " {label}: {} at step {:.0}.",
                number(first.mean),
                first.step
            ),
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drawing::Mark;

    fn curves(steps: u64) -> Curves {
        let mut curves = Curves::default();
        for step in 1..=steps {
            let loss = 1.0 / step as f64;
            curves.add(
                step,
                [("lr", 1e-3), ("train_accuracy", 0.5), ("train_loss", loss)],
            );
        }
        curves.add(steps, [("val_loss", 0.3), ("train_loss_epoch", 0.4)]);
        curves
    }

    #[test]
    fn training_and_validation_share_a_plot_and_the_loss_is_first() {
        let plots = plots(&curves(10));
        let stems: Vec<&str> = plots.iter().map(|plot| plot.stem.as_str()).collect();
        assert_eq!(stems, ["curve_loss", "curve_accuracy", "curve_lr"]);
        assert!(
            plots[0]
                .description
                .contains("validation: 0.3000 at step 10"),
            "{}",
            plots[0].description
        );
    }

    #[test]
    fn one_step_is_a_visible_dot() {
        for plot in plots(&curves(1)) {
            let dots = plot.drawing.marks.iter().filter(|mark| {
                matches!(mark, Mark::Dot { x, y, radius, .. }
                    if *x > 50.0 && *x < 430.0 && *y > 30.0 && *y < 262.0 && *radius >= 4.0)
            });
            assert!(dots.count() >= 1, "{}", plot.stem);
        }
    }

    #[test]
    fn thousands_of_steps_are_a_band_and_the_caption_says_so() {
        let plots = plots(&curves(5000));
        let loss = &plots[0];
        assert!(loss.caption.contains("mean"));
        let band = loss.drawing.marks.iter().find_map(|mark| match mark {
            Mark::Area { points, .. } => Some(points.len()),
            _ => None,
        });
        assert!(band.is_some_and(|points| points <= 2 * Curve::MOST));
    }
}
