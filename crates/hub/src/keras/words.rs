//! How texts become the words that word pieces are made of: at spaces and signs, with case folded in each word by itself.

use serde_json::{Value, json};

use super::tokenizers::Reading;

/// Chinese characters, each of which is a word of its own.
const CHINESE: &str = r"\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{20000}-\x{2A6DF}\x{2A700}-\x{2B73F}\x{2B740}-\x{2B81F}\x{2B820}-\x{2CEAF}\x{F900}-\x{FAFF}\x{2F800}-\x{2FA1F}";

/// What divides words and is dropped: spaces, and what controls how a text is shown.
const BLANK: &str = r"[\s\p{Cc}\p{Cf}]+";

/// The same as KerasHub has it, to which all spaces but U+0020 are letters.
const BLANK_OF_KERAS_HUB: &str = r"[ \p{Cc}\p{Cf}]+";

/// What is not seen by itself and goes when case is folded.
const HIDDEN: &str = r"[\x{034F}\x{115F}\x{1160}\x{17B4}\x{17B5}\x{180B}-\x{180D}\x{180F}\x{3164}\x{FE00}-\x{FE0F}\x{FFA0}\x{E0100}-\x{E01EF}]";

/// What lower-casing leaves in a text that is decomposed, and case folding does not; Cherokee and the print of Church Slavonic are left out.
const FOLDED: [[&str; 2]; 4] = [
    ["\u{df}", "ss"],
    // The last sigma of a word, and the iota below a vowel.
    ["\u{3c2}", "\u{3c3}"],
    ["\u{345}", "\u{3b9}"],
    ["\u{587}", "\u{565}\u{582}"],
];

/// What stands between words while their case is folded. No text has it by then: it is a control character.
const MARK: &str = "\u{1}";

/// The normalizer and the pre-tokenizer of a `tokenizer.json`.
pub(super) fn division(lowercase: bool, strips_accents: bool, reading: Reading) -> [Value; 2] {
    let blank = match reading {
        Reading::AsTrained => BLANK,
        Reading::AsKerasHub => BLANK_OF_KERAS_HUB,
    };
    let sign = format!(r"[!-/:-@\[-`{{-~\p{{P}}]|[{CHINESE}]");
    let mut steps = Vec::new();
    if strips_accents {
        steps.push(json!({"type": "NFD"}));
        steps.push(without_accents());
    }
    let divisions = if lowercase {
        // Signs that come of folding divide no words, so that these are set apart before: by a mark, also before the first word, as nothing can be
        // put at the front of a text or at its end by what is found there.
        let between = format!(r"(?={sign})|(?<={sign})(?!\z)");
        steps.push(json!({"type": "Prepend", "prepend": MARK}));
        steps.push(replaced("Regex", blank, MARK));
        steps.push(replaced("Regex", &between, MARK));
        steps.push(replaced("Regex", HIDDEN, ""));
        steps.push(json!({"type": "NFKD"}));
        steps.push(json!({"type": "Lowercase"}));
        steps.extend(FOLDED.map(|[from, to]| replaced("String", from, to)));
        steps.push(json!({"type": "NFKC"}));
        vec![split(MARK, "Removed")]
    } else {
        vec![split(blank, "Removed"), split(&sign, "Isolated")]
    };
    [
        json!({"type": "Sequence", "normalizers": steps}),
        json!({"type": "Sequence", "pretokenizers": divisions}),
    ]
}

/// The step that takes accents out. The one that is called by them takes out signs of vowels too.
pub(super) fn without_accents() -> Value {
    replaced("Regex", r"\p{Mn}", "")
}

fn replaced(kind: &str, pattern: &str, content: &str) -> Value {
    json!({"type": "Replace", "pattern": {kind: pattern}, "content": content})
}

fn split(pattern: &str, behavior: &str) -> Value {
    json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": false})
}
