//! The font that texts are measured and drawn with.

use std::sync::Once;

use plotters::style::{FontDesc, FontFamily, FontStyle, register_font};

/// Inter, with the letters of Latin, Greek and Cyrillic (SIL Open Font License, `fonts/OFL.txt`).
const FONT: &[u8] = include_bytes!("../../fonts/Inter-Regular-subset.otf");

/// What the plotting crate calls a size is the height of a line; ours is that of the letters, as in a page.
const LINE: f64 = 1.24;

/// The font at a size in pixels.
pub(super) fn font(size: f64) -> FontDesc<'static> {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // The font is our own file; were it unusable, drawing would say so.
        let _ = register_font(FontFamily::SansSerif.as_str(), FontStyle::Normal, FONT);
    });
    FontDesc::new(FontFamily::SansSerif, size * LINE, FontStyle::Normal)
}

/// The width of a text in pixels.
pub(crate) fn wide(text: &str, size: f64) -> f64 {
    // Measured large, as measures are whole pixels.
    const TIMES: f64 = 16.0;
    let measured = font(size * TIMES).layout_box(text);
    measured.map_or(0.0, |((left, _), (right, _))| {
        f64::from(right - left) / TIMES
    })
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
        assert!(wide("漢字", 11.0) > 0.0);
    }
}
