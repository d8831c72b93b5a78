//! Tables of classes, labels and outputs, and of what was confused.

use crate::data::Scored;
use crate::escape::name;
use crate::findings::{ClassFindings, Findings, LabelFindings, Margin};
use crate::numbers::{grouped, percent, score};
use crate::plots::{MOST_NUMBERED, by_number, largest};

/// More lines than this would make a page that no browser likes.
const MOST: usize = 500;
/// More lines than this are set closer.
const LOOSE: usize = 24;

/// A table as the page sets it.
pub(super) struct Table {
    pub(super) caption: String,
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Row>,
    pub(super) foot: Vec<Row>,
    look: Look,
}

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

/// A line and what it is of.
pub(super) struct Row {
    pub(super) head: Label,
    pub(super) cells: Vec<Cell>,
}

/// What stands in a column of a line.
pub(super) enum Cell {
    Name(Label),
    Text(String),
    /// A share with a bar as long behind its text.
    Share(String, String),
}

/// The name of a class, label or output.
pub(super) struct Label {
    /// Its number, where plots show numbers alone and the name is another.
    pub(super) number: Option<usize>,
    pub(super) text: String,
}

impl Table {
    fn new(caption: impl Into<String>, columns: &[&str], rows: Vec<Row>, look: Look) -> Self {
        Self {
            caption: caption.into(),
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            rows,
            foot: Vec::new(),
            look,
        }
    }

    /// Whether it scrolls by itself where it has many lines.
    pub(super) fn scrolls(&self) -> bool {
        matches!(self.look, Look::Compact | Look::Pairs)
    }

    pub(super) fn class(&self) -> Option<&'static str> {
        match self.look {
            Look::Loose => None,
            Look::Compact => Some("compact"),
            Look::Pairs => Some("compact pairs"),
            Look::Matrix => Some("matrix"),
        }
    }
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

impl Label {
    fn new(text: &str) -> Self {
        Self {
            number: None,
            text: name(text),
        }
    }

    /// A class, with its number where the matrix shows numbers alone.
    fn class(found: &ClassFindings, class: usize) -> Self {
        let text = &found.names()[class];
        let number = (by_number(found) && *text != class.to_string()).then_some(class);
        Self {
            number,
            ..Self::new(text)
        }
    }

    /// Whether the page cuts it.
    pub(super) fn is_long(&self) -> bool {
        self.text.chars().count() > 60
    }
}

impl Cell {
    fn score(value: Option<f64>) -> Self {
        Self::Text(score(value.unwrap_or(f64::NAN)))
    }

    fn count(count: u64) -> Self {
        Self::Text(grouped(count))
    }

    fn share(share: Option<f64>, text: fn(f64) -> String) -> Self {
        match share.filter(|share| share.is_finite()) {
            Some(share) => Self::Share(format!("{share:.3}"), text(share)),
            None => Self::Text(text(f64::NAN)),
        }
    }
}

/// The heading of the classes, labels or outputs.
pub(super) fn title(scored: &Scored) -> &'static str {
    match scored.findings {
        Some(Findings::Labels(_)) => "Labels",
        Some(Findings::Numbers(_)) => "Outputs",
        _ => "Classes",
    }
}

/// One line for each class, label or output; nothing where there is nothing to tell apart.
pub(super) fn each(scored: &Scored) -> Option<Table> {
    match &scored.findings {
        Some(Findings::Classes(found)) if found.rows() > 0 => Some(of_classes(scored, found)),
        Some(Findings::Labels(found)) if found.rows() > 0 => Some(of_labels(scored, found)),
        Some(Findings::Numbers(found)) if scored.of("pearson", 0).is_some() => {
            Some(of_outputs(scored, found.names()))
        }
        _ => None,
    }
}

/// The pairs that were confused most often; nothing of two classes, where the matrix says it all.
pub(super) fn confusions(found: &ClassFindings) -> Option<Table> {
    let pairs = largest(found);
    if found.names().len() < 3 || pairs.is_empty() {
        return None;
    }
    let row = |(truth, predicted, count): (usize, usize, u64)| {
        let of = found.confusion().margin(truth).actual;
        let share = count as f64 / of.max(1) as f64;
        Row {
            head: Label::class(found, truth),
            cells: vec![
                Cell::Name(Label::class(found, predicted)),
                Cell::count(count),
                Cell::share(Some(share), percent),
            ],
        }
    };
    let rows = pairs.into_iter().map(row).collect();
    let columns = ["True", "Predicted", "Count", "Share"];
    let caption = "The largest confusions: how often one class was taken for another, and its share of the true class.";
    Some(Table::new(caption, &columns, rows, Look::Pairs))
}

/// The confusion matrix for those who cannot see the plot, and for copying.
pub(super) fn matrix(found: &ClassFindings) -> Option<Table> {
    let classes = found.names().len();
    if classes > MOST_NUMBERED {
        return None;
    }
    let by_number = by_number(found);
    let row = |truth| Row {
        head: Label::class(found, truth),
        cells: (0..classes)
            .map(|predicted| Cell::count(found.confusion().count(truth, predicted)))
            .collect(),
    };
    let names = found.names().iter().enumerate();
    let names = names.map(|(class, text)| {
        if by_number {
            class.to_string()
        } else {
            name(text)
        }
    });
    let caption = "Counts by true class (lines) and predicted class (columns).";
    let rows = (0..classes).map(row).collect();
    let mut table = Table::new(caption, &["True \\ predicted"], rows, Look::Matrix);
    table.columns.extend(names);
    Some(table)
}

fn of_classes(scored: &Scored, found: &ClassFindings) -> Table {
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
        caption.push_str(&format!(
            " Of {} classes those {MOST} with most {} are shown.",
            grouped(count as u64),
            found.unit()
        ));
    }
    let row = |class: usize| {
        let area = has_area.then(|| scored.of("auroc", class));
        line(Label::class(found, class), margin(class), area)
    };
    let rows = shown.into_iter().map(row).collect();
    let means = [
        ("Mean of the classes", (|_| 1.0) as fn(&Margin) -> f64),
        ("Mean weighed by support", |of| of.actual as f64),
    ];
    let foot = means.map(|(title, weigh)| Row {
        head: Label::new(title),
        cells: means_of(scored, found, has_area, weigh),
    });
    Table {
        foot: foot.into(),
        ..Table::new(caption, &columns, rows, Look::of(count))
    }
}

/// The weighed means of all classes, and how many rows they are of.
fn means_of(
    scored: &Scored,
    found: &ClassFindings,
    has_area: bool,
    weigh: fn(&Margin) -> f64,
) -> Vec<Cell> {
    let margins = (0..found.names().len()).map(|class| (class, found.confusion().margin(class)));
    let present: Vec<(usize, Margin)> = margins
        .clone()
        .filter(|(_, of)| of.actual + of.predicted > 0)
        .collect();
    let mean = |values: &mut dyn Iterator<Item = (f64, f64)>| {
        let (sum, weights) = values.fold((0.0, 0.0), |(sum, weights), (value, weight)| {
            (sum + value * weight, weights + weight)
        });
        Cell::score((weights > 0.0).then(|| sum / weights))
    };
    let picked = [Margin::precision, Margin::recall, Margin::f1];
    let mut cells: Vec<Cell> = picked
        .into_iter()
        .map(|pick| {
            mean(
                &mut present
                    .iter()
                    .map(|(_, of)| (pick(of).unwrap_or(0.0), weigh(of))),
            )
        })
        .collect();
    if has_area {
        // Of the classes that have one: without rows of both kinds there is none.
        let mut areas = margins.filter_map(|(class, of)| {
            let area = scored.of("auroc", class).filter(|area| area.is_finite())?;
            Some((area, weigh(&of)))
        });
        cells.push(mean(&mut areas));
    }
    cells.push(Cell::count(found.rows()));
    cells
}

fn of_labels(scored: &Scored, found: &LabelFindings) -> Table {
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
    let row = |(label, text): (usize, &String)| {
        let of = found.margin(label);
        let mut row = line(Label::new(text), of, Some(scored.of("auroc", label)));
        row.cells.push(Cell::count(of.predicted));
        row
    };
    let rows = found.names().iter().enumerate().take(MOST).map(row);
    let mut caption = "Each label by itself, predicted where its probability is above 0.5; support is the number of rows that it applies to.".to_owned();
    if count > MOST {
        let count = grouped(count as u64);
        caption.push_str(&format!(" The first {MOST} of {count} labels."));
    }
    Table::new(caption, &columns, rows.collect(), Look::of(count))
}

fn of_outputs(scored: &Scored, names: &[String]) -> Table {
    let columns = ["Output", "Pearson", "Spearman", "R²", "MAE", "MSE"];
    let metrics = ["pearson", "spearman", "r2", "mae", "mse"];
    let row = |(output, text): (usize, &String)| Row {
        head: Label::new(text),
        cells: metrics
            .map(|metric| Cell::score(scored.of(metric, output)))
            .into(),
    };
    let rows = names.iter().enumerate().take(MOST).map(row).collect();
    let caption = "Each output by itself, in the units of the data.";
    Table::new(caption, &columns, rows, Look::of(names.len()))
}

/// The line of a class or label.
fn line(head: Label, of: Margin, area: Option<Option<f64>>) -> Row {
    let mut cells = vec![
        Cell::score(of.precision()),
        Cell::score(of.recall()),
        Cell::share(of.f1(), score),
    ];
    cells.extend(area.map(Cell::score));
    cells.push(Cell::count(of.actual));
    Row { head, cells }
}
