//! Tables of classes, labels and outputs, and of what was confused.

use std::fmt::Write;

use crate::data::Scored;
use crate::escape::{escape, name};
use crate::findings::{ClassFindings, Findings, LabelFindings, Margin};
use crate::numbers::{grouped, percent, score};
use crate::plots::{MOST_NUMBERED, by_number, largest};

/// More lines than this would make a page that no browser likes.
const MOST: usize = 500;
/// More lines than this are set closer.
const LOOSE: usize = 24;

/// How a table is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// All lines are seen at once.
    Loose,
    /// Lines are close, and scroll where they are many.
    Compact,
    /// The same, of pairs of names.
    Pairs,
    /// All lines, with columns no wider than they must be.
    Matrix,
}

impl Look {
    fn of(lines: usize) -> Self {
        if lines > LOOSE {
            Self::Compact
        } else {
            Self::Loose
        }
    }
}

/// The heading of the table.
pub(super) fn title(scored: &Scored) -> &'static str {
    match scored.findings {
        Some(Findings::Labels(_)) => "Labels",
        Some(Findings::Numbers(_)) => "Outputs",
        _ => "Classes",
    }
}

/// One line for each class, label or output; nothing where there is nothing to tell apart.
pub(super) fn table(scored: &Scored) -> String {
    match &scored.findings {
        Some(Findings::Classes(found)) if found.rows() > 0 => of_classes(scored, found),
        Some(Findings::Labels(found)) if found.rows() > 0 => of_labels(scored, found),
        Some(Findings::Numbers(found)) if scored.of("pearson", 0).is_some() => {
            of_outputs(scored, found.names())
        }
        _ => String::new(),
    }
}

/// The pairs that were confused most often; nothing of two classes, where the matrix says it all.
pub(super) fn confusions(found: &ClassFindings) -> String {
    let pairs = largest(found);
    if found.names().len() < 3 || pairs.is_empty() {
        return String::new();
    }
    let by_number = by_number(found);
    let mut rows = String::new();
    for (truth, predicted, count) in pairs {
        let of = found.confusion().margin(truth).actual;
        let share = count as f64 / of.max(1) as f64;
        let names = found.names();
        let _ = writeln!(
            rows,
            "<tr>{}{}<td>{}</td>{}</tr>",
            head(&numbered(names, truth, by_number)),
            cell(&numbered(names, predicted, by_number)),
            grouped(count),
            bar(Some(share), percent)
        );
    }
    let columns = ["True", "Predicted", "Count", "Share"];
    let caption = "The largest confusions: how often one class was taken for another, and its share of the true class.";
    boxed(caption, &columns, &rows, "", Look::Pairs)
}

/// The confusion matrix for those who cannot see the plot, and for copying.
pub(super) fn matrix(found: &ClassFindings) -> String {
    if found.names().len() > MOST_NUMBERED {
        return String::new();
    }
    let by_number = by_number(found);
    let mut rows = String::new();
    for truth in 0..found.names().len() {
        rows.push_str("<tr>");
        rows.push_str(&head(&numbered(found.names(), truth, by_number)));
        for predicted in 0..found.names().len() {
            let _ = write!(
                rows,
                "<td>{}</td>",
                grouped(found.confusion().count(truth, predicted))
            );
        }
        rows.push_str("</tr>\n");
    }
    let names = found.names().iter().enumerate();
    let names: Vec<String> = names
        .map(|(class, label)| {
            if by_number {
                class.to_string()
            } else {
                name(label)
            }
        })
        .collect();
    let columns: Vec<&str> = std::iter::once("True \\ predicted")
        .chain(names.iter().map(String::as_str))
        .collect();
    let caption = "Counts by true class (lines) and predicted class (columns).";
    let table = boxed(caption, &columns, &rows, "", Look::Matrix);
    format!("<details>\n<summary>The matrix as a table</summary>\n{table}</details>\n")
}

fn of_classes(scored: &Scored, found: &ClassFindings) -> String {
    let margin = |class| found.confusion().margin(class);
    let count = found.names().len();
    let has_area = scored.of("auroc", 0).is_some();
    let mut columns = vec!["Class", "Precision", "Recall", "F1"];
    columns.extend(has_area.then_some("AUROC"));
    columns.push("Support");

    let mut shown: Vec<usize> = (0..count).collect();
    let mut caption = format!(
        "Each class against the rest; support is the number of {} of the class. A dash stands where nothing can be divided.",
        found.unit()
    );
    if count > MOST {
        shown.sort_by_key(|&class| (std::cmp::Reverse(margin(class).actual), class));
        shown.truncate(MOST);
        shown.sort_unstable();
        let _ = write!(
            caption,
            " Of {} classes those {MOST} with most {} are shown.",
            grouped(count as u64),
            found.unit()
        );
    }
    let by_number = by_number(found);
    let mut rows = String::new();
    for class in shown {
        let of = margin(class);
        let area = has_area.then(|| scored.of("auroc", class));
        let label = numbered(found.names(), class, by_number);
        rows.push_str(&line(&label, of, area));
    }
    let mut foot = String::new();
    let present = (0..count)
        .map(margin)
        .filter(|of| of.actual + of.predicted > 0);
    let present: Vec<Margin> = present.collect();
    let total = found.rows();
    let mean = |pick: fn(&Margin) -> Option<f64>, weigh: fn(&Margin) -> f64| {
        let weights: f64 = present.iter().map(weigh).sum();
        let values = present.iter().map(|of| pick(of).unwrap_or(0.0) * weigh(of));
        (weights > 0.0).then(|| values.sum::<f64>() / weights)
    };
    for (title, weigh) in [
        ("Mean of the classes", (|_| 1.0) as fn(&Margin) -> f64),
        ("Mean weighed by support", |of| of.actual as f64),
    ] {
        let _ = write!(foot, "<tr><th scope=\"row\">{title}</th>");
        for pick in [Margin::precision, Margin::recall, Margin::f1] {
            let _ = write!(foot, "<td>{}</td>", value(mean(pick, weigh)));
        }
        if has_area {
            // Of the classes that have one: without rows of both kinds there is none.
            let areas = (0..count).filter_map(|class| {
                let area = scored.of("auroc", class).filter(|area| area.is_finite())?;
                Some((area, weigh(&margin(class))))
            });
            let (sum, weights) = areas.fold((0.0, 0.0), |(sum, weights), (area, weight)| {
                (sum + area * weight, weights + weight)
            });
            let area = (weights > 0.0).then(|| sum / weights);
            let _ = write!(foot, "<td>{}</td>", value(area));
        }
        let _ = writeln!(foot, "<td>{}</td></tr>", grouped(total));
    }
    boxed(&caption, &columns, &rows, &foot, Look::of(count))
}

fn of_labels(scored: &Scored, found: &LabelFindings) -> String {
    let count = found.names().len();
    let columns = [
        "Label",
        "Precision",
        "Recall",
        "F1",
        "AUROC",
        "Support",
        "Predicted",
    ];
    let mut rows = String::new();
    for (label, text) in found.names().iter().enumerate().take(MOST) {
        let of = found.margin(label);
        let line = line(&named(&name(text)), of, Some(scored.of("auroc", label)));
        let line = line.trim_end().trim_end_matches("</tr>");
        let _ = writeln!(rows, "{line}<td>{}</td></tr>", grouped(of.predicted));
    }
    let mut caption = "Each label by itself, predicted where its probability is above 0.5; support is the number of rows that it applies to.".to_owned();
    if count > MOST {
        let _ = write!(
            caption,
            " The first {MOST} of {} labels.",
            grouped(count as u64)
        );
    }
    boxed(&caption, &columns, &rows, "", Look::of(count))
}

fn of_outputs(scored: &Scored, names: &[String]) -> String {
    let columns = ["Output", "Pearson", "Spearman", "R²", "MAE", "MSE"];
    let mut rows = String::new();
    for (output, text) in names.iter().enumerate().take(MOST) {
        let _ = write!(rows, "<tr>{}", head(&named(&name(text))));
        for metric in ["pearson", "spearman", "r2", "mae", "mse"] {
            let _ = write!(rows, "<td>{}</td>", value(scored.of(metric, output)));
        }
        rows.push_str("</tr>\n");
    }
    let caption = "Each output by itself, in the units of the data.";
    boxed(caption, &columns, &rows, "", Look::of(names.len()))
}

/// A line of a class or label, whose name is HTML.
fn line(label: &str, of: Margin, area: Option<Option<f64>>) -> String {
    let mut line = format!(
        "<tr>{}<td>{}</td><td>{}</td>{}",
        head(label),
        value(of.precision()),
        value(of.recall()),
        bar(of.f1(), score)
    );
    if let Some(area) = area {
        let _ = write!(line, "<td>{}</td>", value(area));
    }
    let _ = writeln!(line, "<td>{}</td></tr>", grouped(of.actual));
    line
}

/// A table in a box that scrolls where the page is too narrow.
fn boxed(caption: &str, columns: &[&str], rows: &str, foot: &str, look: Look) -> String {
    let mut table = String::new();
    let (box_class, class) = match look {
        Look::Loose => ("box", ""),
        Look::Compact => ("box tall", " class=\"compact\""),
        Look::Pairs => ("box tall", " class=\"compact pairs\""),
        Look::Matrix => ("box", " class=\"matrix\""),
    };
    let caption = escape(caption);
    let _ = write!(
        table,
        "<div class=\"{box_class}\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\">\n<table{class}>\n<caption><span>{caption}</span></caption>\n<thead><tr>"
    );
    for column in columns {
        let _ = write!(table, "<th scope=\"col\">{}</th>", named(column));
    }
    let _ = write!(table, "</tr></thead>\n<tbody>\n{rows}</tbody>\n");
    if !foot.is_empty() {
        let _ = write!(table, "<tfoot>\n{foot}</tfoot>\n");
    }
    table.push_str("</table>\n</div>\n");
    table
}

/// The cell that names a line; `label` is HTML.
fn head(label: &str) -> String {
    format!("<th scope=\"row\">{label}</th>")
}

/// A cell with another name; `label` is HTML.
fn cell(label: &str) -> String {
    format!("<td class=\"name\">{label}</td>")
}

/// A class's name, with its number before it where the matrix shows numbers alone and the name is another.
fn numbered(names: &[String], class: usize, by_number: bool) -> String {
    let label = named(&name(&names[class]));
    if by_number && names[class] != class.to_string() {
        format!("<span class=\"number\">{class}</span> {label}")
    } else {
        label
    }
}

/// A name that turns nothing around it; a very long one is cut by the page, with the whole beside it.
fn named(text: &str) -> String {
    const LONG: usize = 60;
    let safe = escape(text);
    if text.chars().count() > LONG {
        format!("<bdi class=\"clamp\" title=\"{safe}\">{safe}</bdi>")
    } else {
        format!("<bdi>{safe}</bdi>")
    }
}

fn value(value: Option<f64>) -> String {
    score(value.unwrap_or(f64::NAN))
}

/// A cell with a bar behind its number.
fn bar(share: Option<f64>, text: fn(f64) -> String) -> String {
    let share = share.unwrap_or(f64::NAN);
    if share.is_finite() {
        format!(
            "<td class=\"share\" style=\"--of:{share:.3}\">{}</td>",
            text(share)
        )
    } else {
        format!("<td>{}</td>", text(share))
    }
}
