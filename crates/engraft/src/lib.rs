//! Put a task on a pretrained transformer backbone: fine-tune, evaluate, predict.
//!
//! ```no_run
//! use engraft::prelude::*;
//!
//! let train = read_examples("train.tsv", "text", "label")?;
//! let valid = read_examples("valid.tsv", "text", "label")?;
//! let mut classifier = TextClassifier::from_preset("./minilm")?.num_classes(8).build()?;
//! let history = classifier.fit(&train, Fit { epochs: 1, batch_size: Some(16), validation: Some(&valid), ..Fit::default() })?;
//! println!("{:?} {:?}", history.get("loss")?, history.get("val_accuracy")?);
//! let labels = classifier.predict(["oil prices rose", "the bank raised its rate"])?;
//! println!("{} {}", labels[0].label, labels[0].probability());
//! classifier.save_to_preset("my-classifier")?;
//! # Ok::<(), engraft::Error>(())
//! ```
//!
//! The crates that this one is made of are re-exported under their own names for everything beyond: experiments from YAML ([`config`]), the
//! training loop ([`train`]), tasks, models, data.

// What users copy out of the documentation is to compile without a warning.
#![doc(test(attr(deny(warnings))))]

mod any_task;
mod backbone;
mod builder;
mod causal_lm;
mod core;
mod draft;
mod error;
mod face;
mod fit;
mod history;
mod input;
mod preprocessor;
mod reading;
mod rows;
mod scores;
mod seq2seq_lm;
mod setting;
mod stop;
mod summary;
mod target;
mod task;
mod words;
mod writer;
mod writing;

pub use engraft_component as component;
pub use engraft_config as config;
pub use engraft_convert as convert;
pub use engraft_data as data;
pub use engraft_generate as generate;
pub use engraft_hub as hub;
pub use engraft_kernels as kernels;
pub use engraft_models as models;
pub use engraft_run as run;
pub use engraft_tasks as tasks;
pub use engraft_text as text;
pub use engraft_train as train;

pub use any_task::{AnyBuilder, Predicted, Task};
pub use backbone::{Backbone, BackboneBuilder, HiddenStates};
pub use builder::{Activation, Classifies, DType, TaskBuilder};
/// What a loss of one's own is written in: Burn's tensors, whose operations have gradients.
pub use burn::tensor::{Tensor, TensorData};
pub use causal_lm::{CausalLm, CausalLmBuilder, Score};
pub use data::TokenRow;
pub use engraft_generate::Generate;
pub use error::{Error, Result};
pub use fit::{Fit, OnEpochEnd};
pub use history::{Epoch, History};
pub use hub::NamedPreset;
pub use input::{Ask, Each, Input, Many, Question};
pub use preprocessor::{Preprocessor, Tokenizer};
pub use reading::{
    read_examples, read_numbers, read_pair_labels, read_pairs, read_texts, read_token_labels,
};
pub use rows::{Batches, Data, File, Wants};
pub use scores::Scores;
pub use seq2seq_lm::{Seq2SeqLm, Seq2SeqLmBuilder};
pub use setting::{Compile, Loss, Metric, Names, Setting, names};
pub use stop::Stopper;
pub use summary::{LayerSummary, Summary};
pub use target::{Target, Weight};
pub use task::{
    ConditionalDiffusionModel, ConditionalMaskedLm, DiffusionModel, HeadOutputs, MaskedLm,
    MultimodalRegressor, PairClassifier, Regressor, ScaledRegressor, StructurePredictor, TaskModel,
    TextClassifier, TextEmbedder, TokenClassifier, VariantDistance, VariantScorer,
};
/// What a classifier says of a text, letter or word.
pub use tasks::ClassPrediction as Prediction;
/// A loss by the name that Keras has for it, and what it is computed against.
pub use tasks::{NamedLoss, SiteTargets as Targets};
pub use train::callback::{Callback, EarlyStopping, ModelCheckpoint};
pub use writer::{BEAMS_DO_NOT_STREAM, Writer};
pub use writing::{Stream, Writing};

/// What most programs need.
pub mod prelude {
    pub use crate::data::{Examples, Label};
    pub use crate::generate::{
        Beam, BeamKeras, Contrastive, Greedy, LogitBias, MinP, Random, Sampler, Speculative,
        StopTokens, TokenIds, TopK, TopP,
    };
    pub use crate::{
        Activation, Backbone, Batches, CausalLm, Compile, DType, Each, EarlyStopping, Error, File,
        Fit, Generate, History, MaskedLm, ModelCheckpoint, PairClassifier, Prediction,
        Preprocessor, Regressor, Scores, Seq2SeqLm, Setting, Task, TextClassifier, TextEmbedder,
        TokenClassifier, TokenRow, Tokenizer, read_examples, read_numbers, read_pair_labels,
        read_pairs, read_texts, read_token_labels,
    };
}

/// The Rust of the README and the guide, which compiles or fails as a test of this documentation.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../../README.md")]
    mod readme {}

    #[doc = include_str!("../../../docs/guide/getting-started.md")]
    mod getting_started {}

    #[doc = include_str!("../../../docs/guide/generation.md")]
    mod generation {}

    #[doc = include_str!("../../../docs/guide/hubs.md")]
    mod hubs {}

    #[doc = include_str!("../../../docs/guide/models.md")]
    mod models {}

    #[doc = include_str!("../../../docs/guide/keras-hub.md")]
    mod keras_hub {}
}
