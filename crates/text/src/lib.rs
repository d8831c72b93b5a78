//! Text into token ids and back.
//!
//! A [`Tokenizer`] is made from the files of a preset, in whichever of four forms they come: `tokenizer.json`, `vocab.txt`,
//! `vocab.json` with `merges.txt`, or a SentencePiece file. It never pads, and cuts a text only when told to. Of models that read one
//! sequence and write another, it encodes what is read, and [`Tokenizer::for_target`] gives the one for what is written.
//!
//! ```
//! let vocabulary = "<cls>\n<pad>\n<eos>\n<unk>\nA\nC\nG\nT\n";
//! let read = |file: &str| Ok((file == "vocab.txt").then(|| vocabulary.as_bytes().to_vec()));
//! let tokenizer = engraft_text::Tokenizer::from_preset_files(&read, &serde_json::Map::new())?;
//! let encoding = tokenizer.encode("GATTACA", None)?;
//! assert_eq!(encoding.ids, [0, 6, 4, 7, 7, 4, 5, 4, 2]);
//! assert_eq!(tokenizer.decode(&encoding.ids, true)?, "GATTACA");
//! # Ok::<(), engraft_text::Error>(())
//! ```

mod alphabet;
mod built_in;
mod byte_pair;
mod clean_up;
mod error;
mod files;
mod languages;
mod letter_policy;
mod letters;
mod load;
mod pieces;
mod pipeline;
mod proteins;
mod sentence_piece;
mod settings;
mod special;
#[cfg(test)]
mod tests;
mod tokenizer;
mod train;
mod two_alphabets;
mod unknown;
mod vocabulary;
mod wordpiece;

pub use error::{Error, Result};
pub use files::{NamedFiles, ReadFile};
pub use languages::TargetStart;
pub use letter_policy::LetterPolicy;
pub use pieces::Pieces;
pub use special::SpecialIds;
pub use tokenizer::{EncodedWords, Encoding, Frame, Row, Tokenizer};
pub use train::{TrainedTokenizer, train_tokenizer};
pub use unknown::most_often;
