//! What each key of the reference is here, and what is to be said of a file.

use serde_json::Value;

use super::{GENERATION_CONFIG, GenerationConfig};
use crate::error::Result;
use crate::options::Generate;
use crate::stop::StopTokens;

/// Keys that are honoured.
pub(super) const HONOURED: [&str; 33] = [
    "begin_suppress_tokens",
    "bad_words_ids",
    "decoder_start_token_id",
    "do_sample",
    "early_stopping",
    "encoder_no_repeat_ngram_size",
    "encoder_repetition_penalty",
    "eos_token_id",
    "epsilon_cutoff",
    "eta_cutoff",
    "exponential_decay_length_penalty",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "length_penalty",
    "max_length",
    "max_new_tokens",
    "min_length",
    "min_new_tokens",
    "min_p",
    "no_repeat_ngram_size",
    "num_beams",
    "num_return_sequences",
    "penalty_alpha",
    "remove_invalid_values",
    "repetition_penalty",
    "sequence_bias",
    "stop_strings",
    "suppress_tokens",
    "temperature",
    "top_h",
    "top_k",
    "top_p",
    "typical_p",
];

/// Keys that change texts and are not honoured, with the value that changes nothing.
pub(super) const NOT_HONOURED: [(&str, Option<f64>); 9] = [
    ("num_beam_groups", Some(1.0)),
    ("diversity_penalty", Some(0.0)),
    ("dola_layers", None),
    ("constraints", None),
    ("force_words_ids", None),
    ("guidance_scale", Some(1.0)),
    ("watermarking_config", None),
    ("token_healing", None),
    ("max_time", None),
];

/// Keys that change no text here: how the reference computes, what it returns, tokens of batches and of encoders, drafts that are checked.
pub(super) const WITHOUT_EFFECT: [&str; 36] = [
    "assistant_confidence_threshold",
    "assistant_early_exit",
    "assistant_ensemble_weight",
    "assistant_lookbehind",
    "bos_token_id",
    "cache_config",
    "cache_implementation",
    "chat_format",
    "compile_config",
    "continuous_batching_config",
    "disable_compile",
    "is_assistant",
    "low_memory",
    "max_cache_len",
    "max_matching_ngram_size",
    "num_assistant_tokens",
    "num_assistant_tokens_schedule",
    "output_attentions",
    "output_hidden_states",
    "output_logits",
    "output_scores",
    "pad_token_id",
    "prefill_chunk_size",
    "prompt_lookup_num_tokens",
    "renormalize_logits",
    "return_dict_in_generate",
    "return_legacy_cache",
    "speculation_type",
    "target_lookbehind",
    "trust_remote_code",
    "use_cache",
    "use_mtp",
    "transformers_version",
    "_commit_hash",
    "_from_model_config",
    "_original_object_hash",
];

impl GenerationConfig {
    /// What is to be said of it: keys that change texts and are not honoured, ids that there cannot be, keys that the reference does not know.
    /// Options that replace what it says are left out. `vocabulary` is the number of tokens that the model has.
    pub fn notes(&self, generate: &Generate, vocabulary: usize) -> Vec<String> {
        let mut notes = Vec::new();
        let changes = |(key, none): &(&str, Option<f64>)| match self.object.get(*key) {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(value) => none.is_none() || value.as_f64() != *none,
        };
        let named: Vec<&str> = NOT_HONOURED
            .iter()
            .filter(|it| changes(it))
            .map(|(key, _)| *key)
            .collect();
        if !named.is_empty() {
            let named = named.iter().map(|key| {
                let value = self.object.get(*key).cloned().unwrap_or_default();
                // A structure would fill the line.
                if value.is_object() || value.is_array() {
                    (*key).to_owned()
                } else {
                    format!("{key} {value}")
                }
            });
            notes.push(format!(
                "{}: not honoured: {}",
                self.file,
                named.collect::<Vec<_>>().join(", ")
            ));
        }
        for key in ["eos_token_id", "suppress_tokens", "begin_suppress_tokens"] {
            let replaced = match key {
                "eos_token_id" => generate.stop_token_ids != StopTokens::Auto,
                "suppress_tokens" => generate.suppress_tokens.is_some(),
                _ => generate.begin_suppress_tokens.is_some(),
            };
            let strangers = self.strangers(key, vocabulary);
            if !strangers.is_empty() && !replaced {
                let (is, are) = match strangers.len() {
                    1 => ("is no token", "is"),
                    _ => ("are no tokens", "are"),
                };
                notes.push(format!(
                    "{}: {key}: {} {is} of the {vocabulary} that the model has, and {are} left out",
                    self.file,
                    strangers.join(", ")
                ));
            }
        }
        if self.name == GENERATION_CONFIG {
            let known = |key: &str| {
                HONOURED.contains(&key)
                    || WITHOUT_EFFECT.contains(&key)
                    || NOT_HONOURED.iter().any(|(other, _)| *other == key)
            };
            let unknown = self
                .object
                .iter()
                .filter(|(key, value)| !known(key) && !value.is_null());
            let mut unknown: Vec<&str> = unknown.map(|(key, _)| key.as_str()).collect();
            unknown.sort_unstable();
            if !unknown.is_empty() {
                notes.push(format!(
                    "{}: keys that are not known, and without effect: {}",
                    self.file,
                    unknown.join(", ")
                ));
            }
        }
        notes
    }

    /// What is to be said of it where texts are searched for by beams: draws that there are not, and strings that end no text.
    ///
    /// # Errors
    /// A flag that is none, strings to end texts at that are none.
    pub(crate) fn notes_of_beams(&self, generate: &Generate) -> Result<Vec<String>> {
        let mut notes = Vec::new();
        if self.samples()? && generate.sampler.is_none() {
            notes.push(format!(
                "{}: do_sample true: beams are searched without draws",
                self.file
            ));
        }
        if !self.stop_strings()?.is_empty() {
            notes.push(format!(
                "{}: stop_strings: texts that beams search for end by tokens alone",
                self.file
            ));
        }
        Ok(notes)
    }

    /// The ids of a key that no token has.
    fn strangers(&self, key: &str, vocabulary: usize) -> Vec<String> {
        let is_token = |id: &Value| {
            let id = id.as_u64().and_then(|id| usize::try_from(id).ok());
            id.is_some_and(|id| id < vocabulary)
        };
        let is_stranger = |id: &&Value| id.is_i64() && !is_token(id);
        let ids = match self.object.get(key) {
            Some(Value::Array(ids)) => ids.iter().filter(is_stranger).collect(),
            Some(id) if is_stranger(&id) => vec![id],
            _ => Vec::new(),
        };
        ids.into_iter().map(Value::to_string).collect()
    }
}
