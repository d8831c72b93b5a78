//! ROC and precision-recall curves.

use super::Plot;
use crate::drawing::{Axis, Colour, Drawing, Frame, Labels, Legend, SMALL, Shade, fit};
use crate::escape::name;
use crate::findings::{ClassFindings, LabelFindings};
use crate::ranking::{Ranking, Trade, mean};

/// Classes that are drawn by themselves beside the means.
const WORST: usize = 3;
/// Labels beyond these are not looked at one by one.
const MOST: usize = 1000;

/// A curve with its name.
struct Named {
    name: String,
    ranking: Ranking,
}

/// The curves of a classifier: that of class 1 of two, else means and the classes that are predicted worst.
pub(super) fn of_classes(found: &ClassFindings) -> Vec<Plot> {
    let names = found.names();
    if found.kept() == 0 {
        return Vec::new();
    }
    if let [_, positive] = names {
        let ranking = found.ranking(1);
        let curves = ranking.map(|ranking| Named {
            name: format!("class {}", name(positive)),
            ranking,
        });
        return plots(curves.into_iter().collect(), "");
    }
    let each =
        (0..names.len()).filter_map(|class| named("class", &names[class], found.ranking(class)));
    several(each.collect(), found.micro(), "class")
}

/// The curves of a model that tells several labels.
pub(super) fn of_labels(found: &LabelFindings) -> Vec<Plot> {
    let names = found.names();
    if found.kept() == 0 || names.len() > MOST {
        return Vec::new();
    }
    let each =
        (0..names.len()).filter_map(|label| named("label", &names[label], found.ranking(label)));
    several(each.collect(), found.micro(), "label")
}

/// A curve with the name of its class, which is told to be one where it is but a number.
fn named(what: &str, label: &str, ranking: Option<Ranking>) -> Option<Named> {
    let label = name(label);
    let is_number = label.bytes().all(|letter| letter.is_ascii_digit());
    ranking.map(|ranking| Named {
        name: if is_number {
            format!("{what} {label}")
        } else {
            label
        },
        ranking,
    })
}

/// Both averages, and the worst by area.
fn several(mut each: Vec<Named>, micro: Option<Ranking>, what: &str) -> Vec<Plot> {
    let of = |pick: fn(&Ranking) -> &Trade| -> Vec<&Trade> {
        each.iter().map(|named| pick(&named.ranking)).collect()
    };
    let (roc, recall) = (
        mean(&of(|ranking| &ranking.roc)),
        mean(&of(|ranking| &ranking.recall)),
    );
    let mut curves = Vec::new();
    if let (Some(roc), Some(recall)) = (roc, recall) {
        curves.push(Named {
            name: "macro average".to_owned(),
            ranking: Ranking { roc, recall },
        });
    }
    curves.extend(micro.map(|ranking| Named {
        name: "micro average".to_owned(),
        ranking,
    }));
    let count = each.len();
    each.sort_by(|one, other| one.ranking.roc.area.total_cmp(&other.ranking.roc.area));
    let mut note = format!(
        "Macro: the mean over each {what} against the rest. Micro: all pairs of a row and a {what} together."
    );
    if count > WORST {
        note.push_str(&format!(
            " Beside them the {WORST} of {count} with the smallest area under the ROC curve."
        ));
    }
    curves.extend(each.into_iter().take(WORST));
    plots(curves, &note)
}

fn plots(curves: Vec<Named>, note: &str) -> Vec<Plot> {
    if curves.is_empty() {
        return Vec::new();
    }
    let roc = plot(
        ("roc", "ROC"),
        ("false positive rate", "true positive rate"),
        ["area", note],
        &curves,
        |ranking| &ranking.roc,
    );
    let recall = plot(
        ("precision_recall", "Precision and recall"),
        ("recall", "precision"),
        ["average precision", note],
        &curves,
        |ranking| &ranking.recall,
    );
    vec![roc, recall]
}

fn plot(
    (stem, title): (&str, &str),
    (x, y): (&str, &str),
    [area, note]: [&str; 2],
    curves: &[Named],
    pick: fn(&Ranking) -> &Trade,
) -> Plot {
    let shade = |place: usize| -> Shade { Colour::SERIES[place % Colour::SERIES.len()].into() };
    let value = |named: &Named| format!("{:.4}", pick(&named.ranking).area);
    let legend: Vec<Legend> = curves
        .iter()
        .enumerate()
        .map(|(place, named)| Legend {
            name: format!("{} ({})", fit(&named.name, SMALL, 280.0), value(named)),
            shade: shade(place),
        })
        .collect();
    let (width, height) = Drawing::SIZE;
    let mut drawing = Drawing::new(width, height + 17.0 * legend.len() as f64 + 20.0);
    let labels = Labels { title, x, y };
    let unit = Axis::new(0.0, 1.0);
    let frame = Frame::draw(&mut drawing, labels, &legend, (unit, unit), 0.0);
    if stem == "roc" {
        let (from, to) = (frame.at(0.0, 0.0), frame.at(1.0, 1.0));
        drawing.dashes(from, to, Colour::Muted.at(0.5));
    }
    for (place, named) in curves.iter().enumerate().rev() {
        let points = pick(&named.ranking).points.iter();
        let line = points.map(|&(x, y)| frame.at(x, y)).collect();
        drawing.line(line, shade(place), if place < 2 { 2.0 } else { 1.5 });
    }
    let described: Vec<String> = curves
        .iter()
        .map(|named| format!("{}: {}", named.name, value(named)))
        .collect();
    Plot {
        stem: stem.to_owned(),
        title: title.to_owned(),
        description: format!(
            "{title}: {y} against {x}. The {area} of {}.",
            described.join("; ")
        ),
        caption: String::new(),
        note: note.to_owned(),
        drawing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_classes_have_one_curve_with_its_area() {
        let mut found = ClassFindings::new(vec!["no".into(), "yes".into()], "rows");
        for (yes, truth) in [(0.1, 0), (0.4, 0), (0.35, 1), (0.8, 1)] {
            found.add(&[1.0 - yes, yes], usize::from(yes > 0.5), truth);
        }
        let plots = of_classes(&found);
        assert_eq!(plots.len(), 2);
        assert!(
            plots[0].description.contains("class yes: 0.7500"),
            "{}",
            plots[0].description
        );
        assert!(
            plots[1].description.contains("class yes: 0.8333"),
            "{}",
            plots[1].description
        );
    }

    #[test]
    fn several_classes_have_means_and_the_worst_of_them() {
        let names: Vec<String> = (0..6).map(|class| format!("c{class}")).collect();
        let mut found = ClassFindings::new(names, "rows");
        for row in 0..60_usize {
            let truth = row % 6;
            let predicted = if truth == 4 { row % 5 } else { truth };
            let mut probabilities = [0.1; 6];
            probabilities[predicted] = 0.5;
            found.add(&probabilities, predicted, truth);
        }
        let plots = of_classes(&found);
        let worst = plots[0].description.find("c4:").unwrap();
        assert!(plots[0].description.contains("macro average"));
        assert!(worst < plots[0].description.len());
        assert!(plots[0].note.contains("3 of 6"), "{}", plots[0].note);
    }

    #[test]
    fn labels_of_which_none_can_be_ranked_have_no_plot() {
        let mut found = LabelFindings::new(vec!["a".into()]);
        found.add(&[0.3], &[true]);
        assert!(of_labels(&found).is_empty());
    }
}
