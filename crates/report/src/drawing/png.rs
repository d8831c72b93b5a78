//! An SVG document as pixels.

use std::sync::{Arc, OnceLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb::Database};

use super::letters::{FONT, drawable};
use crate::error::{Error, Result};

/// Pixels of a PNG along a pixel of a page.
const FINE: f32 = 2.0;

/// A document as a PNG of twice as many pixels as its size in a page. Letters are those of our own font, so that it is the same on every machine.
pub(crate) fn png(svg: &str) -> Result<Vec<u8>> {
    let options = Options {
        font_family: "Inter".to_owned(),
        fontdb: Arc::clone(fonts()),
        ..Options::default()
    };
    let tree = Tree::from_str(&drawable(svg), &options).map_err(refused)?;
    let size = tree.size();
    let pixels = |length: f32| (length * FINE).ceil() as u32;
    let mut paper = Pixmap::new(pixels(size.width()), pixels(size.height()))
        .ok_or_else(|| refused("it has no size"))?;
    let larger = Transform::from_scale(FINE, FINE);
    resvg::render(&tree, larger, &mut paper.as_mut());
    paper.encode_png().map_err(refused)
}

/// Our font alone.
fn fonts() -> &'static Arc<Database> {
    static FONTS: OnceLock<Arc<Database>> = OnceLock::new();
    FONTS.get_or_init(|| {
        let mut fonts = Database::new();
        fonts.load_font_data(FONT.to_vec());
        fonts.set_sans_serif_family("Inter");
        Arc::new(fonts)
    })
}

fn refused(error: impl std::fmt::Display) -> Error {
    Error::Drawing(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::{Colour, Drawing, Place, Text, svg};
    use super::*;

    fn drawn(drawing: &Drawing) -> Pixmap {
        let bytes = png(&svg(drawing, Place::File, "p", "", "")).unwrap();
        Pixmap::decode_png(&bytes).unwrap()
    }

    fn at(pixels: &Pixmap, x: u32, y: u32) -> [u8; 3] {
        let pixel = pixels.pixel(x, y).unwrap();
        [pixel.red(), pixel.green(), pixel.blue()]
    }

    #[test]
    fn a_png_has_twice_the_pixels_and_shows_what_was_drawn() {
        let mut drawing = Drawing::new(120.0, 60.0);
        drawing.dot(90.0, 30.0, 5.0, Colour::Orange.into());
        let pixels = drawn(&drawing);
        assert_eq!((pixels.width(), pixels.height()), (240, 120));
        assert_eq!(at(&pixels, 180, 60), [0xc4, 0x5a, 0x1b]);
        assert_eq!(at(&pixels, 239, 0), [0xff; 3]);
    }

    #[test]
    fn texts_have_letters_of_any_script_and_as_much_ink_as_was_measured() {
        for text in ["Illness 0.5 – Größe, Ωμέγα", "漢字"] {
            let mut drawing = Drawing::new(300.0, 40.0);
            drawing.write(Text::at(10.0, 25.0, text).size(20.0).colour(Colour::Ink));
            let pixels = drawn(&drawing);
            let inked = |x: &u32| (0..80).any(|y| at(&pixels, *x, y) != [0xff; 3]);
            let (first, last) = (
                (0..600).find(inked).unwrap(),
                (0..600).rfind(inked).unwrap(),
            );
            let end = 2.0 * (10.0 + super::super::wide(text, 20.0));
            assert!((18..=26).contains(&first), "{text} begins at {first}");
            assert!(
                f64::from(last) <= end + 2.0 && f64::from(last) > 0.5 * end,
                "{text}: {last} of {end}"
            );
        }
    }
}
