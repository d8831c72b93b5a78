//! Every kind of plot, small.

use super::*;
use crate::curve::Curves;
use crate::data::Scored;
use crate::drawing::{Align, Mark, SMALL, wide};
use crate::findings::{ClassFindings, LabelFindings, NumberFindings};

/// A name that would leave markup and paper behind it.
const HOSTILE: &str = "</text></svg><script>alert(\"x\")</script> & a name as long as those of proteins are, with \u{202e}marks";

fn of(findings: Findings) -> Report {
    Report {
        scored: Some(Scored {
            findings: Some(findings),
            ..Scored::default()
        }),
        ..Report::default()
    }
}

/// Classes of these names, each taken for the next now and then.
fn classes(names: &[&str], rows: usize) -> Report {
    let classes = names.len();
    let names = names.iter().map(|&name| name.to_owned()).collect();
    let mut found = ClassFindings::new(names, "rows");
    for row in 0..rows {
        let truth = row % classes;
        let predicted = (truth + usize::from(row % 5 == 0)) % classes;
        let mut probabilities = vec![0.4 / classes as f32; classes];
        probabilities[predicted] += 0.6;
        found.add(&probabilities, predicted, truth);
    }
    of(Findings::Classes(found))
}

fn labels(names: [&str; 2]) -> Report {
    let mut found = LabelFindings::new(names.map(str::to_owned).to_vec());
    for (probabilities, flags) in [
        ([0.9, 0.2], [true, true]),
        ([0.4, 0.7], [false, false]),
        ([0.6, 0.8], [true, true]),
    ] {
        found.add(&probabilities, &flags);
    }
    of(Findings::Labels(found))
}

fn numbers(name: &str, rows: usize) -> Report {
    let mut found = NumberFindings::new(vec![name.to_owned()]);
    for row in 0..rows {
        let truth = row as f32;
        found.add(&[truth + (row % 3) as f32 - 1.0], &[truth]);
    }
    of(Findings::Numbers(found))
}

fn curves(steps: u64) -> Report {
    let mut curves = Curves::default();
    for step in 1..=steps {
        let noise = f64::from(u8::from(step % 2 == 0)) * 0.2;
        curves.add(
            step,
            [("lr", 1e-3), ("train_loss", 1.0 / step as f64 + noise)],
        );
        if step % 3 == 0 {
            let epoch = [
                ("train_loss_epoch", 1.2 / step as f64),
                ("val_loss", 1.3 / step as f64),
            ];
            curves.add(step, epoch);
        }
    }
    Report {
        curves,
        ..Report::default()
    }
}

#[test]
fn each_kind_of_plot_is_drawn_as_it_was() {
    for (kind, report) in [
        ("curves", curves(6)),
        ("classes", classes(&["no", "yes"], 12)),
        ("three_classes", classes(&["grain", "oil", "wheat"], 21)),
        ("labels", labels(["kinase", "membrane"])),
        ("numbers", numbers("kd", 9)),
    ] {
        for plot in Plots::of(&report).all() {
            let file = plot.svg(Place::File);
            insta::assert_snapshot!(format!("{kind}_{}", plot.stem), file);
        }
    }
}

#[test]
fn nothing_lies_outside_the_paper_whatever_names_and_numbers_are() {
    let many: Vec<String> = (0..300).map(|class| format!("{HOSTILE} {class}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for report in [
        curves(1),
        curves(5000),
        classes(&[HOSTILE, "漢字漢字漢字漢字漢字漢字漢字漢字"], 40),
        classes(&many[..9], 90),
        classes(&many[..30], 3000),
        classes(&many, 900),
        labels([HOSTILE, ""]),
        numbers(HOSTILE, 3),
        numbers("y", 3000),
    ] {
        for plot in Plots::of(&report).all() {
            for mark in &plot.drawing.marks {
                let [left, top, right, bottom] = bounds(mark);
                let (width, height) = (plot.drawing.width, plot.drawing.height);
                assert!(
                    left >= 0.0 && top >= 0.0 && right <= width && bottom <= height,
                    "{}: {mark:?} on paper of {width} by {height}",
                    plot.stem
                );
            }
            let file = plot.svg(Place::File);
            assert!(!file.contains("<script") && !file.contains('\u{202e}'));
            assert_eq!(file.matches("</svg>").count(), 1);
        }
    }
}

/// Left, top, right and bottom of a mark.
fn bounds(mark: &Mark) -> [f64; 4] {
    match mark {
        Mark::Line { points, .. } | Mark::Area { points, .. } => {
            let start = [f64::INFINITY, f64::INFINITY, 0.0, 0.0];
            points
                .iter()
                .fold(start, |[left, top, right, bottom], &(x, y)| {
                    [left.min(x), top.min(y), right.max(x), bottom.max(y)]
                })
        }
        Mark::Rectangle {
            x,
            y,
            width,
            height,
            ..
        } => [*x, *y, x + width, y + height],
        Mark::Dot { x, y, radius, .. } => [x - radius, y - radius, x + radius, y + radius],
        Mark::Text(text) => {
            let length = wide(&text.text, text.size);
            let before = match text.align {
                Align::Start => 0.0,
                Align::Middle => length / 2.0,
                Align::End => length,
            };
            let (x, y) = (text.x, text.y);
            if text.upwards {
                [x - text.size, y + before - length, x, y + before]
            } else {
                [x - before, y - text.size, x - before + length, y]
            }
        }
    }
}

#[test]
fn letters_are_read_on_a_phone() {
    // What a phone of 390 pixels leaves within the margins of the page and of the plot.
    let shown = 390.0 - 2.0 * 16.0 - 2.0 * 5.0;
    assert!(SMALL * shown / Drawing::SIZE.0 >= 9.5);
    for report in [
        curves(6),
        classes(&["no", "yes"], 12),
        labels(["a", "b"]),
        numbers("kd", 9),
    ] {
        for plot in Plots::of(&report).all() {
            assert_eq!(plot.drawing.width, Drawing::SIZE.0, "{}", plot.stem);
        }
    }
}

#[test]
fn metrics_whose_names_are_alike_have_files_of_their_own() {
    let mut curves = Curves::default();
    curves.add(1, [("top.5", 0.5), ("top 5", 0.5), ("top_5", 0.5)]);
    let report = Report {
        curves,
        ..Report::default()
    };
    let plots = Plots::of(&report);
    let stems: Vec<&str> = plots.all().map(|plot| plot.stem.as_str()).collect();
    assert_eq!(stems, ["curve_top_5", "curve_top_5_2", "curve_top_5_3"]);
}
