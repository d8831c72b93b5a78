//! Put a task on a pretrained transformer backbone: fine-tune, evaluate, predict.
//!
//! ```no_run
//! use engraft::prelude::*;
//!
//! let train = read_examples("train.tsv", "text", "label")?;
//! let valid = read_examples("valid.tsv", "text", "label")?;
//! let mut classifier = TextClassifier::from_preset("./minilm")?.num_classes(8).build()?;
//! classifier.fit(&train, Fit { epochs: 1, batch_size: 16, validation: Some(&valid), ..Fit::default() })?;
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

mod causal_lm;
mod draft;
mod error;
mod scores;
mod seq2seq_lm;
mod task;
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

pub use causal_lm::{CausalLm, Score};
pub use engraft_generate::Generate;
pub use error::{Error, Result};
pub use scores::Scores;
pub use seq2seq_lm::{Seq2SeqLm, Seq2SeqLmBuilder, Source};
pub use task::{
    Classifies, Embedder, Fit, MaskedLm, PairClassifier, Regressor, Task, TaskBuilder,
    TextClassifier, TokenClassifier, read_examples, read_numbers, read_pair_labels, read_pairs,
    read_texts, read_token_labels,
};
/// What a classifier says of a text, letter or word.
pub use tasks::ClassPrediction as Prediction;
pub use writer::{BEAMS_DO_NOT_STREAM, Compile, Writer};
pub use writing::{Stream, Writing};

/// What most programs need.
pub mod prelude {
    pub use crate::data::{Examples, Label};
    pub use crate::generate::{
        Beam, BeamKeras, Contrastive, EarlyStopping, Greedy, LogitBias, MinP, Random, Sampler,
        Speculative, StopTokens, TokenIds, TopK, TopP,
    };
    pub use crate::{
        CausalLm, Compile, Embedder, Error, Fit, Generate, MaskedLm, PairClassifier, Prediction,
        Regressor, Scores, Seq2SeqLm, TextClassifier, TokenClassifier, read_examples, read_numbers,
        read_pair_labels, read_pairs, read_texts, read_token_labels,
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

    #[doc = include_str!("../../../docs/guide/models.md")]
    mod models {}
}
