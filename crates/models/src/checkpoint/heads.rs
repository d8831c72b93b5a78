//! The heads that a checkpoint has.

use burn::module::Module;
use engraft_component::Refusal;

use super::Checkpoint;
use crate::adapters::{Adapter, AdapterHead, TokenAdapter};
use crate::config::{CausalLmConfig, ClassifierConfig, DecoderConfig, TransformerConfig};
use crate::error::{Error, Result};
use crate::families::{Family, families};
use crate::head::Head;
use crate::heads::{CausalLmHead, ClassifierHead, MaskedLmHead, Pooler};
use crate::initial::Initial;
use crate::names::{HeadKind, Names};
use crate::tied::PROJECTION;

impl Checkpoint {
    /// Whether the pooler is stored.
    pub fn has_pooler(&self) -> bool {
        self.stored(HeadKind::Pooler, "dense.weight").is_some()
    }

    /// The pooler.
    ///
    /// # Errors
    /// The family has none, or the checkpoint lacks it.
    pub fn pooler(&self, initial: &Initial) -> Result<Pooler> {
        let fresh = Pooler::new(&self.config.transformer, initial);
        self.load(fresh, HeadKind::Pooler, initial, true)
    }

    /// The masked-LM head: the checkpoint's, or a fresh one if it has none and `required` is false.
    ///
    /// # Errors
    /// The family has none, or the checkpoint lacks it and it is required.
    pub fn masked_lm(&self, required: bool, initial: &Initial) -> Result<MaskedLmHead> {
        let kind = HeadKind::MaskedLm;
        self.check_head(kind)?;
        let Some(head) = &self.config.masked_lm else {
            return Err(self.lacks(kind));
        };
        // What only the head has: its dense layer, or where there is none a projection of its own.
        let own = match &head.dense {
            Some(_) => Some("dense.linear.weight"),
            None => (!head.tied && !self.untied.contains(&kind)).then_some(PROJECTION),
        };
        if let Some(own) = own
            && required
            && self.weights.is_some()
            && self.stored(kind, own).is_none()
        {
            let names = self.head_names(kind).of(own, true);
            let problem = format!(
                "{} has no masked-LM head: it stores no {}",
                self.preset.name(),
                names.first().map_or("dense layer", String::as_str)
            );
            let help = "Take a checkpoint that was saved with its head";
            return Err(Refusal::plain(problem).help(help).into());
        }
        let fresh = MaskedLmHead::new(&self.config.transformer, head, initial);
        self.load(fresh, kind, initial, required)
    }

    /// The shape of its causal-LM head.
    ///
    /// # Errors
    /// The family has none.
    pub fn causal_lm_config(&self) -> Result<CausalLmConfig> {
        let head = self.config.causal_lm;
        head.ok_or_else(|| self.lacks(HeadKind::CausalLm))
    }

    /// The causal-LM head: the token embeddings if it is tied, else the checkpoint's, or a fresh one if it has none and `required` is false.
    ///
    /// # Errors
    /// The family has none, or the checkpoint lacks it and it is required.
    pub fn causal_lm(&self, required: bool, initial: &Initial) -> Result<CausalLmHead> {
        let head = self.causal_lm_config()?;
        let config = &self.config.transformer;
        self.language_model(HeadKind::CausalLm, config, head, required, initial)
    }

    /// As [`Self::causal_lm`], of an encoder-decoder.
    ///
    /// # Errors
    /// Those of [`Self::causal_lm`]; what is added to the logits cannot be read.
    pub fn seq2seq_lm(&self, required: bool, initial: &Initial) -> Result<CausalLmHead> {
        let kind = HeadKind::Seq2SeqLm;
        let DecoderConfig {
            transformer, head, ..
        } = self.decoder_config()?;
        let head = self.language_model(kind, transformer, *head, required, initial)?;
        Ok(head.with_bias(self.logits_bias(transformer.vocabulary)?))
    }

    /// What the checkpoint adds to logits, where that is anything but zeros.
    fn logits_bias(&self, vocabulary: usize) -> Result<Option<Vec<f32>>> {
        let (Some(name), Some(source)) = (self.config.family.logits_bias, &self.weights) else {
            return Ok(None);
        };
        let Some(stored) = source.weights.get(name) else {
            return Ok(None);
        };
        let bias = stored.to_f32()?;
        self.progress.get().used.insert(name.to_owned());
        if bias.len() != vocabulary || !bias.iter().all(|value| value.is_finite()) {
            return Err(Error::Weights {
                preset: self.preset.name().to_owned(),
                report: format!("{name} holds no {vocabulary} finite numbers"),
            });
        }
        Ok(bias.iter().any(|value| *value != 0.0).then_some(bias))
    }

    fn language_model(
        &self,
        kind: HeadKind,
        config: &TransformerConfig,
        head: CausalLmConfig,
        required: bool,
        initial: &Initial,
    ) -> Result<CausalLmHead> {
        if required
            && !head.tied
            && !self.untied.contains(&kind)
            && self.weights.is_some()
            && self.stored(kind, PROJECTION).is_none()
        {
            let names = self.head_names(kind).of(PROJECTION, true);
            let problem = format!(
                "{} has no language-model head: it stores no {}, and its config.json does not tie the head to the embeddings",
                self.preset.name(),
                names.first().map_or(PROJECTION, String::as_str)
            );
            let help = format!(
                "Take a checkpoint that was saved with its head, or write \"tie_word_embeddings\": true into {} if its embeddings are the head",
                self.preset.locate("config.json")
            );
            return Err(Refusal::plain(problem).help(help).into());
        }
        let fresh = CausalLmHead::new(config, head, kind, initial);
        if head.tied {
            self.progress.get().parts.push(kind);
            Ok(fresh)
        } else {
            self.load(fresh, kind, initial, required)
        }
    }

    /// The number of classes that the checkpoint's own head of this kind has, if it has one.
    pub fn stored_classes(&self, kind: HeadKind) -> Option<usize> {
        let shape = self.stored(kind, "projection.weight")?;
        shape.first().copied()
    }

    /// The family's classification head, of sequences or of tokens, for `classes` classes: the checkpoint's where it is stored and fits,
    /// fresh where it is not and not `required`.
    ///
    /// # Errors
    /// The family has none, or a stored part of it has another shape.
    pub fn classifier(
        &self,
        kind: HeadKind,
        classes: usize,
        required: bool,
        initial: &Initial,
    ) -> Result<ClassifierHead> {
        self.check_head(kind)?;
        let config: &ClassifierConfig = match kind {
            HeadKind::TokenClassification => &self.config.token_classifier,
            _ => &self.config.classifier,
        };
        let fresh = ClassifierHead::new(&self.config.transformer, config, classes, initial);
        let mut head = self.load(fresh.clone(), kind, initial, required)?;
        if self
            .stored_classes(kind)
            .is_some_and(|stored| stored != classes)
        {
            head.projection = fresh.projection;
        }
        Ok(head)
    }

    /// The family's classification head with fresh weights, but for a layer of its that the encoder has (BERT's pooler).
    ///
    /// # Errors
    /// The family has none.
    pub fn fresh_classifier(
        &self,
        kind: HeadKind,
        classes: usize,
        initial: &Initial,
    ) -> Result<ClassifierHead> {
        self.check_head(kind)?;
        let config = match kind {
            HeadKind::TokenClassification => &self.config.token_classifier,
            _ => &self.config.classifier,
        };
        let fresh = ClassifierHead::new(&self.config.transformer, config, classes, initial);
        if !Names::head(self.config.family, kind).has_inside("dense.linear") {
            return Ok(fresh);
        }
        let mut head = self.load(fresh.clone(), kind, initial, false)?;
        head.projection = fresh.projection;
        Ok(head)
    }

    /// A head of ours as the family's own that computes the same, where the family has such a one: a linear layer on each token, or on what
    /// its classifier of sequences pools too.
    pub fn as_family_head(&self, head: &AdapterHead) -> Option<ClassifierHead> {
        let (linear, pooling) = head.as_linear()?;
        let (kind, config) = match pooling {
            None => (HeadKind::TokenClassification, &self.config.token_classifier),
            Some(_) => (HeadKind::Classification, &self.config.classifier),
        };
        self.check_head(kind).ok()?;
        ClassifierHead::of_linear(linear.clone(), config).filter(|it| it.pooling() == pooling)
    }

    /// Whether the parameter at `path` of a head of our kind is stored.
    pub fn stores_own(&self, path: &str) -> bool {
        self.stored(HeadKind::Adapter, path).is_some()
    }

    /// An adapter: as this preset stores it if it is `required`, else fresh.
    ///
    /// # Errors
    /// A stored part of it has another shape.
    pub fn adapter(
        &self,
        adapter: &Adapter,
        outputs: usize,
        required: bool,
        initial: &Initial,
    ) -> Result<AdapterHead> {
        let fresh = adapter.build(self.config.transformer.output_width(), outputs, initial);
        self.own_head(fresh, required, initial)
    }

    /// As [`Self::adapter`], on every token.
    ///
    /// # Errors
    /// A stored part of it has another shape.
    pub fn token_adapter(
        &self,
        adapter: &TokenAdapter,
        outputs: usize,
        required: bool,
        initial: &Initial,
    ) -> Result<AdapterHead> {
        let fresh = adapter.build(self.config.transformer.output_width(), outputs, initial);
        self.own_head(fresh, required, initial)
    }

    /// A head of our kind: as this preset stores it, under `adapter`, if it is `required`, else fresh: another model's is no start for this
    /// one's.
    ///
    /// # Errors
    /// A stored part of it is missing or has another shape.
    pub fn own_head<M: Module>(&self, fresh: M, required: bool, initial: &Initial) -> Result<M> {
        if required {
            self.load(fresh, HeadKind::Adapter, initial, required)
        } else {
            Ok(fresh)
        }
    }

    /// Refuses a kind of head that the family does not have.
    fn check_head(&self, kind: HeadKind) -> Result<()> {
        if Names::head(self.config.family, kind).is_empty() {
            Err(self.lacks(kind))
        } else {
            Ok(())
        }
    }

    /// That the family has no such head.
    pub(super) fn lacks(&self, kind: HeadKind) -> Error {
        let what = match kind {
            HeadKind::MaskedLm => "masked-LM head",
            HeadKind::CausalLm => "language-model head that writes on",
            HeadKind::Decoder | HeadKind::Seq2SeqLm => "decoder beside an encoder",
            HeadKind::TokenClassification => "head for tokens",
            _ => "classification head",
        };
        let problem = format!(
            "{}: models of the family {} have no {what} of their own",
            self.preset.name(),
            self.config.family.name
        );
        let has_one = |family: &&'static Family| !Names::head(family, kind).is_empty();
        let others = families().iter().copied().filter(has_one);
        let others = others.map(|family| family.name);
        let others = others.collect::<Vec<_>>().join(", ");
        Refusal::plain(problem)
            .help(format!("Those of other families have: {others}"))
            .into()
    }

    /// The shape in which a parameter of a head is stored, if it is.
    fn stored(&self, kind: HeadKind, path: &str) -> Option<Vec<usize>> {
        let names = self.head_names(kind);
        let sources = self.head_sources();
        let tensor = sources.iter().find_map(|source| source.get(&names, path))?;
        Some(tensor.shape().to_vec())
    }
}
