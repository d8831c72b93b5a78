//! What an encoder-decoder reads and what it writes: the tokens of both, and what the writing begins with.

use engraft_component::Refusal;
use engraft_models::{Checkpoint, DecoderStart};
use engraft_text::{TargetStart, Tokenizer};
use serde_json::{Map, Value};

use crate::defaults::Defaults;
use crate::error::Result;
use crate::options::Generate;
use crate::prompt::Prompt;
use crate::settings::Settings;

/// The two sides of an encoder-decoder.
#[derive(Clone, Debug)]
pub struct Sides {
    /// Of texts that are read.
    pub source: Tokenizer,
    /// Of texts that are written.
    pub target: Tokenizer,
    /// What the decoder begins with, if that is known.
    start: Option<u32>,
    /// What it is made to write first: the language that it writes.
    first: Option<u32>,
}

impl Sides {
    /// Those of a preset with `tokenizer`, to read and write in these languages where the model knows several; by default the preset's.
    ///
    /// # Errors
    /// It is no encoder-decoder, does not know a language, or states a start that is no token.
    pub fn new(
        checkpoint: &Checkpoint,
        tokenizer: &Tokenizer,
        defaults: &Defaults,
        [source, target]: [Option<&str>; 2],
    ) -> Result<Self> {
        let config = checkpoint.decoder_config()?;
        let vocabulary = config.transformer.vocabulary;
        let in_language = match source {
            Some(code) => tokenizer.clone().with_source_language(code)?,
            None => tokenizer.clone(),
        };
        let written = in_language.for_target(target)?;
        written.check_vocab_size(vocabulary)?;
        let own = match config.start {
            DecoderStart::Token(id) => Some(id),
            DecoderStart::LastWritten(stated) => stated,
        };
        let mut sides = Self {
            start: defaults.decoder_start(vocabulary)?.or(own),
            first: None,
            source: in_language,
            target: written,
        };
        // A model of one pair of languages says by its configuration what it begins with.
        let language = target.or(sides.target.target_language());
        let start = language.map(|code| sides.target.target_start(code));
        match start.transpose()? {
            Some(TargetStart::DecoderStart(id)) if target.is_some() || sides.start.is_none() => {
                sides.start = Some(id);
            }
            Some(TargetStart::ForcedFirst(id)) => sides.first = Some(id),
            _ => {}
        }
        Ok(sides)
    }

    /// A text that is read, with all that the tokenizer puts around it.
    ///
    /// # Errors
    /// An empty text, or one that the tokenizer refuses.
    pub fn source(&self, text: &str) -> Result<Prompt> {
        Prompt::of_source(&self.source, text)
    }

    /// What the decoder begins with.
    ///
    /// # Errors
    /// Nothing says it.
    pub fn start(&self) -> Result<u32> {
        self.start.ok_or_else(|| {
            Refusal::of(
                "target_lang",
                "missing: the model begins what it writes with the token of a language, and nothing says of which",
            )
            .into()
        })
    }

    /// What the decoder begins with, and a text that it is to go on from, if there is one.
    ///
    /// # Errors
    /// A text that the tokenizer refuses or that ends; nothing says what the decoder begins with.
    pub fn begun(&self, text: Option<&str>, settings: &Settings) -> Result<Prompt> {
        let Some(text) = text else {
            return self.begun_by(&[], settings);
        };
        let prompt = Prompt::of_text(&self.target, text)?;
        let mut begun = self.begun_by(&prompt.ids, settings)?;
        begun.text = Some(text.to_owned());
        begun.lost = prompt.lost;
        Ok(begun)
    }

    /// As [`Self::begun`], with ids to go on from, which may begin with what the decoder begins with.
    ///
    /// # Errors
    /// Those of [`Self::begun`].
    pub fn begun_by(&self, ids: &[u32], settings: &Settings) -> Result<Prompt> {
        let start = self.start()?;
        let ids = match ids.first() {
            Some(first) if *first == start => ids.to_vec(),
            _ => [&[start], ids].concat(),
        };
        if let Some(end) = ids
            .iter()
            .skip(1)
            .find(|id| settings.stop_tokens.contains(id))
        {
            let problem = format!(
                "the decoder's prompt ends: it has the token {end}, which ends texts; leave out what follows it and the token itself"
            );
            return Err(Refusal::plain(problem).into());
        }
        Ok(Prompt::of_ids(ids))
    }

    /// What is said of generation in `defaults`, with what these sides begin with: a `generation_config.json` by which other programs write in the
    /// same language.
    pub fn generation_config(&self, defaults: &Defaults) -> Map<String, Value> {
        let mut said = defaults.said().cloned().unwrap_or_default();
        let tokens = [
            ("decoder_start_token_id", self.start),
            ("forced_bos_token_id", self.first),
        ];
        for (key, id) in tokens {
            if let Some(id) = id {
                said.insert(key.to_owned(), id.into());
            }
        }
        said
    }

    /// Settings by which the decoder writes in its language, unless `generate` says what it writes first.
    #[must_use]
    pub fn settings(&self, mut settings: Settings, generate: &Generate) -> Settings {
        if let (Some(first), None) = (self.first, generate.forced_bos_token_id) {
            let mut processors = (*settings.processors).clone();
            processors.forced_first = Some(first);
            settings.processors = processors.into();
        }
        settings
    }
}
