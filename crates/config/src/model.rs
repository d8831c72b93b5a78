//! The `model` of an experiment: a task together with how it is trained.

use engraft_component::{Choice, Component};
use engraft_tasks::Task;
use engraft_train::Training;

/// What a model does, and how it learns.
#[derive(Clone, Debug, PartialEq, Choice)]
#[choice(kind = "model")]
pub enum Model {
    /// One class for each sequence, or several.
    SequenceClassification(SequenceClassification),
    /// One class for each letter or word.
    TokenClassification(TokenClassification),
    /// Numbers for each sequence.
    SequenceRegression(SequenceRegression),
    /// A masked language model.
    MLM(MLM),
    /// A language model that writes on.
    CausalLM(CausalLM),
    /// Hidden states.
    Embed(Embed),
    /// The logits of a language model.
    Inference(Inference),
}

/// Declares the models: each is a task's arguments among those of training.
macro_rules! models {
    ($($(#[doc = $doc:literal])+ $name:ident $(, $alias:literal)?;)+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Clone, Debug, PartialEq, Component)]
            $(#[component(alias = $alias)])?
            // They have the names that users write.
            #[allow(clippy::upper_case_acronyms)]
            pub struct $name {
                /// What is computed.
                #[arg(flatten)]
                pub task: engraft_tasks::$name,
                /// How it is trained.
                #[arg(flatten)]
                pub training: Training,
            }
        )+

        impl Model {
            /// What is computed.
            pub fn task(&self) -> Task {
                match self {
                    $(Self::$name(model) => model.task.clone().into(),)+
                }
            }

            /// How it is trained.
            pub fn training(&self) -> &Training {
                match self {
                    $(Self::$name(model) => &model.training,)+
                }
            }
        }
    };
}

models! {
    /// Assigns one of several classes to each sequence, or with `multilabel` any number of them.
    SequenceClassification, "modelgenerator.tasks.SequenceClassification";
    /// Assigns one of several classes to each letter of a sequence, or each word of a text.
    TokenClassification, "modelgenerator.tasks.TokenClassification";
    /// Assigns one or several numbers to each sequence.
    SequenceRegression, "modelgenerator.tasks.SequenceRegression";
    /// Trains a masked language model: tells the tokens that stood where some are masked.
    MLM, "modelgenerator.tasks.MLM";
    /// Trains a causal language model: tells each token of a text from those before it.
    CausalLM;
    /// Computes what the backbone makes of each sequence, for every token or pooled into one vector.
    Embed, "modelgenerator.tasks.Embed";
    /// Computes the logits of the backbone's own language-model head, masked or causal, for every token.
    Inference, "modelgenerator.tasks.Inference";
}
