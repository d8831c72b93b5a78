//! A task whose kind the preset says.

use std::fmt;

use engraft_component::Choice;
use engraft_data::{Cell, Examples};
use engraft_hub::{NamedPreset, Preset};
use engraft_tasks::{
    Backbone as BackboneSettings, BackboneSlot, CausalLM, Embed, Form, MLM, Model, RowOutput,
    Seq2SeqLM, SequenceClassification, Task as AnyTask, TaskArguments, TokenClassification,
};

use crate::builder::found;
use crate::builder::{Start, builder};
use crate::core::Core;
use crate::error::{Error, Result};
use crate::face::task_methods;
use crate::input::{Question, examples_of};
use crate::task::{TaskModel, rust_name};

builder!(
    /// A [`Task`] in the making.
    AnyBuilder
);

impl AnyBuilder {
    /// Number of classes of a task that has some; any number means a fresh head.
    #[must_use]
    pub fn num_classes(mut self, classes: usize) -> Self {
        self.start.num_classes(classes);
        self
    }

    /// Loads the weights.
    ///
    /// # Errors
    /// Those of any task's builder; a number of classes for a task that has none.
    pub fn build(self) -> Result<Task> {
        let start = self.start.clone();
        let has_classes = matches!(
            start.arguments,
            AnyTask::SequenceClassification(_) | AnyTask::TokenClassification(_)
        );
        if start.asks_for_classes() && !has_classes {
            let task = rust_name(start.arguments.name());
            let problem = format!("num_classes: {task} has no classes; leave it out");
            return Err(Error::Argument(problem));
        }
        Ok(Task::new(self.start.build()?, start))
    }
}

/// A task of a kind that its preset says, which can be trained, scored, asked and saved as any other; [`TryFrom`] makes the typed task of it.
///
/// ```
/// use engraft::prelude::*;
///
/// let task = Task::from_preset("sapiens_vh")?.build()?;
/// assert_eq!(task.kind(), "MLM");
/// let masked_lm: MaskedLm = task.try_into()?;
/// assert_eq!(masked_lm.predict("EVQL")?.len(), 6);
/// # Ok::<(), Error>(())
/// ```
pub struct Task {
    core: Core,
    start: Start,
}

/// What a task of any kind says of a row: values by the names that they have in tables.
#[derive(Clone, Debug, PartialEq)]
pub struct Predicted {
    /// Each with its name.
    pub cells: Vec<(String, Cell)>,
    /// What the head gives.
    pub output: RowOutput,
}

impl Predicted {
    /// The value of a name, such as `prediction` or `label`.
    pub fn get(&self, name: &str) -> Option<&Cell> {
        let found = self.cells.iter().find(|(own, _)| own == name);
        found.map(|(_, cell)| cell)
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Task").field(&self.kind()).finish()
    }
}

/// What architectures of Hugging Face end in, and the task that has their head.
const ENDINGS: [(&str, Kind); 8] = [
    ("ForSequenceClassification", Kind::Classifier),
    ("TextClassifier", Kind::Classifier),
    ("ForTokenClassification", Kind::Tokens),
    ("ForMaskedLM", Kind::Masked),
    ("ForPreTraining", Kind::Masked),
    ("ForConditionalGeneration", Kind::Pairs),
    ("ForCausalLM", Kind::Causal),
    ("LMHeadModel", Kind::Causal),
];

#[derive(Clone, Copy)]
enum Kind {
    Classifier,
    Tokens,
    Masked,
    Pairs,
    Causal,
}

impl Kind {
    fn on(self, backbone: BackboneSlot) -> AnyTask {
        match self {
            Self::Classifier => SequenceClassification::on(backbone).in_rust().into(),
            Self::Tokens => TokenClassification {
                use_legacy_adapter: true,
                ..TokenClassification::on(backbone).in_rust()
            }
            .into(),
            Self::Masked => MLM::on(backbone).in_rust().into(),
            Self::Pairs => Seq2SeqLM::on(backbone).in_rust().into(),
            Self::Causal => CausalLM::on(backbone).in_rust().into(),
        }
    }
}

/// The task that a preset was saved for, or whose head it has.
fn task_of(preset: &Preset, backbone: BackboneSlot) -> Result<AnyTask> {
    if preset.has("modules.json") {
        return Ok(Embed::on(backbone).in_rust().into());
    }
    let config = preset.config()?;
    let architectures = config.get("architectures").and_then(|it| it.as_array());
    let architectures = architectures.into_iter().flatten();
    let named = architectures.filter_map(|it| it.as_str()).next();
    let named = preset.bare_task().or(named).unwrap_or_default();
    let found = ENDINGS.iter().find(|(ending, _)| named.ends_with(ending));
    match found {
        Some((_, kind)) => Ok(kind.on(backbone)),
        None => Err(Error::Argument(format!(
            "{} is a backbone without a task ({}): open it as the task that you want, such as TextClassifier or TextEmbedder",
            preset.name(),
            if named.is_empty() {
                "its config.json names no architecture"
            } else {
                named
            }
        ))),
    }
}

task_methods!([] Task);

impl Task {
    pub(crate) fn new(core: Core, start: Start) -> Self {
        Self { core, start }
    }

    fn core(&self) -> &Core {
        &self.core
    }

    fn parts(&mut self) -> (&mut Core, &Start) {
        (&mut self.core, &self.start)
    }

    /// Nothing follows what is trained.
    #[expect(clippy::unnecessary_wraps, clippy::unused_self)]
    fn renew(&self) -> Result<()> {
        Ok(())
    }

    /// A preset: a name (`bert_base_en`), `hf://org/repo`, `kaggle://owner/model/framework/variation`, or a folder. What is missing is fetched.
    /// Which task it is, is found in the preset.
    ///
    /// # Errors
    /// There is no such preset, or it is a backbone without a task.
    pub fn from_preset(preset: &str) -> Result<AnyBuilder> {
        let backbone = BackboneSlot::Pretrained(BackboneSettings::new(preset));
        let preset = found(preset)?;
        let saved = Model::saved_task(&preset)?;
        let start = match &saved {
            Some(saved) => saved.clone(),
            None => task_of(&preset, backbone)?,
        };
        Ok(AnyBuilder::new(Start::from_saved(preset, saved, start)))
    }

    /// The presets that have a name and can be used.
    pub fn presets() -> impl Iterator<Item = &'static NamedPreset> {
        engraft_hub::usable_presets()
    }

    /// The name of the task, as experiments have it: `SequenceClassification`, `CausalLM`, ...
    pub fn kind(&self) -> &'static str {
        self.core.model.spec.task().name()
    }

    /// What the model predicts of a text, of many, or of [`Each`](crate::Each) of an iterator.
    ///
    /// # Errors
    /// A text is too long or cannot be read.
    pub fn predict<'m, Q: Question + 'm>(
        &'m self,
        question: Q,
    ) -> Result<Q::Answer<'m, Predicted>> {
        question.answered(|before, rows| self.predict_examples(examples_of(before, rows)?))
    }

    /// What the model predicts of each row.
    ///
    /// # Errors
    /// A row is too long or cannot be read.
    pub fn predict_examples(&self, examples: Examples) -> Result<Vec<Predicted>> {
        let objective = self.core.model.spec.objective();
        let outputs = self.core.outputs(examples)?.into_iter();
        let predicted = outputs.map(|output| {
            let width = output.shape.last().copied().unwrap_or(1);
            let names = objective.columns(Form::Values, width).into_iter();
            let cells = objective.cells(Form::Values, &output);
            Predicted {
                cells: names.zip(cells).collect(),
                output,
            }
        });
        Ok(predicted.collect())
    }

    /// The model, for everything beyond.
    pub fn model(&self) -> &Model {
        &self.core.model
    }
}

impl<A: TaskArguments> TryFrom<Task> for TaskModel<A> {
    type Error = Error;

    fn try_from(task: Task) -> Result<Self> {
        if A::try_from(task.core.model.spec.task().clone()).is_err() {
            let (found, wanted) = (rust_name(task.kind()), rust_name(A::NAME));
            return Err(Error::Argument(format!(
                "the task is {found}, not {wanted}"
            )));
        }
        Ok(Self::new(task.core, task.start))
    }
}
