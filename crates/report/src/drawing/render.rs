//! Marks into SVG and PNG.

use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontTransform, RGBAColor, ShapeStyle, TextStyle};

use super::letters::font;
use super::{Align, Drawing, Mark, Shade, Text};
use crate::error::{Error, Result};
use crate::escape::escape;

/// Places are whole numbers to the plotting crate, so everything is drawn this much larger.
const FINE: f64 = 4.0;
/// How many of those make one pixel of a PNG, which has twice the pixels of a page.
const COARSE: usize = 2;

/// The plot as an SVG document with a title and a description, of a size in pixels of a page. Identifiers in it begin with `id`.
pub(crate) fn svg(drawing: &Drawing, id: &str, title: &str, description: &str) -> Result<String> {
    let mut text = String::new();
    {
        let mut backend = SVGBackend::with_string(&mut text, size(drawing));
        play(&mut backend, drawing, 0.76)?;
        backend.present().map_err(refused)?;
    }
    let begin = text.find('>').map_or(0, |end| end + 1);
    let (width, height) = size(drawing);
    let mut whole = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"{id}-title {id}-description\">\n<title id=\"{id}-title\">{}</title>\n<desc id=\"{id}-description\">{}</desc>\n",
        drawing.width,
        drawing.height,
        escape(title),
        escape(description),
    );
    whole.push_str(&with_whole_texts(&text[begin..], drawing));
    Ok(whole)
}

/// Puts what a cut text stands for behind it: texts are in the document in the order of the marks.
fn with_whole_texts(body: &str, drawing: &Drawing) -> String {
    let mut rest = body;
    let mut result = String::with_capacity(body.len());
    let texts = drawing.marks.iter().filter_map(|mark| match mark {
        Mark::Text(text) => Some(text),
        _ => None,
    });
    for text in texts {
        let Some(end) = rest.find("</text>") else {
            break;
        };
        // The text stands on a line of its own, which would be a space in some readers.
        let element = rest[..end].trim_end();
        let (tag, label) = element.rsplit_once('\n').unwrap_or((element, ""));
        result.push_str(tag);
        result.push_str(label);
        if let Some(whole) = &text.whole {
            result.push_str(&format!("<title>{}</title>", escape(whole)));
        }
        result.push_str("</text>");
        rest = &rest[end + "</text>".len()..];
    }
    result.push_str(rest);
    result
}

/// The plot as a PNG of twice as many pixels as its size in a page.
pub(crate) fn png(drawing: &Drawing) -> Result<Vec<u8>> {
    let (width, height) = size(drawing);
    let mut pixels = vec![0xff; width as usize * height as usize * 3];
    {
        let mut backend = BitMapBackend::with_buffer(&mut pixels, (width, height));
        play(&mut backend, drawing, 0.62)?;
        backend.present().map_err(refused)?;
    }
    let (small, width, height) = smaller(&pixels, width as usize, height as usize);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().map_err(refused)?;
    writer.write_image_data(&small).map_err(refused)?;
    writer.finish().map_err(refused)?;
    Ok(bytes)
}

/// Each square of pixels as one of their mean, which smooths every edge.
fn smaller(pixels: &[u8], width: usize, height: usize) -> (Vec<u8>, usize, usize) {
    let (wide, high) = (width / COARSE, height / COARSE);
    let mut small = Vec::with_capacity(wide * high * 3);
    for y in 0..high {
        for x in 0..wide {
            for channel in 0..3 {
                let square = (0..COARSE * COARSE).map(|at| {
                    let (x, y) = (x * COARSE + at % COARSE, y * COARSE + at / COARSE);
                    usize::from(pixels[(y * width + x) * 3 + channel])
                });
                small.push((square.sum::<usize>() / (COARSE * COARSE)) as u8);
            }
        }
    }
    (small, wide, high)
}

fn size(drawing: &Drawing) -> (u32, u32) {
    let pixels = |length: f64| (length * FINE).round().max(1.0) as u32;
    (pixels(drawing.width), pixels(drawing.height))
}

/// Draws every mark. `rise` is how far above its baseline, in letter heights, the backend thinks that a text begins.
fn play<DB: DrawingBackend>(backend: &mut DB, drawing: &Drawing, rise: f64) -> Result<()> {
    for mark in &drawing.marks {
        let drawn = match mark {
            Mark::Line {
                points,
                shade,
                width,
            } => {
                let points = distinct(points);
                match points.as_slice() {
                    [] | [_] => Ok(()),
                    _ => backend.draw_path(points, &stroke(*shade, *width)),
                }
            }
            Mark::Area { points, shade } => {
                let points = distinct(points);
                match points.len() {
                    0..3 => Ok(()),
                    _ => backend.fill_polygon(points, &stroke(*shade, 0.25)),
                }
            }
            Mark::Rectangle {
                x,
                y,
                width,
                height,
                shade,
            } => backend.draw_rect(
                place((*x, *y)),
                place((x + width, y + height)),
                &stroke(*shade, 0.25),
                true,
            ),
            Mark::Dot {
                x,
                y,
                radius,
                shade,
            } => {
                let radius = (radius * FINE).round() as u32;
                backend.draw_circle(place((*x, *y)), radius, &stroke(*shade, 0.25), true)
            }
            Mark::Text(text) => backend.draw_text(&text.text, &style(text), corner(text, rise)),
        };
        drawn.map_err(refused)?;
    }
    Ok(())
}

/// The upper corner of a text whose place is on its baseline.
fn corner(text: &Text, rise: f64) -> (i32, i32) {
    let rise = rise * text.size;
    if text.upwards {
        place((text.x - rise, text.y))
    } else {
        place((text.x, text.y - rise))
    }
}

fn style(text: &Text) -> TextStyle<'static> {
    let horizontal = match text.align {
        Align::Start => HPos::Left,
        Align::Middle => HPos::Center,
        Align::End => HPos::Right,
    };
    let transform = if text.upwards {
        FontTransform::Rotate270
    } else {
        FontTransform::None
    };
    TextStyle {
        font: font(text.size * FINE).transform(transform),
        color: colour(text.colour.into()).to_backend_color(),
        pos: Pos::new(horizontal, VPos::Top),
    }
}

fn colour(shade: Shade) -> RGBAColor {
    let (red, green, blue) = shade.colour.rgb();
    // Two decimals tell all that can be seen, and keep the document short.
    RGBAColor(red, green, blue, (shade.opacity * 100.0).round() / 100.0)
}

fn stroke(shade: Shade, width: f64) -> ShapeStyle {
    ShapeStyle {
        color: colour(shade),
        filled: true,
        stroke_width: (width * FINE).round().max(1.0) as u32,
    }
}

fn place((x, y): (f64, f64)) -> (i32, i32) {
    ((x * FINE).round() as i32, (y * FINE).round() as i32)
}

/// The places that differ from the one before, once they are whole numbers.
fn distinct(points: &[(f64, f64)]) -> Vec<(i32, i32)> {
    let mut places: Vec<(i32, i32)> = points.iter().copied().map(place).collect();
    places.dedup();
    places
}

fn refused(error: impl std::fmt::Display) -> Error {
    Error::Drawing(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::Colour;
    use super::*;

    fn drawing() -> Drawing {
        let mut drawing = Drawing::new(120.0, 60.0);
        drawing.line(vec![(0.0, 0.0), (60.0, 30.0)], Colour::Blue.into(), 2.0);
        drawing.dot(90.0, 30.0, 5.0, Colour::Orange.into());
        drawing.write(Text::at(10.0, 50.0, "a <b> & \"c\" which is much too long").within(60.0));
        drawing.write(Text::at(10.0, 50.0, "漢字 עברית \u{1f600} \u{0}").upwards());
        drawing
    }

    #[test]
    fn an_svg_has_a_title_a_description_and_every_text_escaped_with_its_whole() {
        let text = svg(&drawing(), "p", "A <plot>", "Of \"things\"").unwrap();
        assert!(
            text.contains("<title id=\"p-title\">A &lt;plot&gt;</title>"),
            "{text}"
        );
        assert!(
            text.contains(
                "<title>a &lt;b&gt; &amp; &quot;c&quot; which is much too long</title></text>"
            ),
            "{text}"
        );
        assert!(
            !text.contains("<b>") && text.trim_end().ends_with("</svg>"),
            "{text}"
        );
        assert_eq!(
            text.matches("<text").count(),
            text.matches("</text>").count()
        );
    }

    #[test]
    fn a_png_has_twice_the_pixels_and_shows_what_was_drawn() {
        let bytes = png(&drawing()).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; reader.output_buffer_size()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (240, 120));
        let at = |x: usize, y: usize| &pixels[(y * 240 + x) * 3..][..3];
        assert_eq!(at(180, 60), [0xc4, 0x5a, 0x1b], "the middle of the dot");
        assert_eq!(at(239, 0), [0xff; 3]);
    }

    #[test]
    fn what_has_no_extent_is_left_out() {
        let mut drawing = Drawing::new(10.0, 10.0);
        drawing.line(vec![(1.0, 1.0), (1.01, 1.01)], Colour::Blue.into(), 1.0);
        drawing.area(vec![(1.0, 1.0), (2.0, 2.0)], Colour::Blue.into());
        drawing.write(Text::at(1.0, 1.0, ""));
        assert!(png(&drawing).is_ok());
        assert!(!svg(&drawing, "p", "", "").unwrap().contains("polyline"));
    }
}
