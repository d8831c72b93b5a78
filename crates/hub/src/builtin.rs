//! The presets that are part of the program, so that the first run needs nothing downloaded.

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
}

macro_rules! built_in {
    ($name:literal, [$($file:literal),* $(,)?]) => {
        BuiltIn {
            name: $name,
            files: &[$(($file, include_bytes!(concat!("../presets/", $name, "/", $file)))),*],
        }
    };
}

static BUILT_IN: [BuiltIn; 1] = [built_in!(
    "sapiens_vh",
    [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "LICENSE",
        "README.md",
    ]
)];

/// The names of the presets that are part of the program.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|preset| preset.name)
}

/// The built-in preset of this name.
pub(crate) fn find(name: &str) -> Option<&'static BuiltIn> {
    BUILT_IN.iter().find(|preset| preset.name == name)
}
