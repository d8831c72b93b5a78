//! Text of others made safe to show.

/// Text as it may stand in HTML, XML and their attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(letter),
            // No XML document may hold these.
            _ if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => {
                safe.push('\u{fffd}');
            }
            _ => safe.push(letter),
        }
    }
    safe
}

/// Text as it may stand in HTML, whose paths may break behind a slash rather than within a word.
pub(crate) fn breaking(text: &str) -> String {
    /// Shorter words are no paths, as `rows/s`, or fit on a line.
    const LONG: usize = 16;
    let words = text.split(' ').map(|word| match word.chars().count() {
        LONG.. => escape(word).replace('/', "/<wbr>"),
        _ => escape(word),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A name on one line: spaces for line ends, without marks that turn the direction of what follows; what is empty says so.
pub(crate) fn name(text: &str) -> String {
    let turns = |letter: char| matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let kept: String = text.chars().filter(|&letter| !turns(letter)).collect();
    let words: Vec<&str> = kept
        .split(|letter: char| letter.is_whitespace() || letter.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    if words.is_empty() {
        "(empty)".to_owned()
    } else {
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_markup_is_left() {
        assert_eq!(
            escape("<script>alert('x & \"y\"')</script>\u{1}\u{7f}"),
            "&lt;script&gt;alert(&#39;x &amp; &quot;y&quot;&#39;)&lt;/script&gt;\u{fffd}\u{fffd}"
        );
    }

    #[test]
    fn paths_may_break_behind_a_slash_and_units_may_not() {
        assert_eq!(
            breaking("logs/version_0/<a> (12 rows/s)"),
            "logs/<wbr>version_0/<wbr>&lt;a&gt; (12 rows/s)"
        );
    }

    #[test]
    fn names_are_one_line_that_turns_nothing_around() {
        assert_eq!(name("a\n\tb \u{202e}c"), "a b c");
        assert_eq!(name(" \u{0} \n"), "(empty)");
        assert_eq!(name("שלום"), "שלום");
    }
}
