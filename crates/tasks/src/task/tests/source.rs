//! The words of a Rust source, without comments and tests.

/// Where a word stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// In code.
    Code,
    /// In a text or a character.
    Text,
}

/// A word, or in code a sign of one character.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) kind: Kind,
}

/// The words of a source.
pub(super) fn words(source: &str) -> Vec<Word<'_>> {
    without_tests(all_words(source))
}

/// The type that a word is a variant of, as far as that is plain: after `Type::`, after `Self::` in `impl Type`, or anywhere in `enum Type`.
pub(super) fn owner<'a>(words: &[Word<'a>], at: usize) -> Option<&'a str> {
    let before = |back: usize| at.checked_sub(back).map(|at| words[at].text);
    if words[at].kind == Kind::Code && before(1) == Some(":") && before(2) == Some(":") {
        return match before(3) {
            Some("Self") => block_of(words, at, "impl"),
            other => other,
        };
    }
    block_of(words, at, "enum")
}

/// The words of code and of texts.
fn all_words(source: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let (mut rest, mut line) = (source, 1);
    while let Some(first) = rest.chars().next() {
        let (length, kind) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), None)
        } else if rest.starts_with("/*") {
            (block_comment(rest), None)
        } else if let Some(length) = text(rest) {
            (length, Some(Kind::Text))
        } else if is_of_word(first) {
            (word(rest), Some(Kind::Code))
        } else {
            (first.len_utf8(), Some(Kind::Code))
        };
        let (piece, after) = rest.split_at(length);
        match kind {
            None => {}
            Some(Kind::Code) if piece.trim().is_empty() => {}
            Some(Kind::Code) => words.push(Word {
                text: piece,
                line,
                kind: Kind::Code,
            }),
            Some(Kind::Text) => words.extend(words_of_text(piece, line)),
        }
        line += piece.matches('\n').count();
        rest = after;
    }
    words
}

fn words_of_text(text: &str, line: usize) -> impl Iterator<Item = Word<'_>> {
    let lines = text.split('\n').zip(line..);
    lines.flat_map(|(text, line)| {
        let words = text.split(|it: char| !is_of_word(it));
        let words = words.filter(|word| !word.is_empty());
        words.map(move |text| Word {
            text,
            line,
            kind: Kind::Text,
        })
    })
}

fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Bytes of the word that a source begins with.
fn word(source: &str) -> usize {
    source
        .find(|it: char| !is_of_word(it))
        .unwrap_or(source.len())
}

/// Bytes of the comment that a source begins with, in which others may be.
fn block_comment(source: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while let Some(rest) = source.get(at..).filter(|rest| !rest.is_empty()) {
        let (change, step) = match (rest.starts_with("/*"), rest.starts_with("*/")) {
            (true, _) => (1, 2),
            (_, true) => (-1, 2),
            _ => (0, rest.chars().next().map_or(1, char::len_utf8)),
        };
        depth += change;
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

/// Bytes of the text or character that a source begins with, its quotes included.
fn text(source: &str) -> Option<usize> {
    let start = source.trim_start_matches(['b', 'c']);
    let start = match source.len() - start.len() {
        0 | 1 => start,
        _ => return None,
    };
    let prefix = source.len() - start.len();
    if let Some(raw) = start.strip_prefix('r') {
        let quoted = raw.trim_start_matches('#');
        let hashes = raw.len() - quoted.len();
        let inside = quoted.strip_prefix('"')?;
        let end = format!("\"{}", &raw[..hashes]);
        let length = inside.find(&end).unwrap_or(inside.len());
        return Some(source.len() - inside.len() + length + end.len());
    }
    match start.chars().next()? {
        '"' => Some(prefix + quoted(start, '"')),
        '\'' => {
            let mut inside = start.chars().skip(1);
            // What has no second quote where a character would have it is a lifetime.
            let is_character = inside.next() == Some('\\') || inside.next() == Some('\'');
            is_character.then(|| prefix + quoted(start, '\''))
        }
        _ => None,
    }
}

/// Bytes up to the quote that ends what begins with one.
fn quoted(source: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, character) in source.char_indices().skip(1) {
        if is_escaped {
            is_escaped = false;
        } else if character == '\\' {
            is_escaped = true;
        } else if character == quote {
            return at + 1;
        }
    }
    source.len()
}

/// Leaves out what stands behind `#[cfg(test)]`.
fn without_tests(words: Vec<Word<'_>>) -> Vec<Word<'_>> {
    let is_test = |rest: &[Word<'_>]| {
        let texts = rest.iter().map(|word| word.text);
        texts.eq(["#", "[", "cfg", "(", "test", ")", "]"])
    };
    let mut kept = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if words.get(at..at + 7).is_some_and(is_test) {
            at = end_of_item(&words, at + 7);
        } else {
            kept.push(*word);
            at += 1;
        }
    }
    kept
}

/// Where the item that begins at a word ends: behind its `;`, or its braces.
fn end_of_item(words: &[Word<'_>], start: usize) -> usize {
    let signs = words.iter().enumerate().skip(start);
    let mut signs = signs.filter(|(_, word)| word.kind == Kind::Code);
    match signs.find(|(_, word)| matches!(word.text, ";" | "{")) {
        Some((at, word)) if word.text == "{" => end_of_block(words, at),
        Some((at, _)) => at + 1,
        None => words.len(),
    }
}

/// Behind the brace that closes the one at `start`.
fn end_of_block(words: &[Word<'_>], start: usize) -> usize {
    let mut depth = 0;
    for (at, word) in words.iter().enumerate().skip(start) {
        match (word.kind, word.text) {
            (Kind::Code, "{") => depth += 1,
            (Kind::Code, "}") => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    words.len()
}

/// The type whose `enum` or `impl` a word stands in.
fn block_of<'a>(words: &[Word<'a>], at: usize, keyword: &str) -> Option<&'a str> {
    let starts = (0..at).rev().filter(|&start| {
        let word = words[start];
        word.kind == Kind::Code && word.text == keyword
    });
    let header = |start: usize| {
        let signs = words[start..at].iter();
        let length = signs.take_while(|word| word.text != "{").count();
        (start, start + length)
    };
    let mut blocks = starts.map(header);
    let (start, open) = blocks.find(|&(_, open)| open < at && end_of_block(words, open) > at)?;
    // Of `impl Trait for Type`, the last word.
    let names = words[start + 1..open].iter().rev();
    let mut names = names.filter(|word| word.text.chars().all(is_of_word));
    names.next().map(|word| word.text)
}
