//! What stands at a mask, told a number of the sequence.
use engraft::ConditionalMaskedLm;
use engraft::prelude::*;

fn main() -> Result<(), Error> {
    let mut lm = ConditionalMaskedLm::from_preset("sapiens_vh")?.with(|task| task.condition_dim = 1).build()?;
    let rows = lm.examples((["EVQLVESGGG", "QVQLQQWGAG"], [0.1, 0.9]))?;
    let history = lm.fit(&rows, Fit::default())?;
    println!("loss {:.3}, {} rows", history.last("loss")?, lm.predict_examples(rows)?.len());
    Ok(())
}
