//! Putting a task on its backbone.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use engraft_component::{Choice, Refusal};
use engraft_data::{ClassWeight, Examples, Label, Labels};
use engraft_hub::Preset;
use engraft_kernels::Key;
use engraft_models::{
    Checkpoint, Compute, DECODER, HeadKind, Initial, RunFile, TOWERS, Tower, Towers, refuse,
};
use engraft_text::Tokenizer;

use crate::backbone::{Backbone, Cuts, TokensOf};
use crate::error::{Error, Result, place};
use crate::head_loading::HeadLoading;
use crate::learned::Learned;
use crate::network::Network;
use crate::objective::{Basis, Objective};
use crate::several::OtherBackbone;
use crate::spec::{Model, TaskSpec};
use crate::task::Task;

/// The stream of random draws that fresh weights come from.
const WEIGHTS: u64 = 0x57;

/// The branch of that stream for the encoder.
const ENCODER: u64 = 0xe0;

/// The branch beside it, and those of other backbones, for the decoder.
const DECODERS_BRANCH: u64 = 0x10;

/// The training rows, from which a model takes what nothing else says.
#[derive(Clone, Copy, Debug)]
pub struct TrainingRows<'a> {
    /// The rows, whose labels may name the classes.
    pub examples: &'a Examples,
    /// Other rows whose labels may name classes too: those that were held out of the same files, by folds or by a seed, so that which rows are held out does not decide the classes.
    pub others: [Option<&'a Examples>; 2],
    /// Whether numbers are learned with mean 0 and deviation 1 over the rows.
    pub normalize: bool,
    /// What each class weighs, where the data says so.
    pub class_weight: Option<&'a ClassWeight>,
}

impl<'a> TrainingRows<'a> {
    /// The rows alone.
    pub fn new(examples: &'a Examples) -> Self {
        Self {
            examples,
            others: [None; 2],
            normalize: false,
            class_weight: None,
        }
    }

    /// Refuses weights of classes for a task that has none to weigh.
    pub(crate) fn check(self, objective: &dyn Objective) -> Result<()> {
        match self.class_weight {
            Some(_) if !objective.weighs_classes() => Err(Error::refused(
                "data.class_weight",
                "classes are weighed only where a row, letter or word has one; remove it",
            )),
            _ => Ok(()),
        }
    }

    /// The error with the first row that has the label which it is about.
    pub(crate) fn located(self, error: Error) -> Error {
        let Error::Stray { label, refusal } = error else {
            return error;
        };
        let all = [Some(self.examples)].into_iter().chain(self.others);
        let found = all.flatten().find_map(|examples| {
            let labels = examples.labels.as_ref()?;
            let is_it = |other: &Label| other.to_string() == label;
            let row = match (labels.classes(), labels.tokens()) {
                (Some(classes), _) => classes.iter().position(is_it),
                (None, Some(rows)) => rows.iter().position(|row| row.iter().flatten().any(is_it)),
                (None, None) => None,
            };
            Some(place(examples, row?))
        });
        let problem = match found {
            Some(row) => format!(
                "{row}: the label {label:?} is no class: {}",
                refusal.problem
            ),
            None => refusal.problem.clone(),
        };
        Refusal {
            problem,
            ..*refusal
        }
        .into()
    }

    /// The labels of all rows that may name classes.
    pub(crate) fn naming<T: Clone>(
        self,
        labels: impl Fn(&'a Labels) -> Option<Vec<T>>,
    ) -> Option<Vec<T>> {
        let of = |examples: &'a Examples| labels(examples.labels.as_ref()?);
        let mut all = of(self.examples)?;
        all.extend(self.others.into_iter().flatten().filter_map(of).flatten());
        Some(all)
    }
}

/// How a model is built.
pub(crate) struct Building<'a> {
    /// What was learned of the training rows before, where the model is a saved one.
    pub(crate) learned: Option<&'a Learned>,
    /// The run's file that weights are taken from, where there is one.
    pub(crate) run: Option<&'a RunFile>,
    /// The training rows, where there are any.
    pub(crate) train: Option<TrainingRows<'a>>,
    /// Whether the head must be in the checkpoint.
    pub(crate) require_head: bool,
    /// What becomes of rows without a length that are too long.
    pub(crate) cuts: Cuts,
    /// Where the weights go.
    pub(crate) compute: &'a Compute,
    /// What decides fresh ones.
    pub(crate) seed: u64,
}

impl Model {
    /// Puts `task` on its backbone. `train` are the training rows, whose labels may name the classes; `seed` decides fresh weights.
    ///
    /// # Errors
    /// The backbone cannot be read, its weights do not fit, or the classes contradict each other.
    pub fn build(
        task: &Task,
        train: Option<TrainingRows<'_>>,
        compute: &Compute,
        seed: u64,
    ) -> Result<Self> {
        task.check()?;
        let backbone = task.backbone().backbone();
        backbone.check()?;
        let preset = Preset::from_name(backbone.preset_name());
        let preset = preset.map_err(|error| Refusal::of("model.backbone", error.to_string()))?;
        let checkpoint = backbone.open_preset(preset)?;
        let building = Building {
            learned: None,
            run: None,
            train,
            // Nothing is worth predicting by a head of the checkpoint's own kind that it does not have.
            require_head: train.is_none() && task.uses_checkpoint_head(),
            cuts: Cuts::No,
            compute,
            seed,
        };
        Self::on(task.clone(), checkpoint, building)
    }

    /// As [`Self::build`], on a preset that is already found, with what training rows would say decided by the caller; classes without names
    /// are called as the checkpoint calls its own, and rows without a length are cut to the positions that the model has.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn build_on(
        task: Task,
        preset: Preset,
        learned: Option<&Learned>,
        compute: &Compute,
        seed: u64,
    ) -> Result<Self> {
        task.check()?;
        let checkpoint = task.backbone().backbone().open_preset(preset)?;
        let learned = learned.cloned().map(|learned| Learned {
            labels: learned
                .labels
                .or_else(|| checkpoint.config().labels.clone()),
            ..learned
        });
        let building = Building {
            learned: learned.as_ref(),
            run: None,
            train: None,
            require_head: false,
            cuts: task.length_in_rust().map_or(Cuts::ToPositions, Cuts::To),
            compute,
            seed,
        };
        Self::on(task, checkpoint, building)
    }

    pub(crate) fn on(
        mut task: Task,
        checkpoint: Checkpoint,
        building: Building<'_>,
    ) -> Result<Self> {
        let Building {
            learned,
            run,
            train,
            require_head,
            cuts,
            compute,
            seed,
        } = building;
        task.check_backbone(&checkpoint)?;
        let tokenizer = preset_tokenizer(&checkpoint, task.backbone().backbone())?;
        task.check_length(&tokenizer, &checkpoint)?;
        task.settle(&checkpoint)?;
        let backbone = task.backbone_mut().backbone_mut();
        backbone.settle_length(&checkpoint, cuts);
        if cuts != Cuts::No {
            task.cut_written(&checkpoint);
        }
        let tokenizer = task.tokenizer(tokenizer, &checkpoint)?;
        let others = OtherBackbone::open_all(task.others_mut(), run, cuts)?;
        let mut notes = checkpoint.notes();
        // A saved model was told so when it was made.
        if learned.is_none() {
            let own_head = task.uses_checkpoint_head();
            notes.extend(task.backbone().backbone().notes(&checkpoint, own_head));
        }
        notes.extend(others.iter().flat_map(|other| other.checkpoint.notes()));
        notes.extend(task.notes(&checkpoint)?);
        let objective = task.objective(&Basis {
            checkpoint: &checkpoint,
            tokenizer: &tokenizer,
            others: &others,
            learned,
            train,
        })?;
        let mut backbones = task.backbones().into_iter();
        if !objective.reads_alignments() && backbones.any(|slot| slot.backbone().enable_rag) {
            let problem = format!(
                "true, but {} reads sequences alone, without what is aligned with them",
                task.name()
            );
            let refusal = refuse("enable_rag", problem).help("Remove it");
            return Err(refusal.into());
        }
        if let Some(train) = train {
            train.check(&*objective)?;
            // Before any weight is read.
            let spec = TaskSpec {
                task: task.clone(),
                checkpoint: checkpoint.clone(),
                tokenizer: tokenizer.clone(),
                others: others.clone(),
                objective: Arc::clone(&objective),
                notes: Vec::new(),
                compiled: None,
            };
            spec.check_known(train.examples)?;
        }
        let initial = Initial {
            device: compute.device.clone(),
            key: Key::new(seed).with(WEIGHTS),
        };
        // The encoder draws from a branch of its own, so that no weight of it repeats one of the head. It is read first: where neither
        // fits, the encoder is what is wrong.
        let mut towers = Towers::one(checkpoint.encoder(&initial.at(ENCODER))?);
        for other in &others {
            let draws = initial.at(ENCODER + other.number as u64);
            towers = towers.with(Tower {
                name: other.tower(),
                transformer: other.encoder(&draws)?,
            });
        }
        let head = task.head(&HeadLoading {
            checkpoint: &checkpoint,
            others: &others,
            tokenizer: &tokenizer,
            outputs: objective.outputs(),
            required: require_head,
            is_trained: train.is_some(),
            initial: &initial,
        })?;
        let mut network = Network::new(towers, head, compute);
        // The families' own heads on sequences stand on it too.
        let uses_decoder = task.uses_decoder() || network.head_kind() == HeadKind::Classification;
        if let Some(decoder) = checkpoint
            .config()
            .decoder
            .as_ref()
            .filter(|_| uses_decoder)
        {
            let draws = initial.at(ENCODER + DECODERS_BRANCH);
            network = network.with_decoder(checkpoint.decoder(&draws)?, decoder.start);
        }
        if task.backbone().backbone().use_peft && !network.is_adapted() {
            let problem = format!(
                "true, but the adapter has updates only of the other stack of {}, which {} does not run",
                checkpoint.preset().name(),
                task.name()
            );
            let refusal = refuse("use_peft", problem).help("Remove it, or give another adapter");
            return Err(refusal.into());
        }
        for (slot, tower) in task.backbones().into_iter().zip(TOWERS) {
            if slot.backbone().frozen {
                network = network.frozen(tower);
            }
        }
        if task.backbone().backbone().frozen {
            network = network.frozen(DECODER);
        }
        for tower in task.frozen_towers() {
            network = network.frozen(tower);
        }
        if network.head_rests() {
            network = network.with_resting_head();
        }
        let spec = TaskSpec {
            task,
            checkpoint,
            tokenizer,
            others,
            objective,
            notes,
            compiled: None,
        };
        Ok(Self {
            spec: Arc::new(spec),
            network: engraft_models::rounded(network, compute.dtype),
        })
    }
}

/// The files of a preset's tokenizer as KerasHub has it; none if its own are such already.
fn theirs(preset: &Preset, backbone: &Backbone) -> Result<Option<BTreeMap<String, Vec<u8>>>> {
    let refuse = |problem| Err(Error::refused("model.backbone.tokens", problem));
    if backbone.letters.is_some() {
        return refuse("letters and tokens cannot both say how texts are read".to_owned());
    }
    let files = preset.tokenizer_of_keras_hub()?;
    if files.is_none() && !preset.has_tokenizer_of_keras_hub()? {
        return refuse(format!(
            "{} is no preset of KerasHub; remove tokens",
            preset.name()
        ));
    }
    Ok(files)
}

/// Reads the preset's tokenizer as the backbone asks for, and checks it against the embedding.
///
/// # Errors
/// The preset has none, it has more tokens than the embedding has vectors, `letters` where it knows words, `tokens` where it is not KerasHub's or
/// beside `letters`.
pub fn preset_tokenizer(checkpoint: &Checkpoint, backbone: &Backbone) -> Result<Tokenizer> {
    let preset = checkpoint.preset();
    let replaced = match backbone.tokens {
        None => None,
        Some(TokensOf::KerasHub) => theirs(preset, backbone)?,
    };
    let read = |file: &str| match &replaced {
        Some(files) => Ok(files.get(file).cloned()),
        None => Ok(preset.read(file)?.map(Cow::into_owned)),
    };
    let tokenizer = Tokenizer::from_preset_files(&read, &checkpoint.config().json)
        .map_err(|error| error.located(|file| preset.locate(file)))?;
    tokenizer.check_vocab_size(checkpoint.config().transformer.vocabulary)?;
    let Some(policy) = backbone.letters else {
        return Ok(tokenizer);
    };
    let tokenizer = tokenizer.with_letters(policy);
    if tokenizer.letter_policy().is_none() {
        return Err(Error::refused(
            "model.backbone.letters",
            format!(
                "{} has no vocabulary of letters, so no letter is outside it; remove letters",
                preset.name()
            ),
        ));
    }
    Ok(tokenizer)
}
