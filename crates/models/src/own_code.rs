//! Checkpoints that come with code of their own, which is never run: they are read if they are a known family's all the same.

use engraft_component::Refusal;
use serde_json::{Map, Value};

use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::families::{Family, families};

/// Code that a `config.json` names for its model.
#[derive(Clone)]
pub(crate) struct OwnCode {
    /// The file.
    place: String,
    /// The model's class in that code, such as `modeling_esm.EsmForMaskedLM`.
    class: String,
    /// The family that the checkpoint says it is of, or the nearest to that.
    nearest: Option<&'static Family>,
}

impl OwnCode {
    /// What `auto_map` names, if it does; `place` is the file in messages.
    pub(crate) fn of(place: &str, json: &Map<String, Value>) -> Option<Self> {
        let named = json.get("auto_map")?.as_object()?;
        // What is done to texts is a tokenizer's affair, of which the files are read.
        let models = named.iter().filter(|(key, _)| key.starts_with("AutoModel"));
        let classes = models.chain(named.get_key_value("AutoConfig"));
        let class = classes.filter_map(|(_, class)| class.as_str()).next()?;
        Some(Self {
            place: place.to_owned(),
            class: class.to_owned(),
            nearest: nearest(json, class),
        })
    }

    /// That the checkpoint is not read, as its `config.json` is no known family's.
    pub(crate) fn unread(&self, json: &Map<String, Value>, error: &Error) -> Error {
        let model_type = json.get("model_type").and_then(Value::as_str);
        let model_type = model_type.unwrap_or_default();
        let is_known = |family: &&'static Family| family.hugging_face.contains(&model_type);
        if families().iter().any(is_known) {
            let problem = error.to_string();
            let place = format!("{}: ", self.place);
            return self.refusal(problem.strip_prefix(&place).unwrap_or(&problem));
        }
        self.refusal(&format!("its model_type {model_type:?} is not read"))
    }

    /// That the checkpoint is not read, as `because` says.
    pub(crate) fn refusal(&self, because: &str) -> Error {
        let Self {
            place,
            class,
            nearest,
        } = self;
        let help = match nearest {
            Some(family) => format!(
                "The nearest family that is read is {0}: take a checkpoint of {0} that needs no code of its own",
                family.name
            ),
            None => format!("Take a checkpoint of one of these: {}", known()),
        };
        let problem = format!(
            "{place}: auto_map: the checkpoint needs code of its own, {class}, and code of checkpoints is never run: {because}"
        );
        Refusal::plain(problem).help(help).into()
    }

    /// The same, as its tensors are not those of the family that it says it is of.
    pub(crate) fn misfit(&self, family: &Family, tensors: &str) -> Error {
        self.refusal(&format!(
            "it is no {} as that family is known, {tensors}",
            family.name
        ))
    }
}

impl Checkpoint {
    /// What a user should know of the preset's files.
    pub fn notes(&self) -> Vec<String> {
        let own = self.own_code.iter();
        let own = own.map(|OwnCode { place, class, .. }| {
            format!(
                "{place}: auto_map: the checkpoint names code of its own, {class}, which is never run: it is read as a model of the family {}, whose tensors it has",
                self.config.family.name
            )
        });
        let memory = self.config.transformer.recomputes.then(|| {
            let which = match &self.config.decoder {
                Some(_) => "the activations of each layer of the encoder, though not of the decoder,",
                None => "each layer's activations",
            };
            format!("gradient_checkpointing: in training {which} are computed again in the backward pass instead of kept, for less memory and somewhat longer steps")
        });
        own.chain(memory).collect()
    }

    /// That the model has a layer for numbers about structure, of rows that bring none, if it has.
    pub fn lacks_structures(&self) -> Option<String> {
        let width = self.config.transformer.embedding.structures?;
        Some(format!(
            "{}: str_embedding_in: the model has a layer for {width} numbers of structure beside each residue, which the rows do not bring: it reads the sequences alone",
            self.preset.locate("config.json")
        ))
    }
}

/// The families that are read.
pub(crate) fn known() -> String {
    let types = families().iter().flat_map(|family| family.hugging_face);
    types.copied().collect::<Vec<_>>().join(", ")
}

/// The family that a configuration is of, or else the one whose name what it says of itself holds, the longest such name.
fn nearest(json: &Map<String, Value>, class: &str) -> Option<&'static Family> {
    let model_type = json.get("model_type").and_then(Value::as_str);
    let model_type = model_type.unwrap_or_default();
    let own = |family: &&Family| family.hugging_face.contains(&model_type);
    if let Some(family) = families().iter().copied().find(own) {
        return Some(family);
    }
    let architectures = json.get("architectures").and_then(Value::as_array);
    let architectures = architectures
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    [model_type, class]
        .into_iter()
        .chain(architectures)
        .find_map(|said| {
            let said = plain(said);
            let held = families()
                .iter()
                .copied()
                .filter(|family| said.contains(&plain(family.name)));
            held.max_by_key(|family| family.name.len())
        })
}

/// Letters and digits alone, in lower case.
fn plain(name: &str) -> String {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|letter| letter.to_ascii_lowercase()).collect()
}
