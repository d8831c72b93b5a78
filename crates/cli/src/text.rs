//! Text in columns of bounded width.

use std::fmt::Write;

use engraft_report::number;
use engraft_train::Spread;
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm, wrap};

/// The widest line of a help text.
const WIDTH: usize = 100;

/// Adds a paragraph, each line indented by `indent` spaces and broken between words.
pub(crate) fn paragraph(page: &mut String, text: &str, indent: usize) {
    let margin = " ".repeat(indent);
    let words: Vec<&str> = text.split_whitespace().collect();
    let options = Options::new(WIDTH.saturating_sub(indent))
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    for line in wrap(&words.join(" "), options) {
        end_line(page, &margin, &line);
    }
}

/// Adds the paragraphs of a text, which empty lines divide, with an empty line between.
pub(crate) fn paragraphs(page: &mut String, text: &str, indent: usize) {
    for (number, part) in text.split("\n\n").enumerate() {
        if number > 0 {
            page.push('\n');
        }
        paragraph(page, part, indent);
    }
}

/// Adds two columns, the first as wide as its widest cell, the second broken between words.
pub(crate) fn columns(page: &mut String, rows: &[(String, String)], indent: usize) {
    let widest = rows.iter().map(|(first, _)| first.chars().count()).max();
    let second = indent + widest.unwrap_or(0) + 2;
    for (first, text) in rows {
        let mut broken = String::new();
        paragraph(&mut broken, text, second);
        let margin = " ".repeat(indent);
        let gap = " ".repeat(second - indent - first.chars().count());
        end_line(page, &margin, &format!("{first}{gap}{}", broken.trim()));
    }
}

/// A table of right-aligned numbers under left-aligned names, for scores.
pub(crate) fn scores(rows: &[(String, f64)]) -> String {
    let widest = rows
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    rows.iter().fold(String::new(), |mut page, (name, value)| {
        // Writing to a string cannot fail.
        let _ = writeln!(page, "{name:widest$}  {:>8}", number(*value));
        page
    })
}

fn end_line(page: &mut String, margin: &str, line: &str) {
    page.push_str(margin);
    page.push_str(line.trim_end());
    page.push('\n');
}

/// Mean and standard deviation of each score, and if they fit beside it, the score of each fold.
pub(crate) fn spreads(rows: &[Spread]) -> String {
    /// Most folds that have a column of their own.
    const FOLDS: usize = 10;
    let widest = rows.iter().map(|row| row.name.chars().count()).max();
    let widest = widest.unwrap_or(0);
    let folds = rows.first().map_or(0, |row| row.folds.len());
    let folds = if folds > FOLDS { 0 } else { folds };
    let mut page = format!("{:widest$}  {:>8}  {:>8}", "", "mean", "sd");
    for fold in 0..folds {
        page.push_str(&format!("  {:>8}", format!("fold {fold}")));
    }
    page.push('\n');
    for row in rows {
        page.push_str(&format!("{:widest$}", row.name));
        let numbers = [row.mean, row.deviation];
        for value in numbers.iter().chain(row.folds.iter().take(folds)) {
            page.push_str(&format!("  {:>8}", number(*value)));
        }
        page.push('\n');
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words_at_the_width() {
        let mut page = String::new();
        paragraph(&mut page, &"word ".repeat(60), 6);
        assert!(
            page.lines()
                .all(|line| line.chars().count() <= WIDTH && line.starts_with("      word"))
        );
        assert_eq!(page.lines().count(), 4);
        assert_eq!(page.split_whitespace().count(), 60);
    }

    #[test]
    fn a_word_wider_than_a_line_stands_alone() {
        let mut page = String::new();
        paragraph(&mut page, &format!("a {} b", "x".repeat(200)), 0);
        assert_eq!(page.lines().count(), 3);
    }

    #[test]
    fn the_second_column_begins_where_the_first_ends_at_its_widest() {
        let mut page = String::new();
        let rows = [("a", "one"), ("abc", "two")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        columns(&mut page, &rows, 2);
        assert_eq!(page, "  a    one\n  abc  two\n");
    }

    #[test]
    fn scores_stand_under_each_other() {
        let rows = [
            ("test_f1".to_owned(), 0.5),
            ("test_accuracy".to_owned(), 0.97314),
        ];
        assert_eq!(
            scores(&rows),
            "test_f1          0.5000\ntest_accuracy    0.9731\n"
        );
        let rows = [
            ("test_mae".to_owned(), 4.8e-9),
            ("test_mse".to_owned(), 5.0),
        ];
        assert_eq!(scores(&rows), "test_mae  4.8000e-9\ntest_mse    5.0000\n");
    }
}
