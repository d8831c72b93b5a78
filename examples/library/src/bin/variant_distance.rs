//! How far a variant's hidden states are from its reference's.
use engraft::VariantDistance;
use engraft::prelude::*;

fn main() -> Result<(), Error> {
    let scorer = VariantDistance::from_preset("sapiens_vh")?.build()?;
    println!("{:?}", scorer.predict(("EVQLVESGGG", "EVQLVESGGD"))?);
    Ok(())
}
