//! What can go wrong with a tokenizer, each said in one sentence.

/// The result of the operations of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong when a tokenizer is opened or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the preset that could not be read.
    #[error("cannot read {file}: {source}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// A preset without any tokenizer.
    #[error(
        "the preset has no tokenizer: looked for tokenizer.json, for vocab.txt, for vocab.json with merges.txt, and for a \
         SentencePiece file ({}){hint}",
        crate::files::SENTENCE_PIECE.join(", ")
    )]
    NotFound {
        /// What was found instead, and what to do about it; begins with "; " or is empty.
        hint: String,
    },

    /// A file that should be JSON of a certain form and is not.
    #[error("{file}:{line}:{column}: not a valid tokenizer file: {reason}")]
    Json {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1; 0 where the parser has no better place.
        column: usize,
        /// What the parser met.
        reason: String,
    },

    /// A line of a vocabulary that is wrong.
    #[error("{file}:{line}: {reason}")]
    Line {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },

    /// A file whose content does not make a tokenizer.
    #[error("{file}: {reason}")]
    Malformed {
        /// The file.
        file: String,
        /// What is wrong, and what should be there.
        reason: String,
    },

    /// A vocabulary with ids that the model has no embedding for.
    #[error(
        "the tokenizer gives \"{token}\" the id {id}, but the model's config.json says vocab_size {vocab_size}; the \
         tokenizer and the model do not belong together"
    )]
    IdOutOfRange {
        /// The token with the largest id.
        token: String,
        /// Its id.
        id: u32,
        /// The model's number of embeddings.
        vocab_size: usize,
    },

    /// A text that the tokenizer cannot encode, or ids that it cannot decode.
    #[error("cannot {action} with this tokenizer: {reason}")]
    Use {
        /// What was being done: "encode a text", "decode ids".
        action: &'static str,
        /// Why not.
        reason: String,
    },

    /// A letter that the vocabulary lacks, where the policy is to refuse such letters.
    #[error(
        "the letter {letter:?} at position {position}{} is not in the model's alphabet ({alphabet}); correct the sequence, or \
         choose the letter policy \"map\" or \"unknown\"",
        if *second { " of the second sequence" } else { "" }
    )]
    Letter {
        /// The letter.
        letter: char,
        /// Its place among the characters of its text, from 1.
        position: usize,
        /// Whether it is in the second of two texts.
        second: bool,
        /// The letters that there are, at most 60 of them.
        alphabet: String,
    },

    /// A language that the tokenizer does not know.
    #[error("the language \"{code}\" cannot be chosen: {reason}")]
    Language {
        /// What was asked for.
        code: String,
        /// Why not, and what there is.
        reason: String,
    },

    /// A limit that leaves no room for the special tokens.
    #[error(
        "max_length {max_length} is less than the {specials} special tokens that every row gets; give at least {specials}"
    )]
    MaxLength {
        /// The limit given.
        max_length: usize,
        /// How many special tokens are added.
        specials: usize,
    },

    /// One of several texts that failed.
    #[error("row {row}: {source}")]
    Row {
        /// Its place among the rows given, from 0.
        row: usize,
        /// What happened.
        source: Box<Error>,
    },
}

impl Error {
    /// Invalid JSON in `file`.
    pub(crate) fn json(file: &str, error: &serde_json::Error) -> Error {
        // serde_json repeats the position at the end of its message; the error already begins with it.
        let message = error.to_string();
        let reason = message.split(" at line ").next().unwrap_or(&message);
        Error::Json {
            file: file.to_owned(),
            line: error.line(),
            column: error.column(),
            reason: reason.to_owned(),
        }
    }

    pub(crate) fn malformed(file: &str, reason: impl Into<String>) -> Error {
        Error::Malformed {
            file: file.to_owned(),
            reason: reason.into(),
        }
    }

    /// The same with the place of the file in which something is wrong, which `locate` knows by its name.
    #[must_use]
    pub fn located(mut self, locate: impl Fn(&str) -> String) -> Error {
        if let Error::Json { file, .. } | Error::Line { file, .. } | Error::Malformed { file, .. } =
            &mut self
        {
            *file = locate(file);
        }
        self
    }

    pub(crate) fn line(file: &str, line: usize, reason: impl Into<String>) -> Error {
        Error::Line {
            file: file.to_owned(),
            line,
            reason: reason.into(),
        }
    }
}
