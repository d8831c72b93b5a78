//! A tokenizer made from texts, for models that start from nothing: byte pair encoding over bytes, in lower case.
//! Papers: arXiv 1508.07909; over bytes, GPT-2.
//!
//! WordPiece's trainer numbers the letters inside words in the order of a hash table, so that its vocabulary differs from run to run. That of
//! byte pairs does not, and no text has a character that it lacks.

use std::collections::HashSet;

use serde_json::json;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::normalizers::{Lowercase, NFC, Sequence};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{
    AddedToken, DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper,
    TokenizerBuilder,
};

use crate::files::{TOKENIZER_CONFIG, TOKENIZER_JSON};
use crate::{Error, Result};

const PADDING: &str = "[PAD]";
const UNKNOWN: &str = "[UNK]";
const FIRST: &str = "[CLS]";
const LAST: &str = "[SEP]";
const MASK: &str = "[MASK]";
/// In the order of their ids, from 0.
const SPECIAL: [&str; 5] = [PADDING, UNKNOWN, FIRST, LAST, MASK];

/// Pairs that are seen less often stay apart.
const SEEN: u64 = 2;

/// The files of a tokenizer that was made from texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainedTokenizer {
    /// Names of files and what is in them.
    pub files: Vec<(&'static str, String)>,
    /// The number of its tokens.
    pub size: usize,
    /// The id of the token that pads.
    pub padding: usize,
}

/// Makes a tokenizer of at most `size` tokens from texts, and writes the tokens of BERT around what it encodes. The same texts give the same
/// files.
///
/// # Errors
/// When the library refuses, which no text is known to bring about.
pub fn train_tokenizer<T: AsRef<str> + Send>(
    texts: impl Iterator<Item = T> + Send,
    size: usize,
) -> Result<TrainedTokenizer> {
    let refuse = |error: tokenizers::Error| Error::malformed(TOKENIZER_JSON, error.to_string());
    let normalizer = Sequence::new(vec![
        NormalizerWrapper::NFC(NFC),
        NormalizerWrapper::Lowercase(Lowercase),
    ]);
    let mut tokenizer = TokenizerBuilder::new()
        .with_model(BPE::default())
        .with_normalizer(Some(NormalizerWrapper::Sequence(normalizer)))
        .with_pre_tokenizer(Some(PreTokenizerWrapper::ByteLevel(ByteLevel::new(
            true, false, true,
        ))))
        .with_post_processor(None::<PostProcessorWrapper>)
        .with_decoder(Some(DecoderWrapper::ByteLevel(ByteLevel::default())))
        .build()
        .map_err(refuse)?;
    let mut trainer = BpeTrainer::builder()
        .vocab_size(size)
        .min_frequency(SEEN)
        .show_progress(false)
        .special_tokens(SPECIAL.map(|token| AddedToken::from(token, true)).to_vec())
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect::<HashSet<char>>())
        .build();
    tokenizer.train(&mut trainer, texts).map_err(refuse)?;
    let around = SPECIAL.iter().zip(0..).map(|(token, id)| (*token, id));
    let contradictory = |reason: String| Error::malformed(TOKENIZER_JSON, reason);
    let mut template = TemplateProcessing::builder();
    template
        .special_tokens(around.collect::<Vec<(&str, u32)>>())
        .try_single(format!("{FIRST} $A {LAST}"))
        .and_then(|template| template.try_pair(format!("{FIRST} $A {LAST} $B:1 {LAST}:1")))
        .map_err(contradictory)?;
    let template = template
        .build()
        .map_err(|error| contradictory(error.to_string()))?;
    tokenizer.with_post_processor(Some(PostProcessorWrapper::Template(template)));
    let described = tokenizer.to_string(true).map_err(refuse)?;
    let settings = json!({
        "cls_token": FIRST, "mask_token": MASK, "pad_token": PADDING, "sep_token": LAST, "unk_token": UNKNOWN,
        "tokenizer_class": "PreTrainedTokenizerFast",
    });
    Ok(TrainedTokenizer {
        files: vec![
            (TOKENIZER_JSON, described),
            (TOKENIZER_CONFIG, format!("{settings:#}\n")),
        ],
        size: tokenizer.get_vocab_size(true),
        padding: 0,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::Tokenizer;

    const TEXTS: [&str; 4] = [
        "A film that nobody forgets.",
        "The film is long, and THE actors are not.",
        "Nobody laughs: the film is too long.",
        "Für den, der den Film mag.",
    ];

    fn trained() -> TrainedTokenizer {
        train_tokenizer(TEXTS.iter().cycle().take(40), 300).unwrap()
    }

    #[test]
    fn the_same_texts_give_the_same_files() {
        let first = trained();
        assert_eq!(first.size, 300);
        for _ in 0..5 {
            assert_eq!(trained(), first);
        }
    }

    #[test]
    fn what_was_made_is_read_as_any_tokenizer_and_knows_every_character() {
        let trained = trained();
        let read = |file: &str| {
            let mut files = trained.files.iter();
            let found = files.find(|(name, _)| *name == file);
            Ok(found.map(|(_, text)| text.clone().into_bytes()))
        };
        let tokenizer = Tokenizer::from_preset_files(&read, &Map::new()).unwrap();
        let ids = |text: &str| tokenizer.encode(text, None).unwrap().ids;
        assert_eq!(ids("The FILM"), ids("the film"));
        assert_eq!(ids("film").first(), Some(&2));
        assert_eq!(ids("film").last(), Some(&3));
        let strange = ids("日本 🦀 \u{7f}");
        assert!(!strange.contains(&1), "{strange:?}");
        assert_eq!(
            tokenizer.decode(&strange, true).unwrap().trim(),
            "日本 🦀 \u{7f}"
        );
        assert!(ids("the film").len() < ids("xq zvjk").len());
    }
}
