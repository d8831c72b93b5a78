//! What is added to the logits of single tokens, as users write it: `17:2.5`, a list of such words, or ids with numbers.

use engraft_component::{Context, FromNode, Kind, Node, Refusal};

/// Tokens with what is added to their logits.
///
/// ```
/// use engraft_component::{decode, read_yaml};
/// use engraft_generate::LogitBias;
///
/// for yaml in ["{17: 2.5, 3: -100}", "['17:2.5', '3:-100']"] {
///     let (bias, _) = decode::<LogitBias>(&read_yaml(yaml.as_bytes(), "request")?)?;
///     assert_eq!(bias, LogitBias(vec![(17, 2.5), (3, -100.0)]));
/// }
/// # Ok::<(), engraft_component::Refusal>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogitBias(pub Vec<(u32, f32)>);

const EXPECTED: &str = "token ids with what is added to their logits, such as 17:2.5";

impl FromNode for LogitBias {
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, Refusal> {
        let pair = |id: &str, bias: &str| {
            let bias: f32 = bias.trim().parse().ok()?;
            let id = id.trim().parse().ok()?;
            bias.is_finite().then_some((id, bias))
        };
        let word = |node: &Node| {
            let (id, bias) = node.as_text()?.split_once(':')?;
            pair(id, bias)
        };
        let found: Option<Vec<(u32, f32)>> = if let Some(map) = node.as_map() {
            let entries = map.iter();
            entries
                .map(|entry| pair(&entry.key, entry.value.as_text()?))
                .collect()
        } else if let Some(list) = node.as_list() {
            list.iter().map(word).collect()
        } else {
            word(node).map(|pair| vec![pair])
        };
        found.map(Self).ok_or_else(|| cx.expected(node, EXPECTED))
    }

    fn to_node(&self) -> Node {
        let words = self.0.iter().map(|(id, bias)| format!("{id}:{bias}"));
        Node::list(words.map(Node::text).collect())
    }

    fn kind() -> Kind {
        Kind::List(Box::new(Kind::Text))
    }
}

#[cfg(test)]
mod tests {
    use engraft_component::{decode, read_yaml};

    use super::*;

    #[test]
    fn words_lists_and_maps_are_read_and_what_is_no_bias_is_refused() {
        let read = |yaml: &str| {
            let node = read_yaml(yaml.as_bytes(), "f.yaml").unwrap();
            decode::<LogitBias>(&node).map(|(bias, _)| bias)
        };
        for yaml in ["'7:-1e1'", "['7: -10']", "{7: -10}"] {
            let found = read(yaml).unwrap();
            assert_eq!(found, LogitBias(vec![(7, -10.0)]), "{yaml}");
            assert_eq!(decode::<LogitBias>(&found.to_node()).unwrap().0, found);
        }
        assert!(read("[]").unwrap().0.is_empty());
        for wrong in ["7", "'a:1'", "['7:x']", "{7: .inf}", "{-7: 1}", "[[7, 1]]"] {
            let message = read(wrong).unwrap_err().to_string();
            assert!(message.contains(EXPECTED), "{message}");
        }
    }
}
