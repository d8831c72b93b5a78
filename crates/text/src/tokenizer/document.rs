//! Texts as a language model that writes on reads them: a prompt and what follows it, with the special tokens that are asked for.

use super::{Encoding, Part, Tokenizer, convert};
use crate::Result;

/// Special tokens around a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    /// Those before it.
    pub before: Vec<u32>,
    /// Those after it.
    pub after: Vec<u32>,
}

impl Tokenizer {
    /// The special tokens that the tokenizer itself puts around a text.
    ///
    /// # Errors
    ///
    /// Its template cannot be applied.
    pub fn frame(&self) -> Result<Frame> {
        let stand_in = tokenizers::Token::new(0, String::new(), (0, 0));
        let stand_in = Part {
            prefix: None,
            tokens: tokenizers::Encoding::from_tokens(vec![stand_in], 0),
            outside: Vec::new(),
            missing: Vec::new(),
        };
        let framed = self.join(stand_in, None)?;
        let place = framed.special.iter().position(|special| !special);
        let (before, after) = framed.ids.split_at(place.unwrap_or(framed.len()));
        Ok(Frame {
            before: before.to_vec(),
            after: after.get(1..).unwrap_or_default().to_vec(),
        })
    }

    /// Encodes a text and what comes before it, each by itself, and lays them end to end within `frame`; also says how many tokens come
    /// before the text.
    ///
    /// # Errors
    ///
    /// Those of [`encode`](Tokenizer::encode).
    pub fn encode_document(
        &self,
        prompt: Option<&str>,
        text: &str,
        frame: &Frame,
    ) -> Result<(Encoding, usize)> {
        let mut document = Encoding::default();
        document.push_special(&frame.before);
        if let Some(prompt) = prompt {
            document.push(self.part(prompt, 0)?);
        }
        let given = document.len();
        document.push(self.part(text, 0)?);
        document.unknown = self.unknown.among(&document);
        let pair = prompt.map(|_| text);
        let mut document = self.noting_unknown(document, prompt.unwrap_or(text), pair);
        document.push_special(&frame.after);
        Ok((document, given))
    }
}

impl Encoding {
    fn push(&mut self, part: Part) {
        let outside = part.outside.iter().sum();
        for (_, letter) in part.missing {
            *self.missing.entry(letter.to_string()).or_default() += 1;
        }
        let part = convert(&part.tokens, outside);
        self.type_ids.extend(vec![0; part.len()]);
        self.special.extend(vec![false; part.len()]);
        self.ids.extend(part.ids);
        self.outside += part.outside;
    }

    fn push_special(&mut self, ids: &[u32]) {
        self.ids.extend_from_slice(ids);
        self.type_ids.extend(vec![0; ids.len()]);
        self.special.extend(vec![true; ids.len()]);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    fn letters() -> Tokenizer {
        let vocabulary = "<cls>\n<pad>\n<eos>\n<unk>\nA\nC\nG\nT\n";
        let read = |file: &str| Ok((file == "vocab.txt").then(|| vocabulary.as_bytes().to_vec()));
        Tokenizer::from_preset_files(&read, &Map::new()).unwrap()
    }

    #[test]
    fn a_text_within_its_frame_is_the_text_as_it_is_always_encoded() {
        let tokenizer = letters();
        let frame = tokenizer.frame().unwrap();
        assert_eq!((&frame.before[..], &frame.after[..]), (&[0][..], &[2][..]));
        let (document, given) = tokenizer.encode_document(None, "GATN", &frame).unwrap();
        assert_eq!(document, tokenizer.encode("GATN", None).unwrap());
        assert_eq!((given, document.outside), (1, 1));
    }

    #[test]
    fn a_prompt_comes_first_and_is_given() {
        let tokenizer = letters();
        let frame = Frame {
            before: vec![0],
            after: Vec::new(),
        };
        let (document, given) = tokenizer.encode_document(Some("GA"), "TT", &frame).unwrap();
        assert_eq!((&document.ids[..], given), (&[0, 6, 4, 7, 7][..], 3));
        let bare = tokenizer.encode_document(None, "", &Frame::default());
        assert_eq!(bare.unwrap(), (Encoding::default(), 0));
    }
}
