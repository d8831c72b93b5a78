//! Writing a preset.

use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use engraft_component::{FromNode, to_yaml};
use engraft_files::atomic;
use engraft_hub::{TensorData, TensorToWrite, write_safetensors};
use engraft_models::{
    ADAPTER_CONFIG, ADAPTER_WEIGHTS, AdapterHead, BoxedHead, CausalLmHead, Checkpoint, HeadKind,
    NamedTensor, Problem, Transformer, base_notes,
};

use super::{
    DESCRIPTION, Description, FORMAT, HERE, PresetForm, WEIGHTS, hash_of_other, place_of_other,
};
use crate::backbone::Backbone;
use crate::cache_settings::CacheSettings;
use crate::error::{Error, Result};
use crate::network::Network;
use crate::several::{OtherBackbone, argument};
use crate::spec::{Model, TaskSpec};

impl Model {
    /// The same with a head of the family's own kind, which the reference library reads, where the family has one that computes what the
    /// task's own does.
    #[must_use]
    pub fn with_family_head(self) -> Self {
        let Self { spec, network } = self;
        let head: &dyn Any = network.head();
        let head = head.downcast_ref::<AdapterHead>();
        let Some(head) = head.and_then(|head| spec.checkpoint.as_family_head(head)) else {
            return Self { spec, network };
        };
        let mut spec = TaskSpec::clone(&spec);
        spec.task.use_checkpoint_head();
        Self {
            spec: Arc::new(spec),
            network: network.with_head(BoxedHead::new(head)),
        }
    }

    /// What libraries such as transformers make of the folder of a model whose head classifies or gives numbers.
    pub fn read_elsewhere(&self, form: PresetForm) -> Option<String> {
        let Self { spec, network } = self;
        let kind = network.head_kind();
        spec.own_labels(kind).1?;
        let class = spec.checkpoint.architecture(kind);
        let (library, whole) = match form {
            PresetForm::Adapter => ("PEFT opens it", "with its updates"),
            _ => ("transformers opens it", "with its weights"),
        };
        if kind == HeadKind::Adapter {
            return Some(format!(
                "the head stays engraft's own (adapter.*): {library} as {class} {whole}, without the head, and config.json names the outputs"
            ));
        }
        let deviations = spec.objective.learned().deviations;
        let scaled = deviations
            .iter()
            .flatten()
            .any(|deviation| *deviation != 1.0);
        let units = if scaled {
            "; there its outputs have mean 0 and deviation 1, and engraft.yaml has those of the data"
        } else {
            ""
        };
        Some(format!(
            "{library} as {class} {whole}, its head and the names of its outputs{units}"
        ))
    }
}

impl TaskSpec {
    /// Writes the preset's files into `folder`, which exists: `config.json`, the weights, the tokenizer's files, `engraft.yaml`.
    ///
    /// Weights are in `model.safetensors`; the encoder opens in the reference library, and the head too where it is of the checkpoint's own
    /// kind. With LoRA there is a PEFT adapter beside them.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write_preset(&self, network: &Network, form: PresetForm, folder: &Path) -> Result<()> {
        let kind = network.head_kind();
        let is_small = self.leaves_encoder(network, form);
        let rests = network.head_rests();
        let head = if rests && is_small {
            // The base has it.
            Vec::new()
        } else {
            self.named_head(network)
        };
        let notes = match self.checkpoint.fingerprint() {
            Some(fingerprint) if is_small => {
                BTreeMap::from(base_notes(&self.base_name(), &fingerprint))
            }
            _ => BTreeMap::new(),
        };
        let is_adapted = network.is_adapted();
        if is_adapted {
            let trained = if rests { &[][..] } else { &head };
            self.write_adapter(network, is_small, trained, &notes, folder)?;
        }
        let mut notes = notes;
        notes.extend(self.frozen_beside(network, form));
        let mut tensors = Vec::new();
        if !is_small {
            let encoder = network.encoder();
            tensors.extend(self.checkpoint.named(encoder, HeadKind::None, kind));
            if let Some(decoder) = network.decoder() {
                let decoder = self.checkpoint.named(decoder, HeadKind::Decoder, kind);
                tensors.extend(decoder);
            }
            tensors.extend(self.checkpoint.named_constants(kind)?);
        }
        // PEFT keeps heads of the family's own kind beside its updates.
        if !(is_small && is_adapted && kind.is_familys()) {
            tensors.extend(head);
        }
        if !tensors.is_empty() {
            write_safetensors(
                &folder.join(WEIGHTS),
                tensors.into_iter().map(whole),
                &notes,
            )?;
        }

        let (problem, names) = self.own_labels(kind);
        let config = self.checkpoint.config_json(kind, problem, names.as_deref());
        write_json(&folder.join("config.json"), &config)?;
        if !is_small {
            for (name, bytes) in self.tokenizer.files() {
                atomic::write(&folder.join(name), &bytes)?;
            }
            for (name, bytes) in self.task.files(&self.checkpoint, &self.tokenizer)? {
                let file = folder.join(name);
                if let Some(inner) = file.parent() {
                    std::fs::create_dir_all(inner).map_err(|error| {
                        Error::plain(format!("cannot make {}: {error}", inner.display()))
                    })?;
                }
                atomic::write(&file, &bytes)?;
            }
        }
        for (other, slot) in self.others.iter().zip(self.task.others()) {
            if let Some(encoder) = network.towers().get(other.tower()) {
                let folder = folder.join(argument(other.number));
                write_other(other, slot.backbone(), encoder, form, &folder)?;
            }
        }
        let description = self.description(network, form);
        atomic::write(
            &folder.join(DESCRIPTION),
            to_yaml(&description.to_node()).as_bytes(),
        )?;
        Ok(())
    }

    /// Writes PEFT's two files; a head of the family's own kind goes with the updates.
    fn write_adapter(
        &self,
        network: &Network,
        is_small: bool,
        head: &[NamedTensor],
        notes: &BTreeMap<String, String>,
        folder: &Path,
    ) -> Result<()> {
        let kind = network.head_kind();
        let heads = match kind {
            HeadKind::MaskedLm => self
                .checkpoint
                .whole_masked_lm(head.to_vec(), network.encoder()),
            kind if kind.is_familys() => head.to_vec(),
            _ => Vec::new(),
        };
        let base = if is_small {
            self.base_name()
        } else {
            HERE.to_owned()
        };
        // PEFT knows repositories by their bare names.
        let base = base.strip_prefix("hf://").unwrap_or(&base);
        if let Some(config) = self.checkpoint.adapter_config(kind, base, &heads) {
            write_json(&folder.join(ADAPTER_CONFIG), &config)?;
        }
        let stacks = std::iter::once(network.encoder()).chain(network.decoder());
        let updates = stacks.flat_map(|stack| self.checkpoint.named_lora(stack, kind));
        let heads = heads.into_iter().map(Checkpoint::beside_lora);
        let tensors = updates.chain(heads).map(whole);
        write_safetensors(&folder.join(ADAPTER_WEIGHTS), tensors, notes)?;
        Ok(())
    }

    /// The head's tensors under the reference library's names, or ours.
    fn named_head(&self, network: &Network) -> Vec<NamedTensor> {
        let kind = network.head_kind();
        let mut head = self.checkpoint.named(network.head_parameters(), kind, kind);
        let own: &dyn Any = network.head();
        if let Some(own) = own.downcast_ref::<CausalLmHead>() {
            head.extend(self.checkpoint.named_logits_bias(own));
        }
        let is_tied = self.checkpoint.config().is_tied(kind);
        if kind == HeadKind::MaskedLm && !is_tied {
            // Without the tie a bias that has two names is two to the reference library.
            self.checkpoint.whole_masked_lm(head, network.encoder())
        } else {
            head
        }
    }

    /// Whether the encoder's weights are left out, being those of its preset.
    fn leaves_encoder(&self, network: &Network, form: PresetForm) -> bool {
        let backbone = self.task.backbone().backbone();
        leaves_weights(backbone, &self.checkpoint, network.is_adapted(), form)
    }

    fn base_name(&self) -> String {
        base_name(&self.checkpoint)
    }

    /// The hashes of the weights of backbones beside the first of which nothing is written.
    fn frozen_beside(&self, network: &Network, form: PresetForm) -> BTreeMap<String, String> {
        let others = self.others.iter().zip(self.task.others());
        let left_out = others.filter_map(|(other, slot)| {
            let encoder = network.towers().get(other.tower())?;
            let backbone = slot.backbone();
            if encoder.is_adapted() || !leaves_weights(backbone, &other.checkpoint, false, form) {
                return None;
            }
            Some((hash_of_other(other.number), other.checkpoint.fingerprint()?))
        });
        left_out.collect()
    }

    /// What a head is for that classifies or gives numbers, and the names these have in `config.json`.
    fn own_labels(&self, kind: HeadKind) -> (Problem, Option<Vec<String>>) {
        let is_classifier = matches!(
            kind,
            HeadKind::Classification | HeadKind::TokenClassification | HeadKind::Adapter
        );
        let (problem, names) = self.objective.problem();
        (problem, names.filter(|_| is_classifier))
    }

    fn description(&self, network: &Network, form: PresetForm) -> Description {
        let mut task = self.task.clone();
        let first = task.backbone_mut().backbone_mut();
        describe(first, HERE, &self.checkpoint, network.is_adapted(), form);
        for (other, slot) in self.others.iter().zip(task.others_mut()) {
            if let Some(encoder) = network.towers().get(other.tower()) {
                let place = place_of_other(other.number);
                describe(
                    slot.backbone_mut(),
                    &place,
                    &other.checkpoint,
                    encoder.is_adapted(),
                    form,
                );
            }
        }
        Description {
            format: FORMAT,
            engraft: env!("CARGO_PKG_VERSION").into(),
            task,
            learned: self.objective.learned(),
        }
    }
}

/// Whether the weights of a backbone are left out, being those of its preset.
fn leaves_weights(
    backbone: &Backbone,
    checkpoint: &Checkpoint,
    is_adapted: bool,
    form: PresetForm,
) -> bool {
    // An adapter that was added to the weights made them others.
    let is_same = is_adapted || !checkpoint.has_lora();
    let can = backbone.keeps_weights() && checkpoint.has_weights() && is_same;
    match form {
        PresetForm::AsTrained => can && backbone.save_peft_only,
        PresetForm::Adapter => can,
        PresetForm::Whole => false,
    }
}

/// The name under which a backbone's preset is found again, from wherever the program runs.
fn base_name(checkpoint: &Checkpoint) -> String {
    let preset = checkpoint.preset();
    let folder = preset.dir().filter(|_| !preset.name().starts_with("hf://"));
    let whole = folder.and_then(|folder| std::fs::canonicalize(folder).ok());
    whole.map_or_else(
        || preset.name().to_owned(),
        |folder| folder.display().to_string(),
    )
}

/// Makes of a backbone's arguments those that it is opened by again; `place` is where its files lie, as seen from the preset.
fn describe(
    backbone: &mut Backbone,
    place: &str,
    checkpoint: &Checkpoint,
    is_adapted: bool,
    form: PresetForm,
) {
    if leaves_weights(backbone, checkpoint, is_adapted, form) {
        backbone.preset = base_name(checkpoint);
    } else {
        backbone.preset = place.to_owned();
        // The overwrites are in the saved config.json.
        backbone.config_overwrites = None;
        // What goes on from this folder cannot rely on it to stay.
        backbone.save_peft_only = false;
    }
    // Where hidden states are kept is no part of a model; that it was trained on such, without dropout, is.
    backbone.cache = CacheSettings {
        enable_cache: backbone.cache.enable_cache,
        ..CacheSettings::default()
    };
    backbone.use_peft &= is_adapted;
    backbone.peft_path = is_adapted.then(|| place.to_owned());
    backbone.from_scratch = false;
}

/// Writes what belongs to a backbone beside the first; nothing if it is as its preset has it.
fn write_other(
    other: &OtherBackbone,
    backbone: &Backbone,
    encoder: &Transformer,
    form: PresetForm,
    folder: &Path,
) -> Result<()> {
    let checkpoint = &other.checkpoint;
    let is_small = leaves_weights(backbone, checkpoint, encoder.is_adapted(), form);
    if is_small && !encoder.is_adapted() {
        return Ok(());
    }
    std::fs::create_dir_all(folder)
        .map_err(|error| Error::plain(format!("cannot make {}: {error}", folder.display())))?;
    let kind = HeadKind::None;
    if encoder.is_adapted() {
        let name = base_name(checkpoint);
        let notes = match checkpoint.fingerprint() {
            Some(fingerprint) if is_small => BTreeMap::from(base_notes(&name, &fingerprint)),
            _ => BTreeMap::new(),
        };
        let base = if is_small { name.as_str() } else { HERE };
        let base = base.strip_prefix("hf://").unwrap_or(base);
        if let Some(config) = checkpoint.adapter_config(kind, base, &[]) {
            write_json(&folder.join(ADAPTER_CONFIG), &config)?;
        }
        let updates = checkpoint.named_lora(encoder, kind).into_iter().map(whole);
        write_safetensors(&folder.join(ADAPTER_WEIGHTS), updates, &notes)?;
    }
    if !is_small {
        let mut tensors = checkpoint.named(encoder, kind, kind);
        tensors.extend(checkpoint.named_constants(kind)?);
        let tensors = tensors.into_iter().map(whole);
        write_safetensors(&folder.join(WEIGHTS), tensors, &BTreeMap::new())?;
        for (name, bytes) in other.tokenizer.files() {
            atomic::write(&folder.join(name), &bytes)?;
        }
    }
    let config = checkpoint.config_json(kind, Problem::SingleLabel, None);
    write_json(&folder.join("config.json"), &config)
}

/// A tensor as a file holds it.
fn whole(tensor: NamedTensor) -> TensorToWrite<'static> {
    TensorToWrite {
        name: Cow::Owned(tensor.name),
        shape: tensor.shape,
        data: TensorData::F32(Cow::Owned(tensor.values)),
    }
}

fn write_json(path: &Path, object: &serde_json::Map<String, serde_json::Value>) -> Result<()> {
    let bytes = serde_json::to_vec_pretty(object)
        .map_err(|error| Error::plain(format!("{}: {error}", path.display())))?;
    atomic::write(path, &bytes)?;
    Ok(())
}
