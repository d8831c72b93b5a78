//! A number for each sequence.
use engraft::prelude::*;

fn main() -> Result<(), Error> {
    let mut regressor = Regressor::from_preset("sapiens_vh")?.build()?;
    regressor.fit((["EVQLVESGGG", "QVQLQQWGAG", "EVQLLESGGG"], [0.5, -1.0, 0.75]), Fit { epochs: 3, ..Fit::default() })?;
    println!("{:?}", regressor.predict("EVQLVESGGD")?);
    Ok(())
}
