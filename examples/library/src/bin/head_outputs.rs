//! The outputs of a checkpoint's own head.
use engraft::HeadOutputs;
use engraft::prelude::*;

fn main() -> Result<(), Error> {
    let model = HeadOutputs::from_preset("sapiens_vh")?.build()?;
    println!("{} tokens", model.predict("EVQLVE")?.len());
    Ok(())
}
