//! `engraft export`: a checkpoint without what only resuming needs, as a preset of its own.

use engraft_component::Refusal;
use engraft_run::{Error, LoraExport, Purpose};

use crate::arguments::lora_option;
use crate::failure::Failure;
use crate::interrupt;
use crate::opening::Opened;
use crate::teller::Teller;

pub(crate) fn run(words: &[String]) -> Result<(), Failure> {
    let mut teller = Teller::new(interrupt::STOPS);
    let opened = Opened::read(Purpose::Export, words, &mut teller)?;
    let output = opened.output.as_deref();
    let output = output
        .ok_or_else(|| Failure::refused("export requires --output DIR, the preset's folder"))?;
    let lora = opened.lora;
    let exported = opened.session.export(output, lora, &mut teller);
    exported.map_err(|error| match error {
        Error::Refused(refusal) => refused(refusal, lora),
        other => other.into(),
    })
}

/// What was refused, with the options that are meant.
fn refused(refusal: Refusal, lora: Option<LoraExport>) -> Failure {
    match (refusal.key.as_str(), lora) {
        ("lora", None) => Failure::refused(
            "export: the checkpoint has LoRA updates. Give --merge-lora to add them to the weights, or --peft for the adapter alone",
        ),
        ("lora", Some(form)) => {
            Failure::refused(format!("{}: {}", lora_option(form), refusal.problem))
        }
        ("ckpt_path", _) if refusal.is_missing() => {
            Failure::refused("export requires --ckpt_path DIR, the checkpoint to export, or last")
        }
        _ => refusal.into(),
    }
}
