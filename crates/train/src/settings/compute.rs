//! `accelerator` and `precision`: what computes, and in which numbers.
//!
//! Experiments ask for much that is not there yet. It is no reason to refuse them: a line says what computes instead.

use burn::tensor::{DType, Device};
use engraft_component::{Context, FromNode, Kind, Node, Refusal};
use engraft_models::Compute;

/// What computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accelerator {
    /// All cores of the processor.
    #[default]
    Cpu,
}

/// What weights, activations and gradients are held in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    Full,
}

impl Accelerator {
    const WORDS: &'static [&'static str] = &["cpu", "auto"];

    fn device(self) -> Device {
        match self {
            Self::Cpu => Device::flex(),
        }
    }
}

impl Precision {
    const WORDS: &'static [&'static str] = &["32", "32-true"];

    fn dtype(self) -> DType {
        match self {
            Self::Full => DType::F32,
        }
    }
}

/// Where a run works, and in what.
pub(super) fn compute(accelerator: Accelerator, precision: Precision) -> Compute {
    Compute {
        device: accelerator.device(),
        dtype: precision.dtype(),
    }
}

/// These words, and whatever else is written in other programs' files.
fn accepted(words: &[&'static str]) -> Kind {
    Kind::OneOf(vec![Kind::Words(words.to_vec()), Kind::Any])
}

/// Notes what happens instead of a value that asks for something else than `words` do.
fn note_other(node: &Node, words: &[&str], instead: &str, cx: &mut Context) {
    let text = node.as_text().unwrap_or_default();
    if !node.is_null() && !words.iter().any(|word| word.eq_ignore_ascii_case(text)) {
        cx.note_at(&node.span, &format!("ignored, {instead}"));
    }
}

impl FromNode for Accelerator {
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, Refusal> {
        note_other(node, Self::WORDS, "this run computes on the CPU", cx);
        Ok(Self::Cpu)
    }

    fn to_node(&self) -> Node {
        Node::text("cpu")
    }

    fn kind() -> Kind {
        accepted(Self::WORDS)
    }
}

impl FromNode for Precision {
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, Refusal> {
        note_other(
            node,
            Self::WORDS,
            "everything is computed in 32-bit floats",
            cx,
        );
        Ok(Self::Full)
    }

    fn to_node(&self) -> Node {
        Node::text("32-true")
    }

    fn kind() -> Kind {
        accepted(Self::WORDS)
    }
}
