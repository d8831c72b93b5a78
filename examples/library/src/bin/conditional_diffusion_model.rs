//! The same, told a number of the sequence.
use engraft::ConditionalDiffusionModel;
use engraft::prelude::*;

fn main() -> Result<(), Error> {
    let builder = ConditionalDiffusionModel::from_preset("sapiens_vh")?;
    let mut model = builder.with(|task| task.condition_dim = 1).build()?;
    let rows = model.examples((["EVQLVESGGG", "QVQLQQWGAG"], [0.1, 0.9]))?;
    let history = model.fit(&rows, Fit::default())?;
    println!("loss {:.3}: {:?}", history.last("loss")?, model.predict_examples(rows)?);
    Ok(())
}
