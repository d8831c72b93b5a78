//! What is read and what is written: the two sides of models that make one sequence of another, and the languages of both.

use std::sync::Arc;

use super::Tokenizer;
use crate::languages::{Languages, TargetStart};
use crate::proteins::Prefixes;
use crate::{Error, Result};

impl Tokenizer {
    pub(crate) fn with_sides(
        mut self,
        languages: Option<Languages>,
        target: Option<Tokenizer>,
        prefixes: Option<Prefixes>,
    ) -> Tokenizer {
        self.languages = languages;
        self.target = target.map(Arc::new);
        self.prefixes = prefixes;
        self
    }

    /// The codes of the languages that can be chosen, by rising ids; none for most tokenizers, Marian's among them, whose texts begin with
    /// theirs (`>>fra<< The house`).
    pub fn languages(&self) -> Vec<&str> {
        self.languages
            .as_ref()
            .map(Languages::codes)
            .unwrap_or_default()
    }

    /// The same tokenizer for texts to be read in this language, be it given as a code or as a token. At first it is `src_lang` of
    /// `tokenizer_config.json`, else English. It is kept in [`files`](Tokenizer::files).
    ///
    /// # Errors
    ///
    /// [`Error::Language`]: the tokenizer does not know it, or serves no languages.
    pub fn with_source_language(mut self, code: &str) -> Result<Tokenizer> {
        let Some(languages) = &mut self.languages else {
            return Err(self.without_languages(code));
        };
        let code = languages.read(&mut self.inner, code)?;
        self.files.set("src_lang", &code);
        Ok(self)
    }

    /// The same tokenizer, of which [`for_target`](Tokenizer::for_target) writes in this language unless it is given another. At first it
    /// is `tgt_lang` of `tokenizer_config.json`. It is kept in [`files`](Tokenizer::files).
    ///
    /// # Errors
    ///
    /// [`Error::Language`]: the tokenizer does not know it, or serves no languages.
    pub fn with_target_language(mut self, code: &str) -> Result<Tokenizer> {
        let Some(languages) = &mut self.languages else {
            return Err(self.without_languages(code));
        };
        let code = languages.write(code)?;
        self.files.set("tgt_lang", &code);
        Ok(self)
    }

    /// The tokenizer of texts that are written, in the language of `code` where there are several: it encodes them as the labels of a
    /// decoder, without what the decoder starts with, and decodes them. Without `code` it is `tgt_lang` of `tokenizer_config.json`; where
    /// that says nothing either, it is what is read, and a note says so.
    ///
    /// For most tokenizers it is the tokenizer itself. Marian's has files of its own for what is written, perhaps with ids of its own, and
    /// the prefixes of ProstT5 stand before what is read alone.
    ///
    /// # Errors
    ///
    /// [`Error::Language`]: the tokenizer does not know it, or serves no languages.
    pub fn for_target(&self, code: Option<&str>) -> Result<Tokenizer> {
        let mut target = match &self.target {
            Some(target) => Tokenizer::clone(target),
            None => self.clone(),
        };
        target.prefixes = None;
        let Some(languages) = &mut target.languages else {
            return match code {
                Some(code) => Err(self.without_languages(code)),
                None => Ok(target),
            };
        };
        if let Some(code) = code {
            languages.write(code)?;
        }
        let (code, is_said) = languages.target();
        if !is_said {
            target.manner.notes.push(format!(
                "nothing says which language is written, so texts are written in the one that is read, {code}"
            ));
        }
        languages.frame(&mut target.inner, code)?;
        Ok(target)
    }

    /// The language that is written, as far as it is said.
    pub fn target_language(&self) -> Option<&str> {
        let (code, is_said) = self.languages.as_ref()?.target();
        is_said.then_some(code)
    }

    /// The token that the writing of a language begins with.
    ///
    /// # Errors
    ///
    /// [`Error::Language`]: the tokenizer does not know it, or serves no languages.
    pub fn target_start(&self, code: &str) -> Result<TargetStart> {
        match &self.languages {
            Some(languages) => languages.start(code),
            None => Err(self.without_languages(code)),
        }
    }

    /// The refusal of a language where there are none.
    fn without_languages(&self, code: &str) -> Error {
        let mut codes: Vec<String> = self
            .inner
            .get_vocab(true)
            .into_keys()
            .filter(|token| token.len() > 4 && token.starts_with(">>") && token.ends_with("<<"))
            .collect();
        codes.sort();
        let reason = match codes.first() {
            Some(first) => {
                let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
                format!(
                    "this tokenizer takes the language to be written at the beginning of each text, as in \"{first} Hello\"; it knows {}",
                    engraft_component::listed(&codes)
                )
            }
            None => "this tokenizer serves no languages; leave it out".to_owned(),
        };
        Error::Language {
            code: code.to_owned(),
            reason,
        }
    }
}
