//! The values of a file, each looked at when it is used.

use serde_json::Value;

use super::GenerationConfig;
use crate::error::{Error, Result};
use crate::penalty::RepetitionPenalty;
use crate::sampler::EarlyStopping;

impl GenerationConfig {
    /// That a key says what cannot be.
    pub(crate) fn refused(&self, key: &str, reason: impl Into<String>) -> Error {
        Error::Preset {
            file: self.file.clone(),
            key: key.to_owned(),
            reason: reason.into(),
        }
    }

    /// Whether it says anything of a key.
    pub(crate) fn says(&self, key: &str) -> bool {
        self.object.get(key).is_some_and(|value| !value.is_null())
    }

    fn get<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>> {
        match self.object.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => read(value)
                .map(Some)
                .ok_or_else(|| self.refused(key, format!("expected {expected}, found {value}"))),
        }
    }

    pub(crate) fn flag(&self, key: &str) -> Result<bool> {
        let flag = self.get(key, "true or false", Value::as_bool)?;
        Ok(flag.unwrap_or_default())
    }

    pub(super) fn number(&self, key: &str) -> Result<Option<f64>> {
        self.get(key, "a number", Value::as_f64)
    }

    pub(super) fn early_stopping(&self) -> Result<Option<EarlyStopping>> {
        self.get(
            "early_stopping",
            "true, false or \"never\"",
            |value| match value {
                Value::Bool(true) => Some(EarlyStopping::True),
                Value::Bool(false) => Some(EarlyStopping::False),
                Value::String(word) if word == "never" => Some(EarlyStopping::Never),
                _ => None,
            },
        )
    }

    /// A number of tokens that a row has at most, or of texts.
    pub(crate) fn most(&self, key: &str) -> Result<Option<usize>> {
        self.get(key, "a whole number from 1", |value| {
            whole(value).filter(|&count| count > 0)
        })
    }

    /// A number of tokens; one below 0 is none, as the reference has it.
    pub(crate) fn least(&self, key: &str) -> Result<Option<usize>> {
        self.get(key, "a whole number, zero or more", |value| {
            let negative = value.as_i64().is_some_and(|count| count < 0);
            if negative { Some(0) } else { whole(value) }
        })
    }

    pub(super) fn count_or_all(&self, key: &str) -> Result<Option<usize>> {
        self.get(key, "a whole number, zero or more", whole)
    }

    pub(crate) fn penalty(&self, key: &str) -> Result<Option<RepetitionPenalty>> {
        let Some(penalty) = self.number(key)? else {
            return Ok(None);
        };
        let penalty = RepetitionPenalty::new(penalty)
            .map_err(|_| self.refused(key, format!("expected a number above 0, found {penalty}")));
        penalty.map(Some)
    }

    /// Ids; those below 0, which stand for no token, are left out.
    pub(crate) fn ids(&self, key: &str) -> Result<Option<Vec<u32>>> {
        let ids = |value: &Value| match value {
            Value::Array(ids) => {
                let ids: Option<Vec<Option<u32>>> = ids.iter().map(id_or_none).collect();
                ids.map(|ids| ids.into_iter().flatten().collect())
            }
            one => id_or_none(one).map(|id| id.into_iter().collect()),
        };
        self.get(key, "a token id or a list of them", ids)
    }

    /// A token of a vocabulary.
    pub(crate) fn id(&self, key: &str, vocabulary: usize) -> Result<Option<u32>> {
        let expected = format!("a token id below the vocabulary's size {vocabulary}");
        self.get(key, &expected, |value| id_of(value, vocabulary))
    }

    /// Tokens of a vocabulary.
    pub(crate) fn known_ids(&self, key: &str, vocabulary: usize) -> Result<Option<Vec<u32>>> {
        let expected = format!("token ids below the vocabulary's size {vocabulary}");
        self.get(key, &expected, |value| match value {
            Value::Array(_) => sequence(value, vocabulary),
            one => id_of(one, vocabulary).map(|id| vec![id]),
        })
    }

    /// Lists of tokens of a vocabulary.
    pub(crate) fn sequences(&self, key: &str, vocabulary: usize) -> Result<Option<Vec<Vec<u32>>>> {
        let expected = format!("lists of token ids below the vocabulary's size {vocabulary}");
        self.get(key, &expected, |value| {
            let lists = value.as_array()?.iter();
            lists.map(|list| sequence(list, vocabulary)).collect()
        })
    }

    /// Pairs of a list of tokens of a vocabulary and a number.
    pub(crate) fn biases(&self, vocabulary: usize) -> Result<Vec<(Vec<u32>, f32)>> {
        let expected =
            format!("pairs of token ids, below the vocabulary's size {vocabulary}, and a number");
        let biases = self.get("sequence_bias", &expected, |value| {
            let pair = |pair: &Value| match &pair.as_array()?[..] {
                [ids, bias] => Some((sequence(ids, vocabulary)?, bias.as_f64()? as f32)),
                _ => None,
            };
            value.as_array()?.iter().map(pair).collect()
        })?;
        Ok(biases.unwrap_or_default())
    }

    /// A number of tokens and a factor.
    pub(crate) fn length_decay(&self) -> Result<Option<(usize, f64)>> {
        let key = "exponential_decay_length_penalty";
        self.get(
            key,
            "a number of tokens and a factor",
            |value| match &value.as_array()?[..] {
                [start, factor] => Some((whole(start)?, factor.as_f64()?)),
                _ => None,
            },
        )
    }

    pub(crate) fn stop_strings(&self) -> Result<Vec<String>> {
        let text = |value: &Value| {
            value
                .as_str()
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        let texts = self.get(
            "stop_strings",
            "a text or a list of texts",
            |value| match value {
                Value::Array(texts) => texts.iter().map(text).collect(),
                one => text(one).map(|text| vec![text]),
            },
        )?;
        Ok(texts.unwrap_or_default())
    }
}

fn whole(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|count| usize::try_from(count).ok())
}

fn id_of(value: &Value, vocabulary: usize) -> Option<u32> {
    let id = whole(value).filter(|&id| id < vocabulary)?;
    u32::try_from(id).ok()
}

/// An id, and none for a number below 0; nothing for what is no whole number.
fn id_or_none(value: &Value) -> Option<Option<u32>> {
    match value.as_i64() {
        Some(id) if id < 0 => Some(None),
        _ => u32::try_from(value.as_u64()?).ok().map(Some),
    }
}

fn sequence(value: &Value, vocabulary: usize) -> Option<Vec<u32>> {
    let ids = value.as_array()?.iter();
    ids.map(|id| id_of(id, vocabulary)).collect()
}
