//! Checkpoint files (`.ckpt`) of ModelGenerator's runs, as Lightning writes them: which of their tensors are whose.
//!
//! A run's task keeps its encoder under `backbone.encoder`, the checkpoint's own head, where it is used, under `backbone.decoder`, and any
//! head under `adapter`. With PEFT the encoder's names begin with `base_model.model` and each adapted layer has its weight as `base_layer`
//! beside the two factors of its update. What the run did not train may be left out.

mod heads;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use engraft_component::Refusal;
use engraft_hub::{Renamed, Weights};

use crate::error::{Error, Result};
use crate::families::Family;
use crate::peft::{BASE_LAYER, BEGINS, FACTORS};

/// What a head's tensors begin with.
const HEAD: &str = "adapter.";

/// The two factors of an update, as the names of their tensors end here.
const NAMED_FACTORS: [&str; 2] = [".lora_A.default.weight", ".lora_B.default.weight"];

/// The mean and the deviation of the numbers that a run learned.
const SCALER: [&str; 2] = ["scaler._mean", "scaler._std"];

/// The probability from which on a run took pairs of bases.
const THRESHOLD: &str = "threshold";

/// How many names a message spells out.
const SHOWN: usize = 8;

/// A run's checkpoint file.
#[derive(Clone, Debug)]
pub struct RunFile {
    weights: Arc<Weights>,
}

/// What of a file's head is meant for a head of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadUse {
    /// The task uses the checkpoint's own head, of which that under `adapter` is a copy.
    pub is_checkpoints: bool,
    /// Of the last layer's outputs only the last is used, as heads on pairs do.
    pub takes_last_output: bool,
}

impl RunFile {
    /// Opens one; nothing in it is run.
    ///
    /// # Errors
    /// It cannot be read, is refused by the reader of such files, or holds no tensor of a run.
    pub fn open(path: &Path) -> Result<Self> {
        let weights = Weights::open_file(path).map_err(|error| match error {
            // It shows no sign of PyTorch.
            engraft_hub::Error::Weights {
                format: "safetensors",
                ..
            } => {
                let problem = format!(
                    "cannot use the checkpoint \"{}\": it is a file, but a checkpoint is a folder, or a .ckpt file of a ModelGenerator run",
                    path.display()
                );
                Refusal::plain(problem).into()
            }
            error => Error::from(error),
        })?;
        let weights = Arc::new(weights);
        let is_of_run = |name: &str| name.starts_with("backbone") || name.starts_with(HEAD);
        if weights.names().any(is_of_run) {
            return Ok(Self { weights });
        }
        let names: Vec<&str> = weights.names().collect();
        let problem = format!(
            "{} is no checkpoint of a ModelGenerator run: it has no tensors backbone.encoder.* or adapter.*, but {}",
            weights.label(),
            listed(&names)
        );
        let help =
            "Weights of a backbone lie in a folder with their config.json, named as model.backbone";
        Err(Refusal::plain(problem).help(help).into())
    }

    /// Its path.
    pub fn name(&self) -> &str {
        self.weights.label()
    }

    /// The mean and the deviation of the numbers that were learned, if they are kept.
    ///
    /// # Errors
    /// They are no finite numbers.
    pub fn scaler(&self) -> Result<Option<[f64; 2]>> {
        let [Some(mean), Some(deviation)] = SCALER.map(|name| self.weights.get(name)) else {
            return Ok(None);
        };
        match (mean.to_f32()?.as_slice(), deviation.to_f32()?.as_slice()) {
            (&[mean], &[deviation])
                if mean.is_finite() && deviation.is_finite() && deviation > 0.0 =>
            {
                Ok(Some([f64::from(mean), f64::from(deviation)]))
            }
            _ => {
                let problem = format!(
                    "{}: {} and {} are not a finite number and one above 0 each",
                    self.name(),
                    SCALER[0],
                    SCALER[1]
                );
                Err(Refusal::plain(problem).into())
            }
        }
    }

    /// The probability from which on pairs were taken, if it is kept.
    pub fn threshold(&self) -> Option<f64> {
        let threshold: f64 = self.weights.notes().get(THRESHOLD)?.parse().ok()?;
        Some(threshold).filter(|threshold| (0.0..=1.0).contains(threshold))
    }

    /// Whether it holds the encoder of backbone `number`, and not its updates alone.
    pub fn has_encoder(&self, number: usize) -> bool {
        self.encoder_names(number).next().is_some()
    }

    /// Whether it holds LoRA updates of the encoder of backbone `number`.
    pub fn has_updates(&self, number: usize) -> bool {
        !self.updates(number).is_empty()
    }

    /// The encoder's tensors by the names that `family` has for them beside a head.
    pub(crate) fn encoder(&self, number: usize, family: &Family) -> Weights {
        let names = self.encoder_names(number);
        let renamed = names.map(|(stored, bare)| Renamed {
            name: format!("{}{bare}", family.prefix),
            stored,
            rows: None,
        });
        self.weights.renamed(renamed)
    }

    /// The factors of the encoder's updates by the names that PEFT has for them.
    pub(crate) fn updates(&self, number: usize) -> Weights {
        let begins = within(number, "encoder");
        let names = self.weights.names().filter_map(|stored| {
            let module = stored.strip_prefix(&begins)?.strip_prefix(BEGINS)?;
            let mut ends = NAMED_FACTORS.iter().zip(FACTORS);
            let (module, factor) =
                ends.find_map(|(named, factor)| Some((module.strip_suffix(named)?, factor)))?;
            Some(Renamed {
                name: format!("{BEGINS}{module}{factor}"),
                stored,
                rows: None,
            })
        });
        self.weights.renamed(names)
    }

    /// The tensors of heads by our names and by those that `family` has for its own.
    pub fn heads(&self, family: &Family, of: HeadUse) -> Weights {
        let decoder = within(0, "decoder");
        let own = self.weights.names().filter_map(|stored| {
            let rest = stored.strip_prefix(&decoder)?;
            let (name, _) = of_family(family, rest)?;
            Some(Renamed {
                name,
                stored,
                rows: None,
            })
        });
        let mut heads: Vec<Renamed<'_>> = own.collect();
        // A task that uses the checkpoint's own head has it under both names, and an older one under this alone.
        if of.is_checkpoints {
            if heads.is_empty() {
                heads.extend(self.weights.names().filter_map(|stored| {
                    let (name, _) = of_family(family, stored.strip_prefix(HEAD)?)?;
                    Some(Renamed {
                        name,
                        stored,
                        rows: None,
                    })
                }));
            }
        } else {
            heads.extend(heads::renamed(&self.weights, family, of.takes_last_output));
        }
        self.weights.renamed(heads)
    }

    /// The names of the head's tensors.
    pub fn head_names(&self) -> impl Iterator<Item = &str> {
        self.weights.names().filter(|name| name.starts_with(HEAD))
    }

    /// Whether another tensor of the file has the same numbers, as one that is known by two names.
    pub fn repeats(&self, name: &str) -> bool {
        let Some(tensor) = self.weights.get(name) else {
            return false;
        };
        let mut others = self.weights.iter().filter(|it| it.name() != name);
        others.any(|other| other.equals(&tensor).unwrap_or(false))
    }

    /// The names of the head's tensors and their shapes, in words.
    pub fn shown_head(&self) -> String {
        let head = self.weights.iter().filter(|it| it.name().starts_with(HEAD));
        let head: Vec<String> = head
            .map(|it| format!("{} {:?}", it.name(), it.shape()))
            .collect();
        match head.as_slice() {
            [] => "no tensor adapter.*".to_owned(),
            head => listed(&head.iter().map(String::as_str).collect::<Vec<_>>()),
        }
    }

    /// The tensors that are of none of `backbones`, of no head, and not asked for by the methods above.
    pub fn others(&self, backbones: usize) -> Vec<&str> {
        let known: BTreeSet<&str> = (0..backbones)
            .flat_map(|number| {
                let (encoder, updates) = (within(number, "encoder"), self.updates(number));
                let of_updates: BTreeSet<String> =
                    updates.iter().map(|it| it.name().to_owned()).collect();
                self.weights.names().filter(move |name| {
                    let is_plain = name.starts_with(&encoder) && !is_beside_the_encoder(name);
                    is_plain || of_updates.contains(*name)
                })
            })
            .collect();
        let decoder = within(0, "decoder");
        let names = self.weights.names();
        names
            .filter(|name| {
                let is_head = name.starts_with(HEAD) || name.starts_with(&decoder);
                !is_head && !known.contains(name) && !SCALER.contains(name)
            })
            .collect()
    }

    /// The names of the encoder's own tensors: in the file, and in the reference library.
    fn encoder_names(&self, number: usize) -> impl Iterator<Item = (&str, String)> {
        let begins = within(number, "encoder");
        self.weights.names().filter_map(move |stored| {
            let rest = stored.strip_prefix(&begins)?;
            let bare = rest.strip_prefix(BEGINS).unwrap_or(rest);
            (!is_beside_the_encoder(bare)).then(|| (stored, bare.replacen(BASE_LAYER, "", 1)))
        })
    }
}

/// Whether a tensor under the encoder's name is what PEFT put beside the encoder's own.
fn is_beside_the_encoder(name: &str) -> bool {
    [".lora_", ".modules_to_save.", ".original_module."]
        .iter()
        .any(|part| name.contains(part))
}

/// What the names of a part of backbone `number` begin with.
fn within(number: usize, part: &str) -> String {
    match number {
        0 => format!("backbone.{part}."),
        number => format!("backbone{number}.{part}."),
    }
}

/// The name of a parameter of one of the family's own heads, given what follows the head's own; and our path of it.
fn of_family(family: &Family, rest: &str) -> Option<(String, String)> {
    let tables = [
        family.masked_lm,
        family.classification,
        family.token_classification,
    ];
    let mut entries = tables.into_iter().flatten();
    entries.find_map(|(ours, theirs)| {
        let theirs = theirs.trim_start_matches(['^', '!']);
        let root = theirs.split('.').next()?;
        let name = format!("{root}.{rest}");
        let suffix = name.strip_prefix(theirs)?;
        let fits = suffix.is_empty() || matches!(suffix, ".weight" | ".bias");
        fits.then(|| (name.clone(), format!("{ours}{suffix}")))
    })
}

/// A few of some names.
fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>();
    let more = names.len().saturating_sub(SHOWN);
    match (shown.is_empty(), more) {
        (true, _) => "none at all".to_owned(),
        (false, 0) => shown.join(", "),
        (false, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests;
