//! The presets that have a name: those that are part of the program, so that a first run needs nothing downloaded, and
//! published ones, named as ModelGenerator names them.

use crate::Handle;

/// A preset that is called by a name of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamedPreset {
    /// The name users give.
    pub name: &'static str,
    /// The repository of the Hugging Face hub that it is, `org/name`; none if it is part of the program.
    pub repository: Option<&'static str>,
    /// What it is, in a few words.
    pub description: &'static str,
    /// How many weights it has, in words.
    pub parameters: &'static str,
    /// Whether it is a language model that writes.
    pub writes: bool,
}

impl NamedPreset {
    /// What the name stands for.
    pub fn handle(&self) -> Handle {
        match self.repository {
            Some(repository) => Handle::HuggingFace {
                repository: repository.to_owned(),
                revision: None,
            },
            None => Handle::BuiltIn(self.name),
        }
    }
}

const fn built_in(
    name: &'static str,
    description: &'static str,
    parameters: &'static str,
) -> NamedPreset {
    NamedPreset {
        name,
        repository: None,
        description,
        parameters,
        writes: false,
    }
}

const fn published(
    name: &'static str,
    repository: &'static str,
    description: &'static str,
    parameters: &'static str,
) -> NamedPreset {
    NamedPreset {
        name,
        repository: Some(repository),
        description,
        parameters,
        writes: false,
    }
}

const DNA: &str = "encoder of DNA (AIDO.DNA)";
const RNA: &str = "encoder of RNA (AIDO.RNA)";
const RNA_MARS: &str = "encoder of RNA (AIDO.RNA), trained on MARS";
const RNA_CODING: &str = "encoder of coding RNA (AIDO.RNA)";
const PROTEIN: &str = "encoder of proteins (ESM-2)";
const PROTEIN_EXPERTS: &str = "encoder of proteins with experts (AIDO.Protein)";
const PROTEIN_ALIGNED: &str = "encoder of proteins and their alignments (AIDO.Protein-RAG)";

/// Every preset that has a name.
#[rustfmt::skip]
static NAMED: [NamedPreset; 28] = [
    built_in("sapiens_vh", "masked language model of antibody heavy chains (RoBERTa, MIT licence)", "0.57 million"),
    built_in("aido_dna_debug", "small encoder of DNA in the shape of AIDO.DNA, without weights", "0.09 million"),
    built_in("aido_rna_debug", "small encoder of RNA in the shape of AIDO.RNA, without weights", "0.09 million"),
    built_in("aido_protein_debug", "small encoder of proteins in the shape of AIDO.Protein, without weights", "0.10 million"),
    built_in("esm2_debug", "small encoder of proteins in the shape of ESM-2, without weights", "0.07 million"),
    built_in("dna_onehot", "nucleotides as they are, one channel for each of 16 tokens", "none"),
    built_in("protein_onehot", "residues as they are, one channel for each of 44 tokens", "none"),
    published("aido_dna_dummy", "genbio-ai/AIDO.DNA-dummy", "small untrained encoder of DNA, for trials", "not stated"),
    published("aido_dna_300m", "genbio-ai/AIDO.DNA-300M", DNA, "300 million"),
    published("aido_dna_7b", "genbio-ai/AIDO.DNA-7B", DNA, "7 billion"),
    published("aido_rna_1m_mars", "genbio-ai/AIDO.RNA-1M-MARS", RNA_MARS, "1 million"),
    published("aido_rna_25m_mars", "genbio-ai/AIDO.RNA-25M-MARS", RNA_MARS, "25 million"),
    published("aido_rna_300m_mars", "genbio-ai/AIDO.RNA-300M-MARS", RNA_MARS, "300 million"),
    published("aido_rna_650m", "genbio-ai/AIDO.RNA-650M", RNA, "650 million"),
    published("aido_rna_650m_cds", "genbio-ai/AIDO.RNA-650M-CDS", RNA_CODING, "650 million"),
    published("aido_rna_1b600m", "genbio-ai/AIDO.RNA-1.6B", RNA, "1.6 billion"),
    published("aido_rna_1b600m_cds", "genbio-ai/AIDO.RNA-1.6B-CDS", RNA_CODING, "1.6 billion"),
    published("aido_protein_16b", "genbio-ai/AIDO.Protein-16B", PROTEIN_EXPERTS, "16 billion"),
    published("aido_protein_16b_v1", "genbio-ai/AIDO.Protein-16B-v1", PROTEIN_EXPERTS, "16 billion"),
    published("aido_protein_rag_3b", "genbio-ai/AIDO.Protein-RAG-3B", PROTEIN_ALIGNED, "3 billion"),
    published("aido_protein_rag_16b", "genbio-ai/AIDO.Protein-RAG-16B", PROTEIN_ALIGNED, "16 billion"),
    published("aido_protein2structoken_16b", "genbio-ai/AIDO.Protein2StructureToken-16B", "structure tokens of proteins (AIDO.Protein2StructureToken)", "16 billion"),
    published("esm2_8m", "facebook/esm2_t6_8M_UR50D", PROTEIN, "8 million"),
    published("esm2_35m", "facebook/esm2_t12_35M_UR50D", PROTEIN, "35 million"),
    published("esm2_150m", "facebook/esm2_t30_150M_UR50D", PROTEIN, "150 million"),
    published("esm2_650m", "facebook/esm2_t33_650M_UR50D", PROTEIN, "650 million"),
    published("esm2_3b", "facebook/esm2_t36_3B_UR50D", PROTEIN, "3 billion"),
    published("esm2_15b", "facebook/esm2_t48_15B_UR50D", PROTEIN, "15 billion"),
];

/// Every preset that has a name, those that are part of the program first.
pub fn named_presets() -> &'static [NamedPreset] {
    &NAMED
}

/// The names of the presets that are part of the program, weights included.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILT_IN
        .iter()
        .filter(|preset| !preset.is_shape_only())
        .map(|preset| preset.name)
}

/// The preset of this name.
pub(crate) fn named(name: &str) -> Option<&'static NamedPreset> {
    NAMED.iter().find(|preset| preset.name == name)
}

/// The name of a repository, in brackets, to stand beside it in a message; nothing if it has none.
pub(crate) fn name_beside(repository: &str) -> String {
    NAMED
        .iter()
        .find(|preset| preset.repository == Some(repository))
        .map(|preset| format!(" ({})", preset.name))
        .unwrap_or_default()
}

/// A preset compiled into the program.
#[derive(Debug)]
pub(crate) struct BuiltIn {
    /// The name users give.
    pub(crate) name: &'static str,
    files: &'static [(&'static str, &'static [u8])],
}

impl BuiltIn {
    /// The bytes of one of its files.
    pub(crate) fn file(&self, name: &str) -> Option<&'static [u8]> {
        let (_, bytes) = self.files.iter().find(|(file, _)| *file == name)?;
        Some(bytes)
    }

    /// Whether it has no weights, so that a model of it starts from fresh ones.
    pub(crate) fn is_shape_only(&self) -> bool {
        self.file("model.safetensors").is_none()
    }
}

macro_rules! files_of {
    ($name:literal, [$($file:literal),* $(,)?]) => {
        BuiltIn {
            name: $name,
            files: &[$(($file, include_bytes!(concat!("../presets/", $name, "/", $file)))),*],
        }
    };
}

static BUILT_IN: [BuiltIn; 7] = [
    files_of!(
        "sapiens_vh",
        [
            "config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json",
            "LICENSE",
            "README.md",
        ]
    ),
    files_of!(
        "aido_dna_debug",
        ["config.json", "vocab.txt", "tokenizer_config.json"]
    ),
    files_of!(
        "aido_rna_debug",
        ["config.json", "vocab.txt", "tokenizer_config.json"]
    ),
    files_of!(
        "aido_protein_debug",
        ["config.json", "vocab.txt", "tokenizer_config.json"]
    ),
    files_of!(
        "esm2_debug",
        ["config.json", "vocab.txt", "tokenizer_config.json"]
    ),
    files_of!(
        "dna_onehot",
        ["config.json", "vocab.txt", "tokenizer_config.json"]
    ),
    files_of!(
        "protein_onehot",
        ["config.json", "vocab.txt", "tokenizer_config.json"]
    ),
];

/// The built-in preset of this name.
pub(crate) fn find(name: &str) -> Option<&'static BuiltIn> {
    BUILT_IN.iter().find(|preset| preset.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HubCache, Preset};

    #[test]
    fn every_name_is_unique_and_is_understood_as_what_it_is_listed_as() {
        for (place, preset) in named_presets().iter().enumerate() {
            assert_eq!(Handle::parse(preset.name).unwrap(), preset.handle());
            assert!(NAMED[..place].iter().all(|other| other.name != preset.name
                && (other.repository.is_none() || other.repository != preset.repository)));
            if let Some(repository) = preset.repository {
                let written_out = Handle::parse(&format!("hf://{repository}")).unwrap();
                assert_eq!(written_out, preset.handle());
            }
        }
    }

    #[test]
    fn every_built_in_preset_is_listed_and_opens() {
        let listed = NAMED.iter().filter(|preset| preset.repository.is_none());
        let listed: Vec<_> = listed.map(|preset| preset.name).collect();
        let there: Vec<_> = BUILT_IN.iter().map(|preset| preset.name).collect();
        assert_eq!(listed, there);
        for name in listed {
            let preset = Preset::from_name(name).unwrap();
            assert!(preset.config().unwrap()["model_type"].is_string(), "{name}");
            assert!(preset.has("tokenizer_config.json"), "{name}");
        }
    }

    #[test]
    fn shapes_without_weights_say_so_and_others_do_not() {
        for (name, shape_only) in [
            ("sapiens_vh", false),
            ("aido_dna_debug", true),
            ("aido_rna_debug", true),
            ("aido_protein_debug", true),
            ("esm2_debug", true),
            ("dna_onehot", true),
            ("protein_onehot", true),
        ] {
            assert_eq!(Preset::from_name(name).unwrap().is_shape_only(), shape_only);
        }
        assert_eq!(names().collect::<Vec<_>>(), ["sapiens_vh"]);
        // A folder that has no weights lost them.
        let folder = tempfile::tempdir().unwrap();
        let preset = Preset::open(&Handle::Folder(folder.path().into())).unwrap();
        assert!(!preset.is_shape_only());
    }

    #[test]
    fn the_small_encoder_of_dna_has_the_shape_of_the_published_ones() {
        let preset = Preset::from_name("aido_dna_debug").unwrap();
        let config = preset.config().unwrap();
        for (key, value) in [
            ("vocab_size", 16),
            ("hidden_size", 64),
            ("num_hidden_layers", 2),
            ("num_attention_heads", 4),
            ("intermediate_size", 128),
            ("max_position_embeddings", 512),
        ] {
            assert_eq!(config[key], value, "{key}");
        }
        assert_eq!(config["model_type"], "rnabert");
        let vocabulary = preset.read("vocab.txt").unwrap().unwrap();
        assert_eq!(
            vocabulary.split(|byte| *byte == b'\n').nth(9),
            Some(&b"U"[..])
        );
    }

    #[test]
    fn the_small_encoder_of_rna_has_the_norm_of_the_published_ones() {
        let config = |name| Preset::from_name(name).unwrap().config().unwrap();
        let (mut dna, rna) = (config("aido_dna_debug"), config("aido_rna_debug"));
        dna.insert("normalization_type".into(), "LayerNorm".into());
        dna.insert("max_position_embeddings".into(), 1024.into());
        assert_eq!(dna, rna);
    }

    #[test]
    fn the_small_encoder_of_proteins_has_the_shape_of_the_published_ones() {
        let preset = Preset::from_name("aido_protein_debug").unwrap();
        let config = preset.config().unwrap();
        for (key, value) in [
            ("vocab_size", 128),
            ("hidden_size", 64),
            ("num_hidden_layers", 2),
            ("num_attention_heads", 4),
            ("intermediate_size", 128),
            ("num_experts", 2),
        ] {
            assert_eq!(config[key], value, "{key}");
        }
        assert_eq!(config["model_type"], "fm4bio");
        assert_eq!(config["moe"], false);
    }

    #[cfg(unix)]
    #[test]
    fn a_name_finds_what_the_repository_it_stands_for_finds() {
        let root = tempfile::tempdir().unwrap();
        let repository = root.path().join("models--facebook--esm2_t6_8M_UR50D");
        std::fs::create_dir_all(repository.join("refs")).unwrap();
        std::fs::create_dir_all(repository.join("snapshots/c0")).unwrap();
        std::fs::write(repository.join("refs/main"), "c0").unwrap();
        let cache = HubCache::at(root.path());
        let open = |name: &str| Preset::open_with(&Handle::parse(name).unwrap(), &cache).unwrap();
        let (short, long) = (open("esm2_8m"), open("hf://facebook/esm2_t6_8M_UR50D"));
        assert_eq!((short.name(), short.dir()), (long.name(), long.dir()));
    }

    #[test]
    fn a_named_preset_that_is_not_at_hand_is_told_of_by_both_its_names() {
        let root = tempfile::tempdir().unwrap();
        let cache = HubCache::at(root.path());
        for name in ["aido_rna_650m_cds", "hf://genbio-ai/AIDO.RNA-650M-CDS"] {
            let message = Preset::open_with(&Handle::parse(name).unwrap(), &cache)
                .unwrap_err()
                .to_string();
            let start = "the preset \"hf://genbio-ai/AIDO.RNA-650M-CDS\" (aido_rna_650m_cds) is not in the local";
            assert!(message.starts_with(start), "{message}");
            assert!(message.contains("`hf download genbio-ai/AIDO.RNA-650M-CDS`"));
        }
        let message = Preset::open_with(&Handle::parse("hf://org/name").unwrap(), &cache)
            .unwrap_err()
            .to_string();
        assert!(
            message.starts_with("the preset \"hf://org/name\" is not"),
            "{message}"
        );
    }
}
