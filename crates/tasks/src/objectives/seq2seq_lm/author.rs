//! Writing texts with a network that is being trained, or was.

use engraft_generate::{
    Batch, Defaults, GENERATION_CONFIG, Generate, Greedy, Request, RowSeed, Sampler, Settings,
    Sides,
};
use engraft_models::Checkpoint;
use engraft_text::Tokenizer;

use super::Seq2SeqLM;
use crate::error::{Error, Result};
use crate::network::Network;
use crate::objective::Basis;

/// A text that is being written.
#[derive(Clone, Debug, Default)]
struct Written {
    ids: Vec<u32>,
    has_ended: bool,
}

/// How texts are written.
#[derive(Debug)]
pub(super) struct Author {
    pub(super) sides: Sides,
    settings: Settings,
    /// Tokens that a text may have.
    context: Option<usize>,
    /// Texts that are written at a time.
    width: usize,
    /// What a user should know of the preset's files.
    pub(super) notes: Vec<String>,
}

impl Author {
    pub(super) fn new(task: &Seq2SeqLM, basis: &Basis<'_>) -> Result<Self> {
        let checkpoint = basis.checkpoint;
        let transformer = &checkpoint.decoder_config()?.transformer;
        let mut generate = task.generation.as_deref().cloned().unwrap_or_default();
        check(&generate)?;
        if generate.max_length.is_none() && generate.max_new_tokens.is_none() {
            generate.max_new_tokens = task.max_output_length;
        }
        let target = basis.tokenizer.for_target(None)?;
        let ignores = generate.ignore_generation_config;
        let defaults = Defaults::of(checkpoint, &target, ignores).map_err(refused)?;
        // Where nothing is said, results are to be the same each time.
        let greedy: Sampler = Greedy::default().into();
        let compiled = defaults.leaves_sampler().then_some(&greedy);
        let settings = Settings::new(&generate, &defaults, compiled, transformer.vocabulary);
        let settings = settings.map_err(refused)?;
        let languages = [&task.source_lang, &task.target_lang].map(Option::as_deref);
        let sides = Sides::new(checkpoint, basis.tokenizer, &defaults, languages);
        let sides = sides.map_err(refused)?;
        let context = transformer.longest().or(transformer.context);
        settings.limits.of_row(1, context).map_err(refused)?;
        Ok(Self {
            notes: target
                .notes()
                .iter()
                .filter(|note| !basis.tokenizer.notes().contains(note))
                .cloned()
                .collect(),
            settings: sides.settings(settings, &generate),
            context,
            width: generate.batch_size,
            sides,
        })
    }

    /// The tokens of a text for each of `sources`, which are numbered, without those that begin or end it; none where no token can be chosen, as the
    /// network gives no numbers.
    pub(super) fn write<'s>(
        &self,
        network: &Network,
        sources: impl Iterator<Item = (usize, &'s [u32])>,
        seed: u64,
    ) -> Vec<Option<Vec<u32>>> {
        let sources: Vec<_> = sources.collect();
        let mut texts = vec![Written::default(); sources.len()];
        // What was refused, it leaves texts without their end.
        let _ = self.write_into(network, &sources, seed, &mut texts);
        let texts = texts.into_iter().map(|mut text| {
            let stops = &self.settings.stop_tokens;
            text.ids.retain(|id| !stops.contains(id));
            text.has_ended.then_some(text.ids)
        });
        texts.collect()
    }

    fn write_into(
        &self,
        network: &Network,
        sources: &[(usize, &[u32])],
        seed: u64,
        texts: &mut [Written],
    ) -> engraft_generate::Result<()> {
        let Some(model) = network.language_model() else {
            return Ok(());
        };
        let mut batch = Batch::new(&model, self.width);
        let settings = &self.settings;
        let prompt = self.sides.begun(None, settings)?;
        let limits = settings.limits.of_row(prompt.ids.len(), self.context)?;
        let seed = settings.sampler.seed().unwrap_or(seed);
        for &(number, source) in sources {
            batch.add(Request {
                prompt: prompt.clone(),
                source: Some(source.into()),
                limits,
                stop_tokens: settings.stop_tokens.clone(),
                sampler: settings.sampler.clone(),
                processors: settings.processors.clone(),
                seed: RowSeed::new(seed, number as u64, 0),
                sequences: 1,
                log_probabilities: false,
            })?;
        }
        while !batch.is_done() {
            for token in batch.step()? {
                let text = &mut texts[token.row];
                text.ids.push(token.id);
                text.has_ended |= token.end.is_some();
            }
        }
        Ok(())
    }
}

/// The `generation_config.json` of a preset that is saved, by which other programs too write in `language`.
pub(super) fn in_language(
    language: &str,
    checkpoint: &Checkpoint,
    tokenizer: &Tokenizer,
) -> Result<Vec<u8>> {
    let target = tokenizer.for_target(Some(language))?;
    let defaults = Defaults::of(checkpoint, &target, false).map_err(refused)?;
    let sides = Sides::new(checkpoint, tokenizer, &defaults, [None, Some(language)]);
    let said = sides.map_err(refused)?.generation_config(&defaults);
    serde_json::to_vec_pretty(&said)
        .map_err(|error| Error::plain(format!("{GENERATION_CONFIG}: {error}")))
}

/// What is refused of how texts are written, by the keys of an experiment.
pub(super) fn refused(error: engraft_generate::Error) -> Error {
    let Some(refusal) = error.refusal() else {
        return error.into();
    };
    let key = match refusal.key.as_str() {
        "" => "model.generation".to_owned(),
        key @ ("source_lang" | "target_lang") => format!("model.{key}"),
        // The sampler's own name for it.
        "alpha" => "model.generation.penalty_alpha".to_owned(),
        key => format!("model.generation.{key}"),
    };
    Error::refused(&key, refusal.problem.clone())
}

/// Refuses what has no meaning where each row gets one text.
fn check(generate: &Generate) -> Result<()> {
    let given = [
        (
            "num_return_sequences",
            generate
                .num_return_sequences
                .is_some_and(|count| count != 1),
            "each row gets one text; leave it out",
        ),
        (
            "stop",
            !generate.stop.is_empty(),
            "texts end by tokens here; leave it out",
        ),
        (
            "source_lang",
            generate.source_lang.is_some(),
            "give it as model.source_lang, which texts are learned in too",
        ),
        (
            "target_lang",
            generate.target_lang.is_some(),
            "give it as model.target_lang, which texts are learned in too",
        ),
        (
            "context_length",
            generate.context_length.is_some(),
            "give model.max_output_length, to which texts are learned too",
        ),
        (
            "logprobs",
            generate.logprobs,
            "there is no place for them here; leave it out",
        ),
        (
            "strip_prompt",
            generate.strip_prompt,
            "no prompt is part of the texts; leave it out",
        ),
        (
            "draft",
            generate.draft.is_some(),
            "drafts are for engraft generate; leave it out",
        ),
        (
            "sampler",
            matches!(generate.sampler, Some(Sampler::Speculative(_))),
            "drafts are for engraft generate; choose another",
        ),
    ];
    match given.into_iter().find(|(_, is_given, _)| *is_given) {
        Some((key, _, problem)) => Err(Error::refused(&format!("model.generation.{key}"), problem)),
        None => Ok(()),
    }
}
