//! The parameters of a task: an encoder and, for most, a head.

use burn::module::Module;
use engraft_models::{AdapterHead, ClassifierHead, HeadKind, MaskedLmHead, Transformer};

/// Everything that is trained or loaded.
#[derive(Module, Debug)]
pub struct Network {
    /// The backbone.
    pub encoder: Transformer,
    /// What stands on it.
    pub head: Option<TaskHead>,
}

/// What stands on the backbone.
#[derive(Module, Debug)]
pub enum TaskHead {
    /// An adapter of ours.
    Adapter(AdapterHead),
    /// The family's own classification head.
    Classifier(ClassifierHead),
    /// The checkpoint's masked-LM head.
    MaskedLm(MaskedLmHead),
}

impl Network {
    /// Which kind of head it has.
    pub fn head_kind(&self) -> HeadKind {
        match &self.head {
            None => HeadKind::None,
            Some(TaskHead::Adapter(_)) => HeadKind::Adapter,
            Some(TaskHead::Classifier(_)) => HeadKind::Classification,
            Some(TaskHead::MaskedLm(_)) => HeadKind::MaskedLm,
        }
    }

    /// The same with an encoder whose weights are not trained; its dropout stays on.
    pub(crate) fn frozen(self) -> Self {
        Self {
            encoder: self.encoder.no_grad(),
            head: self.head,
        }
    }
}
