//! Sequences with what is hidden in them filled in.
use engraft::DiffusionModel;
use engraft::prelude::*;

fn main() -> Result<(), Error> {
    let mut model = DiffusionModel::from_preset("sapiens_vh")?.build()?;
    let history = model.fit(["EVQLVESGGG", "QVQLQQWGAG"], Fit::default())?;
    println!("loss {:.3}: {:?}", history.last("loss")?, model.predict("EVQLVESGGG")?);
    Ok(())
}
