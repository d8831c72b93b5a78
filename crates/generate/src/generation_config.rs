//! `generation_config.json`: how the authors of a Hugging Face checkpoint want it to generate.

mod notes;
mod values;

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::sampler::{Beam, Chain, Contrastive, Greedy, MinP, Random, Sampler, TopK};
use notes::{HONOURED, NOT_HONOURED};

/// The file's name in a preset.
pub const GENERATION_CONFIG: &str = "generation_config.json";

/// The file that says it in older presets, which have no [`GENERATION_CONFIG`].
const CONFIG: &str = "config.json";

/// How many tokens stay where a file that asks for sampling says nothing of `top_k`, as Hugging Face has it.
const DEFAULT_TOP_K: usize = 50;

/// What Hugging Face has where nothing is said. Old versions wrote all of it into `config.json`, where it says nothing.
const DEFAULTS: [(&str, f64); 11] = [
    ("num_beams", 1.0),
    ("length_penalty", 1.0),
    ("num_return_sequences", 1.0),
    ("encoder_no_repeat_ngram_size", 0.0),
    ("max_length", 20.0),
    ("min_length", 0.0),
    ("top_k", 50.0),
    ("temperature", 1.0),
    ("top_p", 1.0),
    ("repetition_penalty", 1.0),
    ("no_repeat_ngram_size", 0.0),
];

/// What a `generation_config.json` says, or an older `config.json` in its place.
///
/// A value is looked at when it is used: what an option replaces may be anything.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerationConfig {
    /// What messages call the file.
    file: String,
    name: &'static str,
    object: Map<String, Value>,
}

impl GenerationConfig {
    /// Reads the bytes of a file, which messages call `file`.
    ///
    /// # Errors
    /// [`Error::Preset`] for what is no JSON object.
    pub fn read(bytes: &[u8], file: &str) -> Result<Self> {
        let refuse = |line, reason: &str| Error::Preset {
            file: file.to_owned(),
            key: format!("line {line}"),
            reason: reason.to_owned(),
        };
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|error| refuse(error.line(), "it is not valid JSON"))?;
        match value {
            Value::Object(object) => Ok(Self {
                file: file.to_owned(),
                name: GENERATION_CONFIG,
                object,
            }),
            _ => Err(refuse(1, "expected an object of settings")),
        }
    }

    /// What the `config.json` of a preset without [`GENERATION_CONFIG`] says of generation, as versions of the reference before that file wrote
    /// it, and as it reads it to this day. Messages call it `file`.
    pub fn of_config(json: &Map<String, Value>, file: &str) -> Self {
        let concerns = |key: &str| {
            HONOURED.contains(&key) || NOT_HONOURED.iter().any(|(other, _)| *other == key)
        };
        let is_default = |key: &str, value: &Value| {
            let default = DEFAULTS.iter().find(|(other, _)| *other == key);
            let is_number = default.is_some_and(|(_, default)| value.as_f64() == Some(*default));
            is_number || *value == Value::Bool(false)
        };
        let said = json
            .iter()
            .filter(|(key, value)| concerns(key) && !value.is_null() && !is_default(key, value));
        let mut object: Map<String, Value> = said
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        // Models of several parts say it of the one that writes.
        let parts = ["text_config", "decoder"].into_iter();
        let mut parts = parts.filter_map(|part| json.get(part));
        let part = parts.find_map(|part| part.get("eos_token_id"));
        if let Some(ids) = part.filter(|ids| !ids.is_null() && !object.contains_key("eos_token_id"))
        {
            object.insert("eos_token_id".to_owned(), ids.clone());
        }
        Self {
            file: file.to_owned(),
            name: CONFIG,
            object,
        }
    }

    /// The file's name in the preset.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it says, as it says it.
    pub(crate) fn said(&self) -> &Map<String, Value> {
        &self.object
    }

    /// Whether it says nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.object.is_empty()
    }

    /// Whether tokens are drawn; without it, Hugging Face takes the most probable one.
    ///
    /// # Errors
    /// As all that reads a value: one of the wrong type, naming the file and the key.
    pub fn samples(&self) -> Result<bool> {
        self.flag("do_sample")
    }

    /// The tokens that end a text; none if the file does not say.
    ///
    /// # Errors
    /// Those of [`Self::samples`].
    pub fn eos_token_id(&self) -> Result<Option<Vec<u32>>> {
        self.ids("eos_token_id")
    }

    /// Whether it asks for beams or contrastive search.
    ///
    /// # Errors
    /// Those of [`Self::samples`].
    pub fn searches(&self) -> Result<bool> {
        Ok(self.beams()?.is_some() || self.contrastive()?.is_some())
    }

    /// The sampler it asks for, at `temperature` if that is given: `beam` with more than one beam, `greedy` unless it says `do_sample`, or
    /// `contrastive` with a `penalty_alpha`; else its rules in Hugging Face's order, `top_k` 50 among them if it says nothing of that.
    ///
    /// # Errors
    /// Arguments that no sampler can have, naming the file and the key.
    pub fn sampler(&self, temperature: Option<f64>) -> Result<Sampler> {
        match self.beams()? {
            Some(beams) => self.checked(beams.into()),
            None => self.sampler_without_beams(temperature),
        }
    }

    /// The search with so many beams, whether it asks for one or not.
    ///
    /// # Errors
    /// Those of [`Self::sampler`].
    pub(crate) fn sampler_of_beams(&self, num_beams: usize) -> Result<Sampler> {
        self.checked(self.search_with(num_beams)?.into())
    }

    fn beams(&self) -> Result<Option<Beam>> {
        let beams = self.most("num_beams")?.filter(|&beams| beams > 1);
        beams.map(|beams| self.search_with(beams)).transpose()
    }

    fn search_with(&self, num_beams: usize) -> Result<Beam> {
        let default = Beam::default();
        let penalty = self.number("length_penalty")?;
        Ok(Beam {
            num_beams,
            length_penalty: penalty.unwrap_or(default.length_penalty),
            early_stopping: self.early_stopping()?.unwrap_or(default.early_stopping),
        })
    }

    fn contrastive(&self) -> Result<Option<Contrastive>> {
        let alpha = self.number("penalty_alpha")?.filter(|&alpha| alpha > 0.0);
        let (Some(alpha), false) = (alpha, self.samples()?) else {
            return Ok(None);
        };
        let k = self.count_or_all("top_k")?.unwrap_or(DEFAULT_TOP_K);
        Ok((k > 1).then_some(Contrastive {
            k,
            alpha,
            temperature: 1.0,
        }))
    }

    /// The sampler, unless the file's key that it is made of is to blame.
    fn checked(&self, sampler: Sampler) -> Result<Sampler> {
        match sampler.check() {
            Ok(()) => Ok(sampler),
            Err(error) => Err(match error.refusal() {
                Some(refusal) if refusal.key == "alpha" => {
                    self.refused("penalty_alpha", refusal.problem.clone())
                }
                Some(refusal) => self.refused(&refusal.key, refusal.problem.clone()),
                None => error,
            }),
        }
    }

    /// [`Self::sampler`] where a single text goes on at a time.
    pub(crate) fn sampler_without_beams(&self, temperature: Option<f64>) -> Result<Sampler> {
        if let Some(contrastive) = self.contrastive()? {
            return self.checked(contrastive.into());
        }
        if !self.samples()? {
            return Ok(Greedy::default().into());
        }
        let temperature = match temperature {
            Some(temperature) => temperature,
            None => self.temperature()?,
        };
        let share = |key, none: fn(f64) -> bool| {
            let share = self.number(key)?;
            Ok::<_, Error>(share.filter(|&share| !none(share)))
        };
        let cutoff = |share: f64| share <= 0.0 || share >= 1.0;
        let top_k = self.count_or_all("top_k")?;
        let chain = Chain {
            top_h: self.number("top_h")?,
            top_k: Some(top_k.unwrap_or(DEFAULT_TOP_K)).filter(|&k| k > 0),
            top_p: share("top_p", |share| share == 1.0)?,
            min_p: share("min_p", |share| share == 0.0)?,
            typical_p: share("typical_p", |share| share >= 1.0)?,
            epsilon_cutoff: share("epsilon_cutoff", cutoff)?,
            eta_cutoff: share("eta_cutoff", cutoff)?,
            seed: None,
            temperature,
        };
        self.checked(chain.clone().into())?;
        // One rule alone is the sampler of that name. Not so top_p, whose reference looks at all tokens' probabilities only without top_k.
        let alone = Chain {
            top_k: None,
            min_p: None,
            ..chain.clone()
        } == Chain {
            temperature,
            ..Chain::default()
        };
        let seed = None;
        Ok(match (chain.top_k, chain.min_p) {
            (None, None) if alone => Random { seed, temperature }.into(),
            (Some(k), None) if alone => TopK {
                k,
                seed,
                temperature,
            }
            .into(),
            (None, Some(min_p)) if alone => MinP {
                min_p,
                seed,
                temperature,
            }
            .into(),
            _ => chain.into(),
        })
    }

    /// What logits are divided by where tokens are drawn.
    ///
    /// # Errors
    /// Those of [`Self::samples`].
    pub fn temperature(&self) -> Result<f64> {
        let temperature = self.number("temperature")?.unwrap_or(1.0);
        let seed = None;
        self.checked(Random { seed, temperature }.into())?;
        Ok(temperature)
    }
}

#[cfg(test)]
mod tests;
