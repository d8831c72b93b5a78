//! The tasks as users describe them.

use engraft_component::{Choice, Component, Words};
use engraft_models::{Adapter, BackboneSlot, Pooling, TokenAdapter};

use crate::error::{Error, Result};
use crate::labels::MOST_CLASSES;
use crate::loss::LossFunc;

/// What a model is for.
#[derive(Clone, Debug, PartialEq, Choice)]
pub enum Task {
    /// One class for each row, or several.
    SequenceClassification(SequenceClassification),
    /// One class for each letter or word of a row.
    TokenClassification(TokenClassification),
    /// Numbers for each row.
    SequenceRegression(SequenceRegression),
    /// The tokens that stood where some are masked.
    MLM(MLM),
    /// The token after each.
    CausalLM(CausalLM),
    /// Hidden states, pooled or not.
    Embed(Embed),
    /// The logits of the language-model head.
    Inference(Inference),
}

/// One class for each row, by cross-entropy on a head over pooled hidden states; or any number of classes, each yes or no.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(ignored(batch_size = "the data module's batch_size is used"))]
pub struct SequenceClassification {
    /// The pretrained encoder.
    pub backbone: BackboneSlot,
    /// The head, unless `use_legacy_adapter` takes the checkpoint's own; without it, a linear layer on the first token, or on the last of a decoder, which alone has seen all others.
    pub adapter: Option<Adapter>,
    /// Number of classes; without it, those of the checkpoint's own head or else those found in the training labels.
    pub n_classes: Option<usize>,
    /// Whether a row may have several classes, or none: the data has a column of 0 and 1 for each.
    #[arg(default = false)]
    pub multilabel: bool,
    /// Weigh each class as the data module's `class_weight` says, else by rows / (rows of the class x classes), counted on the training labels.
    #[arg(default = false)]
    pub weighted_loss: bool,
    /// Use the classification head of the checkpoint's own kind, with its classes and their names.
    #[arg(default = false)]
    pub use_legacy_adapter: bool,
}

/// One class for each letter of a sequence, or each word of a text, by cross-entropy on a head over its first token.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(ignored(batch_size = "the data module's batch_size is used"))]
pub struct TokenClassification {
    /// The pretrained encoder.
    pub backbone: BackboneSlot,
    /// The head, unless `use_legacy_adapter` takes the checkpoint's own.
    #[arg(default = TokenAdapter::default())]
    pub adapter: TokenAdapter,
    /// Number of classes; without it, those of the checkpoint's own head or else those found in the training labels.
    pub n_classes: Option<usize>,
    /// Weigh each class as the data module's `class_weight` says, else by tokens / (tokens of the class x classes), counted on the training labels.
    #[arg(default = false)]
    pub weighted_loss: bool,
    /// Use the token classification head of the checkpoint's own kind, with its classes and their names.
    #[arg(default = false)]
    pub use_legacy_adapter: bool,
}

/// One or several numbers for each row, on a head over pooled hidden states.
///
/// Where the data module normalises, the head learns numbers of mean 0 and deviation 1 over the training rows; the model keeps both, and
/// predictions and metrics are in the units of the data.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(ignored(batch_size = "the data module's batch_size is used"))]
pub struct SequenceRegression {
    /// The pretrained encoder.
    pub backbone: BackboneSlot,
    /// The head, unless `use_legacy_adapter` takes the checkpoint's own; without it, a linear layer on the first token, or on the last of a decoder, which alone has seen all others.
    pub adapter: Option<Adapter>,
    /// Numbers of a row, each a column of the data.
    #[arg(default = 1)]
    pub num_outputs: usize,
    /// What is averaged over rows and numbers.
    #[arg(default = LossFunc::default())]
    pub loss_func: LossFunc,
    /// Use the classification head of the checkpoint's own kind.
    #[arg(default = false)]
    pub use_legacy_adapter: bool,
}

/// Masked-language modelling: tells the tokens that stood where the data module masks some, by the checkpoint's own head.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(ignored(batch_size = "the data module's batch_size is used"))]
pub struct MLM {
    /// The pretrained encoder, with its masked-LM head; the head starts anew where it has none.
    pub backbone: BackboneSlot,
    /// Only true: the head is the checkpoint's own.
    #[arg(default = true)]
    pub use_legacy_adapter: bool,
    /// Average the loss and the accuracy over all tokens, special ones included, as ModelGenerator does, instead of the masked ones.
    #[arg(default = false)]
    pub loss_on_all_tokens: bool,
}

/// Causal language modelling: tells each token of a text from those before it, by the checkpoint's own head.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(ignored(
    batch_size = "the data module's batch_size is used",
    use_legacy_adapter = "the checkpoint's own head is always used"
))]
pub struct CausalLM {
    /// The pretrained decoder, with its head; the head starts anew where it has none.
    pub backbone: BackboneSlot,
    /// What becomes of texts longer than the backbone's `max_length`, without which the model's context counts: `split` into windows, so that every token is told once; or `cut`.
    #[arg(default = LongDocuments::Split)]
    pub long_documents: LongDocuments,
    /// Whether texts begin with the tokenizer's first token (BOS); without it, as the tokenizer itself does.
    pub add_start_token: Option<bool>,
    /// Whether texts end with the tokenizer's last token (EOS), which teaches the model to stop; without it, as the tokenizer itself does.
    pub add_end_token: Option<bool>,
    /// What the loss is divided by: `tokens`, those that are told; or `padded`, rows x `max_length`, as KerasHub divides it.
    #[arg(default = LossDenominator::Tokens)]
    pub loss_denominator: LossDenominator,
}

/// What becomes of texts longer than a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Words)]
pub enum LongDocuments {
    /// They are read in several windows, each token told in one of them.
    Split,
    /// What is past the first window is left out.
    Cut,
}

/// What a sum of losses is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Words)]
pub enum LossDenominator {
    /// The number of tokens that are told.
    Tokens,
    /// The number of tokens there would be if all rows were as long as they may be.
    Padded,
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
    /// `none`, `cls_pooling`, `mean_pooling`, `max_pooling` or `last_pooling`; without it, what the preset's `1_Pooling/config.json` says, else `none`.
    pub pooling: Option<EmbedPooling>,
    /// Scale each pooled vector to length 1; without it, as the preset's `modules.json` says, else not.
    pub normalize: Option<bool>,
}

/// The logits of the checkpoint's language-model head, masked or causal, for every token.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(ignored(
    batch_size = "the data module's batch_size is used",
    use_legacy_adapter = "the checkpoint's own head is always used"
))]
pub struct Inference {
    /// The pretrained encoder or decoder, with its head.
    pub backbone: BackboneSlot,
}

/// How [`Embed`] pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Words)]
pub enum EmbedPooling {
    /// Not at all: one vector a token.
    None,
    /// One vector a row.
    By(Pooling),
}

impl SequenceClassification {
    /// A classification on `backbone` with every other argument at its default.
    pub fn on(backbone: BackboneSlot) -> Self {
        Self {
            backbone,
            adapter: None,
            n_classes: None,
            multilabel: false,
            weighted_loss: false,
            use_legacy_adapter: false,
        }
    }
}

impl CausalLM {
    /// Language modelling on `backbone` with every other argument at its default.
    pub fn on(backbone: BackboneSlot) -> Self {
        Self {
            backbone,
            long_documents: LongDocuments::Split,
            add_start_token: None,
            add_end_token: None,
            loss_denominator: LossDenominator::Tokens,
        }
    }

    fn check(&self) -> Result<()> {
        let max_length = self.backbone.backbone().max_length;
        if max_length == Some(0) {
            return Err(Error::Argument(
                "model.backbone.max_length: must be at least 1".into(),
            ));
        }
        if self.loss_denominator == LossDenominator::Padded && max_length.is_none() {
            return Err(Error::Argument(
                "model.loss_denominator: padded: rows are counted as so many tokens as backbone.max_length says; give it".into(),
            ));
        }
        Ok(())
    }
}

impl Task {
    /// The backbone.
    pub fn backbone(&self) -> &BackboneSlot {
        match self {
            Self::SequenceClassification(task) => &task.backbone,
            Self::TokenClassification(task) => &task.backbone,
            Self::SequenceRegression(task) => &task.backbone,
            Self::MLM(task) => &task.backbone,
            Self::CausalLM(task) => &task.backbone,
            Self::Embed(task) => &task.backbone,
            Self::Inference(task) => &task.backbone,
        }
    }

    /// The backbone.
    pub fn backbone_mut(&mut self) -> &mut BackboneSlot {
        match self {
            Self::SequenceClassification(task) => &mut task.backbone,
            Self::TokenClassification(task) => &mut task.backbone,
            Self::SequenceRegression(task) => &mut task.backbone,
            Self::MLM(task) => &mut task.backbone,
            Self::CausalLM(task) => &mut task.backbone,
            Self::Embed(task) => &mut task.backbone,
            Self::Inference(task) => &mut task.backbone,
        }
    }

    /// Whether it learns; the others only predict.
    pub fn is_trainable(&self) -> bool {
        !matches!(self, Self::Embed(_) | Self::Inference(_))
    }

    /// Whether its head is one that a checkpoint of another program may hold.
    pub fn uses_legacy_adapter(&self) -> bool {
        match self {
            Self::SequenceClassification(task) => task.use_legacy_adapter,
            Self::TokenClassification(task) => task.use_legacy_adapter,
            Self::SequenceRegression(task) => task.use_legacy_adapter,
            Self::MLM(_) | Self::CausalLM(_) | Self::Inference(_) => true,
            Self::Embed(_) => false,
        }
    }

    /// Refuses arguments with which no model can be trained, before anything is read.
    ///
    /// # Errors
    /// Hidden states are to be cached that change at every step, or from epoch to epoch.
    pub fn check_training(&self) -> Result<()> {
        let backbone = self.backbone().backbone();
        backbone.check_training()?;
        match self {
            Self::MLM(_) if backbone.cache.enable_cache => Err(Error::Argument(
                "backbone.enable_cache: other tokens are masked in each epoch, so no hidden state could be used twice; remove it".into(),
            )),
            _ => Ok(()),
        }
    }

    /// Refuses arguments that no model can have, before anything is read.
    ///
    /// # Errors
    /// The first of them.
    pub fn check(&self) -> Result<()> {
        let refuse = |text: &str| Err(Error::Argument(text.to_owned()));
        self.backbone().backbone().check()?;
        match self {
            Self::SequenceClassification(task) => {
                if task.multilabel && task.weighted_loss {
                    return refuse(
                        "model.weighted_loss: classes are weighed only where a row has one; remove it or multilabel",
                    );
                }
                check_classes(task.n_classes)?;
                check_adapter(task.adapter.as_ref())?;
            }
            Self::TokenClassification(task) => {
                check_classes(task.n_classes)?;
                task.adapter.check()?;
            }
            Self::SequenceRegression(task) => {
                if !(1..=MOST_CLASSES).contains(&task.num_outputs) {
                    return Err(Error::Argument(format!(
                        "model.num_outputs: expected a number from 1 to {MOST_CLASSES}, found {}",
                        task.num_outputs
                    )));
                }
                task.loss_func.check()?;
                check_adapter(task.adapter.as_ref())?;
            }
            Self::MLM(task) if !task.use_legacy_adapter => {
                return refuse(
                    "model.use_legacy_adapter: false: masked-language modelling is done by the checkpoint's own head; remove it",
                );
            }
            Self::CausalLM(task) => task.check()?,
            Self::MLM(_) | Self::Embed(_) | Self::Inference(_) => {}
        }
        Ok(())
    }
}

fn check_adapter(adapter: Option<&Adapter>) -> Result<()> {
    Ok(adapter.map_or(Ok(()), Adapter::check)?)
}

fn check_classes(count: Option<usize>) -> Result<()> {
    match count {
        Some(count) if count > MOST_CLASSES => Err(Error::Argument(format!(
            "model.n_classes: {count} is more than the {MOST_CLASSES} classes that a head may have"
        ))),
        Some(0 | 1) => Err(Error::Argument(
            "model.n_classes: a classifier needs at least 2 classes".into(),
        )),
        _ => Ok(()),
    }
}
