//! What a preset generates with where the user says nothing, and why.

use engraft_models::Checkpoint;
use engraft_text::Tokenizer;
use serde_json::{Map, Value};

use crate::error::Result;
use crate::generation_config::{GENERATION_CONFIG, GenerationConfig};
use crate::options::Generate;
use crate::sampler::{Beam, Greedy, Sampler, TopK};
use crate::settings::sampler;

/// What a preset says of generation.
#[derive(Clone, Debug, PartialEq)]
pub struct Defaults {
    /// KerasHub's sampler for the family.
    keras_hub: Sampler,
    /// The tokens that end a text where no `generation_config.json` says it.
    end_tokens: Vec<u32>,
    /// Those of the tokenizer.
    own_end_tokens: Vec<u32>,
    file: Option<GenerationConfig>,
    /// The number of tokens that the model has.
    vocabulary: usize,
    /// Whether what files say is left out.
    ignores: bool,
}

impl Defaults {
    /// Those of a preset of `family` (`llama`, `gemma2`, ..) with a vocabulary of `vocabulary` tokens: what its `generation_config.json` says if it
    /// has one, else its `config.json`; else KerasHub's sampler for the family and the tokenizer's end tokens.
    pub fn new(
        family: &str,
        tokenizer: &Tokenizer,
        vocabulary: usize,
        generation_config: Option<GenerationConfig>,
        config: GenerationConfig,
    ) -> Self {
        let turns = turn_tokens(family, tokenizer);
        let together = |ids: &[u32]| {
            let mut ids = [ids, &turns].concat();
            ids.sort_unstable();
            ids.dedup();
            ids
        };
        let special = tokenizer.special_ids();
        // Tokenizers whose files name no end token may call the same token a separator.
        let own: Vec<u32> = special.eos.or(special.sep).into_iter().collect();
        let own_end_tokens = together(&own);
        let is_token = |id: &u32| usize::try_from(*id).is_ok_and(|id| id < vocabulary);
        let stated = config.eos_token_id().ok().flatten().unwrap_or_default();
        let stated: Vec<u32> = stated.into_iter().filter(is_token).collect();
        Self {
            keras_hub: keras_hub(family),
            end_tokens: if stated.is_empty() {
                own_end_tokens.clone()
            } else {
                together(&stated)
            },
            own_end_tokens,
            file: generation_config.or_else(|| Some(config).filter(|it| !it.is_empty())),
            vocabulary,
            ignores: false,
        }
    }

    /// Those of a checkpoint whose texts are written with `tokenizer`; with `ignores`, but for its `generation_config.json`.
    ///
    /// # Errors
    /// A file cannot be read, or is no JSON object.
    pub fn of(checkpoint: &Checkpoint, tokenizer: &Tokenizer, ignores: bool) -> Result<Self> {
        let (preset, config) = (checkpoint.preset(), checkpoint.config());
        let bytes = preset.read(GENERATION_CONFIG);
        let generation_config = match bytes.map_err(engraft_models::Error::from)? {
            Some(bytes) if !ignores => {
                let file = preset.locate(GENERATION_CONFIG);
                Some(GenerationConfig::read(&bytes, &file)?)
            }
            _ => None,
        };
        let decoder = config.decoder.as_ref();
        let decoder = decoder.map_or(&config.transformer, |decoder| &decoder.transformer);
        Ok(Self::new(
            config.family.name,
            tokenizer,
            decoder.vocabulary,
            generation_config,
            GenerationConfig::of_config(&config.json, &preset.locate("config.json")),
        ))
    }

    /// What a file says, as it says it.
    pub(crate) fn said(&self) -> Option<&Map<String, Value>> {
        self.file.as_ref().map(GenerationConfig::said)
    }

    /// The token that a decoder beside an encoder begins with, if a file says it.
    ///
    /// # Errors
    /// A file that says what is no token of a vocabulary of `vocabulary`.
    pub(crate) fn decoder_start(&self, vocabulary: usize) -> Result<Option<u32>> {
        match &self.file {
            Some(file) => file.id("decoder_start_token_id", vocabulary),
            None => Ok(None),
        }
    }

    /// The same without what a file says.
    #[must_use]
    pub fn ignoring_file(&self) -> Self {
        Self {
            end_tokens: self.own_end_tokens.clone(),
            file: None,
            ignores: true,
            ..self.clone()
        }
    }

    /// What a file of the preset says.
    pub fn file(&self) -> Option<&GenerationConfig> {
        self.file.as_ref()
    }

    /// The file if it says how tokens are chosen. An older `config.json` does so by asking for draws or a search; by saying nothing, it leaves it to
    /// others.
    pub(crate) fn file_of_sampler(&self) -> Option<&GenerationConfig> {
        self.file.as_ref().filter(|file| {
            file.name() == GENERATION_CONFIG
                || file.samples().unwrap_or(true)
                || file.searches().unwrap_or(true)
        })
    }

    /// Whether nothing says how tokens are chosen, so that KerasHub's default would be taken.
    pub fn leaves_sampler(&self) -> bool {
        self.file_of_sampler().is_none()
    }

    /// How tokens are chosen where nothing is asked for, at `temperature` if that is given.
    ///
    /// # Errors
    /// A file that says what no sampler can do.
    pub fn sampler(&self, temperature: Option<f64>) -> Result<Sampler> {
        match self.file_of_sampler() {
            Some(file) => file.sampler(temperature),
            None => Ok(self.keras_hub.clone()),
        }
    }

    /// The same where a single text is wanted.
    pub(crate) fn sampler_without_beams(&self, temperature: Option<f64>) -> Result<Sampler> {
        match self.file_of_sampler() {
            Some(file) => file.sampler_without_beams(temperature),
            None => Ok(self.keras_hub.clone()),
        }
    }

    /// The same where so many beams are asked for, more than one.
    pub(crate) fn sampler_of_beams(&self, num_beams: usize) -> Result<Sampler> {
        match &self.file {
            Some(file) => file.sampler_of_beams(num_beams),
            None => Ok(Beam::new(num_beams).into()),
        }
    }

    /// The tokens that end a text: what [`StopTokens::Auto`](crate::StopTokens::Auto) means.
    ///
    /// # Errors
    /// A file that says what is no token.
    pub fn stop_token_ids(&self) -> Result<Vec<u32>> {
        let file = self
            .file
            .as_ref()
            .filter(|it| it.name() == GENERATION_CONFIG);
        let said = match file {
            Some(file) => file.eos_token_id()?,
            None => None,
        };
        Ok(said.unwrap_or_else(|| self.end_tokens.clone()))
    }

    /// What is to be said before texts are written as `generate` asks for: the sampler, if that is left to the preset, and what of its file is not
    /// honoured. `compiled` is a sampler in the place of the preset's.
    ///
    /// # Errors
    /// Those of [`Self::sampler`].
    pub fn notes(&self, generate: &Generate, compiled: Option<&Sampler>) -> Result<Vec<String>> {
        if generate.ignore_generation_config && !self.ignores {
            return self.ignoring_file().notes(generate, compiled);
        }
        let mut notes = Vec::new();
        if generate.leaves_sampler() && compiled.is_none() {
            let found = sampler(generate, self, None)?;
            let but = if found == self.sampler(None)? {
                ""
            } else {
                ", but for what is given"
            };
            notes.push(format!("sampler: {found} ({}{but})", self.reason()?));
        }
        if let Some(file) = &self.file {
            notes.extend(file.notes(generate, self.vocabulary));
            let searches = sampler(generate, self, compiled)?.beams().is_some();
            if searches {
                notes.extend(file.notes_of_beams(generate)?);
            }
        }
        Ok(notes)
    }

    /// Why the sampler is what it is.
    fn reason(&self) -> Result<String> {
        Ok(match self.file_of_sampler() {
            Some(file) if file.samples()? || file.searches()? => {
                format!("as the preset's {} says", file.name())
            }
            Some(file) => format!("the preset's {} does not ask for sampling", file.name()),
            None if self.ignores => {
                "KerasHub's default; what the preset says is ignored".to_owned()
            }
            None => format!("KerasHub's default; the preset has no {GENERATION_CONFIG}"),
        })
    }
}

/// What `compile` chooses for the family's `CausalLM` in KerasHub: `greedy` for Gemma of every generation, else `top_k` with 5 tokens.
fn keras_hub(family: &str) -> Sampler {
    if family.starts_with("gemma") {
        Greedy::default().into()
    } else {
        TopK::default().into()
    }
}

/// The tokens that end a turn of a conversation in the families trained on them, at which `generate` stops in KerasHub.
fn turn_tokens(family: &str, tokenizer: &Tokenizer) -> Vec<u32> {
    let turn: &[&str] = match family {
        "llama" => &["<|eot_id|>"],
        "phi3" => &["<|end|>"],
        family if family.starts_with("gemma3") => &["<end_of_turn>"],
        _ => &[],
    };
    let ids = turn.iter().filter_map(|token| tokenizer.token_to_id(token));
    ids.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;

    fn tokenizer() -> Tokenizer {
        let vocabulary = "<cls>\n<pad>\n<eos>\n<unk>\nA\nC\nG\nT\n<end_of_turn>\n";
        let read = |file: &str| Ok((file == "vocab.txt").then(|| vocabulary.as_bytes().to_vec()));
        Tokenizer::from_preset_files(&read, &Map::new()).unwrap()
    }

    fn of(family: &str, file: Option<Value>, config: Value) -> Defaults {
        let file = file.map(|file| {
            GenerationConfig::read(file.to_string().as_bytes(), GENERATION_CONFIG).unwrap()
        });
        let config = GenerationConfig::of_config(config.as_object().unwrap(), "config.json");
        Defaults::new(family, &tokenizer(), 9, file, config)
    }

    fn defaults(family: &str, file: Option<Value>) -> Defaults {
        of(family, file, json!({}))
    }

    fn told(defaults: &Defaults) -> String {
        defaults
            .notes(&Generate::default(), None)
            .unwrap()
            .join("\n")
    }

    #[test]
    fn without_a_file_the_sampler_is_keras_hubs_for_the_family() {
        assert_eq!(
            told(&defaults("llama", None)),
            "sampler: top_k k=5 (KerasHub's default; the preset has no generation_config.json)"
        );
        for family in ["gemma", "gemma2", "gemma3_text"] {
            assert_eq!(
                told(&defaults(family, None)),
                "sampler: greedy (KerasHub's default; the preset has no generation_config.json)"
            );
        }
        assert_eq!(defaults("gpt2", None).stop_token_ids().unwrap(), [2]);
        let gemma = defaults("gemma3_text", None);
        assert_eq!(gemma.stop_token_ids().unwrap(), [2, 8]);
    }

    #[test]
    fn a_file_decides_all_that_it_speaks_of() {
        let file = json!({"do_sample": true, "top_k": 20, "eos_token_id": [4, 5]});
        let with_file = defaults("gemma", Some(file));
        assert_eq!(
            told(&with_file),
            "sampler: top_k k=20 (as the preset's generation_config.json says)"
        );
        assert_eq!(with_file.stop_token_ids().unwrap(), [4, 5]);
        let silent = defaults("llama", Some(json!({"repetition_penalty": 1.0})));
        assert_eq!(
            told(&silent),
            "sampler: greedy (the preset's generation_config.json does not ask for sampling)"
        );
        assert_eq!(silent.stop_token_ids().unwrap(), [2]);
        let ignored = Generate {
            ignore_generation_config: true,
            ..Generate::default()
        };
        assert_eq!(
            with_file.notes(&ignored, None).unwrap(),
            ["sampler: greedy (KerasHub's default; what the preset says is ignored)"]
        );
        assert_eq!(with_file.ignoring_file().stop_token_ids().unwrap(), [2]);
    }

    #[test]
    fn beams_that_an_option_asks_for_are_searched_by_the_files_rules() {
        let file = json!({"do_sample": true, "length_penalty": 2, "early_stopping": true});
        let defaults = defaults("llama", Some(file));
        let three = Generate {
            num_beams: Some(3),
            ..Generate::default()
        };
        let found = sampler(&three, &defaults, None).unwrap();
        assert_eq!(
            found.to_string(),
            "beam num_beams=3 length_penalty=2 early_stopping=true"
        );
        assert_eq!(
            defaults.notes(&three, None).unwrap(),
            ["generation_config.json: do_sample true: beams are searched without draws"]
        );
        let shorter = Generate {
            length_penalty: Some(-1.0),
            ..three
        };
        let found = sampler(&shorter, &defaults, None).unwrap();
        assert_eq!(
            found.to_string(),
            "beam num_beams=3 length_penalty=-1 early_stopping=true"
        );
    }

    #[test]
    fn end_tokens_that_only_config_json_names_end_texts() {
        for (config, expected) in [
            (json!({"eos_token_id": 5}), vec![5]),
            (json!({"eos_token_id": [6, 5]}), vec![5, 6]),
            (json!({"text_config": {"eos_token_id": 7}}), vec![7]),
            // The class's own default in a model of letters.
            (json!({"eos_token_id": 50256}), vec![2]),
            (json!({"eos_token_id": -1}), vec![2]),
            (json!({"eos_token_id": null}), vec![2]),
        ] {
            let found = of("gpt2", None, config.clone());
            assert_eq!(found.stop_token_ids().unwrap(), expected, "{config}");
        }
        let turns = of("gemma3_text", None, json!({"eos_token_id": 5}));
        assert_eq!(turns.stop_token_ids().unwrap(), [5, 8]);
        let both = of(
            "gpt2",
            Some(json!({"eos_token_id": 4})),
            json!({"eos_token_id": 5}),
        );
        assert_eq!(both.stop_token_ids().unwrap(), [4]);
    }

    #[test]
    fn an_older_config_json_decides_only_by_what_is_no_default() {
        // As version 2 of the reference wrote every config.json.
        let dumped = json!({
            "do_sample": false, "max_length": 20, "top_k": 50, "temperature": 1.0, "num_beams": 1, "repetition_penalty": 1.0,
            "length_penalty": 1.0, "bad_words_ids": null,
        });
        let silent = of("llama", None, dumped);
        assert_eq!(silent, {
            let nothing = of("llama", None, json!({}));
            Defaults {
                file: silent.file.clone(),
                ..nothing
            }
        });
        assert_eq!(
            told(&silent),
            "sampler: top_k k=5 (KerasHub's default; the preset has no generation_config.json)"
        );
        let asks = of(
            "llama",
            None,
            json!({"do_sample": true, "top_k": 7, "num_beams": 4}),
        );
        assert_eq!(
            told(&asks),
            "sampler: beam num_beams=4 length_penalty=1 early_stopping=false (as the preset's config.json says)\n\
             config.json: do_sample true: beams are searched without draws"
        );
    }
}
