//! Parameters by name: ours by the path of fields, theirs by a family's table.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

use crate::families::Family;

/// Which of a family's heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadKind {
    /// The encoder alone.
    None,
    /// A dense layer and tanh on the first token.
    Pooler,
    /// Vocabulary logits.
    MaskedLm,
    /// The family's own classifier.
    Classification,
    /// An adapter: ours, beside the encoder.
    Adapter,
}

/// Where our names stand in a checkpoint.
#[derive(Clone, Copy)]
pub(crate) struct Names {
    table: &'static [(&'static str, &'static str)],
    /// Whether the whole table lies inside the encoder's prefix; else only names with a leading `^` do.
    inside: bool,
    prefix: &'static str,
}

impl Names {
    pub(crate) fn encoder(family: &'static Family) -> Self {
        Self {
            table: family.encoder,
            inside: true,
            prefix: family.prefix,
        }
    }

    pub(crate) fn head(family: &'static Family, kind: HeadKind) -> Self {
        let (table, inside) = match kind {
            HeadKind::None => (&[][..], false),
            HeadKind::Pooler => (family.pooler, true),
            HeadKind::MaskedLm => (family.masked_lm, false),
            HeadKind::Classification => (family.classification, false),
            HeadKind::Adapter => (&[("layers.{}", "adapter.layers.{}")][..], false),
        };
        Self {
            table,
            inside,
            prefix: family.prefix,
        }
    }

    /// The names that the parameter at `path` may have in a checkpoint, best first.
    pub(crate) fn of(&self, path: &str, prefixed: bool) -> Vec<String> {
        let mut names = Vec::new();
        for (ours, theirs) in self.table {
            let Some((number, suffix)) = matches(ours, path) else {
                continue;
            };
            let (theirs, inside) = match theirs.strip_prefix('^') {
                Some(theirs) => (theirs, true),
                None => (*theirs, self.inside),
            };
            let prefix = if inside && prefixed { self.prefix } else { "" };
            let module = theirs.replace("{}", number);
            names.push(format!("{prefix}{module}{suffix}"));
            // The first checkpoints of the field call a norm's weight and bias gamma and beta.
            let old = match suffix {
                ".weight" => Some(".gamma"),
                ".bias" => Some(".beta"),
                _ => None,
            };
            names.extend(
                old.filter(|_| theirs.ends_with("LayerNorm"))
                    .map(|old| format!("{prefix}{module}{old}")),
            );
        }
        names
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
        path: Vec<String>,
        found: Vec<(String, Vec<usize>, Tensor<1>)>,
    }
    impl ModuleVisitor for Collector {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let tensor = param.val();
            let shape: Vec<usize> = tensor.dims().to_vec();
            let count = shape.iter().product::<usize>();
            self.found
                .push((self.path.join("."), shape, tensor.reshape([count])));
        }
    }
    let mut collector = Collector {
        path: Vec::new(),
        found: Vec::new(),
    };
    module.visit(&mut collector);
    collector.found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families::families;

    #[test]
    fn a_path_becomes_the_familys_name_with_and_without_prefix() {
        let bert = families()[0];
        let names = Names::encoder(bert);
        let path = "layers.11.attention.query.weight";
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
        let bert = families()[0];
        let classifier = Names::head(bert, HeadKind::Classification);
        assert_eq!(
            classifier.of("dense.bias", true),
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
}
