//! `generation_config.json`: how the authors of a Hugging Face checkpoint want it to generate.

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::sampler::{Chain, Greedy, MinP, Random, Sampler, TopK};

/// The file's name in a preset.
pub const GENERATION_CONFIG: &str = "generation_config.json";

/// How many tokens stay where a file that asks for sampling says nothing of `top_k`, as Hugging Face has it.
const DEFAULT_TOP_K: usize = 50;

/// What a `generation_config.json` says. Keys that are not here are ignored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GenerationConfig {
    /// The tokens that end a text.
    pub eos_token_id: Vec<u32>,
    /// Whether tokens are drawn; without it, Hugging Face takes the most probable one.
    pub do_sample: bool,
    /// What logits are divided by.
    pub temperature: Option<f64>,
    /// How many of the most probable tokens stay; 0 for all.
    pub top_k: Option<usize>,
    /// The share of the probability whose most probable tokens stay.
    pub top_p: Option<f64>,
    /// The share of the largest probability that tokens have that stay.
    pub min_p: Option<f64>,
    /// What tokens lose that are already there.
    pub repetition_penalty: Option<f64>,
    /// The most tokens of a row, its prompt included.
    pub max_length: Option<usize>,
    /// The most tokens that are generated.
    pub max_new_tokens: Option<usize>,
}

impl GenerationConfig {
    /// Reads the bytes of a file, which messages call `file`.
    ///
    /// # Errors
    /// [`Error::Preset`] for what is no JSON object, and for a value of the wrong type, naming its key.
    pub fn read(bytes: &[u8], file: &str) -> Result<Self> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| Error::Preset {
            file: file.to_owned(),
            key: format!("line {}", error.line()),
            reason: "it is not valid JSON".to_owned(),
        })?;
        let Value::Object(object) = value else {
            return Err(Error::Preset {
                file: file.to_owned(),
                key: "line 1".to_owned(),
                reason: "expected an object of settings".to_owned(),
            });
        };
        let keys = Keys { file, object };
        Ok(Self {
            eos_token_id: keys.ids("eos_token_id")?,
            do_sample: keys.flag("do_sample")?,
            temperature: keys.number("temperature")?,
            top_k: keys.top_k()?,
            top_p: keys.number("top_p")?,
            min_p: keys.number("min_p")?,
            repetition_penalty: keys.number("repetition_penalty")?,
            max_length: keys.count("max_length")?,
            max_new_tokens: keys.count("max_new_tokens")?,
        })
    }

    /// The sampler it asks for: `greedy` unless it says `do_sample`; else its rules in Hugging Face's order, `top_k` 50 among them if it says
    /// nothing of that.
    ///
    /// # Errors
    /// Arguments that no sampler can have, naming `file` and the key.
    pub fn sampler(&self, file: &str) -> Result<Sampler> {
        if !self.do_sample {
            return Ok(Greedy::default().into());
        }
        let temperature = self.temperature.unwrap_or(1.0);
        let top_k = Some(self.top_k.unwrap_or(DEFAULT_TOP_K)).filter(|&k| k > 0);
        let top_p = self.top_p.filter(|&share| share != 1.0);
        let min_p = self.min_p.filter(|&share| share != 0.0);
        let seed = None;
        let chain = Chain {
            top_k,
            top_p,
            min_p,
            seed,
            temperature,
        };
        if let Err(error) = Sampler::from(chain.clone()).check() {
            return Err(match error.refusal() {
                Some(refusal) => Error::Preset {
                    file: file.to_owned(),
                    key: refusal.key.clone(),
                    reason: refusal.problem.clone(),
                },
                None => error,
            });
        }
        // One rule alone is the sampler of that name. Not so top_p, whose reference looks at all tokens' probabilities only without top_k.
        Ok(match (top_k, top_p, min_p) {
            (None, None, None) => Random { seed, temperature }.into(),
            (Some(k), None, None) => TopK {
                k,
                seed,
                temperature,
            }
            .into(),
            (None, None, Some(min_p)) => MinP {
                min_p,
                seed,
                temperature,
            }
            .into(),
            _ => chain.into(),
        })
    }

    /// The limits it asks for.
    pub fn limits(&self) -> Limits {
        Limits {
            max_length: self.max_length,
            max_new_tokens: self.max_new_tokens,
            min_new_tokens: 0,
        }
    }
}

/// The keys of a file.
struct Keys<'a> {
    file: &'a str,
    object: Map<String, Value>,
}

impl Keys<'_> {
    fn get<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>> {
        match self.object.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| Error::Preset {
                file: self.file.to_owned(),
                key: key.to_owned(),
                reason: format!("expected {expected}, found {value}"),
            }),
        }
    }

    fn flag(&self, key: &str) -> Result<bool> {
        let flag = self.get(key, "true or false", Value::as_bool)?;
        Ok(flag.unwrap_or_default())
    }

    fn number(&self, key: &str) -> Result<Option<f64>> {
        self.get(key, "a number", Value::as_f64)
    }

    fn count(&self, key: &str) -> Result<Option<usize>> {
        let count = |value: &Value| value.as_u64().and_then(|count| usize::try_from(count).ok());
        self.get(key, "a whole number, zero or more", count)
    }

    /// `null` is said on purpose, and means all tokens as 0 does.
    fn top_k(&self) -> Result<Option<usize>> {
        match self.object.get("top_k") {
            Some(Value::Null) => Ok(Some(0)),
            _ => self.count("top_k"),
        }
    }

    fn ids(&self, key: &str) -> Result<Vec<u32>> {
        let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
        let ids = |value: &Value| match value {
            Value::Array(ids) => ids.iter().map(id).collect(),
            one => id(one).map(|id| vec![id]),
        };
        Ok(self
            .get(key, "a token id or a list of them", ids)?
            .unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<GenerationConfig> {
        GenerationConfig::read(value.to_string().as_bytes(), "m/generation_config.json")
    }

    fn sampler(value: Value) -> String {
        read(value).unwrap().sampler("f").unwrap().to_string()
    }

    #[test]
    fn the_file_of_a_llama_is_read_whole() {
        let config = read(json!({
            "bos_token_id": 128000, "do_sample": true, "eos_token_id": [128001, 128008, 128009], "temperature": 0.6, "top_p": 0.9,
            "transformers_version": "4.45.0.dev0", "max_length": 4096, "repetition_penalty": 1.1, "max_new_tokens": null,
        }))
        .unwrap();
        assert_eq!(config.eos_token_id, [128_001, 128_008, 128_009]);
        assert_eq!(config.repetition_penalty, Some(1.1));
        assert_eq!(config.limits().max_length, Some(4096));
        assert_eq!(
            config.sampler("f").unwrap().to_string(),
            "chain top_k=50 top_p=0.9 temperature=0.6"
        );
        assert_eq!(
            read(json!({"eos_token_id": 50256})).unwrap().eos_token_id,
            [50256]
        );
    }

    #[test]
    fn without_do_sample_it_is_greedy_and_one_rule_alone_is_its_sampler() {
        assert_eq!(sampler(json!({})), "greedy");
        assert_eq!(
            sampler(json!({"do_sample": false, "temperature": 0.0})),
            "greedy"
        );
        assert_eq!(sampler(json!({"temperature": 0.6, "top_k": 3})), "greedy");
        let with = |mut value: Value| {
            value["do_sample"] = json!(true);
            sampler(value)
        };
        assert_eq!(with(json!({})), "top_k k=50");
        assert_eq!(with(json!({"top_k": 0})), "random");
        assert_eq!(with(json!({"top_k": null})), "random");
        assert_eq!(
            with(json!({"top_k": 0, "top_p": 1.0, "temperature": 2.0})),
            "random temperature=2"
        );
        assert_eq!(with(json!({"top_k": 0, "min_p": 0.05})), "min_p min_p=0.05");
        assert_eq!(with(json!({"top_k": 0, "top_p": 0.95})), "chain top_p=0.95");
        assert_eq!(
            with(json!({"top_k": 20, "min_p": 0.05})),
            "chain top_k=20 min_p=0.05"
        );
    }

    #[test]
    fn wrong_types_and_values_are_refused_by_file_and_key() {
        let refusal = |value: Value| read(value).unwrap_err().to_string();
        let file = "m/generation_config.json";
        assert_eq!(
            refusal(json!({"eos_token_id": [1, "x"]})),
            format!("{file}: eos_token_id: expected a token id or a list of them, found [1,\"x\"]")
        );
        assert_eq!(
            refusal(json!({"do_sample": 1})),
            format!("{file}: do_sample: expected true or false, found 1")
        );
        assert_eq!(
            refusal(json!({"top_k": 1.5})),
            format!("{file}: top_k: expected a whole number, zero or more, found 1.5")
        );
        assert!(refusal(json!({"temperature": "hot"})).contains("temperature: expected a number"));
        assert_eq!(
            refusal(json!([])),
            format!("{file}: line 1: expected an object of settings")
        );
        let broken = GenerationConfig::read(b"{\n\"top_k\": }", file).unwrap_err();
        assert_eq!(
            broken.to_string(),
            format!("{file}: line 2: it is not valid JSON")
        );
        let wrong = read(json!({"do_sample": true, "top_p": 1.5})).unwrap();
        assert_eq!(
            wrong.sampler(file).unwrap_err().to_string(),
            format!("{file}: top_p: expected a number above 0 and at most 1, found 1.5")
        );
    }
}
