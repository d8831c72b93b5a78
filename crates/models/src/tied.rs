//! Token embeddings and a head's projection that are one tensor: whichever of the two is stored is both. Where both are stored with other
//! values, the head is the file's own, whatever its configuration says.

use engraft_hub::TensorRef;
use serde_json::{Value, json};

use crate::checkpoint::Checkpoint;
use crate::config::ModelConfig;
use crate::error::Result;
use crate::json::ConfigReader;
use crate::load::Source;
use crate::names::{HeadKind, Names};

/// The path of the token embeddings in an encoder.
pub(crate) const EMBEDDINGS: &str = "embeddings.tokens.weight";

/// The path of the projection in a language-model head.
pub(crate) const PROJECTION: &str = "decoder";

/// The key of `config.json` that says whether heads are tied.
const TIE: &str = "tie_word_embeddings";

/// The heads that may be tied.
const LANGUAGE_MODELS: [HeadKind; 3] =
    [HeadKind::MaskedLm, HeadKind::CausalLm, HeadKind::Seq2SeqLm];

/// Where a parameter's values lie if no file has it under its own name: under that of the one that it is tied to.
pub(crate) struct Twin {
    /// The parameter that is looked for.
    pub(crate) of: &'static str,
    pub(crate) names: Names,
    /// The path that `names` know it by.
    pub(crate) path: &'static str,
}

impl Checkpoint {
    /// Gives each tied head a projection of its own where the preset, or what lies before it, stores one that differs from the embeddings.
    ///
    /// # Errors
    /// A tensor cannot be read.
    pub(crate) fn untie(&mut self) -> Result<()> {
        for kind in LANGUAGE_MODELS {
            if self.config.is_tied(kind) && self.differ(kind)? {
                self.config.untie(kind);
                self.untied.push(kind);
            }
        }
        Ok(())
    }

    /// The stack whose token embeddings a tied head is, and its names: a decoder that has its own, else the only or first one.
    fn embedding_stack(&self, kind: HeadKind) -> (HeadKind, Names) {
        let decoder = self.config.decoder.as_ref();
        let has_own = decoder.is_some_and(|decoder| !decoder.transformer.embedding.shared);
        if kind == HeadKind::Seq2SeqLm && has_own {
            (HeadKind::Decoder, Names::decoder(&self.config))
        } else {
            (HeadKind::None, Names::encoder(&self.config))
        }
    }

    /// Whether what is stored of a head's projection and of the embeddings differs.
    fn differ(&self, kind: HeadKind) -> Result<bool> {
        let (head_names, (_, stack_names)) = (self.head_names(kind), self.embedding_stack(kind));
        if let Some(folder) = self.adapter_folder()
            && [true, false]
                .into_iter()
                .flat_map(|prefixed| head_names.of(PROJECTION, prefixed))
                .any(|name| folder.updates(&name))
        {
            return Ok(true);
        }
        // Where one of the two is not stored, it is the preset's other: an adapter that holds new embeddings leaves the projection as it was.
        let own = self.own_source();
        let heads = self.head_sources();
        let projection =
            stored(&heads, &head_names, PROJECTION).or_else(|| own?.get(&stack_names, EMBEDDINGS));
        let encoders = self.encoder_sources();
        let embeddings = stored(&encoders, &stack_names, EMBEDDINGS)
            .or_else(|| own?.get(&head_names, PROJECTION));
        match (projection, embeddings) {
            (Some(projection), Some(embeddings)) => Ok(!projection.equals(&embeddings)?),
            _ => Ok(false),
        }
    }

    /// What stands for the embeddings, or for the projection of a head, where it is not stored.
    pub(crate) fn twin(&self, kind: HeadKind) -> Option<Twin> {
        match kind {
            stack @ (HeadKind::None | HeadKind::Decoder) => {
                let is_or_was_tied = |kind: &HeadKind| {
                    (self.config.is_tied(*kind) || self.untied.contains(kind))
                        && self.embedding_stack(*kind).0 == stack
                };
                let kind = LANGUAGE_MODELS.into_iter().find(is_or_was_tied)?;
                Some(Twin {
                    of: EMBEDDINGS,
                    names: self.head_names(kind),
                    path: PROJECTION,
                })
            }
            kind => self.untied.contains(&kind).then(|| Twin {
                of: PROJECTION,
                names: self.embedding_stack(kind).1,
                path: EMBEDDINGS,
            }),
        }
    }

    /// Whether `tensor` is the projection of a tied head, stored once more.
    ///
    /// # Errors
    /// A tensor cannot be read.
    pub(crate) fn repeats_embeddings(&self, tensor: &TensorRef<'_>) -> Result<bool> {
        let is_projection = |kind: &HeadKind| {
            let names = self.head_names(*kind).of(PROJECTION, true);
            self.config.is_tied(*kind) && names.iter().any(|name| name == tensor.name())
        };
        let Some(kind) = LANGUAGE_MODELS.into_iter().find(is_projection) else {
            return Ok(false);
        };
        let encoders = self.encoder_sources();
        match stored(&encoders, &self.embedding_stack(kind).1, EMBEDDINGS) {
            Some(embeddings) => Ok(tensor.equals(&embeddings)?),
            None => Ok(true),
        }
    }
}

impl ModelConfig {
    /// Makes a head's projection one of its own, and says so in what is saved.
    fn untie(&mut self, kind: HeadKind) {
        match kind {
            HeadKind::MaskedLm => {
                if let Some(head) = &mut self.masked_lm {
                    head.tied = false;
                }
            }
            HeadKind::CausalLm => {
                if let Some(head) = &mut self.causal_lm {
                    head.tied = false;
                }
            }
            HeadKind::Seq2SeqLm => {
                if let Some(decoder) = &mut self.decoder {
                    decoder.head.tied = false;
                    // T5 takes an untied head for one whose input has no factor, unless it is stated.
                    if decoder.head.scale.is_some() {
                        let key = "scale_decoder_outputs";
                        self.json.insert(key.into(), json!(true));
                    }
                }
            }
            _ => {}
        }
        if !self.tie_moves_tables() {
            self.json.insert(TIE.into(), json!(false));
        }
    }

    /// Whether the key of tied heads also says where the tables of both stacks lie (BART): it then stays as it is, and that both a table
    /// and another head are stored says the rest.
    fn tie_moves_tables(&self) -> bool {
        let mut json = self.json.clone();
        json.insert(TIE.into(), Value::Bool(false));
        let reader = ConfigReader::new("", &json).with_spellings(self.family.spellings);
        let other = (self.family.variant)(&reader, &self.transformer);
        self.decoder.is_some() && other.is_some_and(|other| other.decoder != self.family.decoder)
    }
}

/// The parameter at `path` in the first source that has it.
fn stored<'a>(sources: &'a [Source], names: &Names, path: &str) -> Option<TensorRef<'a>> {
    sources.iter().find_map(|source| source.get(names, path))
}
