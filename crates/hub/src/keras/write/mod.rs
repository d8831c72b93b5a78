//! Models of Hugging Face as presets of KerasHub.
//!
//! What a class of KerasHub is to be made from is read off `config.json`; how that class is seen as a Hugging Face model again tells whether it is the
//! same one, and which numbers of which tensor its data sets are.

mod h5;
mod objects;
mod python;
mod tokenizers;
mod weights;

use std::path::Path;

use safetensors::Dtype;
use serde_json::{Map, Value};

use super::BACKBONE;
use super::families::{FAMILIES, Family, Head, Model, scaled_tokens};
use super::map::TensorMap;
use super::object::Object;
use super::stated::Stated;
use super::tokenizers::Tokenizer;
use crate::{Error, Preset, Result, TensorRef};

/// The model of KerasHub that is nearest to one of Hugging Face.
#[derive(Debug)]
pub struct KerasModel {
    family: &'static Family,
    backbone: Object,
    head: Head,
    map: TensorMap,
    config: Map<String, Value>,
}

/// How texts are packed for a model of KerasHub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KerasPacking {
    /// Tokens that a text is cut to; what KerasHub's class has, if it is none.
    pub length: Option<usize>,
    /// Whether a language model's texts begin with the start token.
    pub starts: bool,
    /// Whether they end with the end token.
    pub ends: bool,
}

/// The families of KerasHub: what their classes begin with, and what `model_type` calls the same models.
pub fn keras_families() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    FAMILIES
        .iter()
        .map(|family| (family.stem, family.model_types))
}

/// What KerasHub calls the modules of the families that are read.
pub(crate) fn keras_modules() -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().map(|family| family.module)
}

impl KerasModel {
    /// The model of KerasHub that is nearest to the one that `config.json` of `preset` describes.
    ///
    /// # Errors
    /// KerasHub has no such class, no such task of it, or cannot give it one of its sizes.
    pub fn nearest(preset: &Preset) -> Result<Self> {
        let config = preset.config()?;
        let place = preset.locate(BACKBONE);
        let refuse = |reason: String| Error::Malformed {
            file: place.clone(),
            reason,
        };
        let stated = Stated(&config);
        let kind = stated.word("model_type").unwrap_or_default();
        let families = FAMILIES.iter();
        let of_kind = families.filter(|family| family.model_types.contains(&kind));
        let of_kind: Vec<&Family> = of_kind.collect();
        let reads_pieces = tokenizers::has_pieces(preset);
        let is_suited = |family: &&&Family| {
            reads_pieces == matches!(family.tokenizer, Tokenizer::SentencePiece { .. })
        };
        let suited = of_kind.iter().find(is_suited).or(of_kind.first());
        let family = *suited.ok_or_else(|| {
            let mut kinds: Vec<&str> = FAMILIES
                .iter()
                .flat_map(|it| it.model_types)
                .copied()
                .collect();
            kinds.dedup();
            refuse(format!(
                "model_type \"{kind}\": KerasHub 0.32 has no such model. It has: {}",
                kinds.join(", ")
            ))
        })?;
        let architecture = config
            .get("architectures")
            .and_then(|all| all.get(0)?.as_str())
            .unwrap_or_default();
        let class = format!("{}Backbone", family.stem);
        let head = family.head(architecture, stated).ok_or_else(|| {
            refuse(format!(
                "architectures: KerasHub has no task for its {class} that {architecture} could become"
            ))
        })?;
        let arguments = (family.arguments)(&stated);
        let arguments = arguments
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value));
        let backbone = Object::new(place.clone(), class, arguments.collect());
        let mut map = TensorMap::default();
        let model = Model {
            backbone: &backbone,
            head: &head,
            has: &|_| true,
        };
        let seen = (family.translate)(&model, &mut map)?;
        map.scaled = scaled_tokens(&stated);
        Ok(Self {
            family,
            backbone,
            head,
            map,
            config: seen,
        })
    }

    /// How it is seen as a model of Hugging Face: its `config.json`, without the tokens of a tokenizer.
    pub fn config(&self) -> &Map<String, Value> {
        &self.config
    }

    /// The names of the tensors that it has in whole or in part, sorted.
    pub fn tensors(&self) -> impl Iterator<Item = &str> {
        self.map.tensors.keys().map(String::as_str)
    }

    /// The shape that a tensor has to have; none if it has no place for it.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.map.tensors.get(name).map(Vec::as_slice)
    }

    /// Those that it needs where `has` says no. Where `is_tied`, the table of tokens stands for the matrix of logits.
    pub fn missing(&self, has: impl Fn(&str) -> bool, is_tied: bool) -> Vec<&str> {
        let needed = self.map.parts.iter().map(|part| part.tensor.as_str());
        let twin = |name: &str| self.map.twins.get(name).filter(|_| is_tied);
        let stands = |name: &str| twin(name).is_some_and(|twin| has(twin));
        let mut missing: Vec<&str> = needed.filter(|name| !has(name) && !stands(name)).collect();
        missing.sort_unstable();
        missing.dedup();
        missing
    }

    /// Whether vectors of tokens are written as the model reads them where no token of a text is masked: `token_dropout` of ESM.
    pub fn scales_tokens(&self) -> bool {
        self.map.scaled.is_some()
    }

    /// Whether it has a matrix of logits beside a table of tokens that may be equal to it.
    pub fn has_twins(&self) -> bool {
        !self.map.twins.is_empty()
    }

    /// Writes the preset into a folder that is there: the weights, the tokenizer of `preset` if it has one, and what KerasHub makes objects from.
    /// Tensors that `find` does not know are zero, but for weights of norms, which are one. No file of the weights is larger than `shard` bytes, and as
    /// much is held in memory at most.
    ///
    /// # Errors
    /// A tensor of another shape, a tokenizer that KerasHub cannot have, a file that cannot be written.
    pub fn write<'w>(
        &self,
        folder: &Path,
        preset: &Preset,
        packing: KerasPacking,
        shard: usize,
        find: &dyn Fn(&str) -> Option<TensorRef<'w>>,
    ) -> Result<()> {
        let tokenizer = tokenizers::of(preset, self.family, &self.config)?;
        let stated = tokenizer.as_ref().and_then(|tokenizer| tokenizer.length);
        let packing = KerasPacking {
            length: packing.length.or(preset.text_length()).or(stated),
            ..packing
        };
        let counted = self.write_weights(folder, shard, find)?;
        self.write_objects(folder, tokenizer.as_ref(), packing, counted)
    }

    /// Whether `written`, read from a preset of this model, has of the tensor `source` all that there is a place for. `find` gives others that were
    /// written.
    ///
    /// # Errors
    /// A tensor that is not of floats.
    pub fn holds<'w>(
        &self,
        name: &str,
        source: &TensorRef<'_>,
        written: &TensorRef<'_>,
        find: impl Fn(&str) -> Option<TensorRef<'w>>,
    ) -> Result<bool> {
        let of_tensor = self.map.parts.iter().filter(|part| part.tensor == name);
        let Some(before) = of_tensor.clone().map(|part| part.moved.to.start).min() else {
            // A row that is added to others.
            return Ok(true);
        };
        let added = self.map.folded.iter().find(|folded| {
            let mut parts = of_tensor.clone();
            parts.any(|part| part.path == folded.table)
        });
        let dtype = written.dtype();
        let mut expected = if source.dtype() == dtype {
            source.bytes().into_owned()
        } else if dtype == Dtype::F32 {
            let numbers = source.to_f32()?;
            numbers.iter().flat_map(|it| it.to_le_bytes()).collect()
        } else {
            return Ok(false);
        };
        let scaled = self.map.scaled.as_ref().filter(|it| it.tensor == name);
        if let Some(scaled) = scaled {
            weights::scale(&mut expected, dtype, source.shape(), scaled);
        }
        if let Some(row) = added.and_then(|folded| find(&folded.row)) {
            weights::add_row(&mut expected, dtype, &row)?;
        }
        let before = before * dtype.bitsize() / 8;
        Ok(expected.get(before..) == written.bytes().get(before..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keras::{SHARDS, WEIGHTS};

    #[test]
    fn weights_beyond_the_limit_lie_in_several_files_that_read_as_one() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/keras/llama");
        let source = Preset::from_name(golden.to_str().unwrap()).unwrap();
        let weights = crate::Weights::open(&source).unwrap();
        let model = KerasModel::nearest(&source).unwrap();
        let packing = KerasPacking {
            length: None,
            starts: true,
            ends: true,
        };
        let folder = tempfile::tempdir().unwrap();
        let find = |name: &str| weights.get(name);
        // Less than the table of tokens takes, which no file can be smaller than.
        model
            .write(folder.path(), &source, packing, 20_000, &find)
            .unwrap();
        assert!(!folder.path().join(WEIGHTS).exists() && folder.path().join(SHARDS).is_file());
        assert!(folder.path().join("model_00003.weights.h5").is_file());
        let written = Preset::from_name(folder.path().to_str().unwrap()).unwrap();
        let written = crate::Weights::open(&written).unwrap();
        assert_eq!(written.len(), weights.len());
        assert!(
            weights
                .iter()
                .zip(written.iter())
                .all(|(one, other)| one.bytes() == other.bytes())
        );
    }
}
