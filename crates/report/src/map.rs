//! A map of numbers as colours: letters down, positions across.

use std::path::Path;

use engraft_files::atomic;

use crate::drawing::{Align, Colour, Drawing, Place, SMALL, Shade, Text, png, svg, wide};
use crate::error::Result;
use crate::numbers::number;

/// Numbers of each letter at each position of a sequence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScanMap {
    /// What the map is of.
    pub title: String,
    /// What the numbers are.
    pub value: String,
    /// The letters, from the top down.
    pub letters: Vec<char>,
    /// The positions, from left to right.
    pub positions: Vec<ScanPosition>,
}

/// A position of a sequence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScanPosition {
    /// Its number in the sequence, from 1.
    pub number: usize,
    /// The letter that the sequence has there.
    pub wild_type: char,
    /// The number of each letter; none where it is not known.
    pub values: Vec<Option<f64>>,
}

/// Side of a cell.
const CELL: f64 = 13.0;
/// Positions side by side; more go on below.
const ACROSS: usize = 60;
/// Distance from the edge of the paper.
const MARGIN: f64 = 14.0;
/// Width of the letters before each line.
const BEFORE: f64 = 18.0;
/// Height of what stands above the cells of a line, and beneath them.
const ABOVE: f64 = 18.0;
const BELOW: f64 = 24.0;
/// The tallest map that becomes a PNG too: its pixels are held at once.
const TALLEST: f64 = 6000.0;

/// Writes a map as `STEM.svg` and, unless it is so large that a program of pictures would hardly open it, `STEM.png`.
///
/// # Errors
/// A file cannot be written, or the map cannot be drawn.
pub fn write_map(map: &ScanMap, stem: &Path) -> Result<()> {
    let drawing = drawn(map);
    let document = svg(&drawing, Place::File, "map", &map.title, &described(map));
    atomic::write(&with_extension(stem, "svg"), document.as_bytes())?;
    if drawing.height <= TALLEST {
        atomic::write(&with_extension(stem, "png"), &png(&document)?)?;
    }
    Ok(())
}

/// The path with an extension behind whatever its name is.
fn with_extension(stem: &Path, extension: &str) -> std::path::PathBuf {
    let mut path = stem.as_os_str().to_owned();
    path.push(".");
    path.push(extension);
    path.into()
}

/// All numbers that are known and finite.
fn known(map: &ScanMap) -> impl Iterator<Item = f64> {
    let values = map
        .positions
        .iter()
        .flat_map(|it| it.values.iter().flatten());
    values.copied().filter(|value| value.is_finite())
}

/// The size at which a colour is full: that of the largest number, whatever its sign.
fn full(map: &ScanMap) -> f64 {
    known(map).map(f64::abs).fold(0.0, f64::max)
}

fn described(map: &ScanMap) -> String {
    let mut extremes: Option<[(f64, String); 2]> = None;
    for position in &map.positions {
        for (letter, value) in map.letters.iter().zip(&position.values) {
            let Some(value) = value.filter(|value| value.is_finite()) else {
                continue;
            };
            if *letter == position.wild_type {
                continue;
            }
            let one = (
                value,
                format!("{}{}{letter}", position.wild_type, position.number),
            );
            extremes = Some(match extremes {
                None => [one.clone(), one],
                Some([low, high]) => [
                    if one.0 < low.0 { one.clone() } else { low },
                    if one.0 > high.0 { one } else { high },
                ],
            });
        }
    }
    let count = map.positions.len();
    let range = extremes.map(|[low, high]| {
        format!(
            " The lowest is {} of {}, the highest {} of {}.",
            number(low.0),
            low.1,
            number(high.0),
            high.1
        )
    });
    format!(
        "{} of each letter at {count} positions.{}",
        map.value,
        range.unwrap_or_default()
    )
}

/// The colour of a number.
fn shade(value: f64, full: f64) -> Shade {
    let share = (value.abs() / full.max(f64::MIN_POSITIVE)).min(1.0);
    let colour = if value < 0.0 {
        Colour::Orange
    } else {
        Colour::Blue
    };
    colour.at(share)
}

fn drawn(map: &ScanMap) -> Drawing {
    let across = map.positions.len().clamp(1, ACROSS);
    let lines = map.positions.len().div_ceil(ACROSS).max(1);
    let tall = map.letters.len() as f64 * CELL;
    let line_height = ABOVE + tall + BELOW;
    let top = 64.0;
    let width = 2.0 * MARGIN + BEFORE + across as f64 * CELL;
    let width = width.max(Drawing::SIZE.0);
    let height = top + lines as f64 * line_height + MARGIN;
    let mut drawing = Drawing::new(width, height);
    let title = Text::at(MARGIN, 24.0, map.title.as_str());
    let title = title.size(14.0).colour(Colour::Ink);
    drawing.write(title.within(width - 2.0 * MARGIN));
    scale(&mut drawing, map);
    let full = full(map);
    for (line, positions) in map.positions.chunks(ACROSS).enumerate() {
        let top = top + line as f64 * line_height + ABOVE;
        for (row, letter) in map.letters.iter().enumerate() {
            let y = top + (row as f64 + 0.5) * CELL + 4.0;
            let text = Text::at(MARGIN + BEFORE - 6.0, y, letter.to_string());
            drawing.write(text.align(Align::End).size(10.0));
        }
        for (column, position) in positions.iter().enumerate() {
            let x = MARGIN + BEFORE + column as f64 * CELL;
            draw_position(&mut drawing, map, position, (x, top), full);
        }
    }
    drawing
}

/// A column of cells, with the letter of the sequence beneath, and above every tenth its number.
fn draw_position(
    drawing: &mut Drawing,
    map: &ScanMap,
    position: &ScanPosition,
    (x, top): (f64, f64),
    full: f64,
) {
    const GAP: f64 = 1.0;
    let centre = x + (CELL - GAP) / 2.0;
    for (row, letter) in map.letters.iter().enumerate() {
        let y = top + row as f64 * CELL;
        let size = CELL - GAP;
        let value = position.values.get(row).copied().flatten();
        match value.filter(|value| value.is_finite()) {
            Some(_) if *letter == position.wild_type => {
                drawing.dot(centre, y + size / 2.0, 2.0, Colour::Muted.into());
            }
            Some(value) => {
                drawing.rectangle(x, y, size, size, Colour::Grid.at(0.35));
                drawing.rectangle(x, y, size, size, shade(value, full));
            }
            None => drawing.rectangle(x, y, size, size, Colour::Grid.into()),
        }
    }
    let bottom = top + map.letters.len() as f64 * CELL;
    let letter = Text::at(centre, bottom + 11.0, position.wild_type.to_string());
    let letter = letter.align(Align::Middle).size(10.0);
    drawing.write(letter.colour(Colour::Ink));
    if position.number.is_multiple_of(10) {
        let number = Text::at(centre, top - 5.0, position.number.to_string());
        drawing.write(number.align(Align::Middle).size(10.0));
    }
}

/// What the colours stand for: from the lowest number to the highest.
fn scale(drawing: &mut Drawing, map: &ScanMap) {
    const STEPS: usize = 11;
    let full = full(map);
    let range = known(map).fold((0.0_f64, 0.0_f64), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    let y = 46.0;
    let mut x = MARGIN;
    write(drawing, &mut x, y, format!("{}:", map.value));
    write(drawing, &mut x, y, number(range.0));
    for step in 0..STEPS {
        let share = step as f64 / (STEPS - 1) as f64;
        let value = range.0 + share * (range.1 - range.0);
        drawing.rectangle(x, y - 10.0, CELL, CELL, Colour::Grid.at(0.35));
        drawing.rectangle(x, y - 10.0, CELL, CELL, shade(value, full));
        x += CELL;
    }
    x += 8.0;
    write(drawing, &mut x, y, number(range.1));
    drawing.dot(x + 12.0, y - 4.0, 2.0, Colour::Muted.into());
    x += 20.0;
    write(drawing, &mut x, y, "the sequence's own letter".to_owned());
}

/// Writes a text that begins at `x`, which moves behind it.
fn write(drawing: &mut Drawing, x: &mut f64, y: f64, text: String) {
    let text = Text::at(*x, y, text);
    *x += wide(&text.text, SMALL) + 8.0;
    drawing.write(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drawing::Mark;

    fn map(positions: usize) -> ScanMap {
        let position = |number: usize| ScanPosition {
            number,
            wild_type: if number.is_multiple_of(2) { 'C' } else { 'A' },
            values: vec![Some(0.0), Some(-(number as f64)), Some(0.5), None],
        };
        ScanMap {
            title: "first".to_owned(),
            value: "score".to_owned(),
            letters: vec!['A', 'C', 'G', 'T'],
            positions: (1..=positions).map(position).collect(),
        }
    }

    fn rectangles(drawing: &Drawing, colour: Colour) -> usize {
        let marks = drawing.marks.iter();
        let is_one =
            |mark: &&Mark| matches!(mark, Mark::Rectangle { shade, .. } if shade.colour == colour);
        marks.filter(is_one).count()
    }

    #[test]
    fn each_known_number_has_a_cell_and_the_own_letter_a_dot() {
        let drawing = drawn(&map(4));
        // Of C where it is not the own letter, and half of the scale.
        assert!(rectangles(&drawing, Colour::Orange) >= 2);
        let dots = drawing
            .marks
            .iter()
            .filter(|mark| matches!(mark, Mark::Dot { .. }));
        assert_eq!(dots.count(), 4 + 1);
        let full = Colour::Orange.at(1.0);
        let strongest = drawing.marks.iter().filter(
            |mark| matches!(mark, Mark::Rectangle { shade, x, .. } if *shade == full && *x > 0.0),
        );
        assert!(strongest.count() >= 1);
    }

    #[test]
    fn a_long_sequence_goes_on_below() {
        let (short, long) = (drawn(&map(ACROSS)), drawn(&map(ACROSS + 1)));
        assert_eq!(short.width, long.width);
        assert!((long.height - short.height - (ABOVE + 4.0 * CELL + BELOW)).abs() < 1e-9);
    }

    #[test]
    fn a_map_is_written_as_a_document_and_as_pixels_and_says_its_extremes() {
        let folder = tempfile::tempdir().unwrap();
        let stem = folder.path().join("sp.P1");
        write_map(&map(3), &stem).unwrap();
        let document = std::fs::read_to_string(folder.path().join("sp.P1.svg")).unwrap();
        assert!(document.contains("score of each letter at 3 positions. The lowest is -3.0000 of A3C, the highest 0.5000 of A1G."), "{document}");
        let pixels = std::fs::read(folder.path().join("sp.P1.png")).unwrap();
        assert!(pixels.starts_with(b"\x89PNG"));
        write_map(&ScanMap::default(), &folder.path().join("nothing")).unwrap();
    }
}
