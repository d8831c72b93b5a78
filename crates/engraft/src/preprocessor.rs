//! From texts to tokens: the preprocessor of a task, and the tokenizer inside it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use engraft_data::{Examples, TokenRow};
use engraft_files::atomic;
use engraft_hub::NamedPreset;
use engraft_tasks::{Backbone, preset_tokenizer};
use engraft_text::Row;

use crate::builder::found;
use crate::error::{Error, Result};
use crate::input::{Input, Many, Question};

/// From texts to the tokens that a model reads: a tokenizer and the number of tokens that texts are cut to, or a function of the user's.
///
/// ```
/// use engraft::prelude::*;
///
/// let preprocessor = Preprocessor::from_preset("sapiens_vh")?.sequence_length(6);
/// let row = preprocessor.call("EVQLVESGGG")?;
/// assert_eq!(row.token_ids.len(), 6);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct Preprocessor {
    how: How,
    /// The model that it comes with, if it comes with one, which then does it in its own way.
    pub(crate) owner: Option<u64>,
}

#[derive(Clone)]
enum How {
    Tokens {
        tokenizer: Box<Tokenizer>,
        length: Option<usize>,
    },
    Function(Arc<Function>),
}

type Function = dyn Fn(&Input) -> TokenRow + Send + Sync;

impl fmt::Debug for Preprocessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.how {
            How::Tokens { tokenizer, length } => f
                .debug_struct("Preprocessor")
                .field("vocabulary", &tokenizer.vocabulary_size())
                .field("sequence_length", length)
                .finish(),
            How::Function(_) => f.write_str("Preprocessor(a function)"),
        }
    }
}

impl Preprocessor {
    /// The tokenizer of a preset; texts are cut to what the preset says, else to the positions of its model.
    ///
    /// # Errors
    /// There is no such preset, or a file of it is damaged.
    pub fn from_preset(preset: &str) -> Result<Self> {
        let backbone = Backbone::new(preset);
        let checkpoint = backbone.open_preset(found(preset)?)?;
        let positions = checkpoint.config().transformer.longest();
        let length = checkpoint.preset().text_length().or(positions);
        let tokenizer = Box::new(Tokenizer(preset_tokenizer(&checkpoint, &backbone)?));
        Ok(Self {
            how: How::Tokens { tokenizer, length },
            owner: None,
        })
    }

    /// The presets that have a name and can be used.
    pub fn presets() -> impl Iterator<Item = &'static NamedPreset> {
        engraft_hub::usable_presets()
    }

    /// A function of the user's from a row to its tokens.
    pub fn function(of: impl Fn(&Input) -> TokenRow + Send + Sync + 'static) -> Self {
        Self {
            how: How::Function(Arc::new(of)),
            owner: None,
        }
    }

    /// That of a model.
    pub(crate) fn own(
        tokenizer: engraft_text::Tokenizer,
        length: Option<usize>,
        owner: u64,
    ) -> Self {
        let tokenizer = Box::new(Tokenizer(tokenizer));
        Self {
            how: How::Tokens { tokenizer, length },
            owner: Some(owner),
        }
    }

    /// The same where texts are cut to so many tokens, special ones included; of a model's own, once that is
    /// [set](crate::TaskModel::set_preprocessor) again. Of a function nothing changes.
    #[must_use]
    pub fn sequence_length(mut self, tokens: usize) -> Self {
        if let How::Tokens { length, .. } = &mut self.how {
            *length = Some(tokens);
        }
        self
    }

    /// How many tokens texts are cut to; none where they are not.
    pub fn length(&self) -> Option<usize> {
        match &self.how {
            How::Tokens { length, .. } => *length,
            How::Function(_) => None,
        }
    }

    /// The tokenizer; none of a function.
    pub fn tokenizer(&self) -> Option<&Tokenizer> {
        match &self.how {
            How::Tokens { tokenizer, .. } => Some(tokenizer),
            How::Function(_) => None,
        }
    }

    /// The tokens of a text, or of many.
    ///
    /// # Errors
    /// A text that the tokenizer refuses.
    pub fn call<'m, Q: Question + 'm>(&'m self, texts: Q) -> Result<Q::Answer<'m, TokenRow>> {
        texts.answered(|_, rows| rows.iter().map(|row| self.row(row)).collect())
    }

    /// The tokens of a row.
    pub(crate) fn row(&self, input: &Input) -> Result<TokenRow> {
        Ok(self.cut_row(input)?.0)
    }

    /// The tokens of a row, and whether it was cut.
    fn cut_row(&self, input: &Input) -> Result<(TokenRow, bool)> {
        match (&self.how, input) {
            (_, Input::Tokens(row)) => Ok((row.clone(), false)),
            (How::Function(function), input) => Ok((function(input), false)),
            (How::Tokens { tokenizer, length }, Input::Text(text)) => {
                tokenizer.row(text.as_str().into(), *length)
            }
            (How::Tokens { tokenizer, length }, Input::Pair(first, second)) => {
                tokenizer.row((first.as_str(), second.as_str()).into(), *length)
            }
        }
    }

    /// The rows as tokens, with the labels that they have; what is cut of them is noted.
    pub(crate) fn apply(&self, examples: Examples, notes: &mut Vec<String>) -> Result<Examples> {
        if examples.tokens.is_some() {
            return Ok(examples);
        }
        let [texts, rest @ ..] = examples.texts.as_slice() else {
            return Ok(examples);
        };
        let second = rest.first();
        let rows = (0..examples.len()).map(|row| {
            let text = texts.get(row)?.into_owned();
            self.cut_row(&match second {
                None => Input::Text(text),
                Some(second) => Input::Pair(text, second.get(row)?.into_owned()),
            })
        });
        let rows: Vec<(TokenRow, bool)> = rows.collect::<Result<_>>()?;
        let cut = rows.iter().filter(|(_, is_cut)| *is_cut).count();
        if let Some(length) = self.length().filter(|_| cut > 0) {
            let (of, were) = (rows.len(), if cut == 1 { "was" } else { "were" });
            notes.push(format!("{cut} of {of} rows {were} cut to {length} tokens"));
        }
        let tokens = rows.into_iter().map(|(row, _)| row).collect();
        Ok(Examples {
            tokens: Some(tokens),
            ..examples
        })
    }
}

/// From texts to the numbers of tokens and back, without what a task puts around them.
///
/// ```
/// use engraft::prelude::*;
///
/// let tokenizer = Tokenizer::from_preset("sapiens_vh")?;
/// let ids = tokenizer.tokenize("EVQL")?;
/// assert_eq!(tokenizer.detokenize(&ids)?, "EVQL");
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tokenizer(pub(crate) engraft_text::Tokenizer);

impl Tokenizer {
    /// The tokenizer of a preset.
    ///
    /// # Errors
    /// There is no such preset, or a file of it is damaged.
    pub fn from_preset(preset: &str) -> Result<Self> {
        let backbone = Backbone::new(preset);
        let checkpoint = backbone.open_preset(found(preset)?)?;
        Ok(Self(preset_tokenizer(&checkpoint, &backbone)?))
    }

    /// The presets that have a name and can be used.
    pub fn presets() -> impl Iterator<Item = &'static NamedPreset> {
        engraft_hub::usable_presets()
    }

    /// Writes the tokenizer's files into a folder, which a model's other files may join.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn save_to_preset(&self, folder: impl AsRef<Path>) -> Result<()> {
        let folder = folder.as_ref();
        std::fs::create_dir_all(folder).map_err(|error| {
            let folder = folder.display();
            Error::Argument(format!("{folder}: cannot be made a folder: {error}"))
        })?;
        for (name, bytes) in self.0.files() {
            atomic::write(&folder.join(name), &bytes)?;
        }
        Ok(())
    }

    /// The tokens of a text, without special ones around it.
    ///
    /// # Errors
    /// A text that the tokenizer refuses.
    pub fn tokenize(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self.0.encode(text, None)?;
        let ids = encoding.ids.into_iter().zip(encoding.special);
        Ok(ids
            .filter(|(_, special)| !special)
            .map(|(id, _)| id)
            .collect())
    }

    /// The tokens of many texts.
    ///
    /// # Errors
    /// Those of [`Self::tokenize`].
    pub fn tokenize_all<M: Many<Item: AsRef<str>>>(&self, texts: M) -> Result<Vec<Vec<u32>>> {
        let texts = texts.many().into_iter();
        texts.map(|text| self.tokenize(text.as_ref())).collect()
    }

    /// The text of tokens, special ones left out.
    ///
    /// # Errors
    /// A token that there is not.
    pub fn detokenize(&self, ids: &[u32]) -> Result<String> {
        if let Some(id) = ids.iter().find(|id| self.id_to_token(**id).is_none()) {
            let problem = format!("{id} is no token: there are {}", self.vocabulary_size());
            return Err(Error::Argument(problem));
        }
        Ok(self.0.decode(ids, true)?)
    }

    /// How many tokens there are.
    pub fn vocabulary_size(&self) -> usize {
        self.0.vocab_size()
    }

    /// The token of a number; none if there is none.
    pub fn id_to_token(&self, id: u32) -> Option<String> {
        self.0.id_to_token(id)
    }

    /// The number of a token; none if there is no such token.
    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.0.token_to_id(token)
    }

    /// All tokens, in the order of their numbers; an empty one where a number has none.
    pub fn vocabulary(&self) -> Vec<String> {
        let ids = 0..u32::try_from(self.vocabulary_size()).unwrap_or(u32::MAX);
        ids.map(|id| self.id_to_token(id).unwrap_or_default())
            .collect()
    }

    /// The tokenizer below, for everything beyond.
    pub fn inner(&self) -> &engraft_text::Tokenizer {
        &self.0
    }

    /// The tokens of a row, and whether it was cut.
    fn row(&self, row: Row<'_>, length: Option<usize>) -> Result<(TokenRow, bool)> {
        let encoded = self.0.encode_rows(&[row], length)?;
        let (encoding, is_cut) = encoded.into_iter().next().unwrap_or_default();
        let row = TokenRow {
            token_ids: encoding.ids,
            segment_ids: encoding.type_ids,
            ..TokenRow::default()
        };
        Ok((row, is_cut))
    }
}
