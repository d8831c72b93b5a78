//! Marks as elements of an SVG document.

use std::fmt::Write;

use super::{Align, Drawing, Mark, Shade, Text};
use crate::escape::escape;

/// Where a document stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a file of its own, with a size and a font.
    File,
    /// In a page, which gives it both.
    Page,
}

/// The plot as an SVG document with a title and a description. Identifiers in it begin with `id`.
pub(crate) fn svg(
    drawing: &Drawing,
    place: Place,
    id: &str,
    title: &str,
    description: &str,
) -> String {
    let (width, height) = (rounded(drawing.width), rounded(drawing.height));
    let own = match place {
        Place::File => format!(
            "xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"Inter, sans-serif\" "
        ),
        Place::Page => String::new(),
    };
    let (title, description) = (escape(title), escape(description));
    let mut text = format!(
        "<svg {own}viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"{id}-title {id}-description\">\n\
         <title id=\"{id}-title\">{title}</title>\n<desc id=\"{id}-description\">{description}</desc>\n"
    );
    for mark in &drawing.marks {
        // Writing to a string cannot fail.
        let _ = element(&mut text, mark);
    }
    text.push_str("</svg>\n");
    text
}

/// Writes the element of a mark; one without extent has none.
fn element(out: &mut String, mark: &Mark) -> std::fmt::Result {
    match mark {
        Mark::Line {
            points,
            shade,
            width,
            dashed,
        } => {
            let points = places(points);
            if points.len() < 2 {
                return Ok(());
            }
            let dashes = if *dashed {
                " stroke-dasharray=\"5 5\""
            } else {
                ""
            };
            let points = points.join(" ");
            let paint = paint("stroke", *shade);
            writeln!(
                out,
                "<polyline points=\"{points}\" fill=\"none\" {paint} stroke-width=\"{width}\" stroke-linejoin=\"round\"{dashes}/>"
            )
        }
        Mark::Area { points, shade } => {
            let points = places(points);
            if points.len() < 3 {
                return Ok(());
            }
            let (points, paint) = (points.join(" "), paint("fill", *shade));
            writeln!(out, "<polygon points=\"{points}\" {paint}/>")
        }
        Mark::Rectangle {
            x,
            y,
            width,
            height,
            shade,
        } => {
            let [x, y, width, height] = [*x, *y, *width, *height].map(rounded);
            let paint = paint("fill", *shade);
            writeln!(
                out,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" {paint}/>"
            )
        }
        Mark::Dot {
            x,
            y,
            radius,
            shade,
        } => {
            let [x, y, radius] = [*x, *y, *radius].map(rounded);
            let paint = paint("fill", *shade);
            writeln!(
                out,
                "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" {paint}/>"
            )
        }
        Mark::Text(text) => letters(out, text),
    }
}

/// Writes a text, and what it stands for where it is cut.
fn letters(out: &mut String, text: &Text) -> std::fmt::Result {
    let (x, y) = (rounded(text.x), rounded(text.y));
    let anchor = match text.align {
        Align::Start => "",
        Align::Middle => " text-anchor=\"middle\"",
        Align::End => " text-anchor=\"end\"",
    };
    let turn = if text.upwards {
        format!(" transform=\"rotate(-90 {x} {y})\"")
    } else {
        String::new()
    };
    let paint = paint("fill", text.colour.into());
    let (size, label) = (text.size, escape(&text.text));
    write!(
        out,
        "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" {paint}{anchor}{turn}>{label}"
    )?;
    if let Some(whole) = &text.whole {
        write!(out, "<title>{}</title>", escape(whole))?;
    }
    out.push_str("</text>\n");
    Ok(())
}

/// The colour of an element, as `fill` or `stroke`.
fn paint(what: &str, shade: Shade) -> String {
    let colour = shade.colour.light();
    // Two decimals tell all that can be seen, and keep the document short.
    let opacity = rounded(shade.opacity);
    if opacity < 1.0 {
        format!("{what}=\"{colour}\" {what}-opacity=\"{opacity}\"")
    } else {
        format!("{what}=\"{colour}\"")
    }
}

/// Places as text, without those that do not differ from the one before.
fn places(points: &[(f64, f64)]) -> Vec<String> {
    let places = points.iter();
    let mut places: Vec<String> = places
        .map(|&(x, y)| format!("{},{}", rounded(x), rounded(y)))
        .collect();
    places.dedup();
    places
}

fn rounded(length: f64) -> f64 {
    // Adding zero leaves no minus before a zero.
    (length * 100.0).round() / 100.0 + 0.0
}

#[cfg(test)]
mod tests {
    use super::super::{Colour, png};
    use super::*;

    fn drawing() -> Drawing {
        let mut drawing = Drawing::new(120.0, 60.0);
        drawing.line(vec![(0.0, 0.0), (60.0, 30.0)], Colour::Blue.into(), 2.0);
        drawing.dashes((0.0, 60.0), (120.0, -0.001), Colour::Muted.at(0.5));
        drawing.area(
            vec![(5.0, 5.0), (9.0, 5.0), (9.0, 9.0)],
            Colour::Green.at(0.15),
        );
        drawing.dot(90.0, 30.0, 5.0, Colour::Orange.into());
        drawing.write(Text::at(10.0, 50.0, "a <b> & \"c\" which is much too long").within(60.0));
        drawing.write(Text::at(10.0, 50.0, "漢字 עברית \u{1f600} \u{0}").upwards());
        drawing
    }

    #[test]
    fn a_drawing_is_a_document_with_every_text_escaped_and_its_whole_beside_it() {
        let file = svg(
            &drawing(),
            Place::File,
            "p",
            "A <plot>",
            "Of \"things\" & more",
        );
        insta::assert_snapshot!(file);
    }

    #[test]
    fn in_a_page_it_has_neither_size_nor_font_nor_the_name_of_a_scheme() {
        let part = svg(&drawing(), Place::Page, "p", "A plot", "");
        assert!(
            part.starts_with("<svg viewBox=\"0 0 120 60\" role=\"img\""),
            "{part}"
        );
        assert!(!part.contains("http") && !part.contains("font-family"));
    }

    #[test]
    fn what_has_no_extent_is_left_out() {
        let mut drawing = Drawing::new(10.0, 10.0);
        drawing.line(vec![(1.0, 1.0), (1.001, 1.001)], Colour::Blue.into(), 1.0);
        drawing.area(vec![(1.0, 1.0), (2.0, 2.0)], Colour::Blue.into());
        drawing.write(Text::at(1.0, 1.0, ""));
        let file = svg(&drawing, Place::File, "p", "", "");
        assert!(!file.contains("<poly"), "{file}");
        assert!(png(&file).is_ok());
    }
}
