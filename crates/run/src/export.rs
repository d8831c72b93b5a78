//! A checkpoint without what only resuming needs, as a preset of its own.

use std::fs;
use std::path::Path;

use engraft_component::{Mistake, NoteKind, Refusal};
use engraft_files::atomic::{self, Folder};
use engraft_tasks::{Model, Network, PresetForm, may_replace};
use engraft_train::{Event, Observer, Saved};

use crate::checkpoint::{KEY, is_file};
use crate::error::{Error, Result};
use crate::session::Session;
use crate::sources::{EXPERIMENT, data_in, data_of};
use crate::work::{Purpose, Work};

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
        self.work(Purpose::Export, observer, |work| work.export(output, lora))
    }
}

impl Work<'_> {
    fn export(&mut self, output: &Path, lora: Option<LoraExport>) -> Result<()> {
        let checkpoint = self.checkpoint()?.ok_or_else(|| {
            let owner = "export";
            let refusal = Refusal::of(
                KEY,
                "missing, export requires it: the checkpoint to export, or last",
            );
            refusal.of_kind(Mistake::Missing { owner })
        })?;
        let in_output = |error: &dyn std::error::Error| Error::of("output", error.to_string());
        may_replace(output).map_err(|error| in_output(&error))?;
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
        if let Some(text) = elsewhere {
            self.note(NoteKind::Model, text);
        }
        self.observer.event(Event::Saved {
            what: Saved::Preset,
            path: output,
        });
        Ok(())
    }
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
