//! The files from which KerasHub makes objects: a backbone, a tokenizer, a preprocessor and a task, each with its class and its arguments.

use std::path::Path;

use engraft_files::atomic;
use safetensors::Dtype;
use serde_json::{Map, Value, json};

use super::tokenizers::WrittenTokenizer;
use super::weights::Counted;
use super::{KerasModel, KerasPacking, python};
use crate::keras::families::{Family, Head, Tasks};
use crate::keras::stated::Stated;
use crate::keras::tokenizers::ASSETS;
use crate::keras::{BACKBONE, TASK};
use crate::{Error, Result};

const TOKENIZER: &str = "tokenizer.json";
const PREPROCESSOR: &str = "preprocessor.json";
const METADATA: &str = "metadata.json";

/// The versions whose files these are.
const KERAS_VERSION: &str = "3.15.1";
const KERAS_HUB_VERSION: &str = "0.32.0";

/// Tokens that a text is cut to where nobody says it: what KerasHub's classes have, for encoders and for language models.
const ENCODER_LENGTH: usize = 512;
const LANGUAGE_MODEL_LENGTH: usize = 1024;

/// A class of a family, and the file of KerasHub that defines it.
struct Class {
    name: String,
    module: String,
}

impl KerasModel {
    /// Writes the files that KerasHub makes objects from, and the vocabulary.
    pub(super) fn write_objects(
        &self,
        folder: &Path,
        tokenizer: Option<&WrittenTokenizer>,
        packing: KerasPacking,
        counted: Counted,
    ) -> Result<()> {
        let put = |name: &str, value: &Value| {
            atomic::write(&folder.join(name), python::indented(value).as_bytes())
        };
        let dtype = match counted.dtype {
            Dtype::BF16 => "bfloat16",
            _ => "float32",
        };
        let backbone = self.class("Backbone");
        let mut arguments = backbone.begin(dtype);
        arguments.extend(self.backbone.arguments().clone());
        let backbone = backbone.object(arguments);
        put(BACKBONE, &backbone)?;
        let metadata = json!({
            "keras_version": KERAS_VERSION,
            "keras_hub_version": KERAS_HUB_VERSION,
            "parameter_count": counted.numbers,
            "tasks": self.family.tasks.names(),
        });
        put(METADATA, &metadata)?;
        let mut preprocessor = Value::Null;
        if let Some(tokenizer) = tokenizer {
            let class = self.class("Tokenizer");
            let mut arguments = class.begin("int32");
            arguments.insert("config_file".to_owned(), json!(TOKENIZER));
            arguments.extend(tokenizer.arguments.clone());
            let written = class.object(arguments);
            put(TOKENIZER, &written)?;
            let assets = folder.join(ASSETS);
            std::fs::create_dir_all(&assets).map_err(Error::io("create", &assets))?;
            for (name, bytes) in &tokenizer.assets {
                atomic::write(&assets.join(name), bytes)?;
            }
            if let Some((task, _)) = self.task() {
                let class = self.class(&format!("{task}Preprocessor"));
                let mut arguments = class.begin("float32");
                arguments.insert("tokenizer".to_owned(), written);
                arguments.insert("config_file".to_owned(), json!(PREPROCESSOR));
                arguments.extend(self.packed(packing)?);
                preprocessor = class.object(arguments);
                put(PREPROCESSOR, &preprocessor)?;
            }
        }
        if let Some((task, own)) = self.task() {
            let class = self.class(task);
            let mut arguments = Map::new();
            arguments.insert("backbone".to_owned(), backbone);
            arguments.insert("preprocessor".to_owned(), preprocessor);
            arguments.insert("name".to_owned(), json!(snake(&class.name)));
            arguments.extend(own);
            put(TASK, &class.object(arguments))?;
        }
        Ok(())
    }

    /// What it is called with its head: `BertTextClassifier`; as its backbone if it has none.
    pub fn called(&self) -> String {
        let suffix = self.task().map_or("Backbone", |(suffix, _)| suffix);
        format!("{}{suffix}", self.family.stem)
    }

    /// What its task is called, and what it is made from beside backbone and preprocessor; none if it has none.
    fn task(&self) -> Option<(&'static str, Map<String, Value>)> {
        let mut own = Map::new();
        let task = match (&self.family.tasks, &self.head) {
            (Tasks::Decoder, _) => "CausalLM",
            (Tasks::EncoderDecoder, _) => "Seq2SeqLM",
            (Tasks::None, _) | (_, Head::None) => return None,
            (tasks, Head::MaskedLm) => tasks.masked_lm(),
            (
                tasks,
                Head::Classifier {
                    classes,
                    hidden,
                    dropout,
                },
            ) => {
                own.insert("num_classes".to_owned(), json!(classes));
                own.insert("activation".to_owned(), json!("linear"));
                if let Some(hidden) = hidden {
                    own.insert("hidden_dim".to_owned(), json!(hidden));
                }
                own.insert("dropout".to_owned(), json!(dropout));
                tasks.classifier()
            }
        };
        Some((task, own))
    }

    /// What a preprocessor is given beside its tokenizer.
    fn packed(&self, packing: KerasPacking) -> Result<Map<String, Value>> {
        let positions = self.backbone.optional_size("max_sequence_length")?;
        let usual = match self.family.tasks {
            Tasks::Decoder | Tasks::EncoderDecoder => LANGUAGE_MODEL_LENGTH,
            _ => ENCODER_LENGTH,
        };
        let length = packing.length.unwrap_or(usual);
        let length = positions.map_or(length, |positions| length.min(positions));
        let packed = match (&self.family.tasks, &self.head) {
            (Tasks::Decoder, _) => json!({
                "sequence_length": length,
                "add_start_token": packing.starts,
                "add_end_token": packing.ends,
            }),
            // KerasHub's own files lack these, and its classes take them.
            (Tasks::EncoderDecoder, _) => json!({
                "encoder_sequence_length": length,
                "decoder_sequence_length": length,
            }),
            (_, Head::MaskedLm) => json!({
                "sequence_length": length,
                "truncate": "round_robin",
                "mask_selection_rate": 0.15,
                "mask_selection_length": 96,
                "mask_token_rate": 0.8,
                "random_token_rate": 0.1,
            }),
            _ => json!({"sequence_length": length, "truncate": "round_robin"}),
        };
        match packed {
            Value::Object(packed) => Ok(packed),
            _ => Ok(Map::new()),
        }
    }

    /// A class of the family, by what its name ends in.
    fn class(&self, end: &str) -> Class {
        let file = match end {
            "ProteinClassifier" => "classifier".to_owned(),
            "ProteinClassifierPreprocessor" => "classifier_preprocessor".to_owned(),
            end => snake(end).replace("seq2_seq", "seq_2_seq"),
        };
        let module = self.family.module;
        Class {
            name: format!("{}{end}", self.family.stem),
            module: format!("keras_hub.src.models.{module}.{module}_{file}"),
        }
    }
}

impl Class {
    /// What all objects are given first.
    fn begin(&self, dtype: &str) -> Map<String, Value> {
        let policy = json!({
            "module": "keras",
            "class_name": "DTypePolicy",
            "config": {"name": dtype},
            "registered_name": null,
        });
        let mut arguments = Map::new();
        arguments.insert("name".to_owned(), json!(snake(&self.name)));
        arguments.insert("trainable".to_owned(), json!(true));
        arguments.insert("dtype".to_owned(), policy);
        arguments
    }

    /// An object of the class.
    fn object(&self, arguments: Map<String, Value>) -> Value {
        json!({
            "module": self.module,
            "class_name": self.name,
            "config": arguments,
            "registered_name": format!("keras_hub>{}", self.name),
        })
    }
}

impl Family {
    /// The head of a class of Hugging Face; none if KerasHub has no such task of this family.
    pub(super) fn head(&self, architecture: &str, stated: Stated<'_>) -> Option<Head> {
        match &self.tasks {
            Tasks::Encoder(heads) | Tasks::Proteins(heads) => heads.of(architecture, stated),
            Tasks::None => {
                let is_bare = architecture.is_empty() || architecture.ends_with("Model");
                is_bare.then_some(Head::None)
            }
            Tasks::Decoder | Tasks::EncoderDecoder => {
                let has_other = ["Classification", "QuestionAnswering", "EncoderModel"];
                let mut others = has_other.into_iter();
                let is_other = others.any(|other| architecture.ends_with(other));
                (!is_other).then_some(Head::None)
            }
        }
    }
}

impl Tasks {
    fn classifier(&self) -> &'static str {
        match self {
            Self::Proteins(_) => "ProteinClassifier",
            _ => "TextClassifier",
        }
    }

    fn masked_lm(&self) -> &'static str {
        match self {
            Self::Proteins(_) => "MaskedPLM",
            _ => "MaskedLM",
        }
    }

    /// What the classes of its tasks end with.
    pub(in crate::keras) fn suffixes(&self) -> &'static [&'static str] {
        match self {
            Self::Proteins(_) => &["MaskedPLM", "ProteinClassifier"],
            others => others.names(),
        }
    }

    /// The tasks that a backbone can be used for.
    fn names(&self) -> &'static [&'static str] {
        match self {
            Self::None => &[],
            Self::Encoder(_) | Self::Proteins(_) => &["MaskedLM", "TextClassifier"],
            Self::Decoder => &["CausalLM"],
            Self::EncoderDecoder => &["Seq2SeqLM"],
        }
    }
}

/// A class's name as Keras makes an object's of it: `BertTextClassifier` becomes `bert_text_classifier`.
fn snake(class: &str) -> String {
    let letters: Vec<char> = class.chars().collect();
    let mut name = String::new();
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| letters.get(at));
        let begins_word = letters.get(at + 1).is_some_and(char::is_ascii_lowercase);
        let ends_word = before.is_some_and(char::is_ascii_lowercase);
        if letter.is_ascii_uppercase() && before.is_some() && (begins_word || ends_word) {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_named_as_keras_names_them() {
        let names = [
            ("BertTextClassifier", "bert_text_classifier"),
            ("GPT2CausalLMPreprocessor", "gpt2_causal_lm_preprocessor"),
            ("BartSeq2SeqLM", "bart_seq2_seq_lm"),
            ("SmolLM3Backbone", "smol_lm3_backbone"),
            ("ESMMaskedPLM", "esm_masked_plm"),
            ("XLMRobertaTokenizer", "xlm_roberta_tokenizer"),
            ("T5GemmaBackbone", "t5_gemma_backbone"),
        ];
        for (class, name) in names {
            assert_eq!(snake(class), name);
        }
    }
}
