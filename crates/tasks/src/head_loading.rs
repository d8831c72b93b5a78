//! Where a task's head comes from: the checkpoint, or nowhere, when it starts anew.

use burn::module::Module;
use engraft_models::{
    Adapter, BoxedHead, CausalLmHead, Checkpoint, ConditionalAdapter, Head, HeadKind, Initial,
    PairAdapter, TokenAdapter,
};
use engraft_text::Tokenizer;

use crate::error::{Error, Result};
use crate::several::OtherBackbone;

/// What a head is loaded from, and how.
pub struct HeadLoading<'a> {
    /// The backbone's checkpoint.
    pub checkpoint: &'a Checkpoint,
    /// The backbones beside it.
    pub others: &'a [OtherBackbone],
    /// What makes its inputs.
    pub tokenizer: &'a Tokenizer,
    /// Values that the head is to give for each row or token, where it is not the vocabulary's size.
    pub outputs: usize,
    /// Whether the checkpoint must have it.
    pub required: bool,
    /// Whether it will be trained, and so may start anew.
    pub is_trained: bool,
    /// Where fresh weights are made, and from what.
    pub initial: &'a Initial,
}

impl HeadLoading<'_> {
    /// A head of the task's own, made fresh by `make` from the width of hidden states; as the checkpoint stores it if it must have it.
    ///
    /// # Errors
    /// A stored part of it is missing or has another shape.
    pub fn own<H: Head + Module + 'static>(
        &self,
        make: impl FnOnce(usize, &Initial) -> H,
    ) -> Result<BoxedHead> {
        let width = self.checkpoint.config().transformer.output_width();
        let fresh = make(width, self.initial);
        let head = self
            .checkpoint
            .own_head(fresh, self.required, self.initial)?;
        Ok(BoxedHead::new(head))
    }

    /// An adapter on whole rows; without one, what reads a row of such a backbone.
    ///
    /// # Errors
    /// Those of [`Self::own`].
    pub fn adapter(&self, adapter: Option<&Adapter>) -> Result<BoxedHead> {
        let causal = self.checkpoint.config().transformer.causal;
        let adapter = adapter
            .cloned()
            .unwrap_or_else(|| Adapter::for_backbone(causal));
        // A saved one may have a bias where a fresh one has none.
        let has_bias = self.required && self.checkpoint.stores_own("layers.0.bias");
        self.own(|width, initial| {
            let head = adapter.build(width, self.outputs, initial);
            if has_bias {
                head.with_bias(initial)
            } else {
                head
            }
        })
    }

    /// An adapter on the tokens of rows that are asked for.
    ///
    /// # Errors
    /// Those of [`Self::own`].
    pub fn adapter_at_sites(&self, adapter: &Adapter) -> Result<BoxedHead> {
        self.own(|width, initial| adapter.build(width, self.outputs, initial).at_sites())
    }

    /// An adapter on every token.
    ///
    /// # Errors
    /// Those of [`Self::own`].
    pub fn token_adapter(&self, adapter: &TokenAdapter) -> Result<BoxedHead> {
        self.own(|width, initial| adapter.build(width, self.outputs, initial))
    }

    /// An adapter on every pair of tokens.
    ///
    /// # Errors
    /// Those of [`Self::own`].
    pub fn pair_adapter(&self, adapter: &PairAdapter) -> Result<BoxedHead> {
        let width = self.checkpoint.config().transformer.output_width();
        let fresh = adapter.build(width, self.initial);
        Ok(self
            .checkpoint
            .own_head(fresh, self.required, self.initial)?)
    }

    /// The family's classification head, of sequences or of tokens.
    ///
    /// # Errors
    /// The family has none, or it must be stored and is not.
    pub fn classifier(&self, kind: HeadKind) -> Result<BoxedHead> {
        let (outputs, required) = (self.outputs, self.required);
        let head = self
            .checkpoint
            .classifier(kind, outputs, required, self.initial)?;
        Ok(BoxedHead::new(head))
    }

    /// The same with fresh weights, unless the checkpoint must have it.
    ///
    /// # Errors
    /// The family has none, or it must be stored and is not.
    pub fn fresh_classifier(&self, kind: HeadKind) -> Result<BoxedHead> {
        if self.required {
            return self.classifier(kind);
        }
        let head = self
            .checkpoint
            .fresh_classifier(kind, self.outputs, self.initial)?;
        Ok(BoxedHead::new(head))
    }

    /// The checkpoint's masked-LM head, which starts anew only if it is to be trained.
    ///
    /// # Errors
    /// The family has none, the checkpoint lacks it, or it tells something else than tokens of the vocabulary.
    pub fn masked_lm(&self) -> Result<BoxedHead> {
        let head = self.checkpoint.config().masked_lm.as_ref();
        if let Some(outputs) = head.and_then(|head| head.outputs) {
            let name = self.checkpoint.preset().name();
            return Err(Error::refused(
                "model.backbone",
                format!(
                    "the head of {name} tells {outputs} tokens of another vocabulary, so masked ones of its own cannot be told by it; predict its logits instead"
                ),
            ));
        }
        self.any_masked_lm()
    }

    /// As [`Self::masked_lm`], whatever it tells of each token.
    ///
    /// # Errors
    /// The family has none, or the checkpoint lacks it.
    pub fn any_masked_lm(&self) -> Result<BoxedHead> {
        let required = self.required || !self.is_trained;
        let head = self.checkpoint.masked_lm(required, self.initial)?;
        Ok(BoxedHead::new(head))
    }

    /// A head on every token that is told `conditions` numbers of each row, before the checkpoint's own masked-LM head if that is used.
    ///
    /// # Errors
    /// A stored part of it is missing or has another shape; the family has no masked-LM head.
    pub fn conditional_lm(
        &self,
        adapter: &ConditionalAdapter,
        conditions: usize,
        uses_own: bool,
    ) -> Result<BoxedHead> {
        let head = self.checkpoint.conditional_lm(
            adapter,
            conditions,
            uses_own,
            self.required,
            self.initial,
        )?;
        Ok(BoxedHead::new(head))
    }

    /// The language-model head of the checkpoint's decoder beside its encoder, as [`Self::causal_lm`].
    ///
    /// # Errors
    /// Those of [`Self::causal_lm`].
    pub fn seq2seq_lm(&self) -> Result<CausalLmHead> {
        let required = self.required || !self.is_trained || self.checkpoint.has_lora();
        Ok(self.checkpoint.seq2seq_lm(required, self.initial)?)
    }

    /// The checkpoint's causal-LM head, which starts anew only if it is to be trained, and beside LoRA updates is not.
    ///
    /// # Errors
    /// The family has none, or the checkpoint lacks it.
    pub fn causal_lm(&self) -> Result<BoxedHead> {
        let required = self.required || !self.is_trained || self.checkpoint.has_lora();
        let head = self.checkpoint.causal_lm(required, self.initial)?;
        Ok(BoxedHead::new(head))
    }
}
