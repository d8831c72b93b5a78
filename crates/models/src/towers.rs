//! The transformers of a network, by name.

use crate::transformer::Transformer;

/// What the one transformer of most tasks is called, in paths of parameters too, whether it encodes or decodes.
pub const ENCODER: &str = "encoder";

/// What the decoder of an encoder-decoder is called.
pub const DECODER: &str = "decoder";

/// What the transformers of a task with several backbones are called, in the order of these.
pub const TOWERS: [&str; 8] = [
    ENCODER, "encoder1", "encoder2", "encoder3", "encoder4", "encoder5", "encoder6", "encoder7",
];

/// A transformer of a network.
#[derive(Clone, Debug)]
pub struct Tower {
    /// What it is called among the others: its parameters' paths begin with it.
    pub name: &'static str,
    /// The transformer.
    pub transformer: Transformer,
}

/// The transformers of a network, of which there is one at least.
#[derive(Clone, Debug)]
pub struct Towers {
    first: Tower,
    others: Vec<Tower>,
}

impl Towers {
    /// One alone.
    pub fn one(transformer: Transformer) -> Self {
        let name = ENCODER;
        Self {
            first: Tower { name, transformer },
            others: Vec::new(),
        }
    }

    /// These and another, which has a name of its own.
    #[must_use]
    pub fn with(mut self, other: Tower) -> Self {
        self.others.push(other);
        self
    }

    /// The first, which heads stand on unless they say otherwise.
    pub fn first(&self) -> &Transformer {
        &self.first.transformer
    }

    /// The one whose token embeddings words are written by: the decoder of an encoder-decoder if it has its own, else the first.
    pub fn writing(&self) -> &Transformer {
        let decoder = self.get(DECODER);
        let own = decoder.filter(|decoder| decoder.embeddings.tokens.is_some());
        own.unwrap_or(self.first())
    }

    /// The one of this name.
    pub fn get(&self, name: &str) -> Option<&Transformer> {
        let found = self.iter().find(|tower| tower.name == name);
        found.map(|tower| &tower.transformer)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Tower> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// The same with each transformer changed.
    #[must_use]
    pub fn map(self, mut change: impl FnMut(&'static str, Transformer) -> Transformer) -> Self {
        let mut changed = |Tower { name, transformer }| Tower {
            name,
            transformer: change(name, transformer),
        };
        Self {
            first: changed(self.first),
            others: self.others.into_iter().map(changed).collect(),
        }
    }
}
