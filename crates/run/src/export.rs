//! A checkpoint without what only resuming needs, as a preset of its own.

use std::fs;
use std::path::Path;

use engraft_component::{Mistake, NoteKind, Refusal};
use engraft_convert::{Conversion, Converted, convert, may_write};
use engraft_files::atomic::{self, Folder};
use engraft_hub::{Handle, Preset};
use engraft_tasks::{Model, Network, PresetForm, may_replace};
use engraft_train::{Event, Observer, Saved};

use crate::checkpoint::{KEY, is_file};
use crate::error::{Error, Result};
use crate::session::Session;
use crate::sources::{EXPERIMENT, data_in, data_of};
use crate::work::{Purpose, Work};

/// The folder in which a preset of ours lies until it is written in another format.
const OURS: &str = "preset";

/// What export makes of LoRA updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoraExport {
    /// They are added to the weights.
    Merged,
    /// They are written alone, as PEFT has them.
    Adapter,
}

impl Session {
    /// Writes the checkpoint `ckpt_path` as a preset into the folder `output`. What becomes of LoRA updates is to be said where it has some.
    ///
    /// # Errors
    /// What the user gave does not fit together, or the folder cannot be written.
    pub fn export(
        &self,
        output: &Path,
        lora: Option<LoraExport>,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        self.work(Purpose::Export, observer, |work| {
            may_replace(output).map_err(|error| in_output(&error))?;
            let (_, elsewhere) = work.export(output, lora)?;
            if let Some(text) = elsewhere {
                work.note(NoteKind::Model, text);
            }
            work.saved(output);
            Ok(())
        })
    }

    /// The same in another library's format. Without a length in `conversion`, texts are cut there to the tokens that they were cut to here.
    ///
    /// # Errors
    /// Those of [`Self::export`], and the other library has no class that holds the model.
    pub fn export_to(
        &self,
        output: &Path,
        lora: Option<LoraExport>,
        conversion: Conversion,
        observer: &mut dyn Observer,
    ) -> Result<Converted> {
        self.work(Purpose::Export, observer, |work| {
            may_write(output).map_err(|error| in_output(&error))?;
            let aside = Folder::create(output).map_err(|error| in_output(&error))?;
            let ours = aside.path().join(OURS);
            let (max_length, _) = work.export(&ours, lora)?;
            let preset = Preset::open(&Handle::Folder(ours)).map_err(|error| in_output(&error))?;
            let checkpoint = work.checkpoint()?.unwrap_or_default();
            let preset = preset.called(&checkpoint.display().to_string());
            let conversion = Conversion {
                max_length: conversion.max_length.or(max_length),
                ..conversion
            };
            let converted = convert(&preset, output, conversion)?;
            work.saved(output);
            Ok(converted)
        })
    }
}

impl Work<'_> {
    /// Says that a preset was written.
    fn saved(&mut self, path: &Path) {
        self.observer.event(Event::Saved {
            what: Saved::Preset,
            path,
        });
    }

    /// Writes a preset; gives the tokens that its texts are cut to, if they are, and what other libraries make of it.
    fn export(
        &mut self,
        output: &Path,
        lora: Option<LoraExport>,
    ) -> Result<(Option<usize>, Option<String>)> {
        let checkpoint = self.checkpoint()?.ok_or_else(|| {
            let owner = "export";
            let refusal = Refusal::of(
                KEY,
                "missing, export requires it: the checkpoint to export, or last",
            );
            refusal.of_kind(Mistake::Missing { owner })
        })?;
        let inside = |path: &Path| fs::canonicalize(path).ok();
        if inside(output).is_some() && inside(output) == inside(&checkpoint) {
            return Err(Error::of(
                "output",
                "the checkpoint itself cannot be its own export. Name another folder",
            ));
        }
        let folder = Folder::create(output).map_err(|error| in_output(&error))?;
        let model = self.open_checkpoint(&checkpoint, None)?.model;
        let Model { spec, network } = model.with_family_head();
        let (network, form) = form(network, lora)?;
        let model = Model { spec, network };
        let elsewhere = model.read_elsewhere(form);
        let Model { spec, network } = model;
        let max_length = spec.max_length();
        spec.write_preset(&network, form, folder.path())
            .map_err(Error::during)?;
        let data = if is_file(&checkpoint) {
            data_in(&self.session.composed.root)
        } else {
            data_of(&checkpoint)?
        };
        if let Some(data) = data {
            let file = folder.path().join(EXPERIMENT);
            atomic::write(&file, data.as_bytes()).map_err(Error::during)?;
        }
        folder.commit().map_err(Error::during)?;
        Ok((max_length, elsewhere))
    }
}

/// What is wrong with the folder to write.
fn in_output(error: &dyn std::error::Error) -> Error {
    Error::of("output", error.to_string())
}

/// How much is written, and of what: updates that are to be merged are.
fn form(network: Network, lora: Option<LoraExport>) -> Result<(Network, PresetForm)> {
    let adapted = network
        .towers()
        .iter()
        .find(|tower| tower.transformer.is_adapted());
    let is_adapted = adapted.is_some();
    match (lora, is_adapted) {
        (None, true) => {
            let problem = "the checkpoint has LoRA updates: say whether to add them to the weights, or to write the adapter alone";
            let owner = "export";
            let refusal = Refusal::of("lora", problem);
            Err(Error::Refused(refusal.of_kind(Mistake::Missing { owner })))
        }
        (None, false) => Ok((network, PresetForm::Whole)),
        (Some(LoraExport::Merged), true) => Ok((network.with_merged_lora(), PresetForm::Whole)),
        (Some(LoraExport::Adapter), true) => Ok((network, PresetForm::Adapter)),
        (Some(_), false) => Err(Error::of(
            "lora",
            "the checkpoint has no LoRA updates; leave it out",
        )),
    }
}
