//! Text of others made safe to show.

use std::fmt::Write;

use askama::filters::{Escaper, Safe};

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

/// The same for templates, which `askama.toml` names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Safely;

impl Escaper for Safely {
    fn write_escaped_str<W: Write>(&self, mut dest: W, string: &str) -> std::fmt::Result {
        dest.write_str(&escape(string))
    }
}

/// Text whose long paths are cut to their ends.
pub(crate) fn short(text: &str) -> String {
    let words = text.split(' ');
    let words = words.map(|word| end(word).unwrap_or_else(|| word.to_owned()));
    words.collect::<Vec<_>>().join(" ")
}

/// The same as HTML: a path may break behind a slash rather than within a word, and has the whole of it beside it where it is cut.
pub(crate) fn paths(text: &str) -> Safe<String> {
    /// Shorter words are no paths, as `rows/s`, or fit on a line.
    const LONG: usize = 16;
    let words = text.split(' ').map(|word| match end(word) {
        Some(end) => {
            let (whole, end) = (escape(word), escape(&end).replace('/', "/<wbr>"));
            format!("<span title=\"{whole}\">{end}</span>")
        }
        None if word.chars().count() < LONG => escape(word),
        None => escape(word).replace('/', "/<wbr>"),
    });
    Safe(words.collect::<Vec<_>>().join(" "))
}

/// The last parts of a path that is too long to be read; none of any other word.
fn end(path: &str) -> Option<String> {
    /// What can be read at once.
    const MOST: usize = 40;
    let parts: Vec<&str> = path.split(['/', '\\']).collect();
    if parts.len() < 3 || path.chars().count() <= MOST {
        return None;
    }
    let mut end = String::new();
    for part in parts[1..].iter().rev() {
        let longer = format!("/{part}{end}");
        if !end.is_empty() && longer.chars().count() >= MOST {
            break;
        }
        end = longer;
    }
    Some(format!("…{end}"))
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
            paths("logs/version_0/<a> (12 rows/s)").0,
            "logs/<wbr>version_0/<wbr>&lt;a&gt; (12 rows/s)"
        );
    }

    #[test]
    fn a_long_path_is_its_end_with_the_whole_beside_it() {
        let path = "/home/me/projects/\"p\"/logs/version_0/checkpoints/epoch_3.ckpt";
        assert_eq!(
            paths(&format!("rows of {path}")).0,
            "rows of <span title=\"/home/me/projects/&quot;p&quot;/logs/version_0/checkpoints/epoch_3.ckpt\">\
             …/<wbr>version_0/<wbr>checkpoints/<wbr>epoch_3.ckpt</span>"
        );
        assert_eq!(short(path), "…/version_0/checkpoints/epoch_3.ckpt");
        assert_eq!(
            short("C:\\Users\\me\\a long way down\\x"),
            "C:\\Users\\me\\a long way down\\x"
        );
        let name = "x".repeat(90);
        assert_eq!(short(&format!("/a/b/{name}")), format!("…/{name}"));
        assert_eq!(short(&name), name);
    }

    #[test]
    fn names_are_one_line_that_turns_nothing_around() {
        assert_eq!(name("a\n\tb \u{202e}c"), "a b c");
        assert_eq!(name(" \u{0} \n"), "(empty)");
        assert_eq!(name("שלום"), "שלום");
    }
}
