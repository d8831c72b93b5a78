//! The presets that have a name: those that are part of the program, those of ModelGenerator and those of KerasHub.

mod keras;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use engraft_fetch::KaggleModel;

use crate::{Handle, keras_modules};

/// What a model is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// It reads.
    Encoder,
    /// It goes on with a text.
    Decoder,
    /// It reads one text and writes another.
    EncoderDecoder,
}

/// A preset that is called by a name of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamedPreset {
    /// The name users give.
    pub name: &'static str,
    /// What it is, in a few words.
    pub description: String,
    /// How many weights it has, in words.
    pub parameters: String,
    /// What it is made for.
    pub kind: Kind,
    /// The module of KerasHub that it is of; none if it is not of KerasHub.
    pub family: Option<&'static str>,
    /// Whether models of its family can be used; it can be fetched all the same.
    pub is_read: bool,
    source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// It is part of the program.
    Program,
    /// A repository of the Hugging Face hub, `org/name`.
    HuggingFace(&'static str),
    Kaggle(KaggleModel),
}

impl NamedPreset {
    /// What the name stands for.
    pub fn handle(&self) -> Handle {
        match &self.source {
            Source::Program => Handle::BuiltIn(self.name),
            Source::HuggingFace(repository) => Handle::HuggingFace {
                repository: (*repository).to_owned(),
                revision: None,
            },
            Source::Kaggle(model) => Handle::Kaggle(model.clone()),
        }
    }
}

const DNA: &str = "encoder of DNA (AIDO.DNA)";
const RNA: &str = "encoder of RNA (AIDO.RNA)";
const RNA_MARS: &str = "encoder of RNA (AIDO.RNA), trained on MARS";
const RNA_CODING: &str = "encoder of coding RNA (AIDO.RNA)";
const PROTEIN: &str = "encoder of proteins (ESM-2)";
const PROTEIN_EXPERTS: &str = "encoder of proteins with experts (AIDO.Protein)";
const PROTEIN_ALIGNED: &str = "encoder of proteins and their alignments (AIDO.Protein-RAG)";

/// Those that are part of the program: name, description, weights.
#[rustfmt::skip]
const PROGRAM: [(&str, &str, &str); 7] = [
    ("sapiens_vh", "masked language model of antibody heavy chains (RoBERTa, MIT licence)", "0.57 million"),
    ("aido_dna_debug", "small encoder of DNA in the shape of AIDO.DNA, without weights", "0.09 million"),
    ("aido_rna_debug", "small encoder of RNA in the shape of AIDO.RNA, without weights", "0.09 million"),
    ("aido_protein_debug", "small encoder of proteins in the shape of AIDO.Protein, without weights", "0.10 million"),
    ("esm2_debug", "small encoder of proteins in the shape of ESM-2, without weights", "0.07 million"),
    ("dna_onehot", "nucleotides as they are, one channel for each of 16 tokens", "none"),
    ("protein_onehot", "residues as they are, one channel for each of 44 tokens", "none"),
];

/// Those of ModelGenerator: name, repository, description, weights.
#[rustfmt::skip]
const PUBLISHED: [(&str, &str, &str, &str); 21] = [
    ("aido_dna_dummy", "genbio-ai/AIDO.DNA-dummy", "small untrained encoder of DNA, for trials", "not stated"),
    ("aido_dna_300m", "genbio-ai/AIDO.DNA-300M", DNA, "300 million"),
    ("aido_dna_7b", "genbio-ai/AIDO.DNA-7B", DNA, "7 billion"),
    ("aido_rna_1m_mars", "genbio-ai/AIDO.RNA-1M-MARS", RNA_MARS, "1 million"),
    ("aido_rna_25m_mars", "genbio-ai/AIDO.RNA-25M-MARS", RNA_MARS, "25 million"),
    ("aido_rna_300m_mars", "genbio-ai/AIDO.RNA-300M-MARS", RNA_MARS, "300 million"),
    ("aido_rna_650m", "genbio-ai/AIDO.RNA-650M", RNA, "650 million"),
    ("aido_rna_650m_cds", "genbio-ai/AIDO.RNA-650M-CDS", RNA_CODING, "650 million"),
    ("aido_rna_1b600m", "genbio-ai/AIDO.RNA-1.6B", RNA, "1.6 billion"),
    ("aido_rna_1b600m_cds", "genbio-ai/AIDO.RNA-1.6B-CDS", RNA_CODING, "1.6 billion"),
    ("aido_protein_16b", "genbio-ai/AIDO.Protein-16B", PROTEIN_EXPERTS, "16 billion"),
    ("aido_protein_16b_v1", "genbio-ai/AIDO.Protein-16B-v1", PROTEIN_EXPERTS, "16 billion"),
    ("aido_protein_rag_3b", "genbio-ai/AIDO.Protein-RAG-3B", PROTEIN_ALIGNED, "3 billion"),
    ("aido_protein_rag_16b", "genbio-ai/AIDO.Protein-RAG-16B", PROTEIN_ALIGNED, "16 billion"),
    ("aido_protein2structoken_16b", "genbio-ai/AIDO.Protein2StructureToken-16B", "structure tokens of proteins (AIDO.Protein2StructureToken)", "16 billion"),
    ("esm2_8m", "facebook/esm2_t6_8M_UR50D", PROTEIN, "8 million"),
    ("esm2_35m", "facebook/esm2_t12_35M_UR50D", PROTEIN, "35 million"),
    ("esm2_150m", "facebook/esm2_t30_150M_UR50D", PROTEIN, "150 million"),
    ("esm2_650m", "facebook/esm2_t33_650M_UR50D", PROTEIN, "650 million"),
    ("esm2_3b", "facebook/esm2_t36_3B_UR50D", PROTEIN, "3 billion"),
    ("esm2_15b", "facebook/esm2_t48_15B_UR50D", PROTEIN, "15 billion"),
];

static NAMED: LazyLock<Vec<NamedPreset>> = LazyLock::new(|| {
    let encoder = |name, description: &str, parameters: &str, source| NamedPreset {
        name,
        description: description.to_owned(),
        parameters: parameters.to_owned(),
        kind: Kind::Encoder,
        family: None,
        is_read: true,
        source,
    };
    let of_program =
        PROGRAM.map(|(name, what, weights)| encoder(name, what, weights, Source::Program));
    let published = PUBLISHED.map(|(name, repository, what, weights)| {
        encoder(name, what, weights, Source::HuggingFace(repository))
    });
    let mut all: Vec<NamedPreset> = of_program.into_iter().chain(published).collect();
    let read: Vec<&str> = keras_modules().collect();
    for group in keras::GROUPS {
        for (name, weights, version) in group.presets {
            all.extend(of_keras_hub(group, name, *weights, *version, &read));
        }
    }
    all
});

static BY_NAME: LazyLock<BTreeMap<&str, &NamedPreset>> =
    LazyLock::new(|| NAMED.iter().map(|preset| (preset.name, preset)).collect());

/// Every preset that has a name, those that are part of the program first.
pub fn named_presets() -> &'static [NamedPreset] {
    &NAMED
}

/// Those whose models can be used.
pub fn usable_presets() -> impl Iterator<Item = &'static NamedPreset> {
    NAMED.iter().filter(|preset| preset.is_read)
}

/// The preset of this name.
pub(crate) fn named(name: &str) -> Option<&'static NamedPreset> {
    BY_NAME.get(name).copied()
}

/// A preset of KerasHub; none if it has no handle, which a test rules out.
fn of_keras_hub(
    group: &keras::Group,
    name: &'static str,
    weights: u64,
    version: u32,
    read: &[&str],
) -> Option<NamedPreset> {
    let variation = keras::VARIATIONS.iter().find(|(own, _)| *own == name);
    let variation = variation.map_or(name, |(_, variation)| variation);
    let handle = format!("{}/{variation}/{version}", group.source);
    let said = said_by_name(name);
    Some(NamedPreset {
        name,
        description: [&[group.what], said.as_slice()].concat().join(", "),
        parameters: in_words(weights),
        kind: group.kind,
        family: Some(group.family),
        is_read: read.contains(&group.family),
        source: Source::Kaggle(KaggleModel::parse(&handle).ok()?),
    })
}

/// What the parts of a name say of a model.
fn said_by_name(name: &str) -> Vec<&'static str> {
    const PARTS: [(&str, &str); 12] = [
        ("en", "English"),
        ("zh", "Chinese"),
        ("multi", "many languages"),
        ("uncased", "lower case"),
        ("instruct", "follows instructions"),
        ("it", "follows instructions"),
        ("int8", "8 bits a weight"),
        ("discriminator", "tells replaced tokens"),
        ("generator", "replaces tokens"),
        ("sst2", "classifies reviews as bad or good"),
        ("cnn", "writes summaries of news"),
        ("guard", "judges texts"),
    ];
    let parts: Vec<&str> = name.split('_').collect();
    let said = PARTS.iter().filter(|(part, _)| parts.contains(part));
    said.map(|(_, said)| *said).collect()
}

/// A number of weights with three digits.
fn in_words(weights: u64) -> String {
    const BILLION: u64 = 1_000_000_000;
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let (value, unit) = if weights < BILLION {
        (weights as f64 / 1e6, "million")
    } else {
        (weights as f64 / 1e9, "billion")
    };
    let digits = match value {
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_unique_and_is_understood_as_what_it_is_listed_as() {
        assert_eq!(BY_NAME.len(), NAMED.len());
        let of_keras = keras::GROUPS.iter().map(|group| group.presets.len());
        assert_eq!(
            NAMED.len(),
            PROGRAM.len() + PUBLISHED.len() + of_keras.sum::<usize>()
        );
        for preset in named_presets() {
            assert_eq!(Handle::parse(preset.name).unwrap(), preset.handle());
            let written_out = Handle::parse(&preset.handle().to_string()).unwrap();
            assert_eq!(written_out, preset.handle());
        }
    }

    #[test]
    fn names_of_keras_hub_stand_for_what_it_has_under_them() {
        for (name, handle) in [
            ("bert_base_en", "kaggle://keras/bert/keras/bert_base_en/3"),
            ("gpt2_base_en", "kaggle://keras/gpt2/keras/gpt2_base_en/3"),
            (
                "shieldgemma_2b_en",
                "kaggle://google/shieldgemma/keras/shieldgemma_2b_en/2",
            ),
            (
                "qwen1.5_moe_2.7b_en",
                "kaggle://keras/qwen-1.5-moe/Keras/qwen1.5_moe_2.7b_en/4",
            ),
            (
                "rwkv7_g1a_0.1b_en",
                "kaggle://keras/rwkv7/keras/rwkv7_g1a_0.1b/1",
            ),
        ] {
            assert_eq!(named(name).unwrap().handle().to_string(), handle);
        }
        let mirror = named("bert_base_en").unwrap().handle().mirror().unwrap();
        assert_eq!(mirror.to_string(), "hf://keras/bert_base_en");
    }

    #[test]
    fn a_preset_is_described_by_its_family_and_the_parts_of_its_name() {
        let preset = named("bert_base_en_uncased").unwrap();
        assert_eq!(preset.description, "BERT, an encoder, English, lower case");
        assert_eq!(preset.parameters, "109 million");
        assert!(preset.is_read && preset.kind == Kind::Encoder);
        let preset = named("llama3_instruct_8b_en_int8").unwrap();
        assert_eq!(preset.parameters, "8.03 billion");
        assert!(!named("f_net_base_en").unwrap().is_read);
        assert_eq!(in_words(4_385_920), "4.39 million");
        assert_eq!(in_words(77_731_332), "77.7 million");
    }
}
