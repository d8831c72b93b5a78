//! From prompts to text: continuous batching, samplers, penalties, limits, stop conditions and incremental decoding.
//!
//! [`Generate`] is all that can be asked for, by one definition for Rust, YAML and the command line. A [`LanguageModel`] is a decoder with its head; a [`Batch`] lets many texts go on in it together, each as it would alone, and [`Texts`]
//! turn their tokens into text as they come. The rest knows of no model: [`Processors`] change a row of logits, a [`Sampler`] reads it, a [`RowSeed`] draws by the row's own seed and position, [`Limits`] say
//! how long a row may grow, [`StopTokens`] and [`StopStrings`] when it ends before, and [`RowText`] turns its ids into text that can be shown
//! as it comes. [`Defaults`] are what a preset itself says of all this, and [`Settings`] what both say together.

mod batch;
mod defaults;
mod error;
mod generation_config;
mod limits;
mod logit_bias;
mod model;
mod options;
mod penalty;
mod pieces;
#[cfg(test)]
mod pieces_tests;
mod processors;
mod prompt;
mod reader;
mod sampler;
mod search;
mod seed;
mod settings;
mod sides;
mod stop;
mod texts;
mod token_ids;

pub use batch::{Acceptance, Batch, End, Request, Token};
pub use defaults::Defaults;
pub use error::{Conflict, Error, Result};
pub use generation_config::{GENERATION_CONFIG, GenerationConfig};
pub use limits::{DEFAULT_MAX_LENGTH, Limits, RowLimits};
pub use logit_bias::LogitBias;
pub use model::LanguageModel;
pub use options::Generate;
pub use penalty::{RepetitionPenalty, SeenTokens};
pub use pieces::RowText;
pub use processors::Processors;
pub use prompt::{Lost, Prompt};
pub use sampler::{
    BaseSampler, Beam, BeamKeras, Chain, Contrastive, EarlyStopping, Greedy, MinP, Random, Sampler,
    Speculative, TopK, TopP, log_probability,
};
pub use seed::{RowSeed, fresh_seed};
pub use settings::Settings;
pub use sides::Sides;
pub use stop::{StopMatcher, StopStrings, StopTokens};
pub use texts::{Piece, TextOptions, Texts, Written};
pub use token_ids::TokenIds;
