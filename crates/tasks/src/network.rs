//! The parameters of a task: an encoder and, for most, a head.

use burn::module::Module;
use engraft_models::{
    AdapterHead, CausalLmHead, ClassifierHead, HeadKind, MaskedLmHead, Transformer,
};

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
    /// The family's own classification head on a sequence.
    Classifier(ClassifierHead),
    /// The family's own classification head on every token.
    TokenClassifier(ClassifierHead),
    /// The checkpoint's masked-LM head.
    MaskedLm(MaskedLmHead),
    /// The checkpoint's causal-LM head.
    CausalLm(CausalLmHead),
}

impl Network {
    /// Which kind of head it has.
    pub fn head_kind(&self) -> HeadKind {
        match &self.head {
            None => HeadKind::None,
            Some(TaskHead::Adapter(_)) => HeadKind::Adapter,
            Some(TaskHead::Classifier(_)) => HeadKind::Classification,
            Some(TaskHead::TokenClassifier(_)) => HeadKind::TokenClassification,
            Some(TaskHead::MaskedLm(_)) => HeadKind::MaskedLm,
            Some(TaskHead::CausalLm(_)) => HeadKind::CausalLm,
        }
    }

    /// Whether the head stays as it is: beside LoRA updates, as PEFT has it, one that a language model was trained with does.
    pub(crate) fn head_rests(&self) -> bool {
        self.encoder.is_adapted() && matches!(self.head, Some(TaskHead::CausalLm(_)))
    }

    /// The same with a head that is not trained.
    pub(crate) fn with_resting_head(self) -> Self {
        Self {
            encoder: self.encoder,
            head: self.head.map(Module::no_grad),
        }
    }

    /// The same with an encoder whose weights are not trained; its dropout stays on. LoRA updates are trained all the same.
    pub(crate) fn frozen(self) -> Self {
        if self.encoder.is_adapted() {
            return self;
        }
        Self {
            encoder: self.encoder.no_grad(),
            head: self.head,
        }
    }

    /// Adds LoRA updates to the weights that they stand beside.
    pub fn merge_lora(&mut self) {
        self.encoder.merge_lora();
    }
}
