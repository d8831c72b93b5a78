//! How much less likely a variant is than its reference.
use engraft::VariantScorer;
use engraft::prelude::*;

fn main() -> Result<(), Error> {
    let scorer = VariantScorer::from_preset("sapiens_vh")?.build()?;
    println!("{:?}", scorer.predict(("EVQLVESGGG", "EVQLVESGGD"))?);
    Ok(())
}
