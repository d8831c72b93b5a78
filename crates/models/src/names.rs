//! Parameters by name: ours by the path of fields, theirs by a family's table.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

use crate::config::ModelConfig;
use crate::families::{Family, NameTable};

/// The path of fields to a parameter, as a walk over a module's fields keeps it.
///
/// Which variant of an enum is there is no part of it: `attention.inputs.query`, whether or not `inputs` could be something else.
#[derive(Clone, Debug, Default)]
pub struct ParameterPath {
    parts: Vec<String>,
}

impl ParameterPath {
    /// Steps into `name`, a part of `container`, as module visitors are told.
    pub fn enter(&mut self, name: &str, container: &str) {
        if !is_enum(container) {
            self.parts.push(name.to_owned());
        }
    }

    /// Steps out of a part of `container`.
    pub fn leave(&mut self, container: &str) {
        if !is_enum(container) {
            self.parts.pop();
        }
    }

    /// The names joined by dots.
    pub fn joined(&self) -> String {
        self.parts.join(".")
    }
}

fn is_enum(container: &str) -> bool {
    container.starts_with("Enum:")
}

/// Which of a family's heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadKind {
    /// The encoder alone.
    None,
    /// The decoder of an encoder-decoder.
    Decoder,
    /// A dense layer and tanh on the first token.
    Pooler,
    /// Vocabulary logits of an encoder.
    MaskedLm,
    /// Vocabulary logits of a decoder.
    CausalLm,
    /// Vocabulary logits of an encoder-decoder.
    Seq2SeqLm,
    /// The family's own classifier of sequences.
    Classification,
    /// The family's own classifier of tokens.
    TokenClassification,
    /// An adapter: ours, beside the encoder.
    Adapter,
}

impl HeadKind {
    /// Those that come with a family's checkpoints.
    pub(crate) const OF_FAMILIES: [Self; 6] = [
        Self::Pooler,
        Self::MaskedLm,
        Self::CausalLm,
        Self::Seq2SeqLm,
        Self::Classification,
        Self::TokenClassification,
    ];

    /// Whether it is one of the family's own, beside which the encoder's names carry the family's prefix.
    pub fn is_familys(self) -> bool {
        matches!(
            self,
            Self::MaskedLm
                | Self::CausalLm
                | Self::Seq2SeqLm
                | Self::Classification
                | Self::TokenClassification
        )
    }
}

/// Where our names stand in a checkpoint.
#[derive(Clone, Copy)]
pub(crate) struct Names {
    tables: &'static [NameTable],
    /// Whether all of them lie inside the encoder's prefix; else only names with a leading `^` do.
    inside: bool,
    prefix: &'static str,
    /// Layers of a group, where the family counts groups and the layers inside them.
    inner: usize,
    /// Whether the weights of layers' linear layers are stored `[in, out]`.
    transposed: bool,
    /// Whether they are those of a head of ours, which lies under [`OWN`] as it is.
    own: bool,
}

/// What the names of a head of ours begin with.
const OWN: &str = "adapter";

/// Stands for an expert's number in the name of tensors that are kept here as one.
pub(crate) const EXPERT: &str = "*";

/// The names of one expert's tensors that follow each other in a tensor of all experts: `experts.*.(w1,w3).weight` is two of them.
pub(crate) fn of_expert(pattern: &str, expert: usize) -> Vec<String> {
    let name = pattern.replacen(EXPERT, &expert.to_string(), 1);
    let parts = name.split_once('(').and_then(|(before, rest)| {
        let (parts, after) = rest.split_once(')')?;
        Some((before, parts, after))
    });
    match parts {
        Some((before, parts, after)) => {
            let names = parts
                .split(',')
                .map(|part| format!("{before}{part}{after}"));
            names.collect()
        }
        None => vec![name],
    }
}

impl Names {
    pub(crate) fn encoder(config: &ModelConfig) -> Self {
        Self::of_stack(config, config.family.encoder)
    }

    /// Those of the decoder beside it.
    pub(crate) fn decoder(config: &ModelConfig) -> Self {
        Self::of_stack(config, config.family.decoder)
    }

    fn of_stack(config: &ModelConfig, tables: &'static [NameTable]) -> Self {
        Self {
            tables,
            inside: true,
            prefix: config.family.prefix,
            inner: config
                .transformer
                .sharing
                .map_or(1, |sharing| sharing.inner),
            transposed: config.family.transposed,
            own: false,
        }
    }

    pub(crate) fn head(family: &'static Family, kind: HeadKind) -> Self {
        let (table, inside): (&'static NameTable, bool) = match kind {
            HeadKind::None | HeadKind::Decoder | HeadKind::Adapter => (&(&[] as NameTable), false),
            HeadKind::Pooler => (&family.pooler, true),
            HeadKind::MaskedLm => (&family.masked_lm, false),
            HeadKind::CausalLm => (&family.causal_lm, false),
            HeadKind::Seq2SeqLm => (&family.seq2seq_lm, false),
            HeadKind::Classification => (&family.classification, false),
            HeadKind::TokenClassification => (&family.token_classification, false),
        };
        Self {
            tables: std::slice::from_ref(table),
            inside,
            prefix: family.prefix,
            inner: 1,
            transposed: false,
            own: kind == HeadKind::Adapter,
        }
    }

    /// Whether a tensor of this name is part of a head of ours.
    pub(crate) fn is_own(name: &str) -> bool {
        name.strip_prefix(OWN)
            .is_some_and(|rest| rest.starts_with('.'))
    }

    /// Whether the parameter at `path` is stored with its two dimensions exchanged.
    pub(crate) fn is_transposed(&self, path: &str, shape: &[usize]) -> bool {
        self.transposed && shape.len() == 2 && path.starts_with("layers.")
    }

    /// Whether the module called `ours` lies inside the encoder, where these are names of a head.
    pub(crate) fn has_inside(&self, ours: &str) -> bool {
        let mut names = self.tables.iter().copied().flatten();
        names.any(|(name, theirs)| *name == ours && theirs.starts_with('^'))
    }

    /// Whether it names nothing.
    pub(crate) fn is_empty(&self) -> bool {
        !self.own && self.tables.iter().all(|table| table.is_empty())
    }

    /// The names of all modules of a table without numbers, without the family's prefix.
    pub(crate) fn modules(&self) -> Vec<&'static str> {
        let names = self.tables.iter().copied().flatten();
        names
            .map(|(_, theirs)| {
                theirs
                    .trim_start_matches(['^', '!'])
                    .trim_end_matches(".weight")
            })
            .collect()
    }

    /// Our names and theirs of the linear layers inside the layers of a stack, with gaps for numbers, without the family's prefix.
    pub(crate) fn linear_layers(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        const PARTS: [&str; 4] = [
            ".attention.inputs",
            ".attention.output",
            ".encoder_attention.",
            ".feed_forward.",
        ];
        let names = self.tables.iter().copied().flatten().copied();
        names.filter(|(ours, _)| PARTS.iter().any(|part| ours.contains(part)))
    }

    /// The name of the module at `path`, without the family's prefix.
    pub(crate) fn module(&self, path: &str) -> Option<String> {
        let name = self.of(&format!("{path}.weight"), false);
        let name = name.into_iter().next()?;
        name.strip_suffix(".weight").map(str::to_owned)
    }

    /// The name of the parameter at `path`; of one beside a layer, such as an update's, the layer's name and what follows.
    pub(crate) fn parameter(&self, path: &str) -> Option<String> {
        if let Some(name) = self.of(path, false).into_iter().next() {
            return Some(name);
        }
        let mut ends = path.rmatch_indices('.').map(|(at, _)| at);
        ends.find_map(|at| {
            let module = self.module(&path[..at])?;
            Some(format!("{module}{}", &path[at..]))
        })
    }

    /// The names that the parameter at `path` may have in a checkpoint; the first is the one that it is saved under.
    pub(crate) fn of(&self, path: &str, prefixed: bool) -> Vec<String> {
        let names = self.marked(path, prefixed).into_iter();
        names.map(|(name, _)| name).collect()
    }

    /// The same in the order in which they count where several are stored.
    pub(crate) fn for_reading(&self, path: &str, prefixed: bool) -> Vec<String> {
        let mut names = self.marked(path, prefixed);
        names.sort_by_key(|(_, counts_first)| !counts_first);
        names.into_iter().map(|(name, _)| name).collect()
    }

    /// The path of the parameter that a table calls `name`; none if no table does, or if it is only part of a parameter.
    pub(crate) fn path(&self, name: &str) -> Option<String> {
        let inside = name.strip_prefix(self.prefix).unwrap_or(name);
        self.tables
            .iter()
            .copied()
            .flatten()
            .find_map(|(ours, theirs)| {
                let theirs = theirs.trim_start_matches(['!', '^']);
                let is_whole = theirs.matches("{}").count() < 2
                    && !theirs.contains('(')
                    && !theirs.contains(EXPERT);
                let both = [inside, name].into_iter().filter(|_| is_whole);
                let (number, rest) = both.filter_map(|name| matches(theirs, name)).next()?;
                Some(format!("{}{rest}", ours.replace("{}", number)))
            })
    }

    /// The names of a parameter, and whether one counts before the others.
    fn marked(&self, path: &str, prefixed: bool) -> Vec<(String, bool)> {
        if self.own {
            return vec![(format!("{OWN}.{path}"), false)];
        }
        let mut names = Vec::new();
        for (ours, theirs) in self.tables.iter().copied().flatten() {
            let Some((number, suffix)) = matches(ours, path) else {
                continue;
            };
            let (theirs, counts_first) = match theirs.strip_prefix('!') {
                Some(theirs) => (theirs, true),
                None => (*theirs, false),
            };
            let (theirs, inside) = match theirs.strip_prefix('^') {
                Some(theirs) => (theirs, true),
                None => (theirs, self.inside),
            };
            let prefix = if inside && prefixed { self.prefix } else { "" };
            let module = self.numbered(theirs, number);
            names.push((format!("{prefix}{module}{suffix}"), counts_first));
            // The first checkpoints of the field call a norm's weight and bias gamma and beta.
            let old = match suffix {
                ".weight" => Some(".gamma"),
                ".bias" => Some(".beta"),
                _ => None,
            };
            names.extend(
                old.filter(|_| theirs.ends_with("LayerNorm"))
                    .map(|old| (format!("{prefix}{module}{old}"), counts_first)),
            );
        }
        names
    }

    /// `theirs` with the layer's number, or its group's and its own inside the group.
    fn numbered(&self, theirs: &str, number: &str) -> String {
        match (theirs.matches("{}").count(), number.parse::<usize>()) {
            (2, Ok(layer)) => {
                let group = (layer / self.inner).to_string();
                let inside = (layer % self.inner).to_string();
                theirs.replacen("{}", &group, 1).replacen("{}", &inside, 1)
            }
            _ => theirs.replace("{}", number),
        }
    }
}

/// Whether `path` is the parameter, or a parameter of the module, that `pattern` names: the layer's number and the rest.
fn matches<'p>(pattern: &str, path: &'p str) -> Option<(&'p str, &'p str)> {
    let (number, rest) = match pattern.split_once("{}") {
        None => ("", path.strip_prefix(pattern)?),
        Some((before, after)) => {
            let tail = path.strip_prefix(before)?;
            let end = tail
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(tail.len());
            (&tail[..end], tail[end..].strip_prefix(after)?)
        }
    };
    (rest.is_empty() || matches!(rest, ".weight" | ".bias")).then_some((number, rest))
}

/// Every parameter of a module, flattened to one dimension, with its path and shape, in the order of fields.
pub fn parameters(module: &impl Module) -> Vec<(String, Vec<usize>, Tensor<1>)> {
    struct Collector {
        path: ParameterPath,
        found: Vec<(String, Vec<usize>, Tensor<1>)>,
    }
    impl ModuleVisitor for Collector {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }
        fn exit_module(&mut self, _name: &str, container: &str) {
            self.path.leave(container);
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let tensor = param.val();
            let shape: Vec<usize> = tensor.dims().to_vec();
            let count = shape.iter().product::<usize>();
            self.found
                .push((self.path.joined(), shape, tensor.reshape([count])));
        }
    }
    let mut collector = Collector {
        path: ParameterPath::default(),
        found: Vec::new(),
    };
    module.visit(&mut collector);
    collector.found
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;

    fn config(json: Value) -> ModelConfig {
        let json: Map<String, Value> = json.as_object().unwrap().clone();
        Family::read("config.json", json).unwrap().0
    }

    fn bert() -> ModelConfig {
        config(
            json!({"model_type": "bert", "vocab_size": 8, "hidden_size": 8, "num_hidden_layers": 12,
            "num_attention_heads": 2, "intermediate_size": 8}),
        )
    }

    #[test]
    fn a_path_becomes_the_name_in_the_family_with_and_without_prefix() {
        let names = Names::encoder(&bert());
        let path = "layers.11.attention.inputs.query.weight";
        assert_eq!(
            names.of(path, true),
            ["bert.encoder.layer.11.attention.self.query.weight"]
        );
        assert_eq!(
            names.of(path, false),
            ["encoder.layer.11.attention.self.query.weight"]
        );
        assert_eq!(
            names.of("embeddings.norm.bias", false),
            ["embeddings.LayerNorm.bias", "embeddings.LayerNorm.beta"]
        );
        assert!(names.of("layers.1.nothing.weight", false).is_empty());
    }

    #[test]
    fn heads_have_names_of_their_own_but_for_what_lies_in_the_encoder() {
        let bert = bert().family;
        let classifier = Names::head(bert, HeadKind::Classification);
        assert_eq!(
            classifier.of("dense.linear.bias", true),
            ["bert.pooler.dense.bias"]
        );
        assert_eq!(
            classifier.of("projection.weight", true),
            ["classifier.weight"]
        );
        let masked = Names::head(bert, HeadKind::MaskedLm);
        assert_eq!(
            masked.of("bias", true),
            ["cls.predictions.decoder.bias", "cls.predictions.bias"]
        );
    }

    #[test]
    fn a_parameter_beside_a_layer_is_named_after_the_layer() {
        let names = Names::encoder(&bert());
        assert_eq!(
            names
                .parameter("layers.1.attention.inputs.query.lora.a")
                .as_deref(),
            Some("encoder.layer.1.attention.self.query.lora.a")
        );
        assert_eq!(
            names.parameter("embeddings.tokens.weight").as_deref(),
            Some("embeddings.word_embeddings.weight")
        );
        assert_eq!(names.parameter("layers.1.nothing.weight"), None);
    }

    #[test]
    fn a_layer_inside_a_group_has_two_numbers() {
        let albert = config(
            json!({"model_type": "albert", "vocab_size": 8, "embedding_size": 4, "hidden_size": 8,
            "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 8, "num_hidden_groups": 2, "inner_group_num": 3}),
        );
        let names = Names::encoder(&albert);
        assert_eq!(
            names.module("layers.4.feed_forward.up").as_deref(),
            Some("encoder.albert_layer_groups.1.albert_layers.1.ffn")
        );
    }
}
