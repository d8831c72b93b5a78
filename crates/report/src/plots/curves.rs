//! Metrics over the steps of a run: one plot a metric, training and validation together.

use std::borrow::Cow;

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
    /// The mean of an epoch's steps, of a metric that has none of the epoch itself.
    Mean,
    /// On the validation rows.
    Validation,
    /// Not a score: the learning rate and its like.
    Setting,
}

/// The series of one metric.
struct Chart<'a> {
    metric: &'a str,
    series: Vec<(Kind, Cow<'a, Curve>)>,
}

/// One plot for each metric, the loss first and what is no score last.
pub(super) fn plots(curves: &Curves) -> Vec<Plot> {
    let mut charts: Vec<Chart<'_>> = Vec::new();
    for (name, curve) in curves.named() {
        let (metric, kind) = parsed(name);
        let curve = Cow::Borrowed(curve);
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
    let epochs: Vec<f64> = curves
        .named()
        .find(|(name, _)| *name == "train_loss_epoch")
        .map(|(_, curve)| curve.points().map(|at| at.step).collect())
        .unwrap_or_default();
    for chart in &mut charts {
        chart.add_means(&epochs);
    }
    charts.iter().map(plot).collect()
}

impl Chart<'_> {
    /// Adds the means of noisy steps between the ends of epochs, where there is no mean of the epochs themselves.
    fn add_means(&mut self, epochs: &[f64]) {
        let of = |kind| self.series.iter().find(|(known, _)| *known == kind);
        let (Some((_, steps)), None) = (of(Kind::Step), of(Kind::Epoch)) else {
            return;
        };
        let mut means = Curve::default();
        let mut begun = 0.0;
        for &end in epochs {
            let of_epoch = steps
                .points()
                .filter(|at| at.step > begun && at.step <= end);
            let (sum, count) =
                of_epoch.fold((0.0, 0.0), |(sum, count), at| (sum + at.mean, count + 1.0));
            if count > 0.0 {
                means.add(end as u64, sum / count);
            }
            begun = end;
        }
        if !means.is_empty() {
            self.series.push((Kind::Mean, Cow::Owned(means)));
        }
    }
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
        Kind::Epoch | Kind::Mean => 1,
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
    let ends = described(&series);
    let thinned = series.iter().any(|(_, curve)| curve.is_thinned());
    Plot {
        stem: format!("curve_{}", stem(chart.metric)),
        description: format!("{name} over optimizer steps. {ends}"),
        caption: ends,
        note: if thinned {
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
        Kind::Step if !alone => (1.0, Colour::Blue.at(0.4)),
        Kind::Step | Kind::Setting => (1.5, Colour::Blue.into()),
        Kind::Epoch | Kind::Mean => (2.0, Colour::Blue.into()),
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
        Kind::Epoch | Kind::Mean | Kind::Validation => line.len() <= DOTTED,
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
        Kind::Mean => "training, mean of an epoch's steps",
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

/// Where each series begins and ends, in words.
fn described(series: &[(Kind, Cow<'_, Curve>)]) -> String {
    let ends = series.iter().filter_map(|(kind, curve)| {
        let mut points = curve.points();
        let (first, last) = (points.next()?, points.last());
        let label = match kind {
            Kind::Setting => String::new(),
            kind => format!("{}: ", said(*kind)),
        };
        let place = |at: Point| format!("{} at step {:.0}", number(at.mean), at.step);
        let last = last.map_or_else(String::new, |last| format!(", {}", place(last)));
        Some(format!("{label}{}{last}.", place(first)))
    });
    ends.collect::<Vec<_>>().join(" ")
}

fn number(value: f64) -> String {
    if value.abs() < 1e-3 {
        format!("{value:.2e}")
    } else {
        format!("{value:.4}")
    }
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
    fn noisy_steps_have_the_mean_of_each_epoch_beside_them() {
        let mut curves = Curves::default();
        for step in 1..=6 {
            curves.add(
                step,
                [
                    ("train_f1", f64::from(u8::from(step % 2 == 0))),
                    ("train_loss", 1.0),
                ],
            );
            if step % 3 == 0 {
                curves.add(step, [("train_loss_epoch", 0.5)]);
            }
        }
        let plots = plots(&curves);
        assert!(
            !plots[0].description.contains("epoch's steps"),
            "{}",
            plots[0].description
        );
        assert!(
            plots[1]
                .description
                .contains("mean of an epoch's steps: 0.3333 at step 3, 0.6667 at step 6."),
            "{}",
            plots[1].description
        );
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
                    if *x > 50.0 && *x < 410.0 && *y > 30.0 && *y < 252.0 && *radius >= 4.0)
            });
            assert!(dots.count() >= 1, "{}", plot.stem);
        }
    }

    #[test]
    fn thousands_of_steps_are_a_band_and_the_caption_says_so() {
        let plots = plots(&curves(5000));
        let loss = &plots[0];
        assert!(loss.note.contains("mean"));
        let band = loss.drawing.marks.iter().find_map(|mark| match mark {
            Mark::Area { points, .. } => Some(points.len()),
            _ => None,
        });
        assert!(band.is_some_and(|points| points <= 2 * Curve::MOST));
    }
}
