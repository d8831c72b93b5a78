//! The tasks as users describe them.

use engraft_component::{
    Choice, Component, Context, Error as ComponentError, FromNode, Kind, Node,
};
use engraft_models::{Adapter, BackboneSlot, Pooling};

use crate::error::{Error, Result};
use crate::labels::MOST_CLASSES;

/// What a model is for.
#[derive(Clone, Debug, PartialEq, Choice)]
pub enum Task {
    /// One class for each row.
    SequenceClassification(SequenceClassification),
    /// Hidden states, pooled or not.
    Embed(Embed),
    /// The masked-LM head's logits.
    Inference(Inference),
}

/// One class for each row, by cross-entropy on a head over pooled hidden states.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(ignored(batch_size = "the data module's batch_size is used"))]
pub struct SequenceClassification {
    /// The pretrained encoder.
    pub backbone: BackboneSlot,
    /// The head, unless `use_legacy_adapter` takes the checkpoint's own.
    #[arg(default = Adapter::default())]
    pub adapter: Adapter,
    /// Number of classes; without it, those of the checkpoint's own head or else those found in the training labels.
    pub n_classes: Option<usize>,
    /// Several labels a row; not supported yet.
    #[arg(default = false)]
    pub multilabel: bool,
    /// Weigh each class by rows / (rows of the class x classes), counted on the training labels.
    #[arg(default = false)]
    pub weighted_loss: bool,
    /// Use the classification head of the checkpoint's own kind, with its classes and their names.
    #[arg(default = false)]
    pub use_legacy_adapter: bool,
}

/// Hidden states of the last layer: one vector a row if pooled, else one a token.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(ignored(
    batch_size = "the data module's batch_size is used",
    use_legacy_adapter = "embedding uses no head"
))]
pub struct Embed {
    /// The pretrained encoder.
    pub backbone: BackboneSlot,
    /// `none`, `cls_pooling`, `mean_pooling` or `max_pooling`; without it, what the preset's `1_Pooling/config.json` says, else `none`.
    pub pooling: Option<EmbedPooling>,
    /// Scale each pooled vector to length 1; without it, as the preset's `modules.json` says, else not.
    pub normalize: Option<bool>,
}

/// The logits of the checkpoint's masked-LM head, for every token.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(ignored(
    batch_size = "the data module's batch_size is used",
    use_legacy_adapter = "the checkpoint's own head is always used"
))]
pub struct Inference {
    /// The pretrained encoder, with its masked-LM head.
    pub backbone: BackboneSlot,
}

/// How [`Embed`] pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbedPooling {
    /// Not at all: one vector a token.
    None,
    /// One vector a row.
    By(Pooling),
}

impl FromNode for EmbedPooling {
    fn from_node(node: &Node, cx: &mut Context) -> std::result::Result<Self, ComponentError> {
        match node.as_text() {
            Some("none") => Ok(Self::None),
            _ => match Pooling::from_node(node, cx) {
                Ok(pooling) => Ok(Self::By(pooling)),
                Err(_) => Err(cx.expected(node, "none, cls_pooling, mean_pooling or max_pooling")),
            },
        }
    }

    fn to_node(&self) -> Node {
        match self {
            Self::None => "none".to_owned().to_node(),
            Self::By(pooling) => pooling.to_node(),
        }
    }

    fn kind() -> Kind {
        Kind::Words(vec!["none", "cls_pooling", "mean_pooling", "max_pooling"])
    }
}

impl SequenceClassification {
    /// A classification on `backbone` with every other argument at its default.
    pub fn on(backbone: BackboneSlot) -> Self {
        Self {
            backbone,
            adapter: Adapter::default(),
            n_classes: None,
            multilabel: false,
            weighted_loss: false,
            use_legacy_adapter: false,
        }
    }
}

impl Task {
    /// The backbone.
    pub fn backbone(&self) -> &BackboneSlot {
        match self {
            Self::SequenceClassification(task) => &task.backbone,
            Self::Embed(task) => &task.backbone,
            Self::Inference(task) => &task.backbone,
        }
    }

    /// The backbone.
    pub fn backbone_mut(&mut self) -> &mut BackboneSlot {
        match self {
            Self::SequenceClassification(task) => &mut task.backbone,
            Self::Embed(task) => &mut task.backbone,
            Self::Inference(task) => &mut task.backbone,
        }
    }

    /// Whether it learns from labels; the others only predict.
    pub fn is_trainable(&self) -> bool {
        matches!(self, Self::SequenceClassification(_))
    }

    /// Refuses arguments that no model can have, before anything is read.
    ///
    /// # Errors
    /// The first of them.
    pub fn check(&self) -> Result<()> {
        self.backbone().backbone().check()?;
        let Self::SequenceClassification(task) = self else {
            return Ok(());
        };
        if task.multilabel {
            return Err(Error::Argument("model.multilabel: several labels a row are not supported yet; remove it or give false".into()));
        }
        if let Some(classes) = task.n_classes.filter(|classes| *classes > MOST_CLASSES) {
            return Err(Error::Argument(format!(
                "model.n_classes: {classes} is more than the {MOST_CLASSES} classes that a head may have"
            )));
        }
        if task.n_classes.is_some_and(|classes| classes < 2) {
            return Err(Error::Argument(
                "model.n_classes: a classifier needs at least 2 classes".into(),
            ));
        }
        task.adapter.check()?;
        Ok(())
    }
}
