//! What each class weighs in the loss.

use engraft_component::{Context, FromNode, Kind, Node, Refusal};

use crate::error::{Error, argument};

/// What each class weighs in the loss.
#[derive(Clone, Debug, PartialEq)]
pub enum ClassWeight {
    /// Rows (or letters, or words) / (those of the class x classes), counted on the training split.
    Auto,
    /// So much each, in the order of the classes.
    Numbers(Vec<f64>),
}

impl ClassWeight {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let ClassWeight::Numbers(numbers) = self else {
            return Ok(());
        };
        if let Some(number) = numbers
            .iter()
            .find(|number| !number.is_finite() || **number < 0.0)
        {
            let message = format!("a weight must be 0 or more, found {number}");
            return Err(argument("class_weight", message));
        }
        if !numbers.iter().any(|number| *number > 0.0) {
            let message = "one of the weights must be above 0, or nothing is learned";
            return Err(argument("class_weight", message));
        }
        Ok(())
    }
}

impl FromNode for ClassWeight {
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, Refusal> {
        let wanted = "auto, or a list of numbers with one for each class";
        if node.as_text() == Some("auto") {
            return Ok(ClassWeight::Auto);
        }
        match node.as_list() {
            Some(_) => Vec::from_node(node, cx).map(ClassWeight::Numbers),
            None => Err(cx.expected(node, wanted)),
        }
    }

    fn to_node(&self) -> Node {
        match self {
            ClassWeight::Auto => "auto".to_owned().to_node(),
            ClassWeight::Numbers(numbers) => numbers.to_node(),
        }
    }

    fn kind() -> Kind {
        Kind::OneOf(vec![Kind::Words(vec!["auto"]), Vec::<f64>::kind()])
    }
}
