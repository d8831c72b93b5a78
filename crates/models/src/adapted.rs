//! Putting LoRA on the encoder of a checkpoint: anew by the names of its layers, or as an adapter was saved.

use std::collections::BTreeSet;
use std::sync::Arc;

use engraft_component::Refusal;

use crate::checkpoint::{Checkpoint, with_gaps};
use crate::error::{Result, refuse};
use crate::expert_lora::module_of;
use crate::initial::Initial;
use crate::linears::Linears;
use crate::lora::LoraRule;
use crate::names::{HeadKind, Names};
use crate::peft::{LoraSettings, PeftFolder};
use crate::transformer::Transformer;

/// Where updates of experts are drawn, apart from those of other layers.
const EXPERTS: u64 = 1 << 32;

/// Where a LoRA adapter comes from.
#[derive(Clone)]
pub enum LoraOrigin {
    /// It starts anew.
    Fresh(LoraSettings),
    /// It was saved, and is trained on.
    Saved(Arc<PeftFolder>),
    /// It was saved, and is added to the weights.
    Merged(Arc<PeftFolder>),
}

/// Which of the transformers of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stack {
    /// The encoder, or a decoder that stands alone.
    Encoder,
    /// The decoder beside an encoder.
    Decoder,
}

impl Stack {
    fn other(self) -> Self {
        match self {
            Self::Encoder => Self::Decoder,
            Self::Decoder => Self::Encoder,
        }
    }
}

impl Checkpoint {
    /// The names of a stack's layers.
    fn names_of(&self, stack: Stack) -> Names {
        match stack {
            Stack::Encoder => Names::encoder(&self.config),
            Stack::Decoder => Names::decoder(&self.config),
        }
    }

    /// The linear layers of the stack beside, if there is one, with a gap for the number of the layer.
    fn layers_beside(&self, stack: Stack) -> Vec<&'static str> {
        let other = stack.other();
        let names = self.names_of(other);
        let layers = names.linear_layers();
        // Tables of both stacks are made of one pattern in some families.
        let layers = layers
            .filter(|(ours, _)| other == Stack::Decoder || !ours.contains(".encoder_attention."));
        layers.map(|(_, theirs)| theirs).collect()
    }

    /// Whether `settings` name layers of the other stack, so that a stack of which they name none is no mistake.
    fn covers_beside(&self, stack: Stack, settings: &LoraSettings) -> bool {
        let decoder = self.config.decoder.as_ref();
        let layers = match stack {
            Stack::Encoder => decoder.map_or(0, |decoder| decoder.transformer.layers),
            Stack::Decoder => self.config.transformer.layers,
        };
        let prefix = self.config.family.prefix;
        let modules = self.layers_beside(stack);
        modules.iter().any(|module| {
            (0..layers).any(|layer| {
                let module = module.replace("{}", &layer.to_string());
                settings.covers(&module) || settings.covers(&format!("{prefix}{module}"))
            })
        })
    }

    /// Puts fresh updates on the layers of a stack that `settings` name.
    pub(crate) fn adapt(
        &self,
        mut encoder: Transformer,
        stack: Stack,
        settings: &LoraSettings,
        initial: &Initial,
    ) -> Result<Transformer> {
        settings.rule.check()?;
        let names = self.names_of(stack);
        let mut known = BTreeSet::new();
        let mut found = false;
        for ((path, linear), part) in (&mut encoder).linears().into_iter().zip(0..) {
            let Some(module) = names.module(&path) else {
                continue;
            };
            if settings.covers(&module)
                || settings.covers(&format!("{}{module}", self.config.family.prefix))
            {
                linear.adapt(settings.rule, &initial.at(part));
                found = true;
            }
            known.insert(without_numbers(&module));
        }
        let experts = initial.at(EXPERTS);
        for ((path, linear), part) in encoder.expert_linears_mut().into_iter().zip(0..) {
            let Some(pattern) = names.module(&path) else {
                continue;
            };
            let [count, ..] = linear.shape();
            let is_covered = |expert: &usize| {
                let module = module_of(&pattern, *expert);
                settings.covers(&module)
                    || settings.covers(&format!("{}{module}", self.config.family.prefix))
            };
            let covered: Vec<usize> = (0..count).filter(is_covered).collect();
            if !covered.is_empty() {
                linear.adapt(covered, settings.rule, &experts.at(part));
                found = true;
            }
            known.insert(without_numbers(&module_of(&pattern, 0)));
        }
        if found || self.covers_beside(stack, settings) {
            return Ok(encoder);
        }
        let beside = self.layers_beside(stack).into_iter();
        known.extend(beside.map(without_numbers));
        let known: Vec<String> = known.into_iter().collect();
        if known.is_empty() {
            let problem = format!(
                "{} has no linear layer that could be adapted",
                self.preset.name()
            );
            return Err(refuse("use_peft", problem).help("Remove it").into());
        }
        let problem = format!(
            "{} matches no linear layer of {}: it has {}",
            settings.targets.join(", "),
            self.preset.name(),
            known.join(", ")
        );
        Err(refuse("lora_target_modules", problem)
            .help("Give a name or what follows its last dots")
            .into())
    }

    /// Puts the updates of a saved adapter on the layers of a stack that it names.
    pub(crate) fn restore(
        &self,
        mut encoder: Transformer,
        stack: Stack,
        folder: &PeftFolder,
        initial: &Initial,
    ) -> Result<Transformer> {
        let names = self.names_of(stack);
        let prefix = self.config.family.prefix;
        let mut left = folder.modules();
        for (path, linear) in (&mut encoder).linears() {
            let Some(module) = names.module(&path) else {
                continue;
            };
            let stored = [format!("{prefix}{module}"), module]
                .into_iter()
                .find(|module| left.remove(module.as_str()));
            let Some(module) = stored else { continue };
            if let Some((rule, factors)) = folder.update(&module, linear.shape())? {
                linear.restore(rule, factors, &initial.device);
            }
        }
        for (path, linear) in encoder.expert_linears_mut() {
            let Some(pattern) = names.module(&path) else {
                continue;
            };
            let [count, output, input] = linear.shape();
            let mut updates = Vec::new();
            let mut common: Option<LoraRule> = None;
            for expert in 0..count {
                let module = module_of(&pattern, expert);
                let stored = [format!("{prefix}{module}"), module]
                    .into_iter()
                    .find(|module| left.remove(module.as_str()));
                let Some(module) = stored else { continue };
                let Some((rule, factors)) = folder.update(&module, [output, input])? else {
                    continue;
                };
                if *common.get_or_insert(rule) != rule {
                    let problem = format!(
                        "the adapter {}: the update of {module} has another rank or scale than those of the layer's other experts, which is not supported",
                        folder.name()
                    );
                    return Err(Refusal::plain(problem).into());
                }
                updates.push((expert, factors));
            }
            if let Some(rule) = common {
                linear.restore(rule, updates, &initial.device);
            }
        }
        let is_beside = |module: &&str| self.is_in(stack.other(), module);
        let has_beside = left.iter().any(is_beside);
        let mut strange = left
            .iter()
            .filter(|module| !self.is_in_a_head(module) && !is_beside(module));
        if let Some(module) = strange.next() {
            return Err(folder.misfit(format!(
                "it has an update of {module:?}, which is no linear layer of {}",
                self.preset.name()
            )));
        }
        if !encoder.is_adapted() && !has_beside {
            return Err(folder.misfit("it has no update of any layer".to_owned()));
        }
        for name in folder.parameters() {
            if name.contains(".lora_embedding_") {
                let problem = format!(
                    "the adapter {} holds {name}, an update of the embeddings, which is not supported",
                    folder.name()
                );
                return Err(Refusal::plain(problem)
                    .help("Add it to the weights with PEFT's merge_and_unload, and open what that saves")
                    .into());
            }
            if !self.is_in_a_head(&name) && !self.is_in_any(&name) {
                let problem = format!(
                    "the adapter {} holds {name}, which is neither an update of a linear layer nor part of the model: not supported",
                    folder.name()
                );
                return Err(Refusal::plain(problem).into());
            }
        }
        Ok(encoder)
    }

    /// Refuses to train on an adapter beside whose updates other weights were trained: they would stay as they are, and not be saved again.
    ///
    /// # Errors
    /// It has such weights.
    pub(crate) fn check_trains_whole(&self, folder: &PeftFolder) -> Result<()> {
        let names = Names::head(self.config.family, HeadKind::CausalLm);
        let of_a_resting_head = |name: &str| {
            let modules = names.modules();
            modules
                .into_iter()
                .any(|module| name == format!("{module}.weight") || name == module)
        };
        let beside = folder
            .parameters()
            .find(|name| self.is_in_any(name) || of_a_resting_head(name));
        let updated = folder
            .modules()
            .into_iter()
            .find(|module| of_a_resting_head(module));
        let Some(name) = beside.or(updated.map(str::to_owned)) else {
            return Ok(());
        };
        let problem = format!(
            "the adapter {} holds {name} beside its updates (modules_to_save), which is not trained on here",
            folder.name()
        );
        Err(refuse("use_peft", problem)
            .help("Leave use_peft out: the adapter is then added to the weights")
            .into())
    }

    /// Whether a stack has a module, or a parameter, of this name.
    fn is_in(&self, stack: Stack, name: &str) -> bool {
        let family = self.config.family;
        let bare = name.strip_prefix(family.prefix).unwrap_or(name);
        let module = bare.strip_suffix(".weight").or(bare.strip_suffix(".bias"));
        let module = module.unwrap_or(bare);
        let mut tables = match stack {
            Stack::Encoder => family.encoder.iter(),
            Stack::Decoder => family.decoder.iter(),
        };
        tables.any(|table| table.iter().any(|(_, theirs)| fits(theirs, module)))
    }

    /// Whether any stack has.
    fn is_in_any(&self, name: &str) -> bool {
        self.is_in(Stack::Encoder, name) || self.is_in(Stack::Decoder, name)
    }

    /// Whether one of the family's heads has a module, or a parameter, of this name.
    fn is_in_a_head(&self, name: &str) -> bool {
        let mut kinds = HeadKind::OF_FAMILIES.into_iter();
        kinds.any(|kind| self.is_in_head(kind, name))
    }

    /// Whether the family's head of a kind has a module, or a parameter, of this name.
    pub(crate) fn is_in_head(&self, kind: HeadKind, name: &str) -> bool {
        let prefix = self.config.family.prefix;
        let bare = name.strip_prefix(prefix).unwrap_or(name);
        let modules = Names::head(self.config.family, kind).modules();
        modules.into_iter().any(|module| {
            let rest = bare.strip_prefix(module);
            rest.is_some_and(|rest| matches!(rest, "" | ".weight" | ".bias"))
        })
    }
}

/// Whether `module` is a name of `pattern`, in which `{}` stands for a number.
fn fits(pattern: &str, module: &str) -> bool {
    let parts = |name| str::split(name, '.');
    let is_part = |(pattern, part): (&str, &str)| {
        pattern == part || pattern == "{}" && part.parse::<usize>().is_ok()
    };
    let is_as_long = parts(pattern).count() == parts(module).count();
    is_as_long && parts(pattern).zip(parts(module)).all(is_part)
}

/// What tells a layer's parts apart: the name after its last number.
fn without_numbers(name: &str) -> String {
    let name = with_gaps(name);
    name.rsplit("{}.").next().unwrap_or(&name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_names_modules_of_every_number_in_its_gaps_alone() {
        let pattern = "decoder.block.{}.layer.1.EncDecAttention.q";
        assert!(fits(pattern, "decoder.block.11.layer.1.EncDecAttention.q"));
        for other in [
            "decoder.block.11.layer.0.EncDecAttention.q",
            "decoder.block.x.layer.1.EncDecAttention.q",
            "decoder.block.1.layer.1.EncDecAttention",
            "decoder.block.1.layer.1.EncDecAttention.q.weight",
        ] {
            assert!(!fits(pattern, other), "{other}");
        }
    }
}
