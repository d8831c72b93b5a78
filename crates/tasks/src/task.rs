//! Any task: the list of them, and what all have in common.

use std::fmt::Debug;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use engraft_component::Choice;
use engraft_data::{Compat, Labels};
use engraft_hub::Kind;
use engraft_models::{BoxedHead, Checkpoint, RunFile};
use engraft_text::Tokenizer;

use crate::backbone::BackboneSlot;
use crate::error::Result;
use crate::head_loading::HeadLoading;
use crate::objective::{Basis, Objective, TaskArguments};
use crate::objectives::*;
use crate::preset::OfRun;

/// Calls a macro with the file and the name of every task, in the order in which users see them. This is the one place where a task is
/// registered.
#[macro_export]
macro_rules! for_each_task {
    ($call:ident) => {
        $call! {
            sequence_classification::SequenceClassification
            token_classification::TokenClassification
            pairwise_token_classification::PairwiseTokenClassification
            rnass_pairwise_token_classification::RNASSPairwiseTokenClassification
            sequence_regression::SequenceRegression
            sequence_regression_with_scaling::SequenceRegressionWithScaling
            mm_sequence_regression::MMSequenceRegression
            mlm::MLM
            conditional_mlm::ConditionalMLM
            diffusion::Diffusion
            conditional_diffusion::ConditionalDiffusion
            causal_lm::CausalLM
            seq2seq_lm::Seq2SeqLM
            embed::Embed
            inference::Inference
            zeroshot_prediction_diff::ZeroshotPredictionDiff
            zeroshot_prediction_distance::ZeroshotPredictionDistance
        }
    };
}

/// Declares the enum of all tasks.
macro_rules! tasks {
    ($($file:ident::$name:ident)+) => {
        /// What a model is for.
        #[derive(Clone, Debug, PartialEq, Choice)]
        pub enum Task {
            $(
                #[doc = concat!("[`", stringify!($name), "`].")]
                $name($name),
            )+
        }

        $(
            /// The task's own arguments, or the task itself where it is another.
            impl TryFrom<Task> for $name {
                type Error = Task;

                fn try_from(task: Task) -> std::result::Result<Self, Task> {
                    match task {
                        Task::$name(arguments) => Ok(arguments),
                        other => Err(other),
                    }
                }
            }
        )+

        impl Deref for Task {
            type Target = dyn AnyTask;

            fn deref(&self) -> &Self::Target {
                match self {
                    $(Self::$name(task) => task,)+
                }
            }
        }

        impl DerefMut for Task {
            fn deref_mut(&mut self) -> &mut Self::Target {
                match self {
                    $(Self::$name(task) => task,)+
                }
            }
        }

        impl Task {
            /// Takes what was left open from the arguments that a model was saved with.
            pub fn fill_in(&mut self, saved: &Self) {
                match (self, saved) {
                    $((Self::$name(task), Self::$name(saved)) => task.fill_in(saved),)+
                    _ => {}
                }
            }

            /// All its backbones, in the order of their towers.
            pub fn backbones(&self) -> Vec<&BackboneSlot> {
                let mut backbones = vec![self.backbone()];
                backbones.extend(self.others());
                backbones
            }

            /// Takes from what is asked for what only says how a model predicts.
            pub fn predict_as(&mut self, asked: &Self) {
                match (&mut *self, asked) {
                    $((Self::$name(task), Self::$name(asked)) => task.predict_as(asked),)+
                    _ => {}
                }
                if let Some(own) = self.compat_mut() {
                    *own = asked.compat();
                }
            }

            /// The data module that a task of this name is mostly used with.
            pub fn data_module_of(name: &str) -> Option<&'static str> {
                match name {
                    $(stringify!($name) => Some(<$name as TaskArguments>::DATA_MODULE),)+
                    _ => None,
                }
            }

            /// The kinds of models that a task of this name stands on.
            pub fn stands_on(name: &str) -> Option<&'static [Kind]> {
                match name {
                    $(stringify!($name) => Some(<$name as TaskArguments>::STANDS_ON),)+
                    _ => None,
                }
            }

            /// The first task that is mostly used with a data module.
            pub fn that_uses(data_module: &str) -> Option<&'static str> {
                let tasks = [$((stringify!($name), <$name as TaskArguments>::DATA_MODULE),)+];
                let mut tasks = tasks.into_iter();
                tasks.find_map(|(name, module)| (module == data_module).then_some(name))
            }

            /// The names of the tasks that can be trained.
            pub fn that_learn() -> Vec<&'static str> {
                let tasks = [$((stringify!($name), <$name as TaskArguments>::LEARNS),)+];
                let learning = tasks.into_iter().filter(|(_, learns)| *learns);
                learning.map(|(name, _)| name).collect()
            }
        }
    };
}

for_each_task!(tasks);

/// [`TaskArguments`] as methods that any task has, whatever its types.
pub trait AnyTask: Debug + Send + Sync {
    /// The backbone.
    fn backbone(&self) -> &BackboneSlot;

    /// The backbone.
    fn backbone_mut(&mut self) -> &mut BackboneSlot;

    /// The backbones beside it, of a task that has several.
    fn others(&self) -> Vec<&BackboneSlot>;

    /// The backbones beside it.
    fn others_mut(&mut self) -> Vec<&mut BackboneSlot>;

    /// Whether its head stands on the decoder of an encoder-decoder.
    fn uses_decoder(&self) -> bool;

    /// The names of towers that are not trained, beside those of backbones that are frozen.
    fn frozen_towers(&self) -> Vec<&'static str>;

    /// Sets the number of classes, where there are any.
    fn set_classes(&mut self, count: Option<usize>);

    /// Makes a model of it start with a fresh head; whether the task can.
    fn start_head_anew(&mut self) -> bool;

    /// Whether it can be trained.
    fn learns(&self) -> bool;

    /// Whether it can be scored.
    fn scores(&self) -> bool;

    /// Whether it compares the two texts of a row.
    fn compares(&self) -> bool;

    /// Whether the last output alone of its head in the file of a ModelGenerator run is what it computes.
    fn takes_last_output(&self) -> bool;

    /// What it takes of the file of a ModelGenerator run beside the tensors.
    ///
    /// # Errors
    /// Those of [`TaskArguments::of_run`].
    fn of_run(&self, run: &RunFile, labels: Option<&Labels>) -> Result<OfRun>;

    /// Whether its head is one that a checkpoint of another program may hold.
    fn uses_checkpoint_head(&self) -> bool;

    /// Makes the head one of the checkpoint's own kind.
    fn use_checkpoint_head(&mut self);

    /// Whether it predicts something for every token, which fits no table; `is_saved` as of [`TaskArguments::predicts_tokens`].
    fn predicts_tokens(&self, is_saved: bool) -> bool;

    /// Whether what it predicts of a row is a sequence.
    fn predicts_sequences(&self) -> bool;

    /// Whether what it predicts of a row is the structure of its sequence.
    fn predicts_structures(&self) -> bool;

    /// Whose rules count, of a task where another program's differ and may be had.
    fn compat_mut(&mut self) -> Option<&mut Option<Compat>>;

    /// Whose rules count, if another program's do.
    fn compat(&self) -> Option<Compat>;

    /// Refuses arguments that no model can have, before anything is read.
    ///
    /// # Errors
    /// The first of them.
    fn check(&self) -> Result<()>;

    /// Refuses arguments with which no model can be trained, before anything is read.
    ///
    /// # Errors
    /// Hidden states are to be cached that change at every step, or from epoch to epoch; whatever the task refuses.
    fn check_training(&self) -> Result<()>;

    /// Refuses a backbone that the task makes no sense on.
    ///
    /// # Errors
    /// It is one.
    fn check_backbone(&self, checkpoint: &Checkpoint) -> Result<()>;

    /// Refuses a `max_length` that leaves no room for text.
    ///
    /// # Errors
    /// It leaves none.
    fn check_length(&self, tokenizer: &Tokenizer, checkpoint: &Checkpoint) -> Result<()>;

    /// Decides what was left open and the preset states.
    ///
    /// # Errors
    /// Those of [`TaskArguments::settle`].
    fn settle(&mut self, checkpoint: &Checkpoint) -> Result<()>;

    /// The tokenizer as the preset would have it for this task.
    ///
    /// # Errors
    /// Those of [`TaskArguments::tokenizer`].
    fn tokenizer(&self, tokenizer: Tokenizer, checkpoint: &Checkpoint) -> Result<Tokenizer>;

    /// What a user should know of the preset.
    ///
    /// # Errors
    /// Those of [`TaskArguments::notes`].
    fn notes(&self, checkpoint: &Checkpoint) -> Result<Vec<String>>;

    /// The files of the preset that belong to the task.
    ///
    /// # Errors
    /// Those of [`TaskArguments::files`].
    fn files(
        &self,
        checkpoint: &Checkpoint,
        tokenizer: &Tokenizer,
    ) -> Result<Vec<(String, Vec<u8>)>>;

    /// Tokens of a text that are read in the Rust library where nobody says how many.
    fn length_in_rust(&self) -> Option<usize>;

    /// Cuts what is written as the Rust library does.
    fn cut_written(&mut self, checkpoint: &Checkpoint);

    /// The learning rate in the Rust library, for a model of a family.
    fn rate_in_rust(&self, family: &str) -> f64;

    /// The data module that it is mostly used with.
    fn data_module(&self) -> &'static str;

    /// What is computed.
    ///
    /// # Errors
    /// Those of [`TaskArguments::objective`].
    fn objective(&self, basis: &Basis<'_>) -> Result<Arc<dyn Objective>>;

    /// The head.
    ///
    /// # Errors
    /// Those of [`TaskArguments::head`].
    fn head(&self, loading: &HeadLoading<'_>) -> Result<BoxedHead>;
}

impl<T: TaskArguments> AnyTask for T {
    fn use_checkpoint_head(&mut self) {
        TaskArguments::use_checkpoint_head(self);
    }

    fn backbone(&self) -> &BackboneSlot {
        TaskArguments::backbone(self)
    }

    fn backbone_mut(&mut self) -> &mut BackboneSlot {
        TaskArguments::backbone_mut(self)
    }

    fn others(&self) -> Vec<&BackboneSlot> {
        TaskArguments::others(self)
    }

    fn others_mut(&mut self) -> Vec<&mut BackboneSlot> {
        TaskArguments::others_mut(self)
    }

    fn uses_decoder(&self) -> bool {
        TaskArguments::uses_decoder(self)
    }

    fn frozen_towers(&self) -> Vec<&'static str> {
        TaskArguments::frozen_towers(self)
    }

    fn set_classes(&mut self, count: Option<usize>) {
        TaskArguments::set_classes(self, count);
    }

    fn takes_last_output(&self) -> bool {
        T::TAKES_LAST_OUTPUT
    }

    fn of_run(&self, run: &RunFile, labels: Option<&Labels>) -> Result<OfRun> {
        TaskArguments::of_run(self, run, labels)
    }

    fn start_head_anew(&mut self) -> bool {
        TaskArguments::start_head_anew(self)
    }

    fn learns(&self) -> bool {
        T::LEARNS
    }

    fn scores(&self) -> bool {
        T::SCORES
    }

    fn compares(&self) -> bool {
        T::COMPARES
    }

    fn uses_checkpoint_head(&self) -> bool {
        TaskArguments::uses_checkpoint_head(self)
    }

    fn predicts_tokens(&self, is_saved: bool) -> bool {
        TaskArguments::predicts_tokens(self, is_saved)
    }

    fn predicts_sequences(&self) -> bool {
        TaskArguments::predicts_sequences(self)
    }

    fn predicts_structures(&self) -> bool {
        TaskArguments::predicts_structures(self)
    }

    fn compat_mut(&mut self) -> Option<&mut Option<Compat>> {
        TaskArguments::compat_mut(self)
    }

    fn compat(&self) -> Option<Compat> {
        TaskArguments::compat_mut(&mut self.clone()).and_then(|compat| *compat)
    }

    fn check(&self) -> Result<()> {
        TaskArguments::backbone(self).backbone().check()?;
        TaskArguments::check(self)
    }

    fn check_training(&self) -> Result<()> {
        TaskArguments::backbone(self).backbone().check_training()?;
        TaskArguments::check_training(self)
    }

    fn check_backbone(&self, checkpoint: &Checkpoint) -> Result<()> {
        TaskArguments::check_backbone(self, checkpoint)
    }

    fn check_length(&self, tokenizer: &Tokenizer, checkpoint: &Checkpoint) -> Result<()> {
        TaskArguments::check_length(self, tokenizer, checkpoint)
    }

    fn settle(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        TaskArguments::settle(self, checkpoint)
    }

    fn tokenizer(&self, tokenizer: Tokenizer, checkpoint: &Checkpoint) -> Result<Tokenizer> {
        TaskArguments::tokenizer(self, tokenizer, checkpoint)
    }

    fn notes(&self, checkpoint: &Checkpoint) -> Result<Vec<String>> {
        TaskArguments::notes(self, checkpoint)
    }

    fn files(
        &self,
        checkpoint: &Checkpoint,
        tokenizer: &Tokenizer,
    ) -> Result<Vec<(String, Vec<u8>)>> {
        TaskArguments::files(self, checkpoint, tokenizer)
    }

    fn length_in_rust(&self) -> Option<usize> {
        TaskArguments::length_in_rust(self)
    }

    fn cut_written(&mut self, checkpoint: &Checkpoint) {
        TaskArguments::cut_written(self, checkpoint);
    }

    fn rate_in_rust(&self, family: &str) -> f64 {
        <T as TaskArguments>::rate_in_rust(family)
    }

    fn data_module(&self) -> &'static str {
        T::DATA_MODULE
    }

    fn objective(&self, basis: &Basis<'_>) -> Result<Arc<dyn Objective>> {
        TaskArguments::objective(self, basis)
    }

    fn head(&self, loading: &HeadLoading<'_>) -> Result<BoxedHead> {
        TaskArguments::head(self, loading)
    }
}

#[cfg(test)]
mod tests;
