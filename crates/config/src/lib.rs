//! Experiment files: how their sources are composed, what they mean, and every component they can name.
//!
//! [`compose`] puts files and options together without knowing what they mean; [`Experiment::read`] turns the result into
//! typed values, or says what is wrong with it; [`registry`] lists all there is to name.
//!
//! ```
//! use engraft_config::{Experiment, compose, parse_overrides};
//!
//! let options = ["--model", "SequenceClassification", "--model.backbone", "sapiens_vh", "--trainer.max_epochs", "3"];
//! let sources = parse_overrides(&options.map(str::to_owned))?;
//! let (experiment, _notes) = Experiment::read(&compose(&sources)?)?;
//! assert_eq!(experiment.trainer.max_epochs, Some(3));
//!
//! // The resolved experiment holds every default, and reads back as the same one.
//! assert!(experiment.to_yaml().contains("log_every_n_steps: 50"));
//! # Ok::<(), engraft_component::Refusal>(())
//! ```

mod checks;
mod compose;
mod elsewhere;
mod experiment;
mod explain;
mod json;
mod keras_names;
mod model;
mod propose;
mod registry;
mod rust_defaults;
mod schema;
mod seed;

pub use compose::{Composed, Source, as_key, compose, compose_over, parse_overrides};
pub use experiment::Experiment;
pub use json::yaml_to_json;
pub use model::{Model, Trained};
pub use propose::{Proposal, ProposeError, Wishes, propose};
pub use registry::{Named, Place, Section, Slot, find_slot, look_up, registry};
pub use rust_defaults::RustDefaults;
pub use schema::{SchemaForm, component_schema, schema};
pub use seed::Seed;
