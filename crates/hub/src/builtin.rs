//! The presets that are part of the program, so that a first run needs nothing fetched.

/// The names of the presets that are part of the program, weights included.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILT_IN
        .iter()
        .filter(|preset| !preset.is_shape_only())
        .map(|preset| preset.name)
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
    use crate::{Handle, Preset};

    #[test]
    fn every_built_in_preset_is_listed_and_opens() {
        let listed = crate::named_presets().iter();
        let listed = listed.filter(|preset| preset.handle() == Handle::BuiltIn(preset.name));
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
}
