//! What opens a hub to its user.

use std::fmt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::{Error, Result};

/// A word that nobody else may know. It has no way to be printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(word: String) -> Self {
        Self(word)
    }

    /// The word, for what it opens alone.
    pub(crate) fn word(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// The value of the header `Authorization`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credential(Secret);

impl Credential {
    /// A token, which `place` has.
    ///
    /// # Errors
    ///
    /// It has characters that no token has.
    pub(crate) fn bearer(token: &str, place: &str) -> Result<Self> {
        printable(token, place)?;
        Ok(Self(Secret::new(format!("Bearer {token}"))))
    }

    /// A user's name and key, which `place` has.
    ///
    /// # Errors
    ///
    /// They have characters that no name or key has.
    pub(crate) fn basic(user: &str, key: &str, place: &str) -> Result<Self> {
        printable(user, place)?;
        printable(key, place)?;
        let both = STANDARD.encode(format!("{user}:{key}"));
        Ok(Self(Secret::new(format!("Basic {both}"))))
    }

    /// The header, for the client alone.
    pub(crate) fn header(&self) -> &str {
        self.0.word()
    }
}

fn printable(text: &str, place: &str) -> Result<()> {
    if text.chars().all(|c| c.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Error::Credential {
        place: place.to_owned(),
        reason: "holds characters that no token has; write it anew".to_owned(),
    })
}

/// The token in a file; none if the file is not there or empty.
///
/// # Errors
///
/// The file cannot be read.
pub(crate) fn in_file(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(engraft_files::Error::io("read", path)(error).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_not_printed() {
        let credential = Credential::bearer("hf_secret", "HF_TOKEN").unwrap();
        assert_eq!(format!("{credential:?}"), "Credential((hidden))");
        assert_eq!(credential.header(), "Bearer hf_secret");
    }

    #[test]
    fn a_name_and_a_key_are_said_as_the_standard_has_it() {
        let credential = Credential::basic("Aladdin", "open", "kaggle.json").unwrap();
        assert_eq!(credential.header(), "Basic QWxhZGRpbjpvcGVu");
    }

    #[test]
    fn a_token_of_several_lines_is_refused_without_being_shown() {
        let message = Credential::bearer("hf_a\nX-Evil: hf_b", "HF_TOKEN")
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("HF_TOKEN") && !message.contains("hf_"),
            "{message}"
        );
    }
}
