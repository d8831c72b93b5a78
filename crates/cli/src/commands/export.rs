//! `engraft export`: a checkpoint without what only resuming needs, as a preset of its own.

use engraft::convert::{Conversion, Format, SHARD};
use engraft_component::Refusal;
use engraft_run::{Error, LoraExport, Purpose};

use super::convert;
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
    let refused = |error| match error {
        Error::Refused(refusal) => refused(refusal, lora),
        other => other.into(),
    };
    let Some(to @ Format::Keras) = opened.to else {
        if opened.approximate {
            return Err(Failure::refused("--approximate: it goes with --to keras"));
        }
        let exported = opened.session.export(output, lora, &mut teller);
        return exported.map_err(refused);
    };
    if lora == Some(LoraExport::Adapter) {
        return Err(Failure::refused(
            "--peft: an adapter alone is written for PEFT. KerasHub takes the weights with its updates: --merge-lora",
        ));
    }
    let conversion = Conversion {
        to,
        approximate: opened.approximate,
        max_length: None,
        shard: SHARD,
    };
    let converted = opened
        .session
        .export_to(output, lora, conversion, &mut teller);
    convert::said(&converted.map_err(refused)?);
    Ok(())
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
