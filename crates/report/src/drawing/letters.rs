//! The font that texts are measured and drawn with.

use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, MetadataProvider};

/// Inter, with the letters of Latin, Greek and Cyrillic (SIL Open Font License, `fonts/OFL.txt`).
pub(super) const FONT: &[u8] = include_bytes!("../../fonts/Inter-Regular-subset.otf");

/// The width of a text in pixels; a letter that the font lacks is taken to be as wide as high.
pub(crate) fn wide(text: &str, size: f64) -> f64 {
    // The font is our own file; were it unusable, no text would have letters either.
    let Ok(font) = FontRef::new(FONT) else {
        return size * text.chars().count() as f64;
    };
    let widths = font.glyph_metrics(Size::new(size as f32), LocationRef::default());
    let letters = font.charmap();
    let each = text.chars().map(|letter| {
        let known = letters.map(letter);
        let width = known.and_then(|glyph| widths.advance_width(glyph));
        width.map_or(size, f64::from)
    });
    each.sum()
}

/// A document whose letters all have a shape in the font: others are question marks, where nothing would be seen.
pub(super) fn drawable(document: &str) -> String {
    let letters = FontRef::new(FONT).map(|font| font.charmap());
    let drawn = |letter: &char| {
        letter.is_whitespace()
            || letters
                .as_ref()
                .is_ok_and(|letters| letters.map(*letter).is_some())
    };
    let each = document.chars();
    each.map(|letter| if drawn(&letter) { letter } else { '?' })
        .collect()
}

/// A text cut in its middle to a width, as names that begin alike often end differently.
pub(crate) fn fit(text: &str, size: f64, width: f64) -> String {
    /// Longer names than this are not measured as a whole.
    const LONGEST: usize = 400;
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= LONGEST && wide(text, size) <= width {
        return text.to_owned();
    }
    let cut = |kept: usize| {
        let end = kept / 3;
        let start: String = letters[..kept - end].iter().collect();
        let end: String = letters[letters.len() - end..].iter().collect();
        format!("{}…{}", start.trim_end(), end.trim_start())
    };
    let (mut most, mut least) = (letters.len().min(LONGEST), 0);
    while least + 1 < most {
        let middle = (least + most) / 2;
        if wide(&cut(middle), size) <= width {
            least = middle
        } else {
            most = middle
        }
    }
    cut(least.min(letters.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_fits_is_left_as_it_is() {
        assert_eq!(fit("grain", 11.0, 100.0), "grain");
        assert_eq!(fit("", 11.0, 100.0), "");
    }

    #[test]
    fn a_long_text_keeps_its_start_and_its_end_and_fits() {
        let name = "ribosomal protein of the small subunit, mitochondrial, chain 12";
        let cut = fit(name, 11.0, 120.0);
        assert!(
            cut.starts_with("ribo") && cut.ends_with("12") && cut.contains('…'),
            "{cut}"
        );
        assert!(wide(&cut, 11.0) <= 120.0);
        assert_eq!(fit(&"x".repeat(100_000), 11.0, 5.0).chars().count(), 1);
    }

    #[test]
    fn wider_letters_are_measured_wider_and_unknown_ones_not_at_all_badly() {
        assert!(wide("mmm", 11.0) > wide("iii", 11.0));
        assert_eq!(wide("漢字", 11.0), 22.0);
    }
}
