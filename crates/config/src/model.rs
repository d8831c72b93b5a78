//! The `model` of an experiment: a task together with how it is trained.

use engraft_component::{
    Argument, Choice, Component, Context, Fields, FromNode, Ignored, Kind, Mapping, Node, Refusal,
    decode_component, encode_component,
};

use engraft_tasks::{Backbone, BackboneSlot, Task, TaskArguments, for_each_task};
use engraft_train::{Optimizer, Training};

/// A task's arguments among those of training, under the task's name.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained<T> {
    /// What is computed.
    pub task: T,
    /// How it is trained.
    pub training: Training,
}

impl<T: Component> FromNode for Trained<T> {
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, Refusal> {
        decode_component(node, cx)
    }

    fn to_node(&self) -> Node {
        encode_component(self)
    }

    fn kind() -> Kind {
        Kind::Component(Self::info())
    }
}

impl<T: Component> Component for Trained<T> {
    const NAME: &'static str = T::NAME;
    const ALIASES: &'static [&'static str] = T::ALIASES;
    const SUMMARY: &'static str = T::SUMMARY;
    const DOC: &'static str = T::DOC;
    const NAME_SLOT: Option<&'static str> = T::NAME_SLOT;

    fn arguments() -> Vec<Argument> {
        [T::arguments(), Training::arguments()].concat()
    }

    fn ignored() -> Vec<Ignored> {
        let mut ignored = T::ignored();
        ignored.extend(Training::ignored());
        ignored
    }

    fn keys(keys: &mut Vec<&'static str>) {
        T::keys(keys);
        Training::keys(keys);
    }

    fn decode(fields: &mut Fields<'_>, cx: &mut Context) -> Result<Self, Refusal> {
        Ok(Self {
            task: T::decode(fields, cx)?,
            training: Training::decode(fields, cx)?,
        })
    }

    fn encode(&self, arguments: &mut Mapping) {
        self.task.encode(arguments);
        self.training.encode(arguments);
    }
}

/// Declares the choice among the models: each task, trained.
macro_rules! models {
    ($($file:ident::$name:ident)+) => {
        /// What a model does, and how it learns.
        #[derive(Clone, Debug, PartialEq, Choice)]
        #[choice(kind = "model")]
        pub enum Model {
            $(
                #[doc = concat!("[`", stringify!($name), "`](engraft_tasks::", stringify!($name), "), trained.")]
                $name(Trained<engraft_tasks::$name>),
            )+
        }

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

            /// Replaces the task by another, which is trained in the same way.
            pub fn with_task(self, task: Task) -> Self {
                let training = self.training().clone();
                match task {
                    $(Task::$name(task) => Self::$name(Trained { task, training }),)+
                }
            }

            /// Every argument of the model of this name where the library in Rust is asked for it with nothing but a backbone.
            pub(crate) fn in_rust(name: &str, training: Training) -> Option<Self> {
                match name {
                    $(stringify!($name) => {
                        let backbone = BackboneSlot::Pretrained(Backbone::new(""));
                        let task = engraft_tasks::$name::on(backbone).in_rust();
                        let learns = <engraft_tasks::$name as TaskArguments>::LEARNS;
                        let mut training = if learns { training } else { Training::default() };
                        if let (Optimizer::Adam(adam), true) = (&mut training.optimizer, learns) {
                            adam.lr = <engraft_tasks::$name as TaskArguments>::rate_in_rust("");
                        }
                        Some(Self::$name(Trained { task, training }))
                    })+
                    _ => None,
                }
            }
        }
    };
}

for_each_task!(models);
