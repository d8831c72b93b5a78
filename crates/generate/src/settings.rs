//! What is asked for and what the preset says, together.

use std::sync::Arc;

use engraft_component::{Choice, Refusal};

use crate::defaults::Defaults;
use crate::error::{Error, Result};
use crate::generation_config::GenerationConfig;
use crate::limits::Limits;
use crate::options::Generate;
use crate::penalty::RepetitionPenalty;
use crate::processors::Processors;
use crate::sampler::{Greedy, Random, Sampler};
use crate::stop::{StopStrings, StopTokens};
use crate::token_ids::check;

/// All that the texts of a call have in common.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How tokens are chosen.
    pub sampler: Sampler,
    /// How long texts may grow.
    pub limits: Limits,
    /// The tokens that end a text.
    pub stop_tokens: Arc<[u32]>,
    /// The strings that end a text.
    pub stop: StopStrings,
    /// What is done with logits before a token is chosen.
    pub processors: Arc<Processors>,
    /// Texts for each prompt.
    pub sequences: usize,
}

impl Settings {
    /// What `generate` asks for, and the preset's `defaults` where it does not; `compiled` is a sampler in the place of the preset's. A default that
    /// is replaced may be anything.
    ///
    /// # Errors
    /// Options that contradict each other, ids that a vocabulary of `vocabulary` tokens lacks, a default that cannot be, naming its file and key.
    pub fn new(
        generate: &Generate,
        defaults: &Defaults,
        compiled: Option<&Sampler>,
        vocabulary: usize,
    ) -> Result<Self> {
        generate.check()?;
        let ignoring;
        let defaults = if generate.ignore_generation_config {
            ignoring = defaults.ignoring_file();
            &ignoring
        } else {
            defaults
        };
        let file = defaults.file();
        let ends = match generate.stop_token_ids {
            StopTokens::Auto => defaults.stop_token_ids()?,
            _ => Vec::new(),
        };
        let stop_tokens = generate.stop_token_ids.resolve(&ends, vocabulary)?;
        let sampler = sampler(generate, defaults, compiled)?;
        let sequences = sequences(generate, file)?;
        check_search(generate, defaults, &sampler, sequences, vocabulary)?;
        let stop = match file {
            // Beams end by tokens alone; that the file's strings are not looked for is said.
            Some(file) if generate.stop.is_empty() && sampler.beams().is_none() => {
                StopStrings::new(file.stop_strings()?)?
            }
            _ => StopStrings::new(&generate.stop)?,
        };
        Ok(Self {
            sampler: match sampler {
                // One beam is no search, as Hugging Face has it.
                Sampler::Beam(it) if it.num_beams == 1 => Greedy::default().into(),
                sampler => sampler,
            },
            sequences,
            limits: limits(generate, file)?,
            stop_tokens: stop_tokens.into(),
            stop,
            processors: processors(generate, file, vocabulary)?.into(),
        })
    }
}

/// Texts of a prompt at most: each takes memory before it is written.
const MOST_SEQUENCES: usize = 65_536;

/// How many texts each prompt gets.
fn sequences(generate: &Generate, file: Option<&GenerationConfig>) -> Result<usize> {
    let given = generate.num_return_sequences;
    let count = either(given, file, |it| it.most("num_return_sequences"))?;
    match count.unwrap_or(1) {
        many if many > MOST_SEQUENCES => {
            let expected = "at most 65536 texts of a prompt";
            Err(Error::expected("num_return_sequences", expected, many))
        }
        count => Ok(count),
    }
}

/// Refuses searches that there cannot be, by the option or by the file that asks for them.
fn check_search(
    generate: &Generate,
    defaults: &Defaults,
    sampler: &Sampler,
    sequences: usize,
    vocabulary: usize,
) -> Result<()> {
    let file = defaults.file();
    let refuse = |key: &'static str, given: bool, problem: String| match file {
        Some(file) if !given && file.says(key) => Err(file.refused(key, problem)),
        _ => Err(Refusal::of(key, problem).into()),
    };
    if let Sampler::Contrastive(it) = sampler
        && it.k > vocabulary
    {
        let problem = format!(
            "expected at most the vocabulary's size {vocabulary}, found {}",
            it.k
        );
        return refuse("top_k", generate.top_k.is_some(), problem);
    }
    let Some(beams) = sampler.beams() else {
        return Ok(());
    };
    let named = generate.sampler.is_some() || generate.num_beams.is_some();
    if beams > vocabulary {
        let problem = format!("expected at most the vocabulary's size {vocabulary}, found {beams}");
        return refuse("num_beams", named, problem);
    }
    if sequences > beams {
        let problem = format!("expected at most the number of beams, {beams}, found {sequences}");
        let given = generate.num_return_sequences.is_some();
        return refuse("num_return_sequences", given, problem);
    }
    if !generate.stop.is_empty() {
        let name = Choice::name(sampler);
        return Err(Error::conflict("stop", move |option| {
            let (stop, stop_token_ids) = (option("stop"), option("stop_token_ids"));
            format!(
                "{stop}: texts that {name} searches for end by tokens alone; give {stop_token_ids}, or choose another sampler"
            )
        }));
    }
    Ok(())
}

/// How tokens are chosen.
pub(crate) fn sampler(
    generate: &Generate,
    defaults: &Defaults,
    compiled: Option<&Sampler>,
) -> Result<Sampler> {
    if let Some(sampler) = generate.sampler.as_ref().or(compiled) {
        return generate.sampler_or(sampler);
    }
    let file = defaults.file_of_sampler();
    if generate.has_rules() {
        // Of the default, nothing but its temperature is left.
        let temperature = match (generate.temperature, file) {
            (None, Some(file)) if file.samples().unwrap_or(false) => file.temperature()?,
            (None, None) => defaults.sampler(None)?.temperature(),
            _ => 1.0,
        };
        let random = Random {
            temperature,
            seed: None,
        };
        return generate.sampler_or(&random.into());
    }
    let default = match generate.num_beams {
        None => defaults.sampler(generate.temperature)?,
        Some(1) => defaults.sampler_without_beams(generate.temperature)?,
        Some(beams) => defaults.sampler_of_beams(beams)?,
    };
    generate.sampler_from(&default, file.map(GenerationConfig::name))
}

fn limits(generate: &Generate, file: Option<&GenerationConfig>) -> Result<Limits> {
    let mut limits = generate.limits();
    let Some(file) = file else {
        return Ok(limits);
    };
    if limits.max_length.is_none() && limits.max_new_tokens.is_none() {
        let new = file.most("max_new_tokens")?;
        limits = limits.or(Limits {
            max_new_tokens: new,
            // What loses against it is not looked at.
            max_length: new.map_or_else(|| file.most("max_length"), |_| Ok(None))?,
            most_of: Some(file.name()),
            ..Limits::default()
        });
    }
    if generate.min_length.is_none() && generate.min_new_tokens.is_none() {
        let new = file.least("min_new_tokens")?;
        limits.min_new_tokens = new.unwrap_or_default();
        if new.is_none() {
            limits.min_length = file.least("min_length")?.unwrap_or_default();
        }
        limits.least_gives_way = true;
    }
    Ok(limits)
}

/// An option's value, else the file's, else none.
fn either<T>(
    option: Option<T>,
    file: Option<&GenerationConfig>,
    read: impl FnOnce(&GenerationConfig) -> Result<Option<T>>,
) -> Result<Option<T>> {
    match (option, file) {
        (None, Some(file)) => read(file),
        (option, _) => Ok(option),
    }
}

fn processors(
    generate: &Generate,
    file: Option<&GenerationConfig>,
    vocabulary: usize,
) -> Result<Processors> {
    let sequences: Vec<Vec<u32>> = generate
        .bad_words_ids
        .iter()
        .map(|it| it.0.clone())
        .collect();
    for ids in &sequences {
        check("bad_words_ids", ids, vocabulary)?;
    }
    let bad_words = Some(sequences).filter(|sequences| !sequences.is_empty());
    let ids = |name: &str, option: &Option<crate::TokenIds>| match option {
        Some(ids) => {
            check(name, ids, vocabulary)?;
            Ok::<_, crate::Error>(Some(ids.0.clone()))
        }
        None => Ok(None),
    };
    let forced_first = generate.forced_bos_token_id;
    check("forced_bos_token_id", forced_first.as_slice(), vocabulary)?;
    let forced_last = ids("forced_eos_token_id", &generate.forced_eos_token_id)?;
    let suppress = ids("suppress_tokens", &generate.suppress_tokens)?;
    let suppress_first = ids("begin_suppress_tokens", &generate.begin_suppress_tokens)?;
    let penalty = generate.repetition_penalty.map(RepetitionPenalty::new);
    let penalty = penalty.transpose()?;
    let size = generate.no_repeat_ngram_size;
    let encoder_size = generate.encoder_no_repeat_ngram_size;
    let biased: Vec<u32> = generate.logit_bias.0.iter().map(|(id, _)| *id).collect();
    check("logit_bias", &biased, vocabulary)?;
    let mut processors = Processors {
        repetition_penalty: either(penalty, file, |it| it.penalty("repetition_penalty"))?
            .unwrap_or_default(),
        no_repeat_ngram_size: either(size, file, |it| it.least("no_repeat_ngram_size"))?
            .unwrap_or_default(),
        bad_words: either(bad_words, file, |it| {
            it.sequences("bad_words_ids", vocabulary)
        })?
        .unwrap_or_default(),
        forced_first: either(forced_first, file, |it| {
            it.id("forced_bos_token_id", vocabulary)
        })?,
        forced_last: either(forced_last, file, |it| {
            it.known_ids("forced_eos_token_id", vocabulary)
        })?
        .unwrap_or_default(),
        suppress: either(suppress, file, |it| it.ids("suppress_tokens"))?.unwrap_or_default(),
        suppress_first: either(suppress_first, file, |it| it.ids("begin_suppress_tokens"))?
            .unwrap_or_default(),
        encoder_no_repeat_ngram_size: either(encoder_size, file, |it| {
            it.least("encoder_no_repeat_ngram_size")
        })?
        .unwrap_or_default(),
        frequency_penalty: generate.frequency_penalty.unwrap_or_default() as f32,
        ..Processors::default()
    };
    if let Some(file) = file {
        processors.sequence_bias = file.biases(vocabulary)?;
        processors.length_decay = file.length_decay()?;
        processors.remove_invalid_values = file.flag("remove_invalid_values")?;
        let penalty = file.penalty("encoder_repetition_penalty")?;
        processors.encoder_repetition_penalty = penalty.unwrap_or_default();
    }
    let biases = generate.logit_bias.0.iter();
    let biases = biases.map(|(id, bias)| (vec![*id], *bias));
    processors.sequence_bias.extend(biases);
    Ok(processors)
}
