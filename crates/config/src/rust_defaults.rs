//! The defaults of the library's face in Rust, which are KerasHub's, where experiment files have ModelGenerator's.
//!
//! The library takes its defaults from here, and what `components` prints of them is found by comparing these values with those
//! of the experiment file, so that neither can say anything else than what happens.

use engraft_component::{Choice, Component, ComponentInfo, FromNode, Mapping, Node, to_flow};
use engraft_data::Batching;
use engraft_train::optimizer::{Adam, Optimizer};
use engraft_train::{Trainer, Training};

use crate::model::Model;

/// What the library does where its caller says nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct RustDefaults {
    /// How a model is trained: Adam at 5e-5.
    pub training: Training,
    /// How rows are batched: 32 at a time.
    pub batching: Batching,
    /// How long, and what is kept: one epoch, no checkpoints.
    pub trainer: Trainer,
}

impl Default for RustDefaults {
    fn default() -> Self {
        let adam = Adam {
            lr: 5e-5,
            eps: 1e-7,
            keras_eps: true,
            ..Adam::default()
        };
        Self {
            training: Training {
                optimizer: Optimizer::from(adam),
                ..Training::default()
            },
            batching: Batching {
                batch_size: 32,
                ..Batching::default()
            },
            trainer: Trainer {
                max_epochs: Some(1),
                enable_checkpointing: Some(false),
                ..Trainer::default()
            },
        }
    }
}

impl RustDefaults {
    /// The arguments of a component of a kind whose defaults in Rust are others than in a file, each as one line of YAML.
    pub fn of(kind: &str, component: &ComponentInfo) -> Vec<(&'static str, String)> {
        let face = Self::default();
        let mut values = Mapping::default();
        match kind {
            "model" => {
                let model = Model::in_rust(component.name, face.training);
                values = model.map(|model| arguments(&model)).unwrap_or_default();
            }
            "optimizer" if component.name == face.training.optimizer.name() => {
                values = arguments(&face.training.optimizer);
            }
            "data module" => face.batching.encode(&mut values),
            "trainer" => face.trainer.encode(&mut values),
            _ => {}
        }
        let differing = component.arguments().into_iter().filter_map(|argument| {
            let in_file = argument.default?;
            let in_rust = to_flow(values.get(argument.name)?);
            (in_rust != in_file).then_some((argument.name, in_rust))
        });
        differing.collect()
    }
}

/// What a class was given.
fn arguments(class: &impl FromNode) -> Mapping {
    let class = class.to_node();
    let arguments = class.as_map().and_then(|class| class.get("init_args"));
    arguments
        .and_then(Node::as_map)
        .cloned()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry;

    fn of(name: &str) -> Vec<(&'static str, String)> {
        let sections = registry();
        let found = sections.iter().find_map(|section| {
            let named = |info: &&ComponentInfo| info.name == name;
            Some((section.kind, section.components.iter().find(named)?))
        });
        let (kind, info) = found.unwrap();
        RustDefaults::of(kind, info)
    }

    #[test]
    fn the_two_faces_differ_where_their_models_do() {
        let text = |value: &str| value.to_owned();
        assert_eq!(
            of("Adam"),
            [
                ("lr", text("5.0e-5")),
                ("eps", text("1.0e-7")),
                ("keras_eps", text("true"))
            ]
        );
        assert_eq!(
            of("SequenceClassificationDataModule"),
            [("batch_size", text("32"))]
        );
        assert_eq!(
            of("Trainer"),
            [
                ("max_epochs", text("1")),
                ("enable_checkpointing", text("false"))
            ]
        );
        let model = of("SequenceClassification");
        let keys: Vec<&str> = model.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, ["use_legacy_adapter", "optimizer"]);
        assert!(
            model[1]
                .1
                .starts_with("{class_path: Adam, init_args: {lr: 5.0e-5")
        );
        assert_eq!(of("AdamW"), []);
        assert_eq!(of("Embed"), []);
    }
}
