//! What makes a thing nameable: values with places, typed components, and errors that point at the source.
//!
//! Everything a user can name in an experiment file is a struct whose fields are its arguments (a [`Component`]), or an
//! enum of such structs (a [`Choice`], a slot for a class). Both are derived, with their names, documentation and
//! defaults, and read from a [`Node`]: a parsed value that knows its file and line. Arguments that are one of a few words
//! are enums that derive [`Words`].
//!
//! ```
//! use engraft_component::{Choice, Component, decode, read_yaml};
//!
//! /// Adam with decoupled weight decay.
//! #[derive(Clone, Debug, PartialEq, Component)]
//! #[component(alias = "torch.optim.AdamW")]
//! #[component(ignored(fused = "the step is always fused"))]
//! pub struct AdamW {
//!     /// Learning rate.
//!     #[arg(default = 1e-3)]
//!     pub lr: f64,
//!     /// Decay rates of the two moments.
//!     #[arg(default = [0.9, 0.999])]
//!     pub betas: [f64; 2],
//! }
//!
//! /// What turns gradients into new weights.
//! #[derive(Clone, Debug, PartialEq, Choice)]
//! #[choice(default = AdamW)]
//! pub enum Optimizer {
//!     /// Adam with decoupled weight decay.
//!     AdamW(AdamW),
//! }
//!
//! let node = read_yaml(b"{class_path: torch.optim.AdamW, init_args: {lr: 1e-4}}", "experiment.yaml")?;
//! let (optimizer, _notes) = decode::<Optimizer>(&node)?;
//! assert_eq!(optimizer, AdamW { lr: 1e-4, ..AdamW::default() }.into());
//!
//! let node = read_yaml(b"class_path: AdamW\ninit_args: {lrr: 1}", "experiment.yaml")?;
//! let error = decode::<Optimizer>(&node).unwrap_err();
//! assert_eq!(error.to_string(), "experiment.yaml:2: init_args.lrr: unknown key. Did you mean \"lr\"?");
//! # Ok::<(), engraft_component::Refusal>(())
//! ```
//!
//! # Attributes
//!
//! | On | Attribute | Meaning |
//! |---|---|---|
//! | struct | `#[component(name = "..")]` | the name users write, instead of the struct's own |
//! | struct | `#[component(alias = "..")]` | another accepted name; may be repeated |
//! | struct | `#[component(ignored(key = ".."))]` | a key accepted without effect; the text says what happens instead |
//! | struct | `#[component(no_default)]` | do not implement `Default`, which is done where no argument is required |
//! | field | `#[arg(default = EXPR)]` | the value when the key is absent; an expression of the field's type |
//! | field | `#[arg(default)]` | the same with the type's own default |
//! | field | `#[arg(alias = "..")]` | another accepted key; may be repeated |
//! | field | `#[arg(flatten)]` | the arguments of another component, among this one's own |
//! | field | `#[arg(name_slot)]` | receives the class string in a slot whose `otherwise` is this component |
//! | enum | `#[choice(default = Variant)]` | the class meant when only arguments are given; also makes `Default` |
//! | enum | `#[choice(otherwise = Variant)]` | the class that takes names which are no class's |
//! | enum | `#[choice(kind = "..")]` | what the classes are, instead of the enum's name in words |
//! | enum | `#[choice(absent(Name = ".."))]` | a class that users may know from elsewhere; the text says why it is not here |
//! | enum | `#[choice(ready_made = CONSTANT)]` | a list of [`ReadyMade`]: classes under names of their own, with other defaults |
//! | enum | `#[choice(no_default)]` | do not implement `Default` |
//! | variant of [`Words`] | `#[word(name = "..")]` | the word, instead of the variant's name in lower case with underscores |
//! | variant of [`Words`] | `#[word(alias = "..")]` | another accepted word; may be repeated |

extern crate self as engraft_component;

mod choice;
mod component;
mod containers;
mod context;
mod decode;
mod kind;
mod node;
mod note;
mod refusal;
mod scalars;
mod suggest;
mod words;
mod yaml;

pub use choice::{Choice, class_word, decode_choice, decode_variant, encode_variant};
pub use component::{Component, Fields, decode_component, encode_component};
pub use context::Context;
#[doc(hidden)]
pub use decode::DefaultIfAny;
pub use decode::{FromNode, decode};
pub use engraft_component_derive::{Choice, Component, Words};
#[doc(hidden)]
pub use kind::with_ready_made;
pub use kind::{Argument, ChoiceInfo, ComponentInfo, Ignored, Kind, ReadyMade};
pub use node::{Entry, Mapping, Node, Scalar, Style, Value};
pub use note::{Note, NoteKind};
pub use refusal::{Mistake, Refusal, Span};
pub use suggest::{did_you_mean, listed, nearest, other_names};
pub use words::{Words, decode_word, encode_word, kind_of_words};
pub use yaml::{read_yaml, read_yaml_file, to_flow, to_yaml};
