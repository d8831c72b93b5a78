//! Vocabularies of models whose repositories bring none, because the reference implementation ships them with its code.

use serde_json::{Map, Value};

use crate::files::{TOKENIZER_CONFIG, VOCAB_TXT};

/// Which tokens play which role, and the vocabulary.
type VocabularyFiles = [(&'static str, &'static [u8]); 2];

/// AIDO.DNA and AIDO.RNA: `[CLS] sequence [SEP]`.
const NUCLEOTIDES: VocabularyFiles = [
    (
        TOKENIZER_CONFIG,
        include_bytes!("vocabularies/nucleotides.json"),
    ),
    (VOCAB_TXT, include_bytes!("vocabularies/nucleotides.txt")),
];

/// The same tokens without the first: `sequence [SEP]`.
const NUCLEOTIDES_ONE_HOT: VocabularyFiles = [
    (
        TOKENIZER_CONFIG,
        include_bytes!("vocabularies/nucleotides_one_hot.json"),
    ),
    (VOCAB_TXT, include_bytes!("vocabularies/nucleotides.txt")),
];

/// AIDO.Protein: `sequence [SEP]`; `-` is the unknown token, and `|` between two chains is read as `[SEP]`.
const RESIDUES: VocabularyFiles = [
    (
        TOKENIZER_CONFIG,
        include_bytes!("vocabularies/residues.json"),
    ),
    (VOCAB_TXT, include_bytes!("vocabularies/residues.txt")),
];

/// The tokenizer's files of a model that may come without; `config` is its `config.json`.
pub(crate) fn files(config: &Map<String, Value>) -> Option<VocabularyFiles> {
    let size = || config.get("vocab_size")?.as_u64();
    match config.get("model_type")?.as_str()? {
        "rnabert" => Some(NUCLEOTIDES),
        "fm4bio" => Some(RESIDUES),
        "onehot" if size() == Some(16) => Some(NUCLEOTIDES_ONE_HOT),
        "onehot" if size() == Some(44) => Some(RESIDUES),
        _ => None,
    }
}
