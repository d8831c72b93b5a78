//! What is gone on from: a text or ids, and how much of a text the vocabulary lacks.

use std::collections::BTreeMap;
use std::fmt;

use engraft_component::Refusal;
use engraft_text::{Encoding, Tokenizer, most_often};

use crate::error::Result;

/// What a text is to go on from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prompt {
    /// Its ids.
    pub ids: Vec<u32>,
    /// The text as it was given, which the written text begins with; none for ids alone, which are decoded.
    pub text: Option<String>,
    /// What of the text the model does not read.
    pub lost: Lost,
}

impl Prompt {
    /// A text: its ids with what the tokenizer puts before them and without what it puts after.
    ///
    /// # Errors
    /// An empty text, or one that the tokenizer refuses.
    pub fn of_text(tokenizer: &Tokenizer, text: &str) -> Result<Self> {
        if text.is_empty() {
            let problem = "the prompt is empty: give at least one character to go on from";
            return Err(Refusal::plain(problem).into());
        }
        let mut encoding = tokenizer.encode(text, None)?;
        // A template that closes a text would end it before it went on.
        while encoding.special.len() > 1 && encoding.special.last() == Some(&true) {
            encoding.special.pop();
            encoding.ids.pop();
        }
        let mut lost = Lost::of(&encoding);
        lost.in_capitals = !lost.is_none() && {
            let read = tokenizer.encode(&text.to_uppercase(), None);
            read.is_ok_and(|read| Lost::of(&read).is_none())
        };
        Ok(Self {
            ids: encoding.ids,
            text: Some(text.to_owned()),
            lost,
        })
    }

    /// A text that an encoder reads: its ids with all that the tokenizer puts around it.
    ///
    /// # Errors
    /// An empty text, or one that the tokenizer refuses.
    pub fn of_source(tokenizer: &Tokenizer, text: &str) -> Result<Self> {
        if text.is_empty() {
            let problem = "the text is empty: give at least one character to read";
            return Err(Refusal::plain(problem).into());
        }
        let encoding = tokenizer.encode(text, None)?;
        let mut lost = Lost::of(&encoding);
        lost.in_capitals = !lost.is_none() && {
            let read = tokenizer.encode(&text.to_uppercase(), None);
            read.is_ok_and(|read| Lost::of(&read).is_none())
        };
        Ok(Self {
            ids: encoding.ids,
            text: Some(text.to_owned()),
            lost,
        })
    }

    /// Ids, which are shown as the text that they stand for.
    pub fn of_ids(ids: impl Into<Vec<u32>>) -> Self {
        Self {
            ids: ids.into(),
            ..Self::default()
        }
    }
}

/// What of prompts a model does not read, because its vocabulary lacks it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lost {
    /// Prompts of which something is lost.
    pub prompts: usize,
    /// Tokens of those prompts.
    pub tokens: usize,
    /// How many of them are the unknown token.
    pub unknown: usize,
    /// Characters for which there is no token at all, white space not among them.
    pub left_out: usize,
    /// What is lacking, characters or the beginnings of words, with how often each occurs, as far as it can be told.
    pub missing: BTreeMap<String, usize>,
    /// Whether nothing would be lost in capitals.
    pub in_capitals: bool,
}

/// How many characters or words a sentence names.
const NAMED: usize = 6;

impl Lost {
    /// What is lost of a text that was encoded so.
    fn of(encoding: &Encoding) -> Self {
        if encoding.unknown + encoding.dropped == 0 {
            return Self::default();
        }
        Self {
            prompts: 1,
            tokens: encoding.special.iter().filter(|special| !**special).count(),
            unknown: encoding.unknown,
            left_out: encoding.dropped,
            missing: encoding.missing.clone(),
            in_capitals: false,
        }
    }

    /// Whether all is read.
    pub fn is_none(&self) -> bool {
        self.prompts == 0
    }

    /// Adds what is lost of another prompt.
    pub fn add(&mut self, other: &Self) {
        if other.is_none() {
            return;
        }
        self.in_capitals = other.in_capitals && (self.is_none() || self.in_capitals);
        self.prompts += other.prompts;
        self.tokens += other.tokens;
        self.unknown += other.unknown;
        self.left_out += other.left_out;
        for (what, count) in &other.missing {
            *self.missing.entry(what.clone()).or_default() += count;
        }
    }
}

/// What is lost, in one sentence; empty where nothing is.
impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() {
            return Ok(());
        }
        let of = if self.prompts == 1 {
            "the prompt".to_owned()
        } else {
            format!("{} prompts", self.prompts)
        };
        if self.unknown > 0 {
            let (unknown, tokens) = (self.unknown, self.tokens);
            let are = if unknown == 1 { "is" } else { "are" };
            write!(
                f,
                "{unknown} of the {tokens} tokens of {of} {are} unknown to the model's vocabulary"
            )?;
        }
        if self.left_out > 0 {
            let and = if self.unknown > 0 { ", and " } else { "" };
            let (count, are, s) = match self.left_out {
                1 => (1, "is", ""),
                count => (count, "are", "s"),
            };
            write!(
                f,
                "{and}{count} character{s} of {of}, for which the model's vocabulary has no token, {are} left out"
            )?;
        }
        let missing = most_often(&self.missing);
        if !missing.is_empty() {
            let often = if missing.len() > NAMED {
                "most often "
            } else {
                ""
            };
            let named = missing.iter().take(NAMED);
            let named: Vec<String> = named.map(|(what, _)| format!("{what:?}")).collect();
            write!(f, " ({often}{})", named.join(", "))?;
        }
        if self.in_capitals {
            f.write_str("; in capitals all of it is known")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn letters() -> Tokenizer {
        let vocabulary = "<cls>\n<pad>\n<eos>\n<unk>\nA\nC\nG\nT\n";
        let read = |file: &str| Ok((file == "vocab.txt").then(|| vocabulary.as_bytes().to_vec()));
        Tokenizer::from_preset_files(&read, &Map::new()).unwrap()
    }

    /// Pairs of characters without a token for what there is none.
    fn without_unknown() -> Tokenizer {
        let file = json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
            "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
            "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]]},
        });
        let read =
            |name: &str| Ok((name == "tokenizer.json").then(|| file.to_string().into_bytes()));
        Tokenizer::from_preset_files(&read, &Map::new()).unwrap()
    }

    #[test]
    fn a_prompt_begins_as_the_tokenizer_begins_texts_and_is_not_closed() {
        let prompt = Prompt::of_text(&letters(), "ACGT").unwrap();
        assert_eq!(prompt.ids, [0, 4, 5, 6, 7]);
        assert_eq!(prompt.text.as_deref(), Some("ACGT"));
        assert!(prompt.lost.is_none());
        assert!(prompt.lost.to_string().is_empty());
        let error = Prompt::of_text(&letters(), "").unwrap_err();
        assert!(error.to_string().starts_with("the prompt is empty"));
    }

    #[test]
    fn what_the_vocabulary_lacks_is_counted_and_said() {
        let told = |tokenizer: &Tokenizer, text: &str| {
            let prompt = Prompt::of_text(tokenizer, text).unwrap();
            prompt.lost.to_string()
        };
        for (text, expected) in [
            (
                "hello world",
                "10 of the 10 tokens of the prompt are unknown to the model's vocabulary (most often \"l\", \"o\", \"d\", \"e\", \"h\", \"r\")",
            ),
            (
                "acgt",
                "4 of the 4 tokens of the prompt are unknown to the model's vocabulary (\"a\", \"c\", \"g\", \"t\"); in capitals all of it is known",
            ),
            (
                "ACNGT",
                "1 of the 5 tokens of the prompt is unknown to the model's vocabulary (\"N\")",
            ),
            ("ACGT", ""),
        ] {
            assert_eq!(told(&letters(), text), expected, "{text}");
        }
        let tokenizer = without_unknown();
        assert_eq!(
            told(&tokenizer, "ab xab y"),
            "2 characters of the prompt, for which the model's vocabulary has no token, are left out (\"x\", \"y\")"
        );
        assert_eq!(told(&tokenizer, "ab  b\n"), "");
    }

    #[test]
    fn what_several_prompts_lose_is_one_sentence() {
        let tokenizer = letters();
        let mut lost = Lost::default();
        for text in ["ACNGT", "ACGT", "aNN"] {
            lost.add(&Prompt::of_text(&tokenizer, text).unwrap().lost);
        }
        assert_eq!(
            lost.to_string(),
            "4 of the 8 tokens of 2 prompts are unknown to the model's vocabulary (\"N\", \"a\")"
        );
    }
}
