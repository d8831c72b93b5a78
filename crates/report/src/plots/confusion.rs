//! The confusion matrix: what was predicted of what is true.

use std::collections::BTreeSet;

use super::Plot;
use crate::drawing::{Align, Colour, Drawing, SMALL, Text, fit, wide};
use crate::escape::name;
use crate::findings::ClassFindings;
use crate::numbers::ticks;

/// With more classes than this the cells have no numbers.
pub(crate) const MOST_NUMBERED: usize = 30;

/// With more classes than this, a cell of nothing has no number.
const SPARSE: usize = 5;

/// Above this share a cell is so dark that its number is light.
const DARK: f64 = 0.7;

/// The longest name, in pixels.
const LONGEST: f64 = 110.0;

/// The width that names are cut to if one of them is longer: readers may have wider letters than those that were measured.
const CUT: f64 = 0.92 * LONGEST;

/// Whether the matrix shows classes by their numbers: there are many, or names would be the same once they are cut.
pub(crate) fn by_number(found: &ClassFindings) -> bool {
    let names = found.names();
    if names.len() > MOST_NUMBERED {
        return true;
    }
    let cut: BTreeSet<String> = names
        .iter()
        .map(|text| fit(&name(text), SMALL, CUT))
        .collect();
    cut.len() < names.len()
}

/// The pairs of classes that were confused most often.
pub(crate) fn largest(found: &ClassFindings) -> Vec<(usize, usize, u64)> {
    found.confusion().largest(20)
}

pub(super) fn plot(found: &ClassFindings) -> Plot {
    let classes = found.names().len();
    let drawing = if classes <= MOST_NUMBERED {
        numbered(found)
    } else {
        overview(found)
    };
    let hits: u64 = (0..classes)
        .map(|class| found.confusion().margin(class).hits)
        .sum();
    let mut description = format!(
        "Confusion matrix of {classes} classes: {hits} of {} {} are on the diagonal, where the predicted class is the true one.",
        found.rows(),
        found.unit()
    );
    if let Some((truth, predicted, count)) = largest(found).first() {
        let names = found.names();
        description.push_str(&format!(
            " Most often confused: {} taken for {}, {count} times.",
            name(&names[*truth]),
            name(&names[*predicted])
        ));
    }
    Plot {
        stem: "confusion_matrix".to_owned(),
        title: "Confusion matrix".to_owned(),
        description,
        caption: caption(found),
        note: String::new(),
        drawing,
    }
}

fn caption(found: &ClassFindings) -> String {
    let (classes, unit) = (found.names().len(), found.unit());
    let shade = "the shade is the share of the true class, so that each line adds up to one";
    if classes > MOST_NUMBERED {
        return "Classes by their number, from 0; the shade is the share of the true class."
            .to_owned();
    }
    let empty = if classes > SPARSE {
        ", and empty cells have none"
    } else {
        ""
    };
    let numbers = if by_number(found) {
        " Classes are by their number, from 0, as their names are too long to tell apart."
    } else {
        ""
    };
    format!("Numbers are {unit}{empty}; {shade}.{numbers}")
}

/// The number of a cell and its size: smaller where it is long, and rounded where it would be too small to read.
fn cell_text(count: u64, cell: f64) -> (String, f64) {
    let fitting = |text: &str| {
        let sizes = [12.0, 11.0, 10.0, 9.0, 8.0].into_iter();
        sizes
            .filter(|&size| wide(text, size) <= cell - 4.0)
            .reduce(f64::max)
    };
    let exact = count.to_string();
    if let Some(size) = fitting(&exact) {
        return (exact, size);
    }
    let text = match count {
        0..1_000_000 => format!("{:.0}k", count as f64 / 1e3),
        _ => format!("{:.1}M", count as f64 / 1e6),
    };
    let size = fitting(&text).unwrap_or(7.0);
    (text, size)
}

/// Every cell with its number, and every class with its name, or its number where names would be cut to the same.
fn numbered(found: &ClassFindings) -> Drawing {
    const GAP: f64 = 1.5;
    let by_number = by_number(found);
    let names = found.names().iter().enumerate();
    let names: Vec<String> = names
        .map(|(class, text)| {
            if by_number {
                class.to_string()
            } else {
                name(text)
            }
        })
        .collect();
    let classes = names.len();
    let widest = names
        .iter()
        .map(|name| wide(name, SMALL))
        .fold(0.0, f64::max);
    let rows = widest.min(LONGEST);
    let longest = if widest > LONGEST { CUT } else { widest + 1.0 };
    let room = Drawing::SIZE.0 - 14.0 - 18.0 - rows - 8.0 - 14.0;
    let cell = (room / classes.max(1) as f64).clamp(26.0, 110.0);
    let upright = widest > cell - 6.0;
    let columns = if upright { rows } else { 12.0 };

    let side = cell * classes as f64;
    // A small matrix stands in the middle.
    let left = 14.0 + 18.0 + rows + 8.0 + (room - side).max(0.0) / 2.0;
    let top = 40.0 + 16.0 + columns + 6.0;
    let width = (left + side + 14.0).max(Drawing::SIZE.0);
    let mut drawing = Drawing::new(width, top + side + 14.0);
    let heading = Text::at(14.0, 24.0, "Confusion matrix")
        .size(14.0)
        .colour(Colour::Ink);
    drawing.write(heading);
    let [predicted, truth] = if by_number {
        ["number of the predicted class", "number of the true class"]
    } else {
        ["predicted", "true"]
    };
    drawing.write(Text::at(left + side / 2.0, 48.0, predicted).align(Align::Middle));
    let middle = top + side / 2.0;
    let true_class = Text::at(left - rows - 17.0, middle, truth).align(Align::Middle);
    drawing.write(true_class.upwards());
    for (class, label) in names.iter().enumerate() {
        let centre = (class as f64 + 0.5) * cell;
        let row = Text::at(left - 8.0, top + centre + 4.0, label.as_str()).align(Align::End);
        drawing.write(row.colour(Colour::Ink).within(longest));
        let column = if upright {
            Text::at(left + centre + 4.0, top - 7.0, label.as_str()).upwards()
        } else {
            Text::at(left + centre, top - 7.0, label.as_str()).align(Align::Middle)
        };
        drawing.write(column.colour(Colour::Ink).within(longest));
    }
    for truth in 0..classes {
        let margin = found.confusion().margin(truth).actual;
        for predicted in 0..classes {
            let (x, y) = (left + predicted as f64 * cell, top + truth as f64 * cell);
            let count = found.confusion().count(truth, predicted);
            let share = count as f64 / margin.max(1) as f64;
            let size = cell - GAP;
            drawing.rectangle(x, y, size, size, Colour::Grid.at(0.5));
            if count > 0 {
                let shade = Colour::Blue.at(0.08 + 0.92 * share);
                drawing.rectangle(x, y, size, size, shade);
            }
            if count == 0 && classes > SPARSE {
                continue;
            }
            let (text, size) = cell_text(count, cell);
            let colour = match (count, share > DARK) {
                (0, _) => Colour::Muted,
                (_, true) => Colour::Paper,
                (_, false) => Colour::Ink,
            };
            let centre = (x + (cell - GAP) / 2.0, y + (cell - GAP) / 2.0 + size * 0.36);
            let text = Text::at(centre.0, centre.1, text).align(Align::Middle);
            drawing.write(text.size(size).colour(colour));
        }
    }
    drawing
}

/// All classes without numbers and names; of very many, neighbours together.
fn overview(found: &ClassFindings) -> Drawing {
    /// Cells along a side.
    const MOST: usize = 250;
    let (width, _) = Drawing::SIZE;
    let classes = found.names().len();
    let together = classes.div_ceil(MOST);
    let cells = classes.div_ceil(together);
    let (left, top) = (64.0, 62.0);
    let side = width - left - 20.0;
    let cell = side / cells as f64;
    let mut drawing = Drawing::new(width, top + side + 18.0);
    let heading = Text::at(14.0, 24.0, "Confusion matrix")
        .size(14.0)
        .colour(Colour::Ink);
    drawing.write(heading);
    let middle = left + side / 2.0;
    drawing.write(Text::at(middle, 42.0, "number of the predicted class").align(Align::Middle));
    let true_class = Text::at(23.0, top + side / 2.0, "number of the true class");
    drawing.write(true_class.align(Align::Middle).upwards());
    drawing.rectangle(left, top, side, side, Colour::Grid.at(0.45));
    for (value, text) in ticks(0.0, (classes - 1) as f64, 5, true) {
        let at = (value / together as f64).floor().mul_add(cell, cell / 2.0);
        drawing.write(Text::at(left + at, top - 6.0, text.as_str()).align(Align::Middle));
        drawing.write(Text::at(left - 6.0, top + at + 4.0, text).align(Align::End));
    }
    let mut shares = vec![0.0; cells * cells];
    let mut rows = vec![0_u64; cells];
    (0..classes).for_each(|class| rows[class / together] += found.confusion().margin(class).actual);
    for (truth, predicted, count) in found.confusion().pairs() {
        if truth < classes && predicted < classes {
            let row = truth / together;
            shares[row * cells + predicted / together] += count as f64 / rows[row].max(1) as f64;
        }
    }
    for (at, share) in shares
        .into_iter()
        .enumerate()
        .filter(|(_, share)| *share > 0.0)
    {
        let (x, y) = (
            left + (at % cells) as f64 * cell,
            top + (at / cells) as f64 * cell,
        );
        // A single row among many is still to be seen.
        drawing.rectangle(x, y, cell, cell, Colour::Blue.at(0.15 + 0.85 * share));
    }
    drawing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drawing::Mark;

    fn found(classes: usize) -> ClassFindings {
        let names =
            (0..classes).map(|class| format!("a rather long name of the class number {class}"));
        of(names.collect())
    }

    fn of(names: Vec<String>) -> ClassFindings {
        let classes = names.len();
        let mut found = ClassFindings::new(names, "rows");
        for row in 0..3 * classes {
            let (truth, predicted) = (row % classes, if row == 1 { 0 } else { row % classes });
            let mut probabilities = vec![0.0; classes];
            probabilities[predicted] = 1.0;
            found.add(&probabilities, predicted, truth);
        }
        found
    }

    fn texts(plot: &Plot) -> Vec<&str> {
        let marks = plot.drawing.marks.iter();
        marks
            .filter_map(|mark| match mark {
                Mark::Text(text) => Some(text.text.as_str()),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_few_classes_have_their_counts_and_their_names_cut_with_the_whole_beside() {
        let plot = plot(&found(3));
        assert_eq!(texts(&plot).iter().filter(|text| **text == "3").count(), 2);
        assert_eq!(texts(&plot).iter().filter(|text| **text == "2").count(), 1);
        let wholes = plot
            .drawing
            .marks
            .iter()
            .filter(|mark| matches!(mark, Mark::Text(text) if text.whole.is_some()));
        assert_eq!(wholes.count(), 6);
        assert!(plot.description.contains("8 of 9 rows are on the diagonal"));
        assert!(plot.description.contains(
            "class number 1 taken for a rather long name of the class number 0, 1 times"
        ));
    }

    #[test]
    fn names_that_would_be_cut_to_the_same_are_numbers_instead() {
        let name = |class| format!("Glycosyltransferase, family {class} (EC 2.4.1.-), inverting");
        let plot = plot(&of((0..9).map(name).collect()));
        let texts = texts(&plot);
        assert!(texts.iter().all(|text| !text.contains('…')), "{texts:?}");
        // As rows and as columns; no cell counts so many.
        assert_eq!(texts.iter().filter(|text| **text == "8").count(), 2);
        assert!(texts.contains(&"number of the predicted class"));
        assert!(plot.caption.contains("Classes are by their number"));
        assert!(plot.description.contains("Glycosyltransferase, family 1"));
    }

    #[test]
    fn many_classes_are_shades_without_numbers_on_paper_of_the_usual_width() {
        for classes in [31, 100, 1000] {
            let plot = plot(&found(classes));
            assert_eq!(plot.drawing.width, Drawing::SIZE.0);
            assert!(texts(&plot).len() < 30);
            assert!(plot.drawing.marks.len() < 70_000);
        }
    }

    #[test]
    fn counts_are_rounded_only_where_they_would_not_fit() {
        assert_eq!(cell_text(123_456, 80.0), ("123456".to_owned(), 12.0));
        assert_eq!(cell_text(123_456, 30.0).0, "123k");
        assert_eq!(cell_text(12_345_678, 26.0).0, "12.3M");
    }
}
